"""Where to compute, and in which number format."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_scan.core.validation import check_option
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.exceptions import DeviceError, OutOfMemoryError

Module = TypeVar("Module", bound=nn.Module)

# Bytes. glibc maps each allocation of 32 MB or more by itself; the heap has room for
# the activations of a few large layers.
_ABOVE_HEAP = 31 * 2**20
_ROOM_BLOCK, _ROOM_BLOCKS = 16 * 2**20, 16
_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "alloc_failed")
_FAILED = ("cuda error", "cudnn error", "cublas error", "hip error", "mps error")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device to compute on; "auto" prefers CUDA, then MPS, then the CPU."""
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        resolved = torch.device(device)
        n_present = torch.get_device_module(resolved).device_count()
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            Message(
                "{} must be 'auto' or a torch device such as 'cpu' or 'cuda:0'; got "
                "{!r}.",
                *(Setting("device"), device),
            )
        ) from error
    if (resolved.index or 0) >= n_present:
        raise ValueError(
            Message(
                "{} was asked for, but torch sees {} {} devices here. Use {} or {}.",
                *(Setting("device", str(device)), n_present, resolved.type),
                *(Setting("device", "auto"), Setting("device", "cpu")),
            )
        )
    return resolved


def resolve_precision(
    precision: str, device: torch.device, *, delicate: bool = False
) -> torch.dtype:
    """Return the number format of a backbone's arithmetic on `device`."""
    # Of "auto": emulated bfloat16 is slower than float32, and for a delicate network
    # too coarse.
    check_option("precision", precision, ["auto", *_DTYPES])
    if precision != "auto":
        return _DTYPES[precision]
    if delicate:
        return torch.float16 if _multiplies_float16(device) else torch.float32
    return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32


def _multiplies_float16(device: torch.device) -> bool:
    if device.type == "cpu":
        try:
            capabilities = torch.cpu.get_capabilities()
        except AttributeError:  # of an older torch
            return False
        return any(capabilities.get(f"{kind}_fp16") for kind in ("amx", "avx512"))
    return device.type == "cuda"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # torch.cpu.get_capabilities, which is public, is missing from older torch
        return bool(
            torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        )
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context manager under which a backbone computes in `dtype`."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def to_compute(module: Module, device: torch.device) -> Module:
    """Move `module` to `device`, in the memory format that is fastest."""
    # memory_format is absent from the overloads that mypy sees.
    moved: Module = module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def place(data: Tensor, device: torch.device) -> Tensor:
    """Move training data to the device, if a third of its free memory holds them."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if data.nbytes > free / 3:
            return data
    return data.to(device)


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all that it was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that a device or the machine ran out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # the allocators of the CPU and of MPS raise a plain RuntimeError
    is_plain = isinstance(error, RuntimeError)
    return is_plain and any(words in str(error).lower() for words in _NO_MEMORY)


def is_device_failure(error: BaseException) -> bool:
    """Tell whether an error means that a device failed, or is gone."""
    if isinstance(error, torch.AcceleratorError):
        return True
    is_plain = isinstance(error, RuntimeError) and _uses_device()
    return is_plain and any(words in str(error).lower() for words in _FAILED)


def _uses_device() -> bool:
    """Tell whether this process may compute elsewhere than on the CPU."""
    has_begun: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return has_begun or torch.backends.mps.is_available()


@contextmanager
def device_errors() -> Iterator[None]:
    """Say what to do, should memory or a device fail inside the block."""
    try:
        yield
    except (OutOfMemoryError, DeviceError):  # which say it
        raise
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(_advise(_NO_MEMORY_LEFT, error)) from error
        if is_device_failure(error):
            raise DeviceError(_advise(_DEVICE_LOST, error)) from error
        raise


_NO_MEMORY_LEFT = (
    "Memory ran out ({}). Pass a smaller {}, fewer or smaller samples, or {}, if a GPU "
    "has too little. Nothing is fitted."
)
_DEVICE_LOST = (
    "The device failed ({}). PyTorch cannot use it again in this process: call fit in "
    "a new one and, if it fails again, with a smaller {} or {}. Nothing is fitted. If "
    "a checkpoint was given, the same call goes on where it stopped."
)


def _advise(template: str, error: Exception) -> Message:
    reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return Message(template, reason, Setting("batch_size"), Setting("device", "cpu"))


@contextmanager
def kept_heap() -> Iterator[None]:
    """Keep the C library from returning memory to the system inside the block."""
    # glibc returns the top of its heap when more than some 40 MB of it are free. A
    # network's activations lie there: every few layers their pages are returned, and
    # faulted in again, 1,500 faults an image, a quarter of MobileNetV2's time. A block
    # above them, never written to, keeps them in place and takes no memory. (After the
    # block, allocations below 31 MB still come from the heap.)
    if sys.platform != "linux":
        yield
        return
    # freed at once: from then on, allocations smaller than this come from the heap
    np.empty(_ABOVE_HEAP, np.uint8)
    *room, _top = [np.empty(_ROOM_BLOCK, np.uint8) for _ in range(_ROOM_BLOCKS + 1)]
    del room
    yield
