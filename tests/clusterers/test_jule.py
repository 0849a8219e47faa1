"""JULEClusterer, as its users meet it; what it shares is tested with SCANClusterer."""

import pickle

import numpy as np
import pytest
import torch
from color_helpers import three_colors
from PIL import Image
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from sklearn_scan import (
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
    relabel,
)
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.pretext import RawPixels
from sklearn_scan.report import write_report
from sklearn_scan.results.relabeling import Edits


def fast(**parameters):
    """Return a clusterer of three clusters that fits in a fraction of a second."""
    settings = {
        "n_clusters": 3,
        "n_neighbors": 8,
        "batch_size": 32,
        "max_epochs": 2,
        "unrolling_rate": 0.9,
        "random_state": 0,
        "precision": "fp32",
    }
    return JULEClusterer(**settings | parameters)


def conv_net():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


def mean_colors():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


def embedding_by(network):
    return ImageEncoder(network, input_size=8, mean=0.5, std=0.5)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(120, 16, centers=3, cluster_std=3.0, random_state=0)


@pytest.fixture(scope="module")
def colored():
    return three_colors()


@pytest.fixture(scope="module")
def digits():
    digits = load_digits_images()
    return digits.images[:150], digits.target[:150]


@pytest.fixture(scope="module")
def of_features(blobs):
    return fast().fit(blobs[0])


@pytest.fixture(scope="module")
def of_images(digits):
    return fast(n_clusters=10).fit(digits[0])


# -- what is found ---------------------------------------------------------------------


def test_digits_are_clustered_better_than_by_k_means():
    digits = load_digits_images()
    images, y = digits.images, digits.target
    clusterer = JULEClusterer(10, max_epochs=3, random_state=0).fit(images)
    k_means = KMeans(10, n_init=3, random_state=0).fit(images.reshape(len(y), -1))
    found, by_k_means = (
        normalized_mutual_info_score(y, each.labels_) for each in (clusterer, k_means)
    )
    assert found > 0.85  # .89 to .92
    assert found > by_k_means + 0.05


@pytest.mark.parametrize("name", ["of_features", "of_images"])
def test_fitted_attributes(name, request, blobs, digits):
    clusterer = request.getfixturevalue(name)
    X, n_clusters = (blobs[0], 3) if name == "of_features" else (digits[0], 10)
    n_samples = len(X)
    assert clusterer.labels_.shape == (n_samples,)
    assert (np.diff(np.bincount(clusterer.labels_, minlength=n_clusters)) <= 0).all()
    assert clusterer.probabilities_.shape == (n_samples, n_clusters)
    np.testing.assert_allclose(clusterer.probabilities_.sum(axis=1), 1)
    assert clusterer.n_clusters_ == n_clusters
    assert clusterer.neighbors_.indices.shape == (n_samples, 8)
    assert set(clusterer.stage_times_) == {"encode", "mine", "cluster", "calibrate"}
    assert {record["stage"] for record in clusterer.history_} == {"JULE"}
    assert clusterer.head_losses_.tolist() == [
        np.float32(clusterer.history_[-1]["loss"])
    ]
    assert clusterer.head_scores_.tolist() == (-clusterer.head_losses_).tolist()
    assert clusterer.best_head_ == 0
    assert not clusterer.self_labeled_
    assert clusterer.bad_images_ == []
    logits = clusterer.module_(torch.from_numpy(clusterer.embedding_))
    assert logits.shape == (1, n_samples, n_clusters)


@pytest.mark.parametrize("name", ["of_features", "of_images"])
def test_predict_agrees_with_fit(name, request, blobs, digits):
    clusterer = request.getfixturevalue(name)
    X = blobs[0] if name == "of_features" else digits[0]
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    np.testing.assert_allclose(
        clusterer.predict_proba(X[3:9]), clusterer.probabilities_[3:9], atol=1e-4
    )
    restored = pickle.loads(pickle.dumps(clusterer))
    np.testing.assert_array_equal(restored.predict_proba(X), clusterer.probabilities_)


