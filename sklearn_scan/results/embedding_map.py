"""An embedding drawn flat: two numbers an image, near for those that are alike."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from sklearn_scan.core.features import Features
from sklearn_scan.core.validation import check_option

__all__ = ["PROJECTIONS", "project"]

PROJECTIONS = ("tsne", "pca", "umap")

_MOST_AXES = 50  # of the principal ones: the rest is noise, and costs time
_LANDMARKS = 2_500  # that t-SNE places; others are put among their neighbours there
_NEAREST = 5
_PERPLEXITY = 30.0


def project(
    embedding: NDArray[np.floating], *, method: str = "tsne", random_state: Any = None
) -> NDArray[np.float32]:
    """Place each sample in the plane, near those that are like it.

    Parameters
    ----------
    embedding : ndarray of shape (n, embed_dim)
        One row a sample; rows of NaN are unreadable images.
    method : {"tsne", "pca", "umap"}, default="tsne"
        "tsne" keeps neighbours together: of more than 2,500 samples it places as many,
        and the others among their nearest of these. "pca" is the two widest axes;
        "umap" needs umap-learn.
    random_state : int, RandomState or None, default=None
        Seeds what is drawn.

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
    >>> project(load_digits().data[:100], method="pca").shape
    (100, 2)
    """
    check_option("method", method, PROJECTIONS)
    rng = check_random_state(random_state)
    embedding = np.asarray(embedding, dtype=np.float32)
    points = np.full((len(embedding), 2), np.nan, dtype=np.float32)
    rows = Features.of(embedding).readable
    points[rows] = _flatten(embedding[rows], method, rng)
    return points


def _flatten(
    embedding: NDArray[np.float32], method: str, rng: np.random.RandomState
) -> NDArray[Any]:
    """Place samples that are all readable."""
    n_axes = min(_MOST_AXES, *embedding.shape)
    if n_axes == 0 or not np.ptp(embedding, axis=0).any():
        return np.zeros((len(embedding), 2))  # all are alike
    axes = PCA(n_axes, random_state=rng).fit_transform(embedding)
    if method == "pca" or len(axes) < 4 or n_axes < 2:
        return np.pad(axes, ((0, 0), (0, 2)))[:, :2]
    return _tsne(axes, rng) if method == "tsne" else _umap(axes, rng)


def _tsne(axes: NDArray[np.float32], rng: np.random.RandomState) -> NDArray[Any]:
    """Place landmarks by t-SNE, and the others amid their nearest."""
    chosen = rng.permutation(len(axes))[:_LANDMARKS]
    perplexity = min(_PERPLEXITY, (len(chosen) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=rng)
    placed = tsne.fit_transform(axes[chosen])
    if len(chosen) == len(axes):
        flat = np.empty_like(placed)
        flat[chosen] = placed
        return flat
    finder = NearestNeighbors(n_neighbors=_NEAREST).fit(axes[chosen])
    nearest = finder.kneighbors(axes, return_distance=False)
    # the median: a mean of two islands would be in the sea between them
    flat = np.median(placed[nearest], axis=1)
    flat[chosen] = placed
    return flat


def _umap(axes: NDArray[np.float32], rng: np.random.RandomState) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses what is not used here
            from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "method='umap' needs umap-learn: pip install umap-learn."
        ) from error
    n_neighbors = min(15, len(axes) - 1)
    flat: NDArray[Any] = UMAP(
        n_neighbors=n_neighbors, random_state=int(rng.randint(2**31)), n_jobs=1
    ).fit_transform(axes)
    return flat
