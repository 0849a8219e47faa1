"""A clusterer as pictures see it, and what they show."""

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin

from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


class Fitted(ClusterMixin, BaseEstimator):
    """What pictures read of a clusterer, made of its probabilities."""

    def __init__(self, probabilities, embedding=None, n_neighbors=2):
        self.probabilities = probabilities
        self.embedding = embedding
        self.n_neighbors = n_neighbors

    def fit(self, X=None, y=None):
        probabilities = np.asarray(self.probabilities, dtype=float)
        n_samples, self.n_clusters_ = probabilities.shape
        self.embedding_ = self.embedding
        if self.embedding is None:
            self.embedding_ = np.arange(1.0, n_samples + 1)[:, None]
        self.embedding_dims_ = (self.embedding_.shape[1],)
        self.probabilities_ = probabilities
        bad = np.isnan(probabilities[:, 0])
        self.labels_ = np.where(bad, -1, probabilities.argmax(axis=1))
        self.confident_ = probabilities.max(axis=1) > 0.85
        self.cluster_names_ = [f"cluster {i}" for i in range(self.n_clusters_)]
        rows = np.flatnonzero(~bad)
        graph = NeighborGraph.empty(len(rows))
        if self.n_neighbors:
            graph = mine_neighbors(self.embedding_[rows], self.n_neighbors)
        self.neighbors_ = graph.spread(rows, n_samples)
        self.self_labeled_ = True
        first = [(-1.0, 1.0, -2.0), (-1.5, 0.6, -2.1)]
        second = [(0.5, 4), (0.4, 6)]
        self.history_ = [
            {"stage": "SCAN", "epoch": i, "loss": a, "consistency": b, "entropy": c}
            for i, (a, b, c) in enumerate(first, start=1)
        ]
        self.history_ += [
            {
                "stage": "self-labelling",
                "epoch": i,
                "loss": loss,
                "cross_entropy": loss,
                "n_confident": count,
            }
            for i, (loss, count) in enumerate(second, start=1)
        ]
        return self


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def captions(ax):
    return [text.get_text() for text in ax.texts]


def tiles(ax, side=50):
    """Return the flat colour of each tile of plot_tiles, in reading order."""
    picture = ax.images[0]
    pixels = np.asarray(picture.get_array())
    left, right, bottom, top = picture.get_extent()
    colors = []
    for text in ax.texts:
        x, y = text.get_position()  # below its image
        column = int((x - left) / (right - left) * pixels.shape[1])
        row = int((y - 0.5 - top) / (bottom - top) * pixels.shape[0])
        colors.append(tuple(int(value) for value in pixels[row, column]))
    return colors


def overlapping(boxes):
    """Return how many pairs of boxes (window extents) overlap."""
    boxes = [box.padded(-0.5) for box in boxes]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    return sum(a.overlaps(b) for a, b in pairs)