def test_features_are_embedded_by_the_map_that_was_learnt(of_features, blobs):
    X, y = blobs
    np.testing.assert_array_equal(of_features.embedding_, X.astype(np.float32))
    embedding = of_features.transform(X)
    assert embedding.shape == (120, 16)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fast().fit_transform(X), embedding)
    assert len(of_features.get_feature_names_out()) == 16
    assert clustering_accuracy(y, of_features.labels_) == 1


@pytest.mark.filterwarnings("ignore:The samples hardly fall into clusters")
def test_a_map_of_wide_features_is_narrow():
    X = np.random.default_rng(0).normal(size=(200, 400))
    clusterer = fast(max_epochs=1).fit(X)
    assert clusterer.transform(X).shape == (200, 160)
    assert len(clusterer.get_feature_names_out()) == 160
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)


def test_images_are_embedded_by_the_network(of_images, digits):
    images = digits[0]
    assert of_images.encoder_.is_trained_
    assert of_images.embedding_.shape == (150, 160)
    np.testing.assert_array_equal(of_images.transform(images), of_images.embedding_)
    embedding = clone(of_images).fit_transform(images)
    np.testing.assert_array_equal(embedding, of_images.embedding_)
    assert len(of_images.get_feature_names_out()) == 160


@pytest.mark.parametrize("name", ["of_features", "of_images"])
def test_one_seed_one_fit(name, request, blobs, digits):
    clusterer = request.getfixturevalue(name)
    X = blobs[0] if name == "of_features" else digits[0]
    torch.manual_seed(99)  # the global state has no say
    before = torch.get_rng_state()
    again = clone(clusterer).fit(X)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(again.probabilities_, clusterer.probabilities_)
    assert again.history_ == clusterer.history_
    other = clone(clusterer).set_params(random_state=1).fit(X)
    assert other.history_ != clusterer.history_


# -- what is trained -------------------------------------------------------------------


def test_a_frozen_encoder_has_its_features_mapped(colored):
    images, y = colored
    clusterer = fast(encoder=embedding_by(mean_colors)).fit(images)
    assert clusterer.score(images, y) == 1
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)
    np.testing.assert_array_equal(
        clusterer.embedding_, clusterer.encoder_.transform(images)
    )
    norms = np.linalg.norm(clusterer.transform(images), axis=1)
    np.testing.assert_allclose(norms, 1, rtol=1e-5)


@pytest.mark.parametrize("finetune", [False, True])
def test_an_encoder_is_trained_where_that_is_asked_for(finetune, colored):
    images, y = colored
    encoder = embedding_by(conv_net()).fit()
    clusterer = fast(encoder=encoder, finetune=finetune).fit(images)
    before, after = (
        each.networks()[0].module.state_dict() for each in (encoder, clusterer.encoder_)
    )
    moved = any(not torch.equal(before[name], after[name]) for name in before)
    assert moved == finetune
    assert clustering_accuracy(y, clusterer.labels_) > 0.9
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)


@pytest.mark.parametrize(
    ("encoder", "embed_dim"),
    [
        ("auto", 160),
        (RawPixels("test_resnet", image_size=16), 96),
        (RawPixels(conv_net), 24),
        (SimCLR(conv_net, epochs=1), 24),
    ],
    ids=["auto", "timm", "own", "pretext"],
)
def test_encoders_that_are_trained_by_themselves(encoder, embed_dim, colored):
    images, y = colored
    clusterer = fast(encoder=encoder).fit(images)
    assert clusterer.embedding_.shape == (60, embed_dim)
    assert clustering_accuracy(y, clusterer.labels_) > 0.9
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)


def test_pixels_alone_are_features(colored):
    images, y = colored
    clusterer = fast(finetune=False).fit(images)
    assert clusterer.embedding_.shape == (60, 192)
    assert not clusterer.encoder_.is_trained_
    assert clusterer.score(images, y) == 1


def test_own_views(colored):
    shapes = []

    def watch(images):
        shapes.append(tuple(images.shape[1:]))
        assert 0 <= images.min() <= images.max() <= 1
        return images.flip(3)

    fast(strong_views=watch, unrolling_rate=0.99, batch_size=60).fit(colored[0])
    assert shapes == [(3, 8, 8)] * 2  # of both of a pair, in each epoch


