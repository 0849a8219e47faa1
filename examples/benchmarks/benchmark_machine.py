"""The machine and the versions that figures were measured with."""

import copy
import os
import platform

import numpy as np
import sklearn
import timm
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

import sklearn_scan
from sklearn_scan.core.device import resolve_device, resolve_precision


def describe_machine() -> dict:
    device = resolve_device("auto")
    is_gpu = device.type == "cuda"
    cpu = f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    modules = (torch, torchvision, timm, sklearn, np, sklearn_scan)
    return {
        "device": torch.cuda.get_device_name() if is_gpu else cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": str(resolve_precision("auto", device)),
        "python": platform.python_version(),
        "versions": {module.__name__: module.__version__ for module in modules},
    }


# Operations a second of the tensor cores, dense, in bf16, by NVIDIA's data sheets.
BF16_PEAKS = {"H100": 989e12, "H200": 989e12}


def bf16_peak() -> float | None:
    """Return the operations a second of the GPU that is used; None if not known."""
    device = describe_machine()["device"]
    return next((peak for name, peak in BF16_PEAKS.items() if name in device), None)


def training_flops(network, side: int) -> float:
    """Return the operations of a training step, per view of (3, side, side).

    They are thrice those of the forward pass: the backward pass makes two products for
    each of it, one for the gradient of what came in and one for that of the weights.
    """
    network = copy.deepcopy(network).cpu().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(2, 3, side, side))
    return 3 * counter.get_total_flops() / 2
