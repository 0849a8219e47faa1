"""Linear heads in closed form: ridge regression to the clusters of samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.rows import join_blocks, rows_at_once
from sklearn_scan.training.heads._base import Heads
from sklearn_scan.training.heads._linear import ClusterHeads

# A regression to 0 and 1 times this, and the logarithm of the number of clusters, are
# the logits: probabilities of one cluster against all others begin near 0 and 1, and
# can still change in training.
_START_SCALE = 8.0
_RIDGE = 0.1  # times the number of samples
# Samples labelled at once, and the logits of all heads.
_LEAST_ROWS, _MOST_ROWS, _LOGITS = 2**8, 2**14, 2**23


def _start_temperature(n_clusters: int) -> float:
    """Return what divides a regression to clusters, to be logits."""
    return 1 / (_START_SCALE + math.log(n_clusters))


def fit_heads_to(partitions: Tensor, features: Tensor, n_clusters: int) -> ClusterHeads:
    """Return heads whose logits are the ridge regression to each partition."""
    weight, _ = _regress(partitions, features, n_clusters)
    bias = count_shares(partitions, n_clusters) - 1 / n_clusters
    temperature = _start_temperature(n_clusters)
    return ClusterHeads.from_weights(weight / temperature, bias / temperature)


def start_heads_at(
    partitions: Tensor,
    features: Tensor,
    n_clusters: int,
    temperature: float | None = None,
) -> ClusterHeads:
    r"""Return heads that begin at each partition, also at its small clusters.

    Regression gives a cluster logits in proportion to its share of the samples: with
    fewer features than clusters, small clusters are nowhere the most probable. Here all
    clusters have equal weight. With the regularised covariance :math:`T` of the samples
    and the mean :math:`\mu_c` of a cluster the logits are

    .. math:: \frac{1}{\tau k} \left(\mu_c^\top T^{-1} z
              - \tfrac12 \mu_c^\top T^{-1} \mu_c\right)

    Parameters
    ----------
    partitions, features, n_clusters
        As for `fit_heads_to`. If all clusters are of one size, the heads differ from
        those in the bias only.
    temperature : float, optional
        The divisor :math:`\tau`; with a lower one the heads begin more confident. By
        default it is 1 / (8 + log(n_clusters)).
    """
    temperature = temperature or _start_temperature(n_clusters)
    weight, sums = _regress(partitions, features, n_clusters)
    shares = count_shares(partitions, n_clusters).unsqueeze(2)
    a_sample = 1 / partitions.shape[1]
    weight = weight / (n_clusters * shares.clamp_min(a_sample))
    means = sums * a_sample / shares.clamp_min(a_sample)
    bias = -(weight * means).sum(dim=2) / 2
    # The means average to zero, so that some cluster's logit is at least its bias: with
    # a lower bias, an empty cluster is no sample's.
    bias.masked_fill_(shares.squeeze(2) == 0, bias.min() - 1)
    return ClusterHeads.from_weights(weight / temperature, bias / temperature)


def _regress(
    partitions: Tensor, features: Tensor, n_clusters: int
) -> tuple[Tensor, Tensor]:
    """Return the ridge regression to each cluster, and its sum of features."""
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
    """Return each head's cluster of each sample, int64 (n_heads, n)."""
    n_logits = heads.n_heads * heads.n_clusters
    n_rows = rows_at_once(n_logits, _LOGITS, least=_LEAST_ROWS, most=_MOST_ROWS)
    blocks = (heads(rows).argmax(dim=2).T for rows in features.split(n_rows))
    return join_blocks(blocks, len(features)).T.contiguous()


def linear_generalization(partitions: Tensor, features: Tensor) -> Tensor:
    """Return the share of samples whose cluster a linear model predicts from others.

    Samples are split into halves; the model is fitted to the clusters of one half, and
    predicts those of the other.

    Parameters
    ----------
    partitions : Tensor of int64, shape (n_partitions, n)
        The cluster of each sample, for each partition.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.

    Returns
    -------
    Tensor of shape (n_partitions,)
        From 0 to 1; it is 1 for a single sample.

    References
    ----------
    .. [1] A. Gadetsky, Y. Jiang, M. Brbic, "Let Go of Your Labels with Unsupervised
       Transfer" (TURTLE), ICML 2024, which takes generalisation as the quality of
       labels.
    """
    n_clusters = 1 + int(partitions.max())
    order = torch.randperm(len(features), generator=make_generator(0))
    halves = order.to(features.device).tensor_split(2)
    found = torch.zeros(len(partitions), device=features.device)
    for train, test in (halves, halves[::-1]):
        if len(train) == 0:
            return torch.ones_like(found)
        heads = fit_heads_to(partitions[:, train], features[train], n_clusters)
        labels = label_all(heads, features[test])
        found += (labels == partitions[:, test]).sum(dim=1)
    return found / len(features)
