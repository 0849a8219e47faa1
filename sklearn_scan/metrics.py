"""Metrics that compare clusters with known classes.

Clusters have no names, so each metric here first says which cluster stands for
which class: one to one (the Hungarian method) or by majority. Everything is read
from one contingency table. For metrics that need no such mapping use scikit-learn's,
e.g. :func:`sklearn.metrics.normalized_mutual_info_score` and
:func:`sklearn.metrics.adjusted_rand_score`.

The predicted label -1 marks an image that could not be read. It is no cluster: it
is matched to no class and counts as a wrong answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_rand_score,
    make_scorer,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils.validation import check_scalar

__all__ = [
    "ClusteringReport",
    "clustering_accuracy",
    "clustering_accuracy_scorer",
    "clustering_report",
    "majority_accuracy",
    "majority_mapping",
    "match_clusters",
    "neighbor_purity",
    "top_k_accuracy",
]

_UNREADABLE = -1


def clustering_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of samples whose cluster is matched one to one to their class.

    The matching is the one with the highest accuracy, found by the Hungarian
    method [1]_. There may be more or fewer clusters than classes; the samples of an
    unmatched cluster or class count as wrong.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes: integers, strings or anything else that can be sorted.
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is always a wrong answer.

    Returns
    -------
    float
        Accuracy between 0 and 1.

    Raises
    ------
    ValueError
        If the labels are empty, not 1-D, missing (NaN, None) or of unequal length.

    See Also
    --------
    majority_accuracy : Several clusters may stand for the same class.
    clustering_accuracy_scorer : The same as a scorer for ``GridSearchCV``.

    References
    ----------
    .. [1] Kuhn, "The Hungarian method for the assignment problem", Naval Research
       Logistics Quarterly 2 (1955).

    Examples
    --------
    >>> from sklearn_scan.metrics import clustering_accuracy
    >>> clustering_accuracy(["cat", "cat", "dog", "dog"], [1, 1, 0, 1])
    0.75
    >>> clustering_accuracy(["cat", "cat", "dog", "dog"], [1, 1, 0, -1])
    0.75
    """
    y_true, y_pred = _check_labels(y_true=y_true, y_pred=y_pred)
    _, _, counts = _contingency(y_true, y_pred)
    return float(counts[_match(counts)].sum() / len(y_true))


#: Hungarian accuracy as a scorer: ``GridSearchCV(..., scoring=...)`` with ``y`` given.
#: Each fold is matched on its own, so very small folds look better than they are.
clustering_accuracy_scorer: Callable[..., float] = make_scorer(clustering_accuracy)


def match_clusters(y_true: ArrayLike, y_pred: ArrayLike) -> dict[Any, Any]:
    """Match clusters to classes one to one by the Hungarian method.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes.
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is never matched.

    Returns
    -------
    dict
        The class of each matched cluster. Surplus clusters have no entry, and
        neither has a cluster that shares no sample with the class left over for it.
        Of equally accurate matchings one is returned; which one may depend on how
        the clusters are numbered.

    Raises
    ------
    ValueError
        If the labels are empty, not 1-D, missing (NaN, None) or of unequal length.

    See Also
    --------
    majority_mapping : Several clusters may stand for the same class.

    Examples
    --------
    >>> from sklearn_scan.metrics import match_clusters
    >>> match_clusters(["cat", "cat", "cat", "dog", "dog"], [1, 1, 2, 0, 0])
    {1: 'cat', 0: 'dog'}
    """
    y_true, y_pred = _check_labels(y_true=y_true, y_pred=y_pred)
    classes, clusters, counts = _contingency(y_true, y_pred)
    rows, columns = _match(counts)
    return dict(zip(clusters[columns].tolist(), classes[rows].tolist(), strict=True))


