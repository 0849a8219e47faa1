"""A batch norm of a batch that is split: that of the whole batch."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import distributed, nn

from sklearn_scan.training import split_batches


@pytest.fixture(autouse=True)
def one_process_of_a_group(tmp_path):
    """Be the only process of a group, whose sums are its own."""
    place = f"file://{tmp_path / 'rendezvous'}"
    distributed.init_process_group("gloo", place, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def gathered(norm):
    norm = copy.deepcopy(norm)
    norm.__class__ = split_batches._gathered(type(norm))
    return norm


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(3),
        nn.BatchNorm2d(3),
        nn.BatchNorm2d(3, momentum=None),
        nn.BatchNorm2d(3, affine=False),
        nn.BatchNorm2d(3, track_running_stats=False),
        BatchNormAct2d(3),
    ],
    ids=["rows", "maps", "all batches", "not affine", "no statistics", "timm"],
)
def test_a_norm_gives_what_torch_gives(norm, mean):
    torch.manual_seed(0)
    shape = (6, 3) if type(norm) is nn.BatchNorm1d else (6, 3, 4, 5)
    other = gathered(norm)
    for each in (norm, other):
        each.train()
    for _ in range(3):
        inputs = mean + torch.randn(shape)
        inputs.requires_grad_()
        alike = inputs.detach().clone().requires_grad_()
        outputs, found = norm(inputs), other(alike)
        torch.testing.assert_close(found, outputs, rtol=1e-3, atol=1e-3)
        weights = torch.randn(shape)
        (outputs * weights).sum().backward()
        (found * weights).sum().backward()
        torch.testing.assert_close(alike.grad, inputs.grad, rtol=1e-3, atol=1e-3)
    for each in (norm, other):
        each.eval()
    torch.testing.assert_close(other(inputs), norm(inputs), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(dict(other.state_dict()), dict(norm.state_dict()))


def test_norms_that_cannot_be_gathered_are_refused():
    with pytest.raises(TypeError, match="SyncBatchNorm cannot be trained by several"):
        split_batches._gathered(nn.SyncBatchNorm)


class Two:
    """Stands for a group of two processes, of which this is the first."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(split_batches, "count_ranks", lambda: 2)
        monkeypatch.setattr(split_batches, "rank", lambda: 0)
        monkeypatch.setattr(
            split_batches.distributed,
            "all_gather",
            lambda parts, part: [each.copy_(part) for each in parts],
        )


def test_a_network_sees_its_part_and_is_alone_again_afterwards(monkeypatch):
    Two(monkeypatch)
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    kinds, seen = [type(part) for part in network], []
    network[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    with split_batches.split_batches(network):
        batch = torch.randn(5, 2)
        masks = [network(batch) == 0 for _ in range(4)]
        assert seen == [3, 3, 3, 3]
        assert [len(mask) for mask in masks] == [5, 5, 5, 5]
        assert not all(torch.equal(mask, masks[0]) for mask in masks)
        alone = split_batches.copy_alone(network)
        with pytest.raises(ValueError, match="A batch of 1 cannot be split over 2"):
            network(torch.ones(1, 2))
    seen.clear()
    for each in (network, alone):
        assert [type(part) for part in each] == kinds
        each(torch.ones(5, 2))
    assert seen[0] == 5
