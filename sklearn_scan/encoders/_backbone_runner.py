"""Run a backbone: batches of images in, vectors out, in the memory there is."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_scan.core.device import autocast, is_out_of_memory
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.encoders.backbones import check_features
from sklearn_scan.exceptions import OutOfMemoryError

# Pixels, and images, in a batch. On a CPU the activations of more than about eight
# images of 224 pixels leave the cache, and are given back to the system and fetched
# anew for every layer: batches of 64 take twice the time for an image.
_MOST_PIXELS = {"cpu": 8 * 224**2, "cuda": 256 * 224**2, "other": 64 * 224**2}
_MOST_IMAGES = {"cpu": 128, "cuda": 1024, "other": 256}
_IMAGES_A_GIB = 16  # of 224 pixels: what a large backbone takes of a GPU's free memory


def suggest_batch_size(input_size: int, device: torch.device) -> int:
    """Return how many images of a size to embed at once."""
    kind = device.type if device.type in _MOST_PIXELS else "other"
    pixels = _MOST_PIXELS[kind]
    if kind == "cuda":  # a smaller card, or one in use
        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        pixels = min(pixels, int(free / 2**30 * _IMAGES_A_GIB * 224**2))
    return min(max(pixels // input_size**2, 1), _MOST_IMAGES[kind])


@torch.no_grad()
def ready_to_embed(module: nn.Module, device: torch.device) -> nn.Module:
    """Return a module in evaluation mode, on a device and channels-last."""
    # It is the module itself if it is so already, as a fitted encoder's is on the CPU.
    # Else it is a copy: the weights are copied once, straight to the device.
    copies: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        layout = torch.channels_last if tensor.ndim == 4 else torch.preserve_format
        moved = tensor.to(device, memory_format=layout)
        if moved is not tensor:
            if isinstance(tensor, nn.Parameter):
                moved = nn.Parameter(moved, requires_grad=False)
            copies[id(tensor)] = moved
    if copies or any(part.training for part in module.modules()):
        return copy.deepcopy(module, copies).eval()
    return module


@dataclass(eq=False)
class BackboneRunner:
    """Embed batches of images, and smaller batches where memory runs out."""

    module: nn.Module  # normalised images (b, 3, h, w) to features (b, embed_dim)
    preprocessing: Preprocessing
    device: torch.device
    dtype: torch.dtype  # to compute in; without `whole`, norms and softmax keep fp32
    batch_size: int  # the most images at once
    whole: bool = False

    def __post_init__(self) -> None:
        self.module = ready_to_embed(self.module, self.device)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed images (n, size, size, 3) as vectors (n, embed_dim)."""
        vectors: list[NDArray[np.float32]] = []
        done = 0
        while done < len(images):
            batch = images[done : done + self.batch_size]
            result = self._try(batch)
            if result is None:
                self._halve()
            else:
                vectors.append(result)
                done += len(batch)
        return np.concatenate(vectors)

    def _try(self, batch: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Embed a batch; return None if memory runs out."""
        try:
            vectors = self._embed(batch, self.dtype)
            if not np.isfinite(vectors).all():  # beyond the range of fp16, it may be
                vectors = self._embed(batch, torch.float32)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None  # without the error, whose traceback would hold memory
        return vectors

    @torch.inference_mode()
    def _embed(
        self, batch: NDArray[np.uint8], dtype: torch.dtype
    ) -> NDArray[np.float32]:
        images = torch.from_numpy(batch).to(self.device)
        pixels = self.preprocessing.normalize(images)
        if self.whole and dtype == self.dtype:
            features = self._whole(pixels.to(dtype))
        else:
            with autocast(self.device, dtype):
                features = self.module(pixels)
        vectors = check_features(features, len(images)).float().cpu().numpy()
        return np.asarray(vectors)

    @functools.cached_property
    def _whole(self) -> nn.Module:
        """A copy of the module in `dtype`, made for the first image."""
        return copy.deepcopy(self.module).to(self.dtype)

    def _halve(self) -> None:
        if self.batch_size == 1:
            raise OutOfMemoryError(
                Message(
                    "Memory on {} does not suffice to embed a single image: choose a "
                    "smaller model or a smaller {}, or {}.",
                    *(self.device, Setting("input_size"), Setting("device", "cpu")),
                )
            )
        self.batch_size //= 2
        warn(
            Message(
                "Memory ran out on {}: from here on {} images are embedded at once. "
                "Pass this {} to have it from the start.",
                *(self.device, self.batch_size),
                Setting("batch_size", of_encoder=True),
            ),
            RuntimeWarning,
        )
        if self.device.type != "cpu":
            torch.get_device_module(self.device).empty_cache()