def majority_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of samples whose class is the most frequent one in their cluster.

    The accuracy under :func:`majority_mapping`, also called purity [1]_. It is meant
    for over-clustering and never falls when a cluster is split: compare it between
    clusterings with the same number of clusters only.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes.
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is always a wrong answer.

    Returns
    -------
    float
        Accuracy between 0 and 1, at least :func:`clustering_accuracy`.

    Raises
    ------
    ValueError
        If the labels are empty, not 1-D, missing (NaN, None) or of unequal length.

    References
    ----------
    .. [1] Manning, Raghavan and Schütze, "Introduction to Information Retrieval",
       section 16.3, Cambridge University Press (2008).

    Examples
    --------
    >>> from sklearn_scan.metrics import majority_accuracy
    >>> majority_accuracy(["cat", "cat", "cat", "dog"], [0, 0, 1, 2])
    1.0
    """
    y_true, y_pred = _check_labels(y_true=y_true, y_pred=y_pred)
    _, _, counts = _contingency(y_true, y_pred)
    return float(counts.max(axis=0).sum() / len(y_true))


def majority_mapping(y_true: ArrayLike, y_pred: ArrayLike) -> dict[Any, Any]:
    """Map each cluster to its most frequent class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes.
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is left out.

    Returns
    -------
    dict
        The class of each cluster; of equally frequent classes the first in sorted
        order.

    Raises
    ------
    ValueError
        If the labels are empty, not 1-D, missing (NaN, None) or of unequal length.

    See Also
    --------
    match_clusters : At most one cluster for each class.

    Examples
    --------
    >>> from sklearn_scan.metrics import majority_mapping
    >>> majority_mapping(["cat", "cat", "cat", "dog"], [0, 0, 1, 2])
    {0: 'cat', 1: 'cat', 2: 'dog'}
    """
    y_true, y_pred = _check_labels(y_true=y_true, y_pred=y_pred)
    classes, clusters, counts = _contingency(y_true, y_pred)
    majority = classes[counts.argmax(axis=0)]
    return dict(zip(clusters.tolist(), majority.tolist(), strict=True))


def top_k_accuracy(y_true: ArrayLike, proba: ArrayLike, k: int = 5) -> float:
    """Share of samples whose class is among their k most probable clusters.

    Clusters are matched to classes by the Hungarian method on the most probable
    cluster of each sample, as in the SCAN paper [1]_. A cluster without a match
    (see :func:`match_clusters`) takes its place among the k but stands for no class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes.
    proba : array-like of shape (n_samples, n_clusters)
        Probability of each cluster. A row that holds a NaN (unreadable image) is
        always a wrong answer.
    k : int, default=5
        Number of clusters looked at. More than ``n_clusters`` is the same as all.

    Returns
    -------
    float
        Accuracy between 0 and 1.

    Raises
    ------
    ValueError
        If ``y_true`` is empty, not 1-D or has missing labels, if ``proba`` is not
        2-D with one row for each sample, or if ``k`` is below 1.
    TypeError
        If ``k`` is not an integer.

    Notes
    -----
    Of equally probable clusters the one with the lower column comes first, as in
    ``argmax``. So ``k=1`` gives ``clustering_accuracy(y_true, proba.argmax(axis=1))``,
    and uniform probabilities are not a right answer by default.

    References
    ----------
    .. [1] Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
       ECCV (2020).

    Examples
    --------
    >>> from sklearn_scan.metrics import top_k_accuracy
    >>> proba = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.3, 0.6], [0.5, 0.4, 0.1]]
    >>> top_k_accuracy(["cat", "dog", "owl", "dog"], proba, k=1)
    0.75
    >>> top_k_accuracy(["cat", "dog", "owl", "dog"], proba, k=2)
    1.0
    """
    (y_true,) = _check_labels(y_true=y_true)
    proba = _check_proba(proba, n_samples=len(y_true))
    check_scalar(k, "k", Integral, min_val=1)
    readable = ~np.isnan(proba).any(axis=1)
    labels = np.where(readable, proba.argmax(axis=1), _UNREADABLE)

    cluster_of = {label: c for c, label in match_clusters(y_true, labels).items()}
    own = np.array([cluster_of.get(label, -1) for label in y_true.tolist()])
    answerable = readable & (own >= 0)  # the class has a cluster of its own
    return float(np.sum(_rank(proba[answerable], own[answerable]) < k) / len(y_true))


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class ClusteringReport:
    """How a clustering agrees with known classes; ``print`` it for a table.

    Classes and clusters are in matched order: the i-th class belongs to the i-th
    cluster, unmatched classes and surplus clusters follow at the end. The diagonal
    of the confusion matrix therefore holds the right answers.

    Attributes
    ----------
    accuracy : float
        Hungarian accuracy, see :func:`clustering_accuracy`.
    nmi, ari : float
        Normalized mutual information and adjusted Rand index. In both, unreadable
        images (-1) form a group of their own, as in scikit-learn.
    top_5 : float or None
        Top-5 accuracy, see :func:`top_k_accuracy`; None without probabilities.
    classes : ndarray of shape (n_classes,)
        Classes in the order of the rows.
    class_sizes : ndarray of shape (n_classes,)
        Samples in each class, unreadable ones included.
    clusters : ndarray of shape (n_clusters,)
        Cluster labels in the order of the columns.
    cluster_sizes : ndarray of shape (n_clusters,)
        Samples in each cluster.
    confusion : ndarray of shape (n_classes, n_clusters)
        Samples of each class (row) in each cluster (column).
    n_unreadable : int
        Samples with the label -1, which are in no column of ``confusion``.
    """

    accuracy: float
    nmi: float
    ari: float
    top_5: float | None
    classes: NDArray[Any]
    class_sizes: NDArray[np.int64]
    clusters: NDArray[Any]
    cluster_sizes: NDArray[np.int64]
    confusion: NDArray[np.int64]
    n_unreadable: int

    def __str__(self) -> str:
        header = ("class", "images", "cluster", "size", "precision", "recall")
        return "\n".join([_format_table([header, *self._rows()]), "", self._summary()])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """Cells of the table: matched pairs, unmatched classes, surplus clusters."""
        # Beyond the matched pairs the diagonal is zero: a shared sample is matched.
        n_matched = np.count_nonzero(np.diagonal(self.confusion))
        classes = list(zip(self.classes, self.class_sizes, strict=True))
        clusters = list(zip(self.clusters, self.cluster_sizes, strict=True))
        for i in range(n_matched):
            (name, images), (cluster, size) = classes[i], clusters[i]
            precision = f"{self.confusion[i, i] / size:.3f}"
            recall = f"{self.confusion[i, i] / images:.3f}"
            yield f"{name}", f"{images}", f"{cluster}", f"{size}", precision, recall
        for name, images in classes[n_matched:]:
            yield f"{name}", f"{images}", "-", "-", "-", "0.000"
        for cluster, size in clusters[n_matched:]:
            yield "-", "-", f"{cluster}", f"{size}", "-", "-"

    def _summary(self) -> str:
        parts = [f"accuracy {self.accuracy:.3f}"]
        if self.top_5 is not None:
            parts.append(f"top-5 {self.top_5:.3f}")
        parts += [f"NMI {self.nmi:.3f}", f"ARI {self.ari:.3f}"]
        parts.append(f"{self.class_sizes.sum()} images")
        if self.n_unreadable:
            parts.append(f"{self.n_unreadable} unreadable")
        return " · ".join(parts)


def clustering_report(
    y_true: ArrayLike, labels: ArrayLike, proba: ArrayLike | None = None
) -> ClusteringReport:
    """Compare a clustering with known classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Classes.
    labels : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is always a wrong answer.
    proba : array-like of shape (n_samples, n_clusters), optional
        Probability of each cluster, for the top-5 accuracy. Rows of unreadable images
        hold NaN, see :func:`top_k_accuracy`.

    Returns
    -------
    ClusteringReport
        Scores, sizes and the confusion matrix in matched order.

    Raises
    ------
    ValueError
        If the labels are empty, not 1-D, missing (NaN, None) or of unequal length,
        or if ``proba`` is not 2-D with one row for each sample.

    Examples
    --------
    >>> from sklearn_scan.metrics import clustering_report
    >>> y = ["cat", "cat", "cat", "dog", "dog", "dog"]
    >>> print(clustering_report(y, [1, 1, 2, 0, 0, 1]))
    class  images  cluster  size  precision  recall
      cat       3        1     3      0.667   0.667
      dog       3        0     2      1.000   0.667
        -       -        2     1          -       -
    <BLANKLINE>
    accuracy 0.667 · NMI 0.440 · ARI 0.118 · 6 images
    """
    y_true, labels = _check_labels(y_true=y_true, labels=labels)
    classes, clusters, counts = _contingency(y_true, labels)
    rows, columns = _match(counts)
    rows = _matched_first(rows, len(classes))
    columns = _matched_first(columns, len(clusters))
    confusion = counts[np.ix_(rows, columns)]
    _, class_sizes = np.unique(y_true, return_counts=True)
    return ClusteringReport(
        accuracy=float(np.trace(confusion) / len(y_true)),
        nmi=float(normalized_mutual_info_score(y_true, labels)),
        ari=float(adjusted_rand_score(y_true, labels)),
        top_5=None if proba is None else top_k_accuracy(y_true, proba, k=5),
        classes=classes[rows],
        class_sizes=class_sizes[rows],
        clusters=clusters[columns],
        cluster_sizes=confusion.sum(axis=0),
        confusion=confusion,
        n_unreadable=int(len(y_true) - confusion.sum()),
    )


def neighbor_purity(neighbors: ArrayLike, y: ArrayLike) -> float:
    """Mean share of a sample's neighbors that have its label.

    Neighbors are what SCAN learns from, so this is the first number to look at when
    a clustering is poor.

    Parameters
    ----------
    neighbors : array-like of int of shape (n_samples, n_neighbors)
        Indices of each sample's neighbors.
    y : array-like of shape (n_samples,)
        Classes.

    Returns
    -------
    float
        Purity between 0 and 1.

    Raises
    ------
    ValueError
        If ``y`` is empty, not 1-D or has missing labels, or if ``neighbors`` is not a
        2-D array of indices of samples with one row for each sample.

    Examples
    --------
    >>> from sklearn_scan.metrics import neighbor_purity
    >>> neighbor_purity([[1, 2], [0, 2], [0, 1]], ["cat", "cat", "dog"])
    0.3333333333333333
    """
    (y,) = _check_labels(y=y)
    neighbors = _check_neighbors(neighbors, n_samples=len(y))
    _, codes = np.unique(y, return_inverse=True)  # n × k integers, not n × k strings
    return float(np.mean(codes[neighbors] == codes[:, np.newaxis]))


def _contingency(
    y_true: NDArray[Any], y_pred: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Classes, clusters and their counts (n_classes, n_clusters), -1 left out."""
    classes, clusters = np.unique(y_true), np.unique(y_pred)
    readable = clusters != _UNREADABLE
    return classes, clusters[readable], contingency_matrix(y_true, y_pred)[:, readable]


