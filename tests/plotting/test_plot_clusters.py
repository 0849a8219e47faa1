"""The overview of clusters, and the curve of their number."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from plotting_helpers import tick_labels
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import GraphDegreeLinkage, ImageEncoder, SCANClusterer
from sklearn_scan.datasets import make_shapes
from sklearn_scan.model_selection import ClusterNumberCurve
from sklearn_scan.plotting import (
    plot_cluster,
    plot_clusters,
    plot_confidence,
    plot_embedding,
    plot_n_clusters,
    plot_neighbors,
    plot_prototypes,
    plot_sizes,
    plot_training,
    plot_uncertain,
)


def pixel(ax, x, y):
    return ax.images[0].get_array()[int(y), int(x)]


def test_axes_and_labels(colors, two_of_three):
    ax = plot_clusters(two_of_three, colors, n_images=3)
    assert isinstance(ax, Axes)
    assert tick_labels(ax.yaxis) == ["0 (6)", "1 (4)", "2 (0)"]
    assert tick_labels(ax.xaxis) == ["prototype", "most confident", "least confident"]
    ax.figure.canvas.draw()


def test_which_images_are_shown_where(colors, two_of_three):
    ax = plot_clusters(two_of_three, colors, n_images=1)
    prototype, most, least = ax.get_xticks()
    first, second, third = ax.get_yticks()
    np.testing.assert_array_equal(pixel(ax, most, first), colors[6, 0, 0])
    np.testing.assert_array_equal(pixel(ax, least, first), colors[9, 0, 0])
    np.testing.assert_array_equal(pixel(ax, most, second), colors[1, 0, 0])
    np.testing.assert_array_equal(pixel(ax, least, second), colors[8, 0, 0])
    # nearest to the mean, 26 / 6 and 19 / 4, of the members' embeddings
    np.testing.assert_array_equal(pixel(ax, prototype, first), colors[4, 0, 0])
    np.testing.assert_array_equal(pixel(ax, prototype, second), colors[3, 0, 0])
    for x in (prototype, most, least):
        np.testing.assert_array_equal(pixel(ax, x, third), 255)


def test_more_places_than_members(colors, two_of_three):
    ax = plot_clusters(two_of_three, colors, n_images=50)
    shown = np.unique(ax.images[0].get_array().reshape(-1, 3), axis=0)
    assert len(shown) == 10 + 1  # and white


def test_into_given_axes(colors, two_of_three):
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_clusters(two_of_three, colors, ax=right) is right
    assert len(right.images) == 1
    assert len(left.images) == 0
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("shape", [(8, 8), (40, 30), (200, 300)])
def test_images_of_any_size(two_of_three, shape):
    grey = np.random.default_rng(0).random((10, *shape))
    ax = plot_clusters(two_of_three, grey, n_images=2)
    assert ax.images[0].get_array().ndim == 3


def test_a_fitted_clusterer(tmp_path):
    shapes = make_shapes(30, 3, image_size=16, random_state=0)
    encoder = ImageEncoder(nn.Flatten(), input_size=16)
    clusterer = SCANClusterer(
        3, encoder=encoder, n_neighbors=3, max_epochs=20, random_state=0
    ).fit(shapes.images)
    ax = plot_clusters(clusterer, shapes.images)
    sizes = np.bincount(clusterer.labels_, minlength=3)
    assert tick_labels(ax.yaxis) == [f"{i} ({size})" for i, size in enumerate(sizes)]
    ax.figure.savefig(tmp_path / "clusters.png")
    assert (tmp_path / "clusters.png").stat().st_size > 0


def test_wrong_input(colors, two_of_three):
    with pytest.raises(ValueError, match=r"images must be the 10 .* got 9"):
        plot_clusters(two_of_three, colors[:9])
    with pytest.raises(ValueError, match=r"n_images must be .*; got 0"):
        plot_clusters(two_of_three, colors, n_images=0)
    with pytest.raises(NotFittedError):
        plot_clusters(SCANClusterer(), colors)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "plot",
    [
        plot_clusters, plot_prototypes, plot_uncertain,
        lambda clusterer, images: plot_cluster(clusterer, images, 0),
        lambda clusterer, images: plot_neighbors(clusterer, images, 0),
        lambda clusterer, images: plot_embedding(clusterer),
        lambda clusterer, images: plot_sizes(clusterer),
        lambda clusterer, images: plot_confidence(clusterer),
        lambda clusterer, images: plot_training(clusterer),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "clusterer", [GraphDegreeLinkage(2, n_neighbors=3), KMeans(2), HDBSCAN(copy=True)],
    ids=lambda clusterer: type(clusterer).__name__,
)  # fmt: skip
def test_clusterers_without_a_model_are_refused(plot, clusterer, colors):
    clusterer = clone(clusterer).fit(np.random.default_rng(0).normal(size=(10, 3)))
    name = type(clusterer).__name__
    with pytest.raises(TypeError, match=f"{name} has no model .* this picture needs"):
        plot(clusterer, colors)
    assert plt.get_fignums() == []
    with pytest.raises(NotFittedError):
        plot(clone(clusterer), colors)


def test_the_curve_of_the_number_of_clusters():
    curve = ClusterNumberCurve(3, np.array([2, 3, 4]), np.array([0.4, 0.6, 0.5]))
    _, (left, right) = plt.subplots(1, 2)
    assert plot_n_clusters(curve, ax=left) is left
    line, mark = left.lines
    np.testing.assert_array_equal(line.get_xydata(), [[2, 0.4], [3, 0.6], [4, 0.5]])
    assert set(mark.get_xdata()) == {3}
    assert plot_n_clusters(curve).get_title() == "3 clusters"
    assert not right.lines


def test_names_given_to_clusters_are_shown(colors, two_of_three):
    two_of_three.cluster_names_[1] = "cats, at $5_each$ and $6"
    ax = plot_clusters(two_of_three, colors, n_images=3)
    assert tick_labels(ax.yaxis) == ["0 (6)", "cats, at $5_each$ and $6 (4)", "2 (0)"]
    ax.figure.canvas.draw()


def test_corrected_labels_count(colors, two_of_three):
    two_of_three.labels_[6] = 2  # someone moved it
    ax = plot_clusters(two_of_three, colors, n_images=1)
    prototype, most, _ = ax.get_xticks()
    first, _, third = ax.get_yticks()
    assert tick_labels(ax.yaxis) == ["0 (5)", "1 (4)", "2 (1)"]
    np.testing.assert_array_equal(pixel(ax, most, first), colors[0, 0, 0])
    np.testing.assert_array_equal(pixel(ax, most, third), colors[6, 0, 0])
    np.testing.assert_array_equal(pixel(ax, prototype, third), colors[6, 0, 0])
