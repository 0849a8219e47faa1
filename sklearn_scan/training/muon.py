"""Muon: an optimiser whose steps of a matrix are as large in all its directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Of the momentum, and of the polynomial that brings singular values near one [1]_.
_MOMENTUM = 0.95
_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
# As many as that post takes for a small convolutional network; it takes 5 for language.
_N_ITERATIONS = 3
# Gradients of this size count as none: the steps of what learns no more come to an end.
_NOTHING = 1e-7
# So that an entry of a step is about as large as AdamW's, eq. 4 of [2]_.
_ADAMW_SIZE = 0.2
# AdamW's own, for parameters that are no matrices.
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal for matrices; AdamW for biases and norms.

    Parameters of two dimensions or more are matrices, with a row for each of the first:
    so the weights of a convolution have one for each output. The singular values of the
    momentum are brought near one. So directions with small gradients are learnt as fast
    as those with large ones. A step is scaled so that matrices and other parameters
    share one learning rate. `OneCycleLR` changes the momentum of the others only.

    Parameters
    ----------
    parameters : iterable of nn.Parameter, or of dict
        What is trained, as for `torch.optim.AdamW`.
    lr, weight_decay : float
        The learning rate, and the decoupled weight decay.

    References
    ----------
    .. [1] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
       2024, https://kellerjordan.github.io/posts/muon.
    .. [2] J. Liu et al., "Muon is Scalable for LLM Training", 2025, arXiv:2502.16982.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Conv2d(3, 8, 3)
    >>> muon = Muon(layer.parameters(), lr=1e-2, weight_decay=0.0)
    >>> before = layer.weight.detach().clone()
    >>> layer(torch.ones(2, 3, 8, 8)).sum().backward()
    >>> muon.step()
    >>> bool((layer.weight != before).any())
    True
    """

    def __init__(self, parameters: Any, lr: float, *, weight_decay: float) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "betas": _BETAS}
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters along their gradients; return the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if parameter.ndim >= 2:
                    direction = _matrix_step(parameter.grad, state)
                else:
                    direction = _adamw_step(parameter.grad, state, group["betas"])
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(direction, alpha=-group["lr"])
        return loss


def _matrix_step(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """Return a step of a matrix for a learning rate of one; the state is changed."""
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    momentum: Tensor = state["momentum"]
    momentum.lerp_(gradient, 1 - _MOMENTUM)
    ahead = gradient.lerp(momentum, _MOMENTUM)  # Nesterov's
    direction = orthogonalize(ahead.flatten(1))
    size: float = _ADAMW_SIZE * max(direction.shape) ** 0.5
    return size * direction.view_as(gradient)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return a matrix (m, n) with its singular vectors, and singular values near one.

    Without a decomposition: an odd polynomial of the matrix, applied some times.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    turned: Tensor = matrix.T if is_tall else matrix
    turned = turned / (turned.norm() + _NOTHING)
    a, b, c = _POLYNOMIAL
    for _ in range(_N_ITERATIONS):
        gram = turned @ turned.T
        turned = a * turned + (b * gram + c * gram @ gram) @ turned
    return turned.T if is_tall else turned


def _adamw_step(
    gradient: Tensor, state: dict[str, Any], betas: tuple[float, float]
) -> Tensor:
    """Return AdamW's step for a learning rate of one; the state is changed."""
    if not state:
        state |= {"n_steps": 0, "mean": torch.zeros_like(gradient)}
        state["square"] = torch.zeros_like(gradient)
    # counted on the host, which need not wait for the device
    state["n_steps"] += 1
    state["mean"].lerp_(gradient, 1 - betas[0])
    state["square"].lerp_(gradient.square(), 1 - betas[1])
    known = [1 - beta ** state["n_steps"] for beta in betas]
    root: Tensor = (state["square"] / known[1]).sqrt() + _EPSILON
    mean: Tensor = state["mean"] / known[0]
    return mean / root
