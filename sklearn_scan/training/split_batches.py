"""A network whose batches are split over the processes of a distributed run.

Each process has the whole batch, and the same weights. The network sees a part of it in
each, and its features are gathered. So heads and losses, queues and marginals are those
of the whole batch in every process, as without the others. On the way back, each
process sends the gradient of its own part through the network, and the gradients of the
weights are added up.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from sklearn_scan.core.random import random_state, set_random_state
from sklearn_scan.core.ranks import count_ranks, rank


@contextmanager
def split_batches(network: nn.Module) -> Iterator[None]:
    """Let a network see a part of each batch in each process, inside the block.

    With one process nothing changes. The weights become those of the process of rank 0.

    Parameters
    ----------
    network : nn.Module
        From batches (b, ...) to features (b, d). Where it has batch norms, in training
        they take the statistics of the whole batch.

    Raises
    ------
    ValueError
        In the block, if a batch has fewer samples than there are processes.
    """
    if count_ranks() == 1:
        yield
        return
    share_weights(network)
    with ExitStack() as stack:
        split = _Split()
        handles = [
            network.register_forward_pre_hook(split.take_part),
            network.register_forward_hook(split.gather),
        ]
        handles += [
            each.register_post_accumulate_grad_hook(_add_up)  # type: ignore[no-untyped-call]
            for each in network.parameters()
            if each.requires_grad
        ]
        for handle in handles:
            stack.callback(handle.remove)
        norms: list[Any] = [m for m in network.modules() if isinstance(m, _NORMS)]
        for norm in norms:
            stack.callback(setattr, norm, "__class__", type(norm))
            norm.__class__ = _gathered(type(norm))
        yield


def share_weights(module: nn.Module) -> None:
    """Let weights and buffers be those of the process of rank 0, if there are more."""
    if count_ranks() > 1:
        for tensor in (*module.parameters(), *module.buffers()):
            distributed.broadcast(tensor.data, src=0)


def copy_alone(network: nn.Module) -> nn.Module:
    """Return a copy that has nothing to do with other processes."""
    alone = copy.deepcopy(network)
    parts: list[Any] = [*alone.modules()]
    for module in parts:
        if isinstance(module, _GatheredNorm):
            module.__class__ = module.alone
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key, hook in [*hooks.items()]:
                if isinstance(getattr(hook, "__self__", None), _Split):
                    del hooks[key]
    return alone


class _Split:
    """The hooks of a network, which may call itself only one batch at a time."""

    _n_calls = 0

    def take_part(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return this process's part of a batch."""
        (batch,) = inputs
        self._n_samples = len(batch)
        if len(batch) < count_ranks():
            if not network.training:  # the end of the samples: all do all of it
                return batch
            raise ValueError(
                f"A batch of {len(batch)} cannot be split over {count_ranks()} "
                "processes: raise batch_size, or start fewer."
            )
        # What the network draws, as dropout does, is its own in each process. What is
        # drawn afterwards, such as views, is the same in all.
        self._random = random_state(batch.device)
        self._n_calls += 1
        torch.manual_seed(hash((torch.initial_seed(), self._n_calls, rank())))
        return batch.tensor_split(count_ranks())[rank()]

    def gather(self, _network: nn.Module, _inputs: Any, features: Tensor) -> Tensor:
        """Return the features of the whole batch."""
        if self._n_samples < count_ranks():
            return features
        set_random_state(self._random, features.device)
        gathered: Tensor = _Gather.apply(features, self._n_samples)
        return gathered


class _Gather(torch.autograd.Function):
    """The parts of all processes, one after the other."""

    @staticmethod
    def forward(_ctx: Any, part: Tensor, n_samples: int) -> Tensor:
        """Return the whole, (n_samples, ...)."""
        most = -(-n_samples // count_ranks())
        # parts are alike in size: the shorter ones get a row more on the way
        padded = torch.cat([part, part.new_zeros(most - len(part), *part.shape[1:])])
        parts = [torch.empty_like(padded) for _ in range(count_ranks())]
        distributed.all_gather(parts, padded)
        sizes = [len(each) for each in torch.arange(n_samples).tensor_split(len(parts))]
        return torch.cat([each[:n] for each, n in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of this process's part."""
        return gradient.tensor_split(count_ranks())[rank()], None


def _add_up(weight: Tensor) -> None:
    """Add up the gradients of a weight over the processes."""
    assert weight.grad is not None  # for mypy: it was just accumulated
    distributed.all_reduce(weight.grad)


class _Total(torch.autograd.Function):
    """The sum over the processes."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        """Return the sum."""
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient of what every process makes of the sum."""
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class _GatheredNorm(nn.Module):
    """What a batch norm of the whole batch does; its classes are lent to norms."""

    alone: type[Any]  # the class of the norm itself
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    momentum: float | None
    eps: float
    affine: bool
    weight: Tensor
    bias: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised inputs (b, c, ...)."""
        if not (self.training or self.running_mean is None):
            unchanged: Tensor = self.alone.forward(self, inputs)
            return unchanged
        values = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        axes = [0, *range(2, inputs.ndim)]
        shape = [1, -1, *[1] * (inputs.ndim - 2)]
        count = values.new_tensor(values.numel() / values.shape[1])
        distributed.all_reduce(count)
        mean = _Total.apply(values.sum(axes)) / count
        centered = values - mean.view(shape)
        variance = _Total.apply(centered.square().sum(axes)) / count
        if self.training:
            self._follow(mean.detach(), variance.detach(), float(count))
        result = centered * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        result = result.to(inputs.dtype)
        for name in ("drop", "act"):  # of timm's norms
            result = getattr(self, name, nn.Identity())(result)
        normalized: Tensor = result
        return normalized

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Take statistics into the running ones."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None  # for mypy: they come together
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:
            share = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1), share)


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TIMMS = "BatchNormAct2d"  # which activates what it has normalised


def _gathered(norm: type[Any]) -> type[Any]:
    """Return the class of a norm whose statistics are those of the whole batch."""
    if norm not in _NORMS and norm.__name__ != _TIMMS:
        raise TypeError(
            f"The batch norm {norm.__name__} cannot be trained by several processes: "
            "its statistics would be those of a part of the batch."
        )
    return type(f"Gathered{norm.__name__}", (_GatheredNorm, norm), {"alone": norm})
