"""Pictures of images with captions: a cluster's, prototypes, uncertain, neighbours."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plotting_helpers import Fitted, captions, overlapping, tiles
from sklearn.exceptions import NotFittedError

from sklearn_scan import SCANClusterer
from sklearn_scan.plotting import (
    plot_cluster,
    plot_neighbors,
    plot_prototypes,
    plot_uncertain,
)

WHITE = (255, 255, 255)


def plot_first_cluster(clusterer, images, **options):
    return plot_cluster(clusterer, images, 0, **options)


def plot_neighbors_of_first(clusterer, images, **options):
    return plot_neighbors(clusterer, images, 1, **options)


ALL = [plot_first_cluster, plot_prototypes, plot_uncertain, plot_neighbors_of_first]


# All of them


@pytest.mark.parametrize("plot", ALL)
def test_into_given_axes(plot, colors, two_of_three):
    figure, (left, right) = plt.subplots(1, 2)
    assert plot(two_of_three, colors, ax=right) is right
    assert len(right.images) == 1
    assert len(left.images) == 0
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("plot", ALL)
def test_wrong_input(plot, colors, two_of_three):
    with pytest.raises(ValueError, match=r"images must be the 10 .* got 9"):
        plot(two_of_three, colors[:9])
    with pytest.raises(NotFittedError):
        plot(SCANClusterer(), colors)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("plot", ALL)
def test_unreadable_images_are_not_read(
    plot, colors, shades, with_unreadable, tmp_path
):
    from PIL import Image

    paths = [str(tmp_path / f"{i}.png") for i in range(10)]
    for i, (path, image) in enumerate(zip(paths, colors, strict=True)):
        if i not in (0, 6):
            Image.fromarray(image).save(path)
    shown = set(tiles(plot(with_unreadable, paths)))
    assert shown <= {*shades} - {shades[0], shades[6]} | {WHITE}


@pytest.mark.parametrize("plot", ALL)
@pytest.mark.parametrize("size", [None, (2, 2), (14, 3)])
def test_captions_do_not_overlap(plot, size, colors):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 10)
    clusterer = Fitted(probabilities, np.random.default_rng(0).random((10, 4))).fit()
    clusterer.cluster_names_ = ["a rather long name of one", "WWWWWWWWWWWWWWWWW", "$x_"]
    ax = None if size is None else plt.subplots(figsize=size)[1]
    ax = plot(clusterer, colors, ax=ax)
    ax.figure.canvas.draw()
    assert overlapping([text.get_window_extent() for text in ax.texts]) == 0


# One cluster


def test_a_cluster_is_ordered_by_confidence(colors, shades, two_of_three):
    ax = plot_cluster(two_of_three, colors, 0)
    assert tiles(ax) == [shades[i] for i in (6, 0, 2, 4, 5, 9)]
    assert captions(ax) == ["0.95", "0.90", "0.80", "0.70", "0.60", "0.55"]
    assert ax.get_title() == "cluster 0: 6 images"


def test_of_a_large_cluster_even_steps_are_shown(colors, shades, two_of_three):
    ax = plot_cluster(two_of_three, colors, 0, n_images=3)
    assert tiles(ax) == [shades[i] for i in (6, 2, 9)]
    assert ax.get_title() == "cluster 0: 3 of 6 images"


def test_a_cluster_by_its_name(colors, shades, two_of_three):
    two_of_three.cluster_names_[1] = "dogs"
    ax = plot_cluster(two_of_three, colors, "dogs")
    assert tiles(ax) == [shades[i] for i in (1, 3, 7, 8)]
    assert ax.get_title() == "dogs: 4 images"


def test_an_empty_cluster(colors, two_of_three):
    ax = plot_cluster(two_of_three, colors, 2)
    assert ax.get_title() == "cluster 2: 0 images"
    assert (np.asarray(ax.images[0].get_array()) == 255).all()
    ax.figure.canvas.draw()


def test_members_are_those_of_the_labels(colors, shades, two_of_three):
    two_of_three.labels_[6] = 1
    ax = plot_cluster(two_of_three, colors, 1)
    assert tiles(ax) == [shades[i] for i in (1, 3, 7, 8, 6)]
    assert captions(ax)[-1] == "0.05"


@pytest.mark.parametrize(
    ("cluster", "error", "message"),
    [
        (3, ValueError, "cluster must be below 3, the number of clusters; got 3"),
        (-1, ValueError, "cluster must be .*; got -1"),
        ("cats", ValueError, "no cluster named 'cats'"),
        (1.5, TypeError, "cluster must be an integer"),
    ],
)
def test_no_such_cluster(cluster, error, message, colors, two_of_three):
    with pytest.raises(error, match=message):
        plot_cluster(two_of_three, colors, cluster)


def test_a_name_of_two_clusters(colors, two_of_three):
    two_of_three.cluster_names_ = ["cats", "cats", "dogs"]
    with pytest.raises(ValueError, match="several clusters named 'cats'"):
        plot_cluster(two_of_three, colors, "cats")


# Prototypes


def test_prototypes(colors, shades, two_of_three):
    two_of_three.cluster_names_[1] = "dogs"
    ax = plot_prototypes(two_of_three, colors)
    # nearest to the mean, 26 / 6 and 19 / 4, of the members' embeddings
    assert tiles(ax) == [shades[4], shades[3], WHITE]
    assert captions(ax) == [
        "cluster 0\n6 images",
        "dogs\n4 images",
        "cluster 2\n0 images",
    ]
    assert len(ax.patches) == 1  # the frame of the empty cluster


def test_prototypes_of_several_spaces_weigh_them_alike(colors, shades):
    rng = np.random.default_rng(0)
    spaces = [rng.random((10, 3)), 1000 * rng.random((10, 40))]
    clusterer = Fitted(np.ones((10, 1)), np.hstack(spaces).astype(np.float32)).fit()
    clusterer.embedding_dims_ = (3, 40)
    even = []
    for space in spaces:
        centered = space - space.mean(axis=0)
        even.append([row / np.linalg.norm(row) for row in centered])
    even = np.hstack(even)
    middle = np.linalg.norm(even - even.mean(axis=0), axis=1).argmin()
    raw = np.linalg.norm(spaces[1] - spaces[1].mean(axis=0), axis=1).argmin()
    assert middle != raw  # the wide space alone would choose another
    assert tiles(plot_prototypes(clusterer, colors)) == [shades[middle]]


def test_a_hundred_clusters(colors):
    images = np.repeat(colors, 20, axis=0)
    clusterer = Fitted(np.eye(100)[np.arange(200) % 100] * 0.9 + 0.001).fit()
    ax = plot_prototypes(clusterer, images)
    assert len(ax.texts) == len(set(captions(ax))) == 100
    assert WHITE not in tiles(ax)
    assert max(ax.figure.get_size_inches()) < 20


# Uncertain images


def test_uncertain(colors, shades, two_of_three):
    ax = plot_uncertain(two_of_three, colors, n_images=3)
    assert tiles(ax) == [shades[i] for i in (9, 5, 8)]
    assert captions(ax) == ["0: 0.55\n1: 0.45", "0: 0.60\n1: 0.40", "1: 0.60\n0: 0.40"]


def test_uncertain_where_there_is_one_cluster(colors):
    clusterer = Fitted(np.ones((10, 1))).fit()
    assert captions(plot_uncertain(clusterer, colors)) == ["0: 1.00"] * 10


# Neighbours


def test_neighbors(colors, shades, two_of_three):
    angles = np.deg2rad([0, 3, 90, 180, 20, 100, 150, 170, 200, 300])
    embedding = np.column_stack([np.cos(angles), np.sin(angles)])
    clusterer = Fitted(two_of_three.probabilities_, embedding).fit()
    ax = plot_neighbors(clusterer, colors, 0)
    assert tiles(ax) == [shades[i] for i in (0, 1, 4)]
    assert captions(ax) == ["cluster 0\n", "cluster 1\n1.00", "cluster 0\n0.94"]
    own, other, same = (text.get_color() for text in ax.texts)
    assert own == same != other
    assert ax.get_title() == "X[0] and its nearest neighbours"
    assert len(plot_neighbors(clusterer, colors, 0, n_neighbors=1).texts) == 2


def test_neighbors_that_people_left_out(colors, two_of_three):
    two_of_three.labels_[[0, 1]] = -1
    ax = plot_neighbors(two_of_three, colors, 0, n_neighbors=1)
    assert [text.split("\n")[0] for text in captions(ax)] == ["left out", "left out"]


def test_no_neighbors(colors, two_of_three, with_unreadable):
    none = Fitted(two_of_three.probabilities_, n_neighbors=0).fit()
    with pytest.raises(ValueError, match="fitted with n_neighbors=0"):
        plot_neighbors(none, colors, 0)
    with pytest.raises(ValueError, match="Image 6 could not be read"):
        plot_neighbors(with_unreadable, colors, 6)
    with pytest.raises(ValueError, match="index must be below 10"):
        plot_neighbors(two_of_three, colors, 10)
