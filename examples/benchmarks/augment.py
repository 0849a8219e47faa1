"""Speed of the views, against one image at a time with Pillow and torchvision.

512 photographs of 32 pixels. The plain way is what one would write by hand: a Dataset
that transforms a Pillow image, in a DataLoader. Both sides get one core, then two (ours
as threads, the plain way as workers). They take turns, in the same minute, and the best
turn of each counts: other work on the machine only ever slows, and it slows threads
that wait for each other most.

    python examples/benchmarks/augment.py

The bars: StrongViews and ColorViews at least 4 times the images a second of the plain
way; views that are as bright, and as varied, as the plain ones.
"""

import argparse
import os
import platform
import random
import time
from collections.abc import Callable

# On a busy machine, OpenMP's threads would spend their time spinning for each other.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from sklearn_scan.images.augment import ColorViews, StrongViews

SIDE, N_IMAGES, N_CORES = 32, 512, 2
PLAIN_IMAGES = 2 * N_IMAGES  # in a turn


def affine(coefficients: Callable) -> Callable:
    return lambda image, v: image.transform(
        image.size, Image.Transform.AFFINE, coefficients(v, *image.size)
    )


OPERATIONS = [
    (lambda image, _: image, 0, 0),
    (lambda image, _: ImageOps.autocontrast(image), 0, 0),
    (lambda image, _: ImageOps.equalize(image), 0, 0),
    (lambda image, degrees: image.rotate(degrees), -30, 30),
    (ImageOps.solarize, 0, 256),
    (lambda image, factor: ImageEnhance.Color(image).enhance(factor), 0.05, 0.95),
    (lambda image, factor: ImageEnhance.Contrast(image).enhance(factor), 0.05, 0.95),
    (lambda image, factor: ImageEnhance.Brightness(image).enhance(factor), 0.05, 0.95),
    (lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor), 0.05, 0.95),
    (affine(lambda v, _w, _h: (1, v, 0, 0, 1, 0)), -0.1, 0.1),
    (affine(lambda v, _w, _h: (1, 0, 0, v, 1, 0)), -0.1, 0.1),
    (affine(lambda v, w, _h: (1, 0, v * w, 0, 1, 0)), -0.1, 0.1),
    (affine(lambda v, _w, h: (1, 0, 0, 0, 1, v * h)), -0.1, 0.1),
    (lambda image, bits: ImageOps.posterize(image, int(bits)), 4, 8),
]
TO_TENSOR = transforms.ToTensor()


def strong_view(image: Image.Image) -> Tensor:
    """Return a strong view, the plain way."""
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    for operation, low, high in random.choices(OPERATIONS, k=4):
        image = operation(image, random.uniform(low, high))
    side = random.randint(1, SIDE // 2)
    left, top = (random.randrange(SIDE) - side // 2 for _ in range(2))
    image = image.copy()
    image.paste((128, 128, 128), (left, top, left + side, top + side))
    return TO_TENSOR(image)


color_view = transforms.Compose(
    [
        transforms.RandomResizedCrop(SIDE, (0.2, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        transforms.RandomGrayscale(0.2),
        TO_TENSOR,
    ]
)


class PlainViews(Dataset):
    """The plain way: one view of one image at a time."""

    def __init__(self, images: list[Image.Image], view: Callable) -> None:
        self.images = images
        self.view = view

    def __len__(self) -> int:
        return PLAIN_IMAGES

    def __getitem__(self, i: int) -> Tensor:
        return self.view(self.images[i % len(self.images)])


def make_images() -> np.ndarray:
    """Return crops of photographs, uint8 (n, side, side, 3)."""
    rng = np.random.default_rng(0)
    photos = load_sample_images().images
    crops = []
    for i in range(N_IMAGES):
        photo = photos[i % len(photos)]
        y, x = (rng.integers(length - 3 * SIDE) for length in photo.shape[:2])
        crops.append(photo[y : y + 3 * SIDE : 3, x : x + 3 * SIDE : 3])
    return np.stack(crops)


def plain_rate(images: list[Image.Image], view: Callable, n_cores: int) -> float:
    """Return the images a second of the plain way."""
    # One core needs no worker; the batches need not be moved, then.
    n_workers = n_cores if n_cores > 1 else 0
    loader = iter(DataLoader(PlainViews(images, view), 64, num_workers=n_workers))
    next(loader)  # The time that workers take to start does not count against them.
    start = time.perf_counter()
    n_images = sum(len(batch) for batch in loader)
    return n_images / (time.perf_counter() - start)


def batched_rate(images: Tensor, views: Callable[[Tensor], Tensor]) -> float:
    """Return the images a second of ours, over four batches."""
    start = time.perf_counter()
    for _ in range(4):
        views(images)
    return 4 * len(images) / (time.perf_counter() - start)


def assert_alike(ours: Tensor, plain: Tensor) -> None:
    """Check that brightness, and how much it varies, agree within a tenth."""
    for statistic in (torch.mean, torch.std):
        ratio = statistic(ours) / statistic(plain)
        assert 0.9 < ratio < 1.1, f"{statistic.__name__}: {ratio:.3f}"


def compare(
    views: Callable[[Tensor], Tensor], plain: Callable, arrays: np.ndarray, repeats: int
) -> float:
    """Print a row for one core and one for two; return the ratio at two."""
    pillow_images = [Image.fromarray(array) for array in arrays]
    images = torch.from_numpy(arrays).movedim(-1, 1).float().div(255).contiguous()
    assert_alike(views(images), torch.stack([plain(image) for image in pillow_images]))
    ratio = 0.0
    for n_cores in range(1, N_CORES + 1):
        torch.set_num_threads(n_cores)
        turns = [
            (batched_rate(images, views), plain_rate(pillow_images, plain, n_cores))
            for _ in range(repeats)
        ]
        ours, theirs = map(max, zip(*turns, strict=True))
        ratio = ours / theirs
        name = type(views).__name__
        print(f"{name:12} {n_cores:5} {ours:9,.0f} {theirs:9,.0f} {ratio:7.1f}")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=8)
    repeats = parser.parse_args().repeats

    random.seed(0)
    torch.manual_seed(0)
    arrays = make_images()
    print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}")
    print(f"{'images/s':12} {'cores':>5} {'ours':>9} {'plain':>9} {'ratio':>7}")
    ratios = [
        compare(views, plain, arrays, repeats)
        for views, plain in ((StrongViews(), strong_view), (ColorViews(), color_view))
    ]
    assert min(ratios) >= 4


if __name__ == "__main__":
    main()
