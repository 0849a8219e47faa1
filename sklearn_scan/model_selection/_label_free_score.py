"""A score of clusters without labels, to choose settings by."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sklearn_scan.core.rows import check_finite_rows, without_halves
from sklearn_scan.core.sampling import count_drawn, draw_rows
from sklearn_scan.model_selection._head_scores import N_NEAREST, score_partitions
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import KernelFeatures


def label_free_score(
    labels: ArrayLike,
    features: NDArray[np.floating],
    *,
    device: str | torch.device = "auto",
) -> float:
    """Score clusters by how well neighbours and a model of the labels agree with them.

    The score is the `neighbor_information` of the labels, times the square of the share
    of labels that a linear model predicts correctly. The model uses kernel features and
    learns from the labels of other samples. The neighbours are the 3 nearest by cosine
    similarity about the mean, whatever the clusterer uses. The score uses labels and
    not probabilities, because any training raises confidence, even if the clusters do
    not get better. If there are more than 65,536 samples, this number of them is drawn
    and scored, the same ones each time.

    The score grows with the number of clusters. To choose this number, use
    `estimate_n_clusters`.

    Parameters
    ----------
    labels : array-like of int, shape (n,)
        The cluster of each sample, numbered from 0.
    features : ndarray of shape (n, d)
        The embedding of the same samples.
    device : str or torch.device, default="auto"
        Where to search for neighbours.

    Returns
    -------
    float
        In nats, at most the logarithm of the number of clusters; higher is better.
        Random clusters have a score near zero.

    Raises
    ------
    ValueError
        If there is not one label for each sample, or labels are not whole numbers from
        0; if there are fewer than two samples, or if features are not 2-D and finite.

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
    check_finite_rows("features", features)
    if len(features) > count_drawn(len(features)):
        drawn = draw_rows(len(features), seed=0)
        features, labels = features[drawn], labels[drawn]
    # renumbered without gaps, and as int64, the type of torch's indices
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    features = without_halves(features)
    n_neighbors = min(N_NEAREST, len(features) - 1)
    centered = features - features.mean(axis=0)
    neighbors = mine_neighbors(centered, n_neighbors, method="exact", device=device)
    embedding = torch.from_numpy(features.astype(np.float32, order="C"))
    inside = KernelFeatures.from_features(embedding)(embedding)
    partition = torch.from_numpy(labels).unsqueeze(0)
    return float(score_partitions(partition, inside, neighbors))
