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

__all__ = ["MAP_METHODS", "map_embedding"]

MAP_METHODS = ("tsne", "pca", "umap")

_MOST_AXES = 50  # principal axes: the rest is noise, and costs time
_LANDMARKS = 2_500  # samples that t-SNE places; others go among their neighbours there
_NEAREST = 5
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
        "tsne" keeps neighbours together. It places at most 2,500 samples; others are
        placed amid those of them that are nearest. "pca" takes the two widest axes.
        "umap" needs umap-learn.
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
    points[rows] = _flatten(embedding[rows], method, rng)
    return points


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
    """Place landmarks by t-SNE, and each other sample amid its nearest landmarks."""
    chosen = rng.permutation(len(axes))[:_LANDMARKS]
    perplexity = min(_PERPLEXITY, (len(chosen) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=rng)
    placed: NDArray[np.floating] = tsne.fit_transform(axes[chosen])
    flat: NDArray[np.floating] = np.empty((len(axes), 2), placed.dtype)
    if len(chosen) < len(axes):
        finder = NearestNeighbors(n_neighbors=_NEAREST).fit(axes[chosen])
        nearest = finder.kneighbors(axes, return_distance=False)
        # the median: the mean of two far groups would be nowhere near either
        flat = np.median(placed[nearest], axis=1)
    flat[chosen] = placed
    return flat


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