def test_a_lower_rate_makes_more_periods(blobs, of_features):
    more = fast(unrolling_rate=0.2).fit(blobs[0])
    assert len(more.history_) > 2 * len(of_features.history_)
    assert len(more.history_) % 2 == 0
    np.testing.assert_array_equal(more.labels_, of_features.labels_)


def test_confident_samples_may_teach_in_a_last_stage(blobs, colored):
    settings = {"self_label_epochs": 2, "confidence_threshold": 0.5}
    for X, y in (blobs, colored):
        clusterer = fast(**settings).fit(X)
        stages = [record["stage"] for record in clusterer.history_]
        assert stages[-3:] == ["JULE", "self-labelling", "self-labelling"]
        assert "self_label" in clusterer.stage_times_
        assert clustering_accuracy(y, clusterer.labels_) > 0.95
        np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)


def test_bfloat16(digits):
    clusterer = fast(n_clusters=10, precision="bf16").fit(digits[0])
    assert clustering_accuracy(digits[1], clusterer.labels_) > 0.6


# -- how many clusters -----------------------------------------------------------------


def test_the_number_may_be_estimated(blobs):
    clusterer = fast(n_clusters="auto").fit(blobs[0])
    assert clusterer.n_clusters_ == 3
    assert clusterer.n_clusters_curve_ is not None
    assert clustering_accuracy(blobs[1], clusterer.labels_) == 1


@pytest.mark.parametrize("n_clusters", [1, 2, 30, 120])
def test_few_and_many_clusters(n_clusters, blobs):
    """Also more than the first ones, which are parted."""
    clusterer = fast(n_clusters=n_clusters).fit(blobs[0])
    assert len(np.unique(clusterer.labels_)) == n_clusters


def test_one_cluster_of_images(colored):
    clusterer = fast(n_clusters=1).fit(colored[0])
    assert not clusterer.labels_.any()
    assert (clusterer.probabilities_ == 1).all()


@pytest.mark.filterwarnings("ignore:100% of the .* have an exact copy")
@pytest.mark.parametrize(
    "X",
    [np.zeros((20, 4)), np.full((20, 8, 8), 99, dtype=np.uint8)],
    ids=["features", "images"],
)
def test_samples_that_are_all_alike_are_one_cluster(X):
    with pytest.warns(ConvergenceWarning, match="Clusters 1 and 2 of 3 are empty"):
        clusterer = fast().fit(X)
    assert not clusterer.labels_.any()
    assert np.isfinite(clusterer.probabilities_).all()


def test_a_cluster_that_is_empty_is_never_predicted(blobs):
    X = np.repeat(np.eye(4), 10, axis=0)
    with pytest.warns(ConvergenceWarning, match="Clusters 4 and 5 of 6 are empty"):
        clusterer = fast(n_clusters=6).fit(X)
    assert np.bincount(clusterer.labels_).tolist() == [10] * 4
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    new = clusterer.predict_proba(np.random.default_rng(0).normal(size=(50, 4)))
    np.testing.assert_allclose(new.sum(axis=1), 1)
    assert clusterer.to_torch()(torch.eye(4)).isfinite().all()


# -- neighbours ------------------------------------------------------------------------


def test_more_neighbours_than_samples(blobs):
    with pytest.warns(UserWarning, match="n_neighbors=200 was lowered to 29"):
        clusterer = fast(n_neighbors=200).fit(blobs[0][:30])
    assert clusterer.neighbors_.n_neighbors == 29
    np.testing.assert_array_equal(clusterer.predict(blobs[0][:30]), clusterer.labels_)


def test_a_graph_in_parts(blobs):
    """Of more parts than clusters: nearest means join them."""
    X, y = blobs
    indices = np.empty((120, 2), dtype=np.int64)
    for rows in (np.flatnonzero(y == c)[i::4] for c in range(3) for i in range(4)):
        indices[rows] = np.stack([np.roll(rows, 1), np.roll(rows, 2)], axis=1)
    graph = NeighborGraph(indices, np.full((120, 2), 0.9, np.float32))
    clusterer = fast().fit(X, neighbors=graph)
    assert clusterer.neighbors_.n_neighbors == 2
    assert clustering_accuracy(y, clusterer.labels_) > 0.9


