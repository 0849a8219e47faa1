"""TURTLE: the labels that a linear classifier learns fastest.

Gadetsky, Jiang and Brbić, "Let Go of Your Labels with Unsupervised Transfer", ICML
2024, written from its equations (the first-order variant, cold starts).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

N_STEPS, N_INNER_STEPS = 1_500, 10
LEARNING_RATE = 0.01  # of both problems
BATCH_SIZE = 10_000
ENTROPY_WEIGHT = 10  # the gamma of the paper
ROW_LENGTH = 10


def turtle(X, n_clusters, seed):
    """Return labels.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d), or a list of such
        Features, of one space or of several. Rows are scaled to one length.
    n_clusters, seed : int
    """
    spaces = X if isinstance(X, list) else [X]
    spaces = [ROW_LENGTH * F.normalize(torch.from_numpy(space)) for space in spaces]
    generator = torch.Generator().manual_seed(seed)
    encoders = [TaskEncoder(space.shape[1], n_clusters, generator) for space in spaces]
    parameters = [p for encoder in encoders for p in encoder.parameters()]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)
    for _ in range(N_STEPS):
        batch = draw_batch(spaces, generator)
        task = label(encoders, batch)
        losses = [learn(rows, task.detach(), generator) for rows in batch]
        loss = sum((task * space_loss).sum(dim=1).mean() for space_loss in losses)
        loss = loss - ENTROPY_WEIGHT * entropy(task.mean(dim=0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return label(encoders, spaces).argmax(dim=1).numpy()


class TaskEncoder(torch.nn.Module):
    """A linear head, whose weights have their lengths and directions learnt apart."""

    def __init__(self, n_features: int, n_clusters: int, generator: torch.Generator):
        super().__init__()
        weight = draw_weight(n_features, n_clusters, generator)
        self.direction = torch.nn.Parameter(weight)
        self.length = torch.nn.Parameter(weight.norm(dim=1, keepdim=True))
        self.bias = torch.nn.Parameter(torch.zeros(n_clusters))

    def forward(self, rows: Tensor) -> Tensor:
        weight = F.normalize(self.direction) * self.length
        return F.linear(rows, weight, self.bias).softmax(dim=1)


def draw_weight(n_features, n_clusters, generator):
    uniform = 2 * torch.rand(n_clusters, n_features, generator=generator) - 1
    return uniform / n_features**0.5


def draw_batch(spaces, generator):
    """The same samples of each space; all of them where they are few."""
    n_samples = len(spaces[0])
    if n_samples <= BATCH_SIZE:
        return spaces
    chosen = torch.randperm(n_samples, generator=generator)[:BATCH_SIZE]
    return [space[chosen] for space in spaces]


def label(encoders, spaces):
    """The task: the probability of each cluster, the mean of what spaces say."""
    return sum(
        encoder(space) for encoder, space in zip(encoders, spaces, strict=True)
    ) / len(spaces)


@torch.no_grad()
def learn(rows, task, generator):
    """Train a classifier of the task; return its loss of each sample and cluster."""
    weight = draw_weight(rows.shape[1], task.shape[1], generator)
    bias = torch.zeros(task.shape[1])
    optimizer = torch.optim.Adam([weight, bias], LEARNING_RATE, fused=True)
    for _ in range(N_INNER_STEPS):
        errors = F.linear(rows, weight, bias).softmax(dim=1).sub_(task).div_(len(rows))
        weight.grad, bias.grad = errors.T @ rows, errors.sum(dim=0)
        optimizer.step()
    return -F.linear(rows, weight, bias).log_softmax(dim=1)


def entropy(shares: Tensor) -> Tensor:
    return -torch.special.xlogy(shares, shares).sum()
