"""Each image goes through its own operations, whatever its neighbours do."""

import pytest
import torch
from augment_helpers import generator
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_scan.images.augment import ColorViews, StrongViews, WeakViews
from sklearn_scan.images.augment._draws import Draws
from sklearn_scan.images.augment._engine import Part, apply_rounds, make_round


def add(images, numbers):
    return images.add_(numbers.view(-1, 1, 1, 1))


def multiply(images, numbers):
    return images * numbers.view(-1, 1, 1, 1)  # new images


def one_by_one(images, rounds):
    """Apply the rounds in a loop over the images."""
    results = []
    for i, image in enumerate(images):
        result = image[None].clone()
        for operation, members, arguments in (
            part for parts in rounds for part in parts
        ):
            for place in (members == i).nonzero()[:, 0]:
                result = operation(result, arguments[place][None])
        results.append(result)
    return torch.cat(results)


def test_rounds_by_hand():
    images = torch.tensor([1.0, 2, 3, 4]).view(4, 1, 1, 1)
    choices = torch.tensor([[0, 1, 2, 0], [1, 0, 0, 2]])  # 2: none
    numbers = torch.tensor([[10.0, 20, 30, 40], [2, 3, 4, 5]])
    rounds = [
        make_round([add, multiply], *row) for row in zip(choices, numbers, strict=True)
    ]
    results = apply_rounds(images, rounds)
    assert results.flatten().tolist() == [(1 + 10) * 2, 2 * 20 + 3, 3 + 4, 4 + 40]
    assert images.flatten().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "rounds", [[], [[]], [[Part(add, torch.arange(0), torch.ones(0))]]]
)
def test_without_operations_the_images_are_copied(rounds):
    images = torch.rand(3, 1, 2, 2, generator=generator())
    results = apply_rounds(images, rounds)
    assert torch.equal(results, images)
    assert results.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("n_channels", [1, 3])
def test_strong_views_do_not_depend_on_the_neighbours(n_channels):
    images = torch.rand(60, n_channels, 12, 16, generator=generator())
    rounds = StrongViews()._draw_rounds(Draws(60, generator()), 12, 16)
    expected = one_by_one(images, rounds)
    torch.testing.assert_close(apply_rounds(images, rounds), expected)


def test_jitter_does_not_depend_on_the_neighbours():
    images = torch.rand(60, 3, 12, 16, generator=generator())
    rounds = ColorViews()._draw_jitter(Draws(60, generator()))
    expected = one_by_one(images, rounds)
    torch.testing.assert_close(apply_rounds(images, rounds), expected)


class Kernels(TorchDispatchMode):
    """Counts what would be launched on, or moved to, the device "meta"."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        result = function(*arguments, **(settings or {}))
        if isinstance(result, torch.Tensor) and result.device.type == "meta":
            self.count += not function.is_view
        return result


@pytest.mark.parametrize(
    ("views", "fewest", "most"),
    [(StrongViews(), 50, 450), (ColorViews(), 50, 450), (WeakViews(), 2, 20)],
    ids=["strong", "color", "weak"],
)
def test_nothing_waits_for_the_device(views, fewest, most):
    # A meta tensor has no numbers: to ask for one, as an .item() or a boolean index
    # does, raises. The generator is torch's global one.
    with torch.random.fork_rng(), Kernels() as kernels:
        torch.manual_seed(0)
        result = views(torch.empty(300, 3, 32, 32, device="meta"))
    assert result.shape == (300, 3, 32, 32)
    assert result.device.type == "meta"
    assert fewest <= kernels.count < most