def test_neighbours_of_images_may_be_given(digits, of_images):
    images = digits[0]
    pixels = RawPixels().fit_transform(images)
    graph = mine_neighbors(pixels, 8, center=True)
    given = clone(of_images).fit(images, neighbors=graph)
    np.testing.assert_array_equal(given.labels_, of_images.labels_)


# -- X of every kind -------------------------------------------------------------------


def test_images_of_another_size_are_resized(of_images, digits):
    images = digits[0][:20]
    larger = images.repeat(3, axis=1).repeat(3, axis=2)
    assert (of_images.predict(larger) == of_images.predict(images)).mean() > 0.8


def test_unreadable_images_are_skipped(digits, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(40)]
    for path, image in zip(paths, digits[0], strict=False):
        Image.fromarray(image).save(path)
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    with_bad = [str(bad), *paths]
    with pytest.warns(UserWarning, match="1 of 41 images"):
        clusterer = fast(bad_images="skip").fit(with_bad)
    expected = fast().fit(paths)
    assert clusterer.labels_.tolist() == [-1, *expected.labels_]
    assert np.isnan(clusterer.embedding_[0]).all()
    np.testing.assert_array_equal(clusterer.embedding_[1:], expected.embedding_)
    assert (clusterer.neighbors_.indices[0] == -1).all()
    with pytest.warns(UserWarning, match="1 of 41 images"):
        assert clusterer.predict(with_bad)[0] == -1


def test_several_arrays_and_several_encoders(blobs, colored):
    X, y = blobs
    clusterer = fast().fit((X, X[:, :3]))
    assert clusterer.embedding_dims_ == (16, 3)
    assert clusterer.transform((X, X[:, :3])).shape == (120, 19)
    assert clustering_accuracy(y, clusterer.labels_) == 1
    images, y = colored
    clusterer = fast(encoder=[RawPixels(), embedding_by(mean_colors)]).fit(images)
    assert clusterer.embedding_dims_ == (192, 12)
    assert clustering_accuracy(y, clusterer.labels_) == 1


def test_features_in_a_file(blobs, of_features, tmp_path):
    np.save(tmp_path / "X.npy", blobs[0].astype(np.float32))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    clusterer = fast().fit(X)
    assert clusterer.embedding_ is X
    np.testing.assert_array_equal(clusterer.labels_, of_features.labels_)
    np.testing.assert_allclose(
        clusterer.transform(X), of_features.transform(blobs[0]), atol=1e-4
    )


def test_other_kinds_than_in_the_fit(of_images, of_features, colored, blobs):
    with pytest.raises(ValueError, match="fitted on images, but X holds features"):
        of_images.predict(blobs[0])
    with pytest.raises(ValueError, match="fitted on features, but X holds images"):
        of_features.predict(colored[0])
    with pytest.raises(ValueError, match="X has 3 features, but JULEClusterer"):
        of_features.transform(blobs[0][:, :3])


# -- training that fails ---------------------------------------------------------------


def test_divergence_keeps_the_weights_it_began_with(blobs):
    with pytest.warns(ConvergenceWarning, match="JULE stage.*weights it began with"):
        clusterer = fast(learning_rate=1e30).fit(blobs[0])
    assert clusterer.history_ == []
    assert clustering_accuracy(blobs[1], clusterer.labels_) == 1
    np.testing.assert_array_equal(clusterer.predict(blobs[0]), clusterer.labels_)


@pytest.mark.parametrize("learning_rate", [1e15, 1e30])
def test_divergence_leaves_a_fit_to_predict_with(learning_rate, digits):
    images = digits[0][:60]
    with pytest.warns(ConvergenceWarning, match="JULE stage.*lower learning_rate"):
        clusterer = fast(learning_rate=learning_rate).fit(images)
    assert np.isfinite(clusterer.probabilities_).all()
    assert np.isfinite(clusterer.embedding_).all()
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)


# -- a scikit-learn citizen ------------------------------------------------------------


