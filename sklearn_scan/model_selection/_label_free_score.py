"""A score of clusters that settings can be chosen by."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sklearn_scan._device import isolated_rng
from sklearn_scan.heads import Standardize
from sklearn_scan.model_selection._information import neighbor_score
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.ridge import linear_generalization
from sklearn_scan.subspace import to_subspace

# Of 10, 15, 20, 30, 50 and 100, on six sets of features: fewer follow the noise in who
# is nearest, and more reach into other classes where those have 72 samples each.
_MOST_NEIGHBORS = 20
_LEAST_SAMPLES_A_NEIGHBOR = 10  # of few samples, 20 neighbours would be most of them


def label_free_score(
    labels: ArrayLike,
    features: NDArray[np.floating],
    *,
    device: str | torch.device = "auto",
) -> float:
    """Score clusters of one number by what neighbours share and a model finds again.

    The `neighbor_score` of labels, with neighbours that do not depend on how the
    clusters came about: the 20 nearest, or a tenth of the samples, by cosine similarity
    about the mean. It is multiplied by the share of samples whose label a linear model
    finds that learnt from the other half. The score takes labels rather than
    probabilities, since confidence grows in any training, whether or not the clusters
    get better.

    It ranks settings for the same number of clusters. Among numbers, more clusters
    nearly always tell more: see `estimate_n_clusters`.

    Parameters
    ----------
    labels : array-like of int, shape (n,)
        The cluster of each sample, numbered from 0.
    features : ndarray of shape (n, d)
        The embedding of the same samples.
    device : str or torch.device, default="auto"
        Where to find the neighbours.

    Returns
    -------
    float
        From 0 to the root of log(n_clusters); higher is better.

    Raises
    ------
    ValueError
        If labels are not whole numbers from 0, one a sample; if there are fewer than
        two samples, or if features are not 2-D and finite.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> coarse, fine = (
    ...     KMeans(10, max_iter=steps, n_init=1, random_state=0).fit_predict(X)
    ...     for steps in (1, 100)
    ... )
    >>> label_free_score(fine, X) > label_free_score(coarse, X)
    True
    """
    features = np.asarray(features)
    labels = np.asarray(labels)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"features must have shape (n, d) with n of at least 2; got shape "
            f"{features.shape}."
        )
    if labels.shape != (len(features),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be {len(features)} integers, one for each sample; got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    if labels.min() < 0:
        raise ValueError(f"labels must be numbered from 0; got {labels.min()}.")
    labels = labels.astype(np.int64)  # narrower ones are no indices to torch
    n_neighbors = count_neighbors(len(features))
    centered = features - features.mean(axis=0)
    neighbors = mine_neighbors(centered, n_neighbors, device=device)
    shared = neighbor_score(labels, neighbors)
    embedding = torch.from_numpy(features.astype(np.float32, order="C"))
    with isolated_rng(0):
        inside, _ = to_subspace(Standardize.from_features(embedding)(embedding))
    return shared * float(linear_generalization(torch.tensor(labels)[None], inside))


def count_neighbors(n_samples: int) -> int:
    """Return how many neighbours tell the groups among so many samples apart."""
    return min(_MOST_NEIGHBORS, max(1, n_samples // _LEAST_SAMPLES_A_NEIGHBOR))
