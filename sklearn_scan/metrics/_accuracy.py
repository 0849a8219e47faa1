"""Accuracy: the share of samples in the right cluster."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import make_scorer

from sklearn_scan.core.docs import share_docs
from sklearn_scan.core.validation import check_count
from sklearn_scan.metrics._contingency import (
    UNREADABLE,
    check_labels,
    check_rows,
    contingency,
    match,
)

_label_docs = share_docs(
    y_true="""
        y_true : array-like of shape (n_samples,)
            Classes: integers, strings or anything else that can be sorted.
    """,
    raises="""
        Raises
        ------
        ValueError
            If the labels are empty, not 1-D, missing (NaN, None) or of unequal length.
    """,
)


@_label_docs
def clustering_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the share of samples whose cluster is matched one to one to their class.

    The Hungarian method [1]_ finds the matching with the highest accuracy. If there
    are more or fewer clusters than classes, some clusters or classes have no match;
    their samples count as wrong.

    Parameters
    ----------
    {y_true}
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is always a wrong answer.

    Returns
    -------
    float
        Accuracy between 0 and 1.

    {raises}

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
    y_true, y_pred = check_labels(y_true=y_true, y_pred=y_pred)
    _, _, counts = contingency(y_true, y_pred)
    return float(counts[match(counts)].sum() / len(y_true))


#: Hungarian accuracy as a scorer: ``GridSearchCV(..., scoring=...)`` with ``y`` given.
#: Each fold is matched on its own, so very small folds look better than they are.
clustering_accuracy_scorer: Callable[..., float] = make_scorer(clustering_accuracy)


@_label_docs
def match_clusters(y_true: ArrayLike, y_pred: ArrayLike) -> dict[Any, Any]:
    """Match clusters to classes one to one by the Hungarian method.

    Parameters
    ----------
    {y_true}
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is never matched.

    Returns
    -------
    dict
        The class of each matched cluster. A cluster has no entry if no class is left
        for it, or if it shares no sample with the class that is left. If several
        matchings have the same accuracy, the result may depend on the numbers of the
        clusters.

    {raises}

    See Also
    --------
    majority_mapping : Several clusters may stand for the same class.

    Examples
    --------
    >>> from sklearn_scan.metrics import match_clusters
    >>> match_clusters(["cat", "cat", "cat", "dog", "dog"], [1, 1, 2, 0, 0])
    {1: 'cat', 0: 'dog'}
    """
    y_true, y_pred = check_labels(y_true=y_true, y_pred=y_pred)
    classes, clusters, counts = contingency(y_true, y_pred)
    rows, columns = match(counts)
    return dict(zip(clusters[columns].tolist(), classes[rows].tolist(), strict=True))


@_label_docs
def majority_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the share of samples of the most frequent class in their cluster.

    It is the accuracy of :func:`majority_mapping`, also called purity [1]_. Splitting a
    cluster never lowers it, so compare it only between clusterings with the same number
    of clusters.

    Parameters
    ----------
    {y_true}
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is always a wrong answer.

    Returns
    -------
    float
        Accuracy between 0 and 1; never lower than :func:`clustering_accuracy`.

    {raises}

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
    y_true, y_pred = check_labels(y_true=y_true, y_pred=y_pred)
    _, _, counts = contingency(y_true, y_pred)
    return float(counts.max(axis=0).sum() / len(y_true))


@_label_docs
def majority_mapping(y_true: ArrayLike, y_pred: ArrayLike) -> dict[Any, Any]:
    """Map each cluster to its most frequent class.

    Parameters
    ----------
    {y_true}
    y_pred : array-like of shape (n_samples,)
        Cluster labels; -1 (unreadable image) is left out.

    Returns
    -------
    dict
        The class of each cluster; if classes are equally frequent, the first one in
        sorted order.

    {raises}

    See Also
    --------
    match_clusters : At most one cluster for each class.

    Examples
    --------
    >>> from sklearn_scan.metrics import majority_mapping
    >>> majority_mapping(["cat", "cat", "cat", "dog"], [0, 0, 1, 2])
    {0: 'cat', 1: 'cat', 2: 'dog'}
    """
    y_true, y_pred = check_labels(y_true=y_true, y_pred=y_pred)
    classes, clusters, counts = contingency(y_true, y_pred)
    majority = classes[counts.argmax(axis=0)]
    return dict(zip(clusters.tolist(), majority.tolist(), strict=True))


@_label_docs
def top_k_accuracy(y_true: ArrayLike, proba: ArrayLike, k: int = 5) -> float:
    """Return the share of samples with their class among k most probable clusters.

    Clusters are matched to classes by the Hungarian method, with the most probable
    cluster of each sample, as in the SCAN paper [1]_. A cluster without a match (see
    :func:`match_clusters`) counts as one of the k, but stands for no class.

    Parameters
    ----------
    {y_true}
    proba : array-like of shape (n_samples, n_clusters)
        Probability of each cluster. A row that holds a NaN (unreadable image) is
        always a wrong answer.
    k : int, default=5
        The number of most probable clusters; if it is larger than ``n_clusters``, all
        clusters count.

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
    If clusters are equally probable, the one with the lower column comes first, as in
    ``argmax``. So ``k=1`` gives ``clustering_accuracy(y_true, proba.argmax(axis=1))``,
    and equal probabilities for all clusters do not count as a right answer.

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
    (y_true,) = check_labels(y_true=y_true)
    proba = check_rows("proba", proba, len(y_true), "n_clusters")
    check_count("k", k)
    readable = ~np.isnan(proba).any(axis=1)
    labels = np.where(readable, proba.argmax(axis=1), UNREADABLE)

    cluster_of = {label: c for c, label in match_clusters(y_true, labels).items()}
    own = np.array([cluster_of.get(label, -1) for label in y_true.tolist()])
    answerable = readable & (own >= 0)  # the class is matched to a cluster
    return float(np.sum(_rank(proba[answerable], own[answerable]) < k) / len(y_true))


def _rank(proba: NDArray[np.floating], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank of one column in each row, 0 for the most probable."""
    columns = columns[:, np.newaxis]
    chosen = np.take_along_axis(proba, columns, axis=1)
    ahead: NDArray[np.bool_] = proba > chosen
    ahead |= (proba == chosen) & (np.arange(proba.shape[1]) < columns)
    places: NDArray[np.int64] = ahead.sum(axis=1)
    return places
