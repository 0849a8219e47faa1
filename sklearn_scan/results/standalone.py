"""A fitted clusterer as one network, which needs only torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_scan.core.device import to_compute
from sklearn_scan.encoders import Preprocessing, Trainable

__all__ = ["StandaloneModel"]

_SLACK = 1e-3  # resized floats may be this far outside [0, 1]


class StandaloneModel(nn.Module):
    """A network from pixels, or features, to the probability of each cluster.

    Its inputs are images (b, 3, s, s), with channels red, green and blue, as floats in
    [0, 1] or as uint8, where s is of `input_sizes`; or features (b, d), if it was
    fitted on features. For several encoders, or feature arrays, it takes a batch for
    each, in their order. It returns probabilities (b, n_clusters), which are those of
    `predict_proba` with `precision="fp32"`, but for rounding.

    Parameters
    ----------
    heads : nn.Module
        From the embedding (b, embed_dim) to logits (1, b, n_clusters).
    dims : sequence of int
        The number of columns of each encoder, or of each feature array.
    networks : sequence of Trainable or None
        The backbones, and the preprocessing of their images; None for features.
    cluster_names : sequence of str
        The name of each cluster.

    Attributes
    ----------
    preprocessings : list of Preprocessing
        The preprocessing of each network: `preprocessings[0].crop(image)` crops and
        resizes an image (h, w, 3) as the clusterer does. The module itself then
        subtracts the mean and divides by the deviation.
    input_sizes : list of int
        The side of each network's images, in pixels.
    cluster_names : list of str
        The name of each cluster.
    """

    def __init__(
        self,
        heads: nn.Module,
        dims: Sequence[int],
        networks: Sequence[Trainable] | None,
        cluster_names: Sequence[str],
    ) -> None:
        super().__init__()
        self.dims = list(dims)
        self.cluster_names = list(cluster_names)
        self.preprocessings = [each.preprocessing for each in networks or ()]
        self.input_sizes = [each.input_size for each in self.preprocessings]
        self.networks = nn.ModuleList(
            nn.Sequential(_Normalize(each.preprocessing), _own(each.module))
            for each in networks or ()
        )
        self.heads = _own(heads)
        self.eval()

    @property
    def takes_images(self) -> bool:
        """Whether the inputs are images, and not features."""
        return bool(self.input_sizes)

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of a sample of each input."""
        if self.takes_images:
            return [(3, size, size) for size in self.input_sizes]
        return [(dim,) for dim in self.dims]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the probabilities (b, n_clusters).

        Raises
        ------
        TypeError, ValueError
            If there is not one batch for each encoder or feature array, or one has a
            wrong shape, type or range.
        """
        # a compiler or an exporter runs the network without values to check
        traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        if not (traced or torch.compiler.is_compiling()):
            self._check(inputs)
        blocks = list(inputs)
        if self.takes_images:
            blocks = [
                network(images)
                for network, images in zip(self.networks, inputs, strict=True)
            ]
        embedding = torch.cat([block.float() for block in blocks], dim=1)
        return cast(Tensor, self.heads(embedding)[0].softmax(dim=1))

    def _check(self, inputs: Sequence[Tensor]) -> None:
        shapes = self.input_shapes
        kind = "images" if self.takes_images else "features"
        if len(inputs) != len(shapes):
            raise ValueError(
                f"The model takes {len(shapes)} batches of {kind}, one for each "
                f"encoder or feature array; got {len(inputs)}."
            )
        for batch, shape in zip(inputs, shapes, strict=True):
            if not isinstance(batch, Tensor):
                raise TypeError(
                    f"The {kind} must be a torch tensor; got {type(batch).__name__}."
                )
            if batch.shape[1:] != shape:
                expected = ", ".join(map(str, ("b", *shape)))
                raise ValueError(
                    f"The {kind} must have shape ({expected}); got "
                    f"{tuple(batch.shape)}."
                )
            if self.takes_images:
                _check_pixels(batch)


def _own(module: nn.Module) -> nn.Module:
    """Return a copy on the CPU, in float32."""
    return to_compute(copy.deepcopy(module).float(), torch.device("cpu"))


def _check_pixels(images: Tensor) -> None:
    """Raise if images are neither uint8 nor floats in [0, 1]."""
    if images.dtype == torch.uint8:
        return
    if not images.is_floating_point():
        raise TypeError(f"The images must be floats or uint8; got {images.dtype}.")
    if images.numel() and not (
        float(images.min()) >= -_SLACK and float(images.max()) <= 1 + _SLACK
    ):
        raise ValueError(
            "The images must have values in [0, 1], before any normalization; got "
            f"values from {float(images.min()):.3g} to {float(images.max()):.3g}."
        )


class _Normalize(nn.Module):
    """The normalisation of pixels for a backbone."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name))
            self.register_buffer(name, values.view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return images (b, 3, s, s), normalised."""
        pixels = images.float()
        if images.dtype == torch.uint8:
            pixels = pixels / 255
        normalized = (pixels - self.mean) / self.std
        return normalized.contiguous(memory_format=torch.channels_last)