def _match(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pairs with the largest sum, rows ascending."""
    rows, columns = linear_sum_assignment(counts, maximize=True)
    # The method pairs whatever is left over; without a shared sample that is chance.
    shared = counts[rows, columns] > 0
    return rows[shared], columns[shared]


def _matched_first(matched: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Order of ``range(n)`` with the matched indices first."""
    return np.concatenate([matched, np.setdiff1d(np.arange(n), matched)])


def _rank(proba: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Place of one column in each row, 0 for the most probable."""
    columns = columns[:, np.newaxis]
    chosen = np.take_along_axis(proba, columns, axis=1)
    ahead = proba > chosen
    ahead |= (proba == chosen) & (np.arange(proba.shape[1]) < columns)
    return ahead.sum(axis=1)


def _format_table(rows: list[tuple[str, ...]]) -> str:
    """Right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _check_labels(**labels: ArrayLike) -> list[NDArray[Any]]:
    """Label arrays of one length, passed by the names that the errors use."""
    checked = {name: _check_label(name, y) for name, y in labels.items()}
    (first, y_first), *others = checked.items()
    for name, y in others:
        if len(y) != len(y_first):
            raise ValueError(
                f"{name} should have as many labels as {first}, {len(y_first)}; "
                f"got {len(y)}."
            )
    return list(checked.values())


def _check_label(name: str, y: ArrayLike) -> NDArray[Any]:
    y = np.asarray(y)
    if y.ndim != 1 or len(y) == 0:
        raise ValueError(
            f"{name} should be a 1-D array of at least one label; "
            f"got an array of shape {y.shape}."
        )
    # Only a NaN differs from itself; it also hides in object arrays.
    if any(label is None or label != label for label in y.tolist()):
        raise ValueError(
            f"{name} should have a label for each sample; got NaN or None among them."
        )
    return y


def _check_proba(proba: ArrayLike, n_samples: int) -> NDArray[Any]:
    proba = np.asarray(proba)
    if proba.ndim != 2 or len(proba) != n_samples or proba.shape[1] == 0:
        raise ValueError(
            f"proba should have the shape (n_samples={n_samples}, n_clusters); "
            f"got an array of shape {proba.shape}."
        )
    return proba


def _check_neighbors(neighbors: ArrayLike, n_samples: int) -> NDArray[np.integer]:
    neighbors = np.asarray(neighbors)
    if neighbors.ndim != 2 or len(neighbors) != n_samples or neighbors.shape[1] == 0:
        raise ValueError(
            f"neighbors should have the shape (n_samples={n_samples}, n_neighbors); "
            f"got an array of shape {neighbors.shape}."
        )
    if not np.issubdtype(neighbors.dtype, np.integer):
        raise ValueError(
            f"neighbors should hold integer indices; got the type {neighbors.dtype}."
        )
    if neighbors.min() < 0 or neighbors.max() >= n_samples:
        raise ValueError(
            f"neighbors should hold indices from 0 to {n_samples - 1}; "
            f"got {neighbors.min()} to {neighbors.max()}."
        )
    return neighbors
