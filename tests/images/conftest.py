import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


@pytest.fixture
def paths(rgb, tmp_path):
    names = [str(tmp_path / f"{i}.png") for i in range(len(rgb))]
    for name, pixels in zip(names, rgb, strict=True):
        Image.fromarray(pixels).save(name)
    return names
