"""The map of the embedding."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from plotting_helpers import Fitted, overlapping
from sklearn.exceptions import NotFittedError

from sklearn_scan import SCANClusterer
from sklearn_scan.plotting import plot_embedding
from sklearn_scan.results.embedding_map import map_embedding

POINTS = np.column_stack([np.arange(10.0), np.arange(10.0) ** 2])


def offsets(ax):
    return [np.asarray(group.get_offsets()).tolist() for group in ax.collections]


def labels(ax):
    return [artist for artist in ax.artists if isinstance(artist, AnnotationBbox)]


def names(ax):
    return [label.offsetbox.get_text() for label in labels(ax)]


def drawn_boxes(ax):
    ax.figure.canvas.draw()
    return [label.patch.get_window_extent() for label in labels(ax)]


def test_points_by_cluster(two_of_three):
    ax = plot_embedding(two_of_three, points=POINTS)
    first, second, third = offsets(ax)
    assert first == POINTS[[0, 2, 4, 5, 6, 9]].tolist()
    assert second == POINTS[[1, 3, 7, 8]].tolist()
    assert third == []
    assert names(ax) == ["0", "1"]
    assert ax.get_legend() is None


def test_points_by_class(two_of_three):
    y = ["cat"] * 5 + ["$dog_"] * 5
    ax = plot_embedding(two_of_three, y=y, points=POINTS)
    assert offsets(ax) == [POINTS[5:].tolist(), POINTS[:5].tolist()]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["$dog_", "cat"]
    assert names(ax) == []
    ax.figure.canvas.draw()


def test_unreadable_images_have_no_point(with_unreadable):
    points = POINTS.copy()
    points[[0, 6]] = np.nan
    ax = plot_embedding(with_unreadable, points=points)
    assert sum(map(len, offsets(ax))) == 8
    ax = plot_embedding(with_unreadable, y=np.zeros(10), points=points)
    assert sum(map(len, offsets(ax))) == 8
    ax = plot_embedding(with_unreadable)  # places them itself
    assert np.isfinite(np.concatenate(offsets(ax)[:2])).all()


def test_points_are_those_of_project_by_default():
    rng = np.random.default_rng(0)
    clusterer = Fitted(rng.dirichlet(np.ones(2), 30), rng.random((30, 4))).fit()
    centered = clusterer.embedding_ - clusterer.embedding_.mean(axis=0)
    expected = map_embedding(centered, random_state=0)
    np.testing.assert_allclose(
        offsets(plot_embedding(clusterer))[0], expected[clusterer.labels_ == 0]
    )


def test_prototypes_are_shown(colors, shades, two_of_three):
    ax = plot_embedding(two_of_three, colors, points=POINTS)
    boxes = labels(ax)
    np.testing.assert_array_equal([box.xy for box in boxes], POINTS[[4, 3]])
    pixels = [box.offsetbox.get_children()[0].get_data() for box in boxes]
    assert [tuple(image[5, 5].tolist()) for image in pixels] == [shades[4], shades[3]]
    assert overlapping(drawn_boxes(ax)) == 0


@pytest.mark.parametrize("with_images", [False, True])
def test_many_clusters_in_one_place(with_images, colors):
    images = np.repeat(colors, 4, axis=0)
    clusterer = Fitted(np.eye(40)).fit()
    points = np.random.default_rng(0).normal(size=(40, 2))
    points[20:] /= 20
    ax = plot_embedding(clusterer, images if with_images else None, points=points)
    boxes = drawn_boxes(ax)
    assert len(boxes) == 40
    assert overlapping(boxes) == 0
    looks = {
        (*group.get_facecolor()[0], group.get_paths()[0].vertices.tobytes())
        for group in ax.collections
    }
    assert len(looks) > 30


def test_one_cluster_one_place(colors):
    clusterer = Fitted(np.ones((10, 1)), np.ones((10, 2))).fit()
    ax = plot_embedding(clusterer, colors, points=np.ones((10, 2)))
    ax.figure.canvas.draw()
    assert len(offsets(ax)[0]) == 10


def test_given_axes_and_wrong_input(colors, two_of_three):
    _, ax = plt.subplots()
    assert plot_embedding(two_of_three, points=POINTS, ax=ax) is ax
    with pytest.raises(ValueError, match=r"points must have shape \(10, 2\)"):
        plot_embedding(two_of_three, points=POINTS[:9])
    with pytest.raises(ValueError, match="y must have a class for each of the 10"):
        plot_embedding(two_of_three, points=POINTS, y=[0])
    with pytest.raises(ValueError, match="images must be the 10"):
        plot_embedding(two_of_three, colors[:2], points=POINTS)
    with pytest.raises(NotFittedError):
        plot_embedding(SCANClusterer())
    assert len(plt.get_fignums()) == 1
