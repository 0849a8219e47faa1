"""Copies of tensors to the device that computes."""

from __future__ import annotations

import torch
from torch import Tensor


def send(
    tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None
) -> Tensor:
    """Return a tensor on the device, which goes on with its work while it comes."""
    # CUDA has copied a tensor that is not pinned before the call returns. A copy to MPS
    # reads it later, when its memory may be another's: numbers are silently wrong.
    return tensor.to(device, dtype, non_blocking=device.type != "mps")
