"""A fit that is stopped in the middle leaves nothing behind, and says what to do."""

import threading

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn
from tqdm.auto import tqdm

from sklearn_scan import GraphDegreeLinkage, ImageEncoder, SCANClusterer, SimCLR
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.exceptions import DeviceError, OutOfMemoryError

IMAGES = load_digits_images().images[:40]
FEATURES = IMAGES.reshape(40, -1).astype(np.float32)
MINING = "sklearn_scan.neighbors._mining.compare_all_pairs"
TRAINING = "sklearn_scan.training.loop.Loop.step"
READING = "sklearn_scan.images._loading.read_images"
OF_GPU = "CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA"


class MeanOfColumns(nn.Module):
    """A backbone without weights."""

    def forward(self, images):
        return images.mean(dim=(1, 2))


def make_clusterer():
    encoder = ImageEncoder(MeanOfColumns(), input_size=8)
    return SCANClusterer(
        3,
        encoder=encoder,
        finetune=False,
        max_epochs=1,
        random_state=0,
        verbose=1,
    )


def interrupt(monkeypatch, place, error):
    """Let a function raise; return its calls."""
    calls = []

    def stop(*_, **__):
        calls.append(place)
        raise error

    monkeypatch.setattr(place, stop)
    return calls


def threads():
    # tqdm's own one waits for the next bar
    return {t for t in threading.enumerate() if type(t).__name__ != "TMonitor"}


def check_nothing_is_left(clusterer, before):
    with pytest.raises(NotFittedError):
        clusterer.predict(IMAGES)
    assert threads() == before
    assert not [bar for bar in tqdm._instances if not bar.disable]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("place", [MINING, TRAINING, READING])
def test_ctrl_c_goes_out_and_leaves_nothing(monkeypatch, place):
    clusterer, before = make_clusterer(), threads()
    clusterer.fit(IMAGES)
    with monkeypatch.context() as patch:
        calls = interrupt(patch, place, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            clusterer.fit(IMAGES)
    assert calls
    check_nothing_is_left(clusterer, before)
    assert len(clusterer.fit(IMAGES).labels_) == len(IMAGES)


def test_ctrl_c_while_a_pretext_trains_leaves_the_random_state_alone(monkeypatch):
    clusterer = SCANClusterer(3, encoder=SimCLR(epochs=1), random_state=0)
    before, state = threads(), torch.get_rng_state()
    interrupt(monkeypatch, TRAINING, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        clusterer.fit(IMAGES)
    check_nothing_is_left(clusterer, before)
    assert torch.equal(torch.get_rng_state(), state)


def pretend_a_gpu(monkeypatch):
    monkeypatch.setattr("sklearn_scan.core.device._uses_device", lambda: True)


@pytest.mark.parametrize("place", [MINING, TRAINING])
@pytest.mark.parametrize(
    ("error", "named", "says"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), OutOfMemoryError, "CUDA out"),
        (MemoryError(), OutOfMemoryError, "MemoryError"),
        (RuntimeError(OF_GPU), DeviceError, "device-side assert triggered\\)"),
        (
            torch.AcceleratorError(OF_GPU),
            DeviceError,
            "device-side assert triggered\\)",
        ),
    ],
)
def test_errors_of_devices_say_what_to_do(monkeypatch, place, error, named, says):
    pretend_a_gpu(monkeypatch)
    clusterer, before = make_clusterer(), threads()
    interrupt(monkeypatch, place, error)
    with pytest.raises(named, match=f"{says}.* batch_size.* device='cpu'"):
        clusterer.fit(IMAGES)
    check_nothing_is_left(clusterer, before)


def test_an_error_of_memory_is_caught_by_either_name(monkeypatch):
    interrupt(monkeypatch, MINING, MemoryError())
    for kind in (MemoryError, RuntimeError):
        with pytest.raises(kind, match="Memory ran out"):
            GraphDegreeLinkage(3).fit(FEATURES)


def test_a_pretext_says_it_too(monkeypatch):
    pretend_a_gpu(monkeypatch)
    interrupt(monkeypatch, TRAINING, RuntimeError(OF_GPU))
    with pytest.raises(DeviceError, match="The device failed"):
        SimCLR(epochs=1).fit(IMAGES)


@pytest.mark.parametrize("text", ["sizes do not match", OF_GPU])
def test_other_errors_stay_as_they_are(monkeypatch, text):
    """The second one may be the user's own, of a process that uses the CPU alone."""
    monkeypatch.setattr("sklearn_scan.core.device._uses_device", lambda: False)
    interrupt(monkeypatch, TRAINING, RuntimeError(text))
    with pytest.raises(RuntimeError, match=f"^{text}$") as caught:
        make_clusterer().fit(IMAGES)
    assert not isinstance(caught.value, DeviceError)
