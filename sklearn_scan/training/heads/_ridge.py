"""Linear heads in closed form: ridge regression to the clusters of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.rows import join_blocks, rows_at_once
from sklearn_scan.training.heads._base import Heads
from sklearn_scan.training.heads._linear import ClusterHeads

__all__ = [
    "count_shares",
    "fit_heads_to",
    "label_all",
    "linear_generalization",
    "start_heads_at",
]

# The logit that the regression aims at for a sample's cluster: heads begin decided, and
# can still change their mind.
_SCALE = 8.0
_RIDGE = 0.1  # for each sample
# Samples labelled at once, and the logits of all heads.
_LEAST_ROWS, _MOST_ROWS, _LOGITS = 2**8, 2**14, 2**23


def fit_heads_to(partitions: Tensor, features: Tensor, n_clusters: int) -> ClusterHeads:
    """Return heads whose logits are the ridge regression to each partition.

    Parameters
    ----------
    partitions : Tensor of int64, shape (n_heads, n)
        The cluster of each sample, for each head.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    n_clusters : int
        How many clusters a partition may have.
    """
    weight, _ = _regress(partitions, features, n_clusters)
    shares = count_shares(partitions, n_clusters)
    return ClusterHeads.from_weights(
        _SCALE * weight, _SCALE * (shares - 1 / n_clusters)
    )


def start_heads_at(
    partitions: Tensor, features: Tensor, n_clusters: int
) -> ClusterHeads:
    r"""Return heads that begin with the clusters of each partition, small ones too.

    Regression gives a cluster logits in proportion to its share of the samples: where
    features are fewer than clusters, small ones are nowhere the most probable. Here
    each weighs the same, and with the regularised covariance :math:`T` of the samples
    and the cluster's mean :math:`\mu_c` the logits are

    .. math:: \frac{s}{k} \left(\mu_c^\top T^{-1} z
              - \tfrac12 \mu_c^\top T^{-1} \mu_c\right)

    Parameters
    ----------
    partitions, features, n_clusters
        As for `fit_heads_to`, of which this is the same where all sizes are equal, but
        for the bias.
    """
    weight, sums = _regress(partitions, features, n_clusters)
    shares = count_shares(partitions, n_clusters).unsqueeze(2)
    a_sample = 1 / partitions.shape[1]
    weight = weight / (n_clusters * shares.clamp_min(a_sample))
    means = sums * a_sample / shares.clamp_min(a_sample)
    bias = -(weight * means).sum(dim=2) / 2
    # The means average to zero, so that some cluster's logit is at least its bias: an
    # empty one, of a lower bias, is nobody's.
    bias.masked_fill_(shares.squeeze(2) == 0, bias.min() - 1)
    return ClusterHeads.from_weights(_SCALE * weight, _SCALE * bias)


def _regress(
    partitions: Tensor, features: Tensor, n_clusters: int
) -> tuple[Tensor, Tensor]:
    """Return ridge regressions to clusters, and the sums of features in each."""
    n_samples, dim = features.shape
    products = features.T @ features
    products.diagonal().add_(_RIDGE * n_samples)
    sums = features.new_zeros(len(partitions), n_clusters, dim)
    for of_clusters, labels in zip(sums, partitions, strict=True):
        of_clusters.index_add_(0, labels, features)
    weight = torch.linalg.solve(products, sums.flatten(0, 1).T).T
    return weight.reshape(sums.shape), sums


def count_shares(partitions: Tensor, n_clusters: int) -> Tensor:
    """Return the share of the samples in each cluster, (n_partitions, n_clusters)."""
    counts = [labels.bincount(minlength=n_clusters) for labels in partitions]
    return torch.stack(counts).float() / partitions.shape[1]


@torch.no_grad()
def label_all(heads: Heads, features: Rows) -> Tensor:
    """Return the clusters that each head gives all samples, int64 (n_heads, n)."""
    n_logits = heads.n_heads * heads.n_clusters
    n_rows = rows_at_once(n_logits, _LOGITS, least=_LEAST_ROWS, most=_MOST_ROWS)
    blocks = (heads(rows).argmax(dim=2).T for rows in features.split(n_rows))
    return join_blocks(blocks, len(features)).T.contiguous()


def linear_generalization(partitions: Tensor, features: Tensor) -> Tensor:
    """Return the share of samples whose cluster a linear model finds from the others.

    Samples are halved; the model learns the clusters of each half, and is asked for
    those of the other.

    Parameters
    ----------
    partitions : Tensor of int64, shape (n_partitions, n)
        The cluster of each sample, for each partition.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.

    Returns
    -------
    Tensor of shape (n_partitions,)
        From 0 to 1; with n of 1, where there is nothing to learn from, 1.

    References
    ----------
    .. [1] A. Gadetsky, Y. Jiang, M. Brbic, "Let Go of Your Labels with Unsupervised
       Transfer" (TURTLE), ICML 2024: the generalisation of labels as their quality.
    """
    n_clusters = 1 + int(partitions.max())
    order = torch.randperm(len(features), generator=make_generator(0))
    halves = order.to(features.device).tensor_split(2)
    found = torch.zeros(len(partitions), device=features.device)
    for learnt, asked in (halves, halves[::-1]):
        if len(learnt) == 0:
            return torch.ones_like(found)
        heads = fit_heads_to(partitions[:, learnt], features[learnt], n_clusters)
        labels = label_all(heads, features[asked])
        found += (labels == partitions[:, asked]).sum(dim=1)
    return found / len(features)
