"""Speed of the views, against one image at a time with Pillow and torchvision.

512 photographs of 32 pixels. The plain way is what one would write by hand: a Dataset
that transforms a Pillow image, in a DataLoader with two workers, so that both sides
have two cores. (A loop in this process is reported as well.) The sides take turns, in
the same minute.

    python examples/benchmarks/augment.py

The bars: StrongViews and ColorViews at least 4 times the images a second of either
plain way; views that are as dark or bright, and as varied, as the plain ones.
"""

import argparse
import platform
import random
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from sklearn_scan.augment import ColorViews, StrongViews

SIDE, N_IMAGES, N_WORKERS, REPEATS = 32, 512, 2, 5
# Per worker and turn: enough that starting it does not count.
PLAIN_IMAGES = 4 * N_IMAGES


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
    (affine(lambda v, w, h: (1, v, 0, 0, 1, 0)), -0.1, 0.1),
    (affine(lambda v, w, h: (1, 0, 0, v, 1, 0)), -0.1, 0.1),
    (affine(lambda v, w, h: (1, 0, v * w, 0, 1, 0)), -0.1, 0.1),
    (affine(lambda v, w, h: (1, 0, 0, 0, 1, v * h)), -0.1, 0.1),
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


def plain_rate(images: list[Image.Image], view: Callable, n_workers: int) -> float:
    """Return the images a second of the plain way, after its workers have started."""
    loader = iter(DataLoader(PlainViews(images, view), 64, num_workers=n_workers))
    n_first = len(next(loader))
    start = time.perf_counter()
    n_images = sum(len(batch) for batch in loader)
    # The workers run ahead by two batches each while the first is waited for.
    ahead = 64 * (2 * n_workers - 1) if n_workers else 0
    assert n_first + n_images == PLAIN_IMAGES
    return (n_images - ahead) / (time.perf_counter() - start)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats

    random.seed(0)
    torch.manual_seed(0)
    arrays = make_images()
    pillow_images = [Image.fromarray(array) for array in arrays]
    images = torch.from_numpy(arrays).movedim(-1, 1).float().div(255).contiguous()
    print(f"{'views':12} {'ours':>9} {'2 workers':>10} {'loop':>8}   ratios")
    ratios = []
    for views, plain in ((StrongViews(), strong_view), (ColorViews(), color_view)):
        expected = torch.stack([plain(image) for image in pillow_images])
        assert_alike(views(images), expected)
        runs = [
            (
                batched_rate(images, views),
                plain_rate(pillow_images, plain, N_WORKERS),
                plain_rate(pillow_images, plain, 0),
            )
            for _ in range(repeats)
        ]
        ours, workers, loop = (statistics.median(rates) for rates in zip(*runs))
        ratios += [ours / workers, ours / loop]
        print(
            f"{type(views).__name__:12} {ours:9,.0f} {workers:10,.0f} {loop:8,.0f}   "
            f"{ours / workers:.1f}, {ours / loop:.1f}"
        )
    print(
        f"images a second; torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.processor() or platform.machine()}"
    )
    assert min(ratios) >= 4


if __name__ == "__main__":
    main()
