"""A hundred damaged images; `mutate_images.py` reads as many as one likes."""

import sys

import numpy as np
import pytest
from mutate_images import Child, make_cases, make_images, run

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the memory of a process is not known"
)
N_IMAGES = 36


def test_damaged_images_are_refused_or_read_right(monkeypatch):
    monkeypatch.setattr("mutate_images.FILE_SECONDS", 60)  # the machine may be busy
    outcome = run(N_IMAGES, seed=0)
    assert outcome.violations == []
    counts = outcome.counts.values()
    assert sum(sum(each.values()) for each in counts) == N_IMAGES
    # damage that a format does not notice, and damage that it does
    assert sum(each["read"] for each in counts) > N_IMAGES // 20
    assert sum(each["refused"] for each in counts) > N_IMAGES // 3


def test_the_images_are_the_same_for_a_seed():
    assert list(make_cases(30, seed=3)) == list(make_cases(30, seed=3))
    assert list(make_cases(30, seed=3)) != list(make_cases(30, seed=4))


def test_a_process_that_does_not_come_back_is_noticed_and_replaced(
    tmp_path, monkeypatch
):
    child = Child(str(tmp_path))
    sound = next(iter(make_images(np.random.default_rng(0)).values()))
    with monkeypatch.context() as patches:
        patches.setattr("mutate_images.FILE_SECONDS", 0)
        assert child.check(sound) == "took longer than 0 s"
    assert child.check(sound) == "read"
    child.end()
