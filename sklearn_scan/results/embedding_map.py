"""A map of an embedding: two numbers an image, near for those that are alike."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from sklearn_scan.core.features import Features
from sklearn_scan.core.random import RandomState
from sklearn_scan.core.validation import check_option

__all__ = ["MAP_METHODS", "count_between", "map_embedding"]

MAP_METHODS = ("tsne", "pca", "umap")

_MOST_AXES = 50  # principal axes: the rest is noise, and costs time
_LANDMARKS = 2_500  # samples that t-SNE places; others go among their neighbours there
_NEAREST = 5
_FADING = 3.0  # the farthest of the nearest weighs e⁻³ of the first
_SPREAD = 0.5
_PERPLEXITY = 30.0


def map_embedding(
    embedding: NDArray[np.floating],
    *,
    method: str = "tsne",
    random_state: RandomState = None,
) -> NDArray[np.float32]:
    """Place each sample in the plane, near those that are like it.

    Parameters
    ----------
    embedding : ndarray of shape (n, embed_dim)
        One row a sample; rows of NaN are unreadable images.
    method : {"tsne", "pca", "umap"}, default="tsne"
        "tsne" keeps neighbours together. It lays out at most 2,500 samples; each other
        sample is placed between those that are most similar to it, see `count_between`.
        "pca" takes the two widest axes. "umap" needs umap-learn.
    random_state : int, RandomState or None, default=None
        Seeds the random numbers.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        NaN for unreadable images.

    Raises
    ------
    ImportError
        If the method is "umap" and umap-learn is not installed.
    ValueError
        If the method is unknown.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> map_embedding(load_digits().data[:100], method="pca").shape
    (100, 2)
    """
    check_option("method", method, MAP_METHODS)
    rng = check_random_state(random_state)
    embedding = np.asarray(embedding, dtype=np.float32)
    points = np.full((len(embedding), 2), np.nan, dtype=np.float32)
    rows = Features.of(embedding).readable
    points[rows] = _part_copies(_flatten(embedding[rows], method, rng), rng)
    return points


def count_between(n_samples: int, method: str = "tsne") -> int:
    """Return how many samples `map_embedding` only places between similar ones.

    Parameters
    ----------
    n_samples : int
        The number of readable images.
    method : {"tsne", "pca", "umap"}, default="tsne"
        The method of the map.

    Returns
    -------
    int
        The number of samples that the method does not lay out itself.

    Examples
    --------
    >>> count_between(10_000), count_between(10_000, "pca")
    (7500, 0)
    """
    check_option("method", method, MAP_METHODS)
    return max(0, n_samples - _LANDMARKS) if method == "tsne" else 0


def _flatten(
    embedding: NDArray[np.float32], method: str, rng: np.random.RandomState
) -> NDArray[np.floating]:
    """Place samples that are all readable."""
    n_axes = min(_MOST_AXES, *embedding.shape)
    if n_axes == 0 or not np.ptp(embedding, axis=0).any():
        return np.zeros((len(embedding), 2))  # all are alike
    axes: NDArray[np.float32] = PCA(n_axes, random_state=rng).fit_transform(embedding)
    if method == "pca" or len(axes) < 4 or n_axes < 2:
        return np.pad(axes, ((0, 0), (0, 2)))[:, :2]
    return _tsne(axes, rng) if method == "tsne" else _umap(axes, rng)


def _tsne(
    axes: NDArray[np.float32], rng: np.random.RandomState
) -> NDArray[np.floating]:
    """Place landmarks by t-SNE, and each other sample among its nearest landmarks."""
    order = rng.permutation(len(axes))
    chosen, others = order[:_LANDMARKS], order[_LANDMARKS:]
    perplexity = min(_PERPLEXITY, (len(chosen) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=rng)
    placed: NDArray[np.floating] = tsne.fit_transform(axes[chosen])
    flat: NDArray[np.floating] = np.empty((len(axes), 2), placed.dtype)
    flat[chosen] = placed
    if len(others):
        flat[others] = _between(axes[others], axes[chosen], placed, rng)
    return flat


def _between(
    others: NDArray[np.float32],  # (m, d)
    landmarks: NDArray[np.float32],  # (n, d)
    placed: NDArray[np.floating],  # (n, 2), where the landmarks are
    rng: np.random.RandomState,
) -> NDArray[np.floating]:
    """Place samples at the weighted mean of their nearest landmarks, a little apart."""
    finder = NearestNeighbors(n_neighbors=_NEAREST).fit(landmarks)
    distances, nearest = finder.kneighbors(others)  # (m, k)
    distances -= distances[:, :1]
    reach = np.maximum(distances[:, -1:], np.finfo(np.float64).tiny)
    weights = np.exp(-_FADING * distances / reach)
    points = placed[nearest]  # (m, k, 2)
    weights *= _is_in_main_group(points, weights)
    weights /= weights.sum(axis=1, keepdims=True)
    means: NDArray[np.floating] = np.einsum("mk,mkx->mx", weights, points)
    # without it, those between the same two landmarks would be on a line
    means += _spread(placed) * rng.standard_normal(means.shape)
    return means


def _spread(points: NDArray[np.floating]) -> float:
    """Return a distance that is small in a map: about that of one point to the next."""
    return float(_SPREAD * points.std() / np.sqrt(len(points)))


def _part_copies(
    points: NDArray[np.floating], rng: np.random.RandomState
) -> NDArray[np.floating]:
    """Move samples that are on one spot a little apart, so that each can be seen."""
    _, first = np.unique(points, axis=0, return_index=True)
    copies = np.setdiff1d(np.arange(len(points)), first)
    shifts = _spread(points) * rng.standard_normal((len(copies), 2))
    points[copies] += shifts.astype(points.dtype)
    return points


def _is_in_main_group(
    points: NDArray[np.floating], weights: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Tell which of the landmarks of each sample are in one place, (m, k).

    The mean of two groups that are far apart would be nowhere near either.
    """
    gaps = np.linalg.norm(points[:, :, None] - points[:, None], axis=3)  # (m, k, k)
    middle = np.einsum("mkj,mj->mk", gaps, weights).argmin(axis=1)
    to_middle = np.take_along_axis(gaps, middle[:, None, None], axis=1)[:, 0]
    near: NDArray[np.bool_] = to_middle <= 2 * np.median(to_middle, axis=1)[:, None]
    return near


def _umap(
    axes: NDArray[np.float32], rng: np.random.RandomState
) -> NDArray[np.floating]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that are not used here
            from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "method='umap' needs umap-learn: pip install umap-learn."
        ) from error
    n_neighbors = min(15, len(axes) - 1)
    flat: NDArray[np.floating] = UMAP(
        n_neighbors=n_neighbors, random_state=int(rng.randint(2**31)), n_jobs=1
    ).fit_transform(axes)
    return flat
