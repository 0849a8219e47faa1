"""A table that compares a clustering with known classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from sklearn_scan.metrics._accuracy import top_k_accuracy
from sklearn_scan.metrics._contingency import check_labels, contingency, match


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class ClusteringReport:
    """The agreement of a clustering with known classes; ``print`` it for a table.

    Classes and clusters are in matched order: the i-th class belongs to the i-th
    cluster, and unmatched classes and surplus clusters come last. So the diagonal of
    the confusion matrix holds the right answers.

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
    classes: np.ndarray
    class_sizes: NDArray[np.int64]
    clusters: np.ndarray
    cluster_sizes: NDArray[np.int64]
    confusion: NDArray[np.int64]
    n_unreadable: int

    def __str__(self) -> str:
        header = ("class", "images", "cluster", "size", "precision", "recall")
        return "\n".join([_format_table([header, *self._rows()]), "", self._summary()])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows: matched pairs, unmatched classes, surplus clusters."""
        # beyond the matched pairs the diagonal is zero
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
    y_true, labels = check_labels(y_true=y_true, labels=labels)
    classes, clusters, counts = contingency(y_true, labels)
    rows, columns = match(counts)
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


def _matched_first(matched: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return ``range(n)`` with the matched indices first."""
    return np.concatenate([matched, np.setdiff1d(np.arange(n), matched)])


def _format_table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as lines of right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
