"""The tree of clusters, and of samples, with an image at each leaf."""

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from plotting_helpers import Fitted, overlapping, tick_labels
from scipy.cluster.hierarchy import linkage
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

from sklearn_scan import GraphDegreeLinkage, SCANClusterer
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.plotting import plot_tree
from sklearn_scan.plotting._tree_top import cut_top, top_of
from sklearn_scan.results.cluster_tree import ClusterTree, cluster_tree

N_CLUSTERS = 5


class Linked(ClusterMixin, BaseEstimator):
    """What pictures read of a clusterer that merges samples."""

    def __init__(self, embedding, n_clusters=2):
        self.embedding = embedding
        self.n_clusters = n_clusters

    def fit(self, X=None, y=None):
        self.embedding_ = self.embedding
        self.embedding_dims_ = (self.embedding.shape[1],)
        self.n_clusters_ = self.n_clusters
        rows = np.flatnonzero(~np.isnan(self.embedding_[:, 0]))
        merges = linkage(self.embedding_[rows])
        self.tree_ = ClusterTree(merges[:, :2].astype(np.int64), merges[:, 2])
        self.labels_ = self.labels_for(self.n_clusters)
        return self

    def labels_for(self, n_clusters):
        labels = np.full(len(self.embedding), -1)
        labels[~np.isnan(self.embedding[:, 0])] = self.tree_.labels(n_clusters)
        return labels


@pytest.fixture
def images(colors):
    return np.repeat(colors, 6, axis=0)  # sixty of ten colours


@pytest.fixture
def clusterer():
    """A clusterer whose cluster c has 6 + 3c images, and its last one none."""
    sizes = [6, 9, 12, 15, 18]
    labels = np.repeat(np.arange(N_CLUSTERS), sizes)
    probabilities = np.eye(N_CLUSTERS + 1)[labels] * 0.9 + 0.01
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(N_CLUSTERS, 3))[labels] + rng.normal(size=(60, 3))
    return Fitted(probabilities, embedding.astype(np.float32), n_neighbors=5).fit()


@pytest.fixture
def linked(images):
    """Three pairs of groups of ten on a line; image 7 cannot be read."""
    rng = np.random.default_rng(0)
    places = np.repeat([0.0, 3.0, 20.0, 23.0, 60.0, 63.0], 10)
    embedding = (places + 0.1 * rng.random(60))[:, np.newaxis]
    embedding[7] = np.nan
    return Linked(embedding, n_clusters=3).fit()


