"""Pictures of numbers: sizes, confidence, confusion, training."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plotting_helpers import Fitted, captions, overlapping, tick_labels
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

from sklearn_scan import SCANClusterer, SimCLR
from sklearn_scan.plotting import (
    plot_confidence,
    plot_confusion,
    plot_n_clusters,
    plot_sizes,
    plot_training,
)

# Sizes


def test_sizes(two_of_three):
    two_of_three.cluster_names_[1] = "dogs"
    ax = plot_sizes(two_of_three)
    confident, others = ax.containers
    assert [bar.get_width() for bar in confident] == [2, 1, 0]
    assert [bar.get_width() for bar in others] == [4, 3, 0]
    assert [bar.get_x() for bar in others] == [2, 1, 0]
    assert captions(ax) == ["6 (33%)", "4 (25%)", "empty"]
    assert tick_labels(ax.yaxis) == ["0", "dogs", "2"]


def test_sizes_leave_out_unreadable_images(with_unreadable):
    assert captions(plot_sizes(with_unreadable)) == ["4 (0%)", "4 (25%)", "empty"]


@pytest.mark.parametrize("n_clusters", [1, 30, 150])
def test_sizes_of_few_and_of_many_clusters(n_clusters):
    labels = np.arange(2 * n_clusters) % n_clusters
    clusterer = Fitted(np.eye(n_clusters)[labels], n_neighbors=0)
    ax = plot_sizes(clusterer.fit())
    assert len(ax.patches) == 2 * n_clusters
    ax.figure.canvas.draw()
    labels = [label for label in ax.get_yticklabels() if label.get_text()]
    assert overlapping([label.get_window_extent() for label in labels]) == 0


# Confidence


def test_confidence(two_of_three, with_unreadable):
    ax = plot_confidence(two_of_three)
    confident, others = (np.array([b.get_height() for b in c]) for c in ax.containers)
    assert (confident.sum(), others.sum()) == (3, 7)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["confident: 3 (30%)", "less so: 7 (70%)"]
    ax = plot_confidence(with_unreadable)
    assert sum(b.get_height() for c in ax.containers for b in c) == 8


# Confusion


def test_confusion_of_labels():
    y = ["cat", "cat", "dog", "dog", "dog", "eel"]
    ax = plot_confusion([1, 1, 0, 0, 1, -1], y)
    shares = np.asarray(ax.images[0].get_array())
    np.testing.assert_allclose(shares, [[1, 0], [1 / 3, 2 / 3], [0, 0]])
    assert captions(ax) == ["2", "1", "2"]
    assert tick_labels(ax.xaxis) == ["1", "0"]
    assert tick_labels(ax.yaxis) == ["cat", "dog", "eel"]
    assert ax.get_title() == "accuracy 0.667 · 1 unreadable"


def test_confusion_of_a_clusterer(two_of_three):
    two_of_three.cluster_names_[1] = "dogs"
    y = 1 - two_of_three.labels_
    ax = plot_confusion(two_of_three, y, display_labels=["no", "yes"])
    assert tick_labels(ax.xaxis) == ["dogs", "0"]
    assert tick_labels(ax.yaxis) == ["no", "yes"]
    assert ax.get_title() == "accuracy 1.000"


def test_confusion_of_a_clusterer_without_names():
    clusterer = KMeans(2, random_state=0).fit([[0.0], [0.1], [9.0], [9.1]])
    ax = plot_confusion(clusterer, [0, 0, 1, 1])
    assert ax.get_title() == "accuracy 1.000"
    assert sorted(tick_labels(ax.xaxis)) == ["0", "1"]


def test_display_labels_go_with_their_classes():
    y = [3, 3, 3, 5, 5, 9]
    ax = plot_confusion([0, 0, 0, 1, 1, 1], y, display_labels=["three", "five", "nine"])
    assert tick_labels(ax.yaxis) == ["three", "five", "nine"]
    ax = plot_confusion([0, 1, 1, 1, 1, 0], [3, 5, 5, 9, 9, 9])
    order = tick_labels(ax.yaxis)
    ax = plot_confusion(
        [0, 1, 1, 1, 1, 0], [3, 5, 5, 9, 9, 9], display_labels=["3", "5", "9"]
    )
    assert tick_labels(ax.yaxis) == order


def test_numbers_too_small_to_read_are_left_out():
    labels = np.arange(100).repeat(100)
    ax = plot_confusion(labels, labels)
    assert captions(ax) == []
    assert ax.images[0].get_array().shape == (100, 100)
    ax.figure.canvas.draw()
    for axis in (ax.xaxis, ax.yaxis):
        shown = [text for text in axis.get_ticklabels() if text.get_text()]
        assert overlapping([text.get_window_extent() for text in shown]) == 0


def test_wrong_classes(two_of_three):
    with pytest.raises(ValueError, match="y must have a class for each of the 10"):
        plot_confusion(two_of_three, [0, 1])
    with pytest.raises(ValueError, match=r"display_labels must .* 2 classes; got 1"):
        plot_confusion([0, 1], [0, 1], display_labels=["a"])
    with pytest.raises(ValueError, match="all labels are -1"):
        plot_confusion([-1, -1], [0, 1])
    with pytest.raises(NotFittedError):
        plot_confusion(SCANClusterer(), [0, 1])
    assert plt.get_fignums() == []


# Training


def curves(ax):
    return {line.get_label(): line.get_xydata().tolist() for line in ax.lines}


def test_training(two_of_three):
    ax = plot_training(two_of_three)
    drawn = curves(ax)
    assert drawn["loss"] == [[1, -1.0], [2, -1.5]]
    assert drawn["consistency"] == [[1, 1.0], [2, 0.6]]
    assert drawn["entropy"] == [[1, -2.0], [2, -2.1]]
    assert drawn["cross entropy"] == [[3, 0.5], [4, 0.4]]
    assert captions(ax) == ["SCAN", "self-labelling"]
    (second,) = [other for other in ax.figure.axes if other is not ax]
    assert curves(second) == {"confident images": [[3, 4], [4, 6]]}


def test_a_second_stage_that_was_undone_says_so(two_of_three):
    two_of_three.self_labeled_ = False
    assert captions(plot_training(two_of_three)) == ["SCAN", "self-labelling\n(undone)"]


def test_training_of_a_pretext():
    images = np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8)
    pretext = SimCLR(epochs=2, random_state=0).fit(images)
    ax = plot_training(pretext)
    (line,) = ax.lines
    assert len(line.get_xdata()) == 2
    assert len(ax.figure.axes) == 1


def test_given_axes(two_of_three):
    _, axes = plt.subplots(2, 2)
    for plot, ax in zip(
        [plot_sizes, plot_confidence, plot_training], axes.flat, strict=False
    ):
        assert plot(two_of_three, ax=ax) is ax
    last = axes.flat[-1]
    assert plot_confusion(two_of_three, two_of_three.labels_, ax=last) is last
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("plot", [plot_sizes, plot_confidence, plot_training])
def test_not_fitted(plot):
    with pytest.raises(NotFittedError):
        plot(SCANClusterer())
    assert plt.get_fignums() == []


def test_the_curve_and_not_the_clusterer():
    with pytest.raises(TypeError, match="n_clusters_curve_"):
        plot_n_clusters(SCANClusterer())
