"""The machine and the versions that figures were measured with."""

import os
import platform

import numpy as np
import sklearn
import timm
import torch
import torchvision

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