def test_a_search_without_labels(blobs):
    search = GridSearchCV(
        fast(), {"n_clusters": [2, 3]}, cv=KFold(2, shuffle=True, random_state=0)
    ).fit(blobs[0])
    assert search.best_params_ == {"n_clusters": 3}


def test_a_pipeline(digits, of_images):
    images = digits[0]
    pipeline = make_pipeline(FunctionTransformer(), clone(of_images)).fit(images)
    np.testing.assert_array_equal(pipeline.predict(images), of_images.labels_)


def test_shares_scans_parameters_but_for_its_own():
    scan, jule = SCANClusterer().get_params(), JULEClusterer().get_params()
    assert set(jule) - set(scan) == {"unrolling_rate", "margin"}
    own = {"n_heads", "entropy_weight", "cluster_prior", "ema_decay"}
    assert set(scan) - set(jule) >= own


def test_it_is_corrected_and_shown(of_images, digits, tmp_path):
    images = digits[0]
    corrected = relabel(of_images, Edits(names={0: "mine"}, merged={9: 3}))
    assert corrected.predict_proba(images).shape == (150, 9)
    np.testing.assert_array_equal(corrected.predict(images), corrected.labels_)
    write_report(tmp_path / "page.html", corrected, images, projection="pca")
    assert "mine" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_it_is_one_network(of_images, digits):
    model = of_images.to_torch()
    pixels = torch.from_numpy(digits[0]).unsqueeze(1).expand(-1, 3, -1, -1)
    with torch.no_grad():
        probabilities = model(pixels)
    np.testing.assert_allclose(probabilities, of_images.probabilities_, atol=1e-4)


# -- wrong parameters ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1; got 0"),
        ({"n_clusters": 61}, ValueError, "n_clusters=61 must not exceed"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors must be at least 1; got 0"),
        ({"unrolling_rate": 0}, ValueError, "unrolling_rate must be above 0 .*; got 0"),
        ({"unrolling_rate": 1.0}, ValueError, "unrolling_rate must be .*; got 1.0"),
        ({"unrolling_rate": "a"}, TypeError, "unrolling_rate must be a number; got"),
        ({"margin": 0}, ValueError, "margin must be above 0; got 0"),
        ({"margin": np.inf}, ValueError, "margin must be finite; got inf"),
        ({"finetune": "yes"}, ValueError, "finetune must be 'auto', True or False"),
        ({"strong_views": "all"}, TypeError, "strong_views must be 'auto' or a func"),
        ({"max_epochs": 0}, ValueError, "max_epochs must be .*; got 0"),
        ({"self_label_epochs": -1}, ValueError, "self_label_epochs must be .*; got -1"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be .*; got 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be .*; got 0"),
        ({"precision": "fp16"}, ValueError, "gradients vanish in fp16"),
        ({"encoder": RawPixels(image_size=4)}, ValueError, "at least 5 pixels"),
        (
            {"strong_views": lambda images: images[1:]},
            ValueError,
            "strong_views must return float views",
        ),
        (
            {"encoder": embedding_by(mean_colors), "finetune": True},
            ValueError,
            "no weights that learn: pass finetune=False",
        ),
        (
            {"encoder": [RawPixels(), RawPixels()], "finetune": True},
            TypeError,
            "which a list of encoders does not offer",
        ),
    ],
)
def test_wrong_parameters(parameters, error, message, colored):
    with pytest.raises(error, match=message):
        fast(**parameters).fit(colored[0])


def test_features_have_no_network_to_train(blobs):
    with pytest.raises(ValueError, match=r"finetune=True .* X holds features"):
        fast(finetune=True).fit(blobs[0])


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer, JULEClusterer])
def test_numpy_integers_are_numbers_of_clusters_too(kind, blobs):
    X = blobs[0][:30]
    with pytest.raises(ValueError, match="not exceed the number of samples"):
        kind(np.int64(31)).fit(X)


def test_a_network_is_not_trained_in_half_precision(colored):
    clusterer = fast(encoder=RawPixels(precision="fp32"), precision="fp16")
    with pytest.raises(ValueError, match="gradients vanish in fp16"):
        clusterer.fit(colored[0])
