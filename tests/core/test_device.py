"""Devices and number formats by name."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import sklearn_scan
from sklearn_scan.core.device import (
    autocast,
    place,
    resolve_device,
    resolve_precision,
    to_compute,
)
from sklearn_scan.core.sending import send

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [
        (True, True, "cuda"),
        (True, False, "cuda"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ],
)
def test_auto_prefers_cuda_then_mps_then_the_cpu(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["cpu", CPU])
def test_a_device_may_be_a_name_or_torchs_own(device):
    assert resolve_device(device) == CPU


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x", "meta", None, 1.5])
def test_what_is_no_device_is_an_error(device):
    message = (
        f"device must be 'auto' or a torch device .* got {re.escape(repr(device))}"
    )
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", torch.device("cuda")])
def test_an_absent_device_is_an_error(monkeypatch, device):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.mps.device_count", lambda: 0)
    with pytest.raises(ValueError, match=f"device='{device}' .* Use device='auto'"):
        resolve_device(device)


def test_the_index_of_a_device_is_checked(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="torch sees 2 cuda devices"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_precision_by_name(precision, dtype):
    assert resolve_precision(precision, CPU) == dtype


@pytest.mark.parametrize("precision", ["fp64", "float32", None, 16])
def test_unknown_precision_is_an_error(precision):
    with pytest.raises(ValueError, match=f"precision must be one of .*{precision}"):
        resolve_precision(precision, CPU)


@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("avx512", [True, False])
def test_auto_precision_on_the_cpu_asks_the_hardware(monkeypatch, amx, avx512):
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: avx512)
    expected = torch.bfloat16 if amx or avx512 else torch.float32
    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize("native", [True, False])
def test_auto_precision_on_cuda_takes_no_emulation(monkeypatch, native):
    def is_bf16_supported(including_emulation=True):
        return native or including_emulation

    monkeypatch.setattr("torch.cuda.is_bf16_supported", is_bf16_supported)
    expected = torch.bfloat16 if native else torch.float32
    assert resolve_precision("auto", torch.device("cuda")) == expected


def test_auto_precision_elsewhere_is_float32():
    assert resolve_precision("auto", torch.device("mps")) == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_computes_in_the_format(dtype):
    with autocast(CPU, dtype):
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


def test_to_compute_keeps_the_weights():
    convolution = nn.Conv2d(3, 4, 3)
    before = convolution.weight.clone()
    module = to_compute(convolution, CPU)
    assert torch.equal(module.weight, before)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)


def test_data_on_the_cpu_are_placed_where_they_are():
    data = torch.arange(5)
    assert place(data, CPU) is data


@pytest.mark.parametrize(("free", "moved"), [(301, True), (299, False)])
def test_data_are_moved_to_a_gpu_that_keeps_most_of_its_memory(
    monkeypatch, free, moved
):
    data = torch.zeros(100, dtype=torch.uint8)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 10**9))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: "moved")
    placed = place(data, torch.device("cuda"))
    assert placed is ("moved" if moved else data)


class Noting:
    """Notes how it is to be copied."""

    def to(self, device, dtype, *, non_blocking):
        return device.type, dtype, non_blocking


@pytest.mark.parametrize(("kind", "goes_on"), [("cuda", True), ("mps", False)])
def test_a_gpu_goes_on_unless_the_copy_could_go_wrong(kind, goes_on):
    sent = send(Noting(), torch.device(kind), torch.float32)
    assert sent == (kind, torch.float32, goes_on)


def test_tensors_are_sent_as_they_are():
    tensor = torch.arange(3)
    assert send(tensor, CPU) is tensor
    assert send(tensor, torch.device("meta"), torch.float16).dtype == torch.float16


def test_all_copies_that_do_not_wait_go_by_send():
    package = Path(sklearn_scan.__file__).parent
    files = [f for f in package.rglob("*.py") if "non_blocking" in f.read_text()]
    assert [file.relative_to(package).as_posix() for file in files] == [
        "core/sending.py"
    ]