def rows_of(ax):
    """Return the colour in the middle of each row's image."""
    pixels = np.asarray(ax.images[0].get_array())
    n_rows = len(ax.get_yticks())
    middles = ((np.arange(n_rows) + 0.45) * len(pixels) / n_rows).astype(int)
    return [tuple(map(int, pixels[row, pixels.shape[1] // 2])) for row in middles]


def heights_of(ax):
    """Return the places of the merges along the axis, from 0 to 1."""
    ends = [lines[:, 0].max() for lines in ax.collections[0].get_segments()]
    return np.sort(ends) / max(ends)


# Of clusters


def test_a_leaf_for_each_cluster(clusterer, images, shades):
    clusterer.cluster_names_[2] = "dogs"
    ax = plot_tree(clusterer, images)
    names = {"0 (6)", "1 (9)", "dogs (12)", "3 (15)", "4 (18)", "5 (0)"}
    assert set(tick_labels(ax.yaxis)) == names
    assert len(ax.collections[0].get_segments()) == N_CLUSTERS
    assert len(ax.patches) == 1  # the frame of the empty cluster
    distances = cluster_tree(clusterer).distances
    np.testing.assert_allclose(heights_of(ax), distances / distances[-1])


def test_rows_have_the_prototypes_of_their_clusters(clusterer, images):
    ax = plot_tree(clusterer, images)
    shown = dict(zip(tick_labels(ax.yaxis), rows_of(ax), strict=True))
    assert shown["5 (0)"] == (255, 255, 255)
    for name, color in shown.items():
        of_cluster = images[clusterer.labels_ == int(name.split()[0])]
        assert color == (255, 255, 255) or (of_cluster == color).all(axis=-1).any()


def test_of_many_clusters_the_last_merges_are_shown(clusterer, images):
    ax = plot_tree(clusterer, images, n_leaves=3)
    groups = cluster_tree(clusterer).labels(3)
    sizes = np.bincount(clusterer.labels_, minlength=6)
    expected = set()
    for group in range(3):
        clusters = np.flatnonzero(groups == group)
        title = f"{len(clusters)} clusters" if len(clusters) > 1 else f"{clusters[0]}"
        expected.add(f"{title} ({sizes[clusters].sum()})")
    assert set(tick_labels(ax.yaxis)) == expected
    distances = cluster_tree(clusterer).distances[-2:]
    np.testing.assert_allclose(heights_of(ax), distances / distances[-1])


def test_at_most_31_leaves(colors):
    images = np.repeat(colors, 20, axis=0)
    labels = np.arange(200) % 100
    embedding = np.random.default_rng(0).normal(size=(200, 4))
    clusterer = Fitted(np.eye(100)[labels] * 0.9 + 0.001, embedding).fit()
    ax = plot_tree(clusterer, images)
    assert len(rows_of(ax)) == 31
    assert len(ax.collections[0].get_segments()) == 30
    assert max(ax.figure.get_size_inches()) < 20


def test_clusters_that_nothing_links_are_dashed(images):
    labels = np.arange(60) % 3
    embedding = 10 * np.eye(3)[labels] + 0.1 * np.random.default_rng(0).random((60, 3))
    ax = plot_tree(Fitted(np.eye(3)[labels], embedding).fit(), images)
    assert n_dashed(ax) == 2
    assert "dashed" in ax.get_xlabel()


def n_dashed(ax):
    """Return how many merges are dashed."""
    styles = ax.collections[0].get_linestyles()
    return sum(dashes is not None for _, dashes in styles)


def test_parts_that_features_joined_are_solid():
    X = np.random.default_rng(0).normal(size=(502, 3))
    X[500:] += 1000
    images = np.zeros((502, 4, 4, 3), np.uint8)
    with pytest.warns(UserWarning, match="parts, more than the 1 cluster"):
        far = GraphDegreeLinkage(1, n_neighbors=1).fit(X)
    assert far.n_connected_components_ > 1
    near = GraphDegreeLinkage(1, n_neighbors=3).fit(X)
    assert near.n_connected_components_ == 1
    for clusterer in (far, near):
        ax = plot_tree(clusterer, images)
        assert n_dashed(ax) == 0
        assert ax.get_xlabel() == "height"
    assert near.distances_[-1] > 299  # the weights are as small as they get


def test_parts_of_a_bare_graph_are_dashed(images):
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[30:] += 1000
    clusterer = GraphDegreeLinkage(2).fit(mine_neighbors(X, 5, metric="euclidean"))
    assert clusterer.n_connected_components_ == 2
    ax = plot_tree(clusterer, images)
    assert n_dashed(ax) == 1
    assert "dashed" in ax.get_xlabel()


def test_one_cluster(colors):
    ax = plot_tree(Fitted(np.ones((10, 1))).fit(), colors)
    assert tick_labels(ax.yaxis) == ["0 (10)"]
    ax.figure.canvas.draw()


# Of samples


def test_the_last_merges_of_samples(linked, images):
    ax = plot_tree(linked, images, n_leaves=6)
    expected = ["10 images"] * 5 + ["9 images"]
    assert sorted(tick_labels(ax.yaxis)) == expected
    distances = linked.tree_.distances[-5:]
    np.testing.assert_allclose(heights_of(ax), distances / distances[-1])
    plot_tree(linked, images)  # of 31 groups


def test_the_image_nearest_to_the_mean_stands_for_samples(linked, images):
    ax = plot_tree(linked, images, n_leaves=3)
    expected = set()
    for group in range(3):
        rows = np.flatnonzero(linked.labels_ == group)
        off = np.abs(linked.embedding_[rows, 0] - linked.embedding_[rows, 0].mean())
        expected.add(tuple(map(int, images[rows[off.argmin()], 0, 0])))
    assert set(rows_of(ax)) == expected


@pytest.mark.parametrize("is_graph", [False, True])
def test_of_a_fitted_linkage(is_graph, images):
    features = np.random.default_rng(0).normal(size=(60, 4))
    X = mine_neighbors(features, 5) if is_graph else features
    linkage = GraphDegreeLinkage(4, n_neighbors=5).fit(X)
    assert len(rows_of(plot_tree(linkage, images))) == 31
    ax = plot_tree(linkage, images, n_leaves=4)
    sizes = np.bincount(linkage.labels_)
    expected = [f"{size} image{'s' if size > 1 else ''}" for size in sizes]
    assert sorted(tick_labels(ax.yaxis)) == sorted(expected)


def test_a_bare_graph_of_more_parts_than_leaves():
    rng = np.random.default_rng(0)
    X = 1000 * np.arange(40).repeat(4)[:, np.newaxis] + rng.normal(size=(160, 1))
    graph = mine_neighbors(X, 3, metric="euclidean")
    clusterer = GraphDegreeLinkage(50, n_neighbors=3).fit(graph)
    assert clusterer.n_connected_components_ == 40
    ax = plot_tree(clusterer, np.zeros((160, 4, 4, 3), np.uint8))
    assert len(rows_of(ax)) == 31
    assert n_dashed(ax) == 30
    assert tick_labels(ax.yaxis).count("4 images") == 30


def test_as_many_leaves_as_samples_take_little_memory():
    n_samples = 4000
    near = np.arange(n_samples)[:, np.newaxis] ^ 1
    graph = NeighborGraph(near, np.ones((n_samples, 1), np.float32))
    clusterer = GraphDegreeLinkage(n_samples // 2).fit(graph)
    tracemalloc.start()
    top_of(clusterer, n_samples)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < n_samples**2


def test_without_an_embedding_the_first_image_stands_for_samples(linked, images):
    linked.embedding_, linked.embedding_dims_ = None, ()
    firsts = [np.flatnonzero(linked.labels_ == group)[0] for group in range(3)]
    expected = {tuple(map(int, images[row, 0, 0])) for row in firsts}
    assert set(rows_of(plot_tree(linked, images, n_leaves=3))) == expected


def test_a_cut_tree_has_the_groups_of_the_whole():
    merges = linkage(np.random.default_rng(0).normal(size=(30, 2)))
    tree = ClusterTree(merges[:, :2].astype(np.int64), merges[:, 2])
    top = cut_top(tree, 8)
    np.testing.assert_array_equal(top.distances, tree.distances[-7:])
    for n_clusters in range(1, 9):
        whole = tree.labels(n_clusters)
        groups = top.labels(n_clusters)[tree.labels(8)]
        pairs = set(zip(whole.tolist(), groups.tolist(), strict=True))
        assert len(pairs) == n_clusters


# Of both


def test_into_given_axes(clusterer, images):
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_tree(clusterer, images, ax=right) is right
    assert len(right.images) == 1
    assert len(left.images) == 0
    assert plt.get_fignums() == [figure.number]
    assert to_hex(right.collections[0].get_colors()[0]) == "#3f90da"


def test_wrong_input(clusterer, linked, images):
    for fitted in (clusterer, linked):
        with pytest.raises(ValueError, match=r"images must be the 60 .* got 59"):
            plot_tree(fitted, images[:59])
    with pytest.raises(ValueError, match="n_leaves must be at least 1; got 0"):
        plot_tree(clusterer, images, n_leaves=0)
    for unfitted in (SCANClusterer(), GraphDegreeLinkage()):
        with pytest.raises(NotFittedError):
            plot_tree(unfitted, images)
    with pytest.raises(
        TypeError, match=r"KMeans has no model .* also shows a GraphDeg"
    ):
        plot_tree(KMeans(2).fit(np.arange(60.0)[:, np.newaxis]), images)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("size", [None, (3, 3), (14, 3)])
def test_names_do_not_overlap(size, clusterer, images):
    clusterer.cluster_names_[:3] = ["a rather long name of one", "WWW", "$x_"]
    ax = None if size is None else plt.subplots(figsize=size)[1]
    ax = plot_tree(clusterer, images, ax=ax)
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert overlapping(boxes) == 0
    if size is None:
        assert min(box.x0 for box in boxes) >= 0
