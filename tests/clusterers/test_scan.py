"""SCANClusterer, as its users meet it."""

import pickle
import random
import re
import warnings

import joblib
import numpy as np
import pytest
import torch
from color_helpers import three_colors
from PIL import Image
from sklearn.base import clone, is_clusterer
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR
from sklearn_scan.datasets import list_images
from sklearn_scan.exceptions import HubUnavailableError, ImageReadError
from sklearn_scan.metrics import clustering_accuracy, clustering_accuracy_scorer


def mean_colors():
    """Return a network whose features are the mean colours of 2 x 2 patches."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


def tiny_encoder():
    return ImageEncoder(mean_colors, input_size=8, mean=0.5, std=0.5)


def fast(**parameters):
    """Return a clusterer of three clusters that fits in a fraction of a second."""
    settings = {"n_clusters": 3, "n_neighbors": 5, "random_state": 0} | parameters
    return SCANClusterer(**settings)


def pretext_fit(images, **parameters):
    """Return a clusterer fitted through all of its stages, the backbone's included."""
    settings = {"max_epochs": 3, "self_label_epochs": 1, "confidence_threshold": 0.4}
    clusterer = fast(encoder=SimCLR(epochs=1), **settings | parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after so few epochs
        return clusterer.fit(images)


@pytest.fixture(scope="module")
def colored():
    """Images (60, 8, 8, 3) of three noisy colours, and which."""
    return three_colors()


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(150, 16, centers=3, cluster_std=1.0, random_state=0)


@pytest.fixture(scope="module")
def fitted(colored):
    return fast(encoder=tiny_encoder()).fit(colored[0])


# -- the main job ------------------------------------------------------------------


@pytest.mark.slow
def test_digits_from_nothing():
    """The demo's job with a shorter pretext: far better than k-means on pixels."""
    from sklearn_scan.datasets import load_digits_images

    digits = load_digits_images()
    clusterer = SCANClusterer(encoder=SimCLR(epochs=20), finetune=False, random_state=0)
    clusterer.fit(digits.images)
    assert clusterer.score(digits.images, digits.target) > 0.87


def test_features_are_clustered():
    X, y = load_digits(return_X_y=True)
    clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    assert clusterer.score(X, y) > 0.75
    assert clusterer.encoder_ is None
    assert clusterer.n_features_in_ == 64


def test_fitted_attributes(fitted, colored):
    images, _ = colored
    n = len(images)
    assert fitted.labels_.shape == (n,)
    assert fitted.labels_.dtype == np.int64
    assert fitted.probabilities_.shape == (n, 3)
    np.testing.assert_allclose(fitted.probabilities_.sum(axis=1), 1)
    assert fitted.embedding_.shape == (n, 12)
    assert fitted.embedding_.dtype == np.float32
    assert fitted.neighbors_.indices.shape == (n, 5)
    assert fitted.head_losses_.shape == fitted.head_scores_.shape == (12,)
    assert fitted.best_head_ == fitted.head_scores_.argmax()
    assert fitted.n_clusters_ == 3
    np.testing.assert_array_equal(fitted.classes_, [0, 1, 2])
    np.testing.assert_array_equal(
        fitted.confident_, fitted.probabilities_.max(axis=1) > 0.99
    )
    stages = [epoch["stage"] for epoch in fitted.history_]
    n_taught = stages.count("self-labelling")
    assert stages == ["SCAN"] * 30 + ["self-labelling"] * n_taught
    assert 10 <= n_taught < 50  # until no more samples grow confident
    assert set(fitted.stage_times_) == {
        "encode",
        "mine",
        "cluster",
        "self_label",
        "calibrate",
    }
    assert not hasattr(fitted, "n_features_in_")
    logits = fitted.module_(torch.from_numpy(fitted.embedding_))
    assert logits.shape == (1, n, 3)


def test_clusters_are_found_and_numbered_by_size():
    sizes = {0: 20, 1: 70, 2: 45}
    X, y = make_blobs(list(sizes.values()), 16, cluster_std=0.5, random_state=0)
    labels = fast(entropy_weight=2.0).fit_predict(X)
    assert clustering_accuracy(y, labels) == 1
    np.testing.assert_array_equal(np.bincount(labels), [70, 45, 20])


def test_predict_agrees_with_fit(fitted, colored):
    images, y = colored
    np.testing.assert_array_equal(fitted.predict(images), fitted.labels_)
    np.testing.assert_array_equal(fitted.predict_proba(images), fitted.probabilities_)
    np.testing.assert_array_equal(fitted.transform(images), fitted.embedding_)
    np.testing.assert_array_equal(fitted.predict(images[7:9]), fitted.labels_[7:9])
    assert fitted.score(images, y) == clustering_accuracy(y, fitted.labels_) == 1
    assert fitted.get_feature_names_out()[0] == "scanclusterer0"


def test_labels_never_reach_training(blobs):
    X, y = blobs
    np.testing.assert_array_equal(
        fast().fit(X, y).probabilities_, fast().fit(X).probabilities_
    )


def test_label_free_score_does_not_prefer_few_clusters(blobs):
    X, _ = blobs
    scores = {k: fast(n_clusters=k).fit(X).score(X) for k in (1, 2, 3)}
    assert scores[1] == pytest.approx(0, abs=1e-9)
    assert scores[3] > scores[2] > scores[1]


def test_cluster_prior_replaces_equal_sizes():
    X, y = make_blobs([15, 135], 16, cluster_std=6.0, random_state=0)
    strong = {"n_clusters": 2, "entropy_weight": 20, "learning_rate": 0.03}
    equal = fast(**strong).fit(X)
    known = fast(**strong, cluster_prior=[0.9, 0.1]).fit(X)
    assert np.bincount(known.labels_)[0] > np.bincount(equal.labels_)[0]
    assert known.score(X, y) > equal.score(X, y)


def test_one_cluster(blobs):
    clusterer = fast(n_clusters=1).fit(blobs[0])
    assert (clusterer.labels_ == 0).all()
    assert (clusterer.probabilities_ == 1).all()


# -- what may be passed as X ---------------------------------------------------------


def _grey(images):
    return images[..., 0]


def _tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _dataset(images):
    return TensorDataset(_tensor(images), torch.zeros(len(images)))


@pytest.mark.parametrize(
    "convert",
    [
        lambda images: images,
        lambda images: images.astype(np.float32),
        lambda images: images / 255.0,
        _tensor,
        lambda images: list(images),
        lambda images: [Image.fromarray(image) for image in images],
        _dataset,
        lambda images: [(Image.fromarray(image), 0) for image in images],
    ],
    ids=[
        "uint8",
        "float255",
        "float1",
        "tensor",
        "list",
        "PIL",
        "Dataset",
        "tuples",
    ],
)
def test_kinds_of_images(convert, fitted, colored):
    X = convert(colored[0])
    same = fast(encoder=tiny_encoder()).fit(X)
    np.testing.assert_array_equal(same.labels_, fitted.labels_)
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)


def test_grey_images(colored):
    grey = _grey(colored[0])
    clusterer = fast(n_clusters=2, encoder=tiny_encoder()).fit(grey)
    assert clustering_accuracy(colored[1] == 0, clusterer.labels_) > 0.95


@pytest.mark.parametrize("kind", [list, np.array, "Series", "DataFrame"])
def test_files(kind, fitted, colored, tmp_path):
    for i, image in enumerate(colored[0]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    X = list_images(tmp_path)
    if isinstance(kind, str):
        pandas = pytest.importorskip("pandas")
        X = pandas.Series(X, name="path")
        X = X.to_frame() if kind == "DataFrame" else X
    else:
        X = kind(X)
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)


def test_a_dark_batch_is_read_on_the_scale_of_fit(colored):
    images = colored[0].astype(np.float32)
    images[0] = images[0] / 255  # all below one, yet on the scale of 0 to 255
    clusterer = fast(encoder=tiny_encoder()).fit(images)
    np.testing.assert_allclose(
        clusterer.predict_proba(images[:1]), clusterer.probabilities_[:1], rtol=1e-9
    )


def test_simclr_inside_fit(colored):
    images, _ = colored
    clusterer = fast(encoder=SimCLR(epochs=2), finetune=False).fit(images)
    assert isinstance(clusterer.encoder_, SimCLR)
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)


def test_settings_reach_an_encoder_that_leaves_them_open(colored, tmp_path):
    clusterer = fast(encoder=tiny_encoder(), memory=tmp_path, precision="fp32")
    clusterer.fit(colored[0])
    assert clusterer.encoder_.memory == tmp_path
    assert clusterer.encoder_.precision == "fp32"
    assert any(tmp_path.iterdir())
    own = fast(encoder=tiny_encoder().set_params(precision="bf16"), precision="fp32")
    assert own.fit(colored[0]).encoder_.precision == "bf16"


# -- a scikit-learn citizen ----------------------------------------------------------


def test_is_a_clusterer():
    assert is_clusterer(SCANClusterer())


@pytest.fixture(params=[1, 2])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("n_threads")
def test_same_seed_same_fit(colored):
    def fit():
        return pretext_fit(colored[0])

    first, second = fit(), fit()
    np.testing.assert_array_equal(first.embedding_, second.embedding_)
    np.testing.assert_array_equal(first.probabilities_, second.probabilities_)
    np.testing.assert_array_equal(first.head_losses_, second.head_losses_)
    assert first.history_ == second.history_


def test_another_seed_another_fit(blobs):
    losses = [fast(random_state=seed).fit(blobs[0]).head_losses_ for seed in (0, 1)]
    assert (losses[0] != losses[1]).any()


def test_global_random_state_is_neither_read_nor_changed(colored):
    def state():
        return torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002

    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        before = state()
        results.append(pretext_fit(colored[0]).probabilities_)
        after = state()
        assert torch.equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])
        assert before[2] == after[2]
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("module", [pickle, joblib], ids=["pickle", "joblib"])
def test_pickle(module, fitted, colored, tmp_path):
    file = tmp_path / "clusterer"
    with file.open("wb") as stream:
        module.dump(fitted, stream)
    with file.open("rb") as stream:
        restored = module.load(stream)
    np.testing.assert_array_equal(
        restored.predict_proba(colored[0]), fitted.probabilities_
    )


def test_clone_keeps_settings_and_forgets_the_fit(fitted):
    copy = clone(fitted)
    assert copy.n_clusters == 3
    assert copy.encoder.input_size == 8
    with pytest.raises(NotFittedError):
        copy.predict(np.zeros((2, 8, 8)))


def test_in_a_pipeline(blobs, colored):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), fast())
    assert clustering_accuracy(y, pipeline.fit_predict(X)) == 1
    np.testing.assert_array_equal(pipeline.predict(X), pipeline[-1].labels_)
    images, colors = colored
    embed_and_cluster = make_pipeline(tiny_encoder(), fast())
    assert clustering_accuracy(colors, embed_and_cluster.fit_predict(images)) == 1


def test_output_as_data_frames(blobs):
    pandas = pytest.importorskip("pandas")
    X, _ = blobs
    clusterer = fast().set_output(transform="pandas").fit(X)
    frame = clusterer.transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.columns[0] == "scanclusterer0"
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    assert clusterer.score(X) > 0


def test_grid_search_with_labels_on_images(colored):
    images, y = colored
    search = GridSearchCV(
        fast(encoder=tiny_encoder(), max_epochs=30),
        {"n_clusters": [2, 3], "encoder__input_size": [4, 8]},
        cv=KFold(2, shuffle=True, random_state=0),
        scoring=clustering_accuracy_scorer,
    ).fit(images, y)
    assert search.best_params_["n_clusters"] == 3
    assert search.best_score_ > 0.95


@pytest.mark.slow
def test_grid_search_without_labels_in_two_processes(blobs):
    search = GridSearchCV(
        fast(max_epochs=30),
        {"n_clusters": [2, 3]},
        cv=KFold(2, shuffle=True, random_state=0),
        n_jobs=2,
    ).fit(blobs[0])
    assert search.best_params_ == {"n_clusters": 3}


def test_grid_search_on_files(colored, tmp_path):
    for i, image in enumerate(colored[0]):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    search = GridSearchCV(
        fast(encoder=tiny_encoder(), max_epochs=20, memory=tmp_path / "cache"),
        {"n_heads": [1, 2]},
        cv=[(np.arange(60), np.arange(60))],
        scoring="normalized_mutual_info_score",
    ).fit(list_images(tmp_path), colored[1])
    assert search.best_score_ > 0.9


def test_verbose_zero_is_silent_and_one_shows_bars(colored, capsys):
    pretext_fit(colored[0])
    quiet = capsys.readouterr()
    assert quiet.out == quiet.err == ""
    pretext_fit(colored[0], verbose=1)
    shown = capsys.readouterr().err
    for stage in ("SimCLR", "embedding", "SCAN", "self-labelling"):
        assert stage in shown


def test_every_long_stage_of_a_fit_on_features_has_a_bar(blobs, capsys):
    SCANClusterer("auto", max_epochs=1, random_state=0, verbose=1).fit(blobs[0])
    shown = capsys.readouterr().err
    bars = ("number of clusters", "partitions", "refined partitions", "consensus")
    for stage in (*bars, "SCAN"):
        assert f"{stage}: 100%" in shown


def test_a_failed_fit_leaves_nothing_to_predict_with(colored, blobs):
    clusterer = fast(encoder=tiny_encoder()).fit(colored[0])
    with pytest.raises(ValueError, match="n_clusters=3 must not exceed"):
        clusterer.fit(colored[0][:2])
    with pytest.raises(NotFittedError):
        clusterer.predict(colored[0])
    features = fast().fit(blobs[0])
    features.set_params(encoder=tiny_encoder()).fit(colored[0])
    assert not hasattr(features, "n_features_in_")


def test_fit_transform_embeds_once(colored):
    passes = []
    network = mean_colors()
    network.register_forward_hook(lambda *call: passes.append(len(call[1][0])))
    clusterer = fast(encoder=ImageEncoder(lambda: network, input_size=8))
    embedding = clusterer.fit_transform(colored[0])
    assert sum(passes) == len(colored[0])
    np.testing.assert_array_equal(embedding, clusterer.embedding_)


def test_second_stage_is_undone_where_neighbors_agree_less(blobs):
    # no groups at all: the stage would follow its own errors
    X = np.random.default_rng(0).normal(size=(150, 16))
    settings = {"n_clusters": 10, "learning_rate": 0.03}
    first = fast(**settings, self_label_epochs=0).fit(X)
    both = fast(**settings).fit(X)
    assert both.history_[-1]["stage"] == "self-labelling"
    assert not both.self_labeled_
    np.testing.assert_array_equal(both.probabilities_, first.probabilities_)
    assert fast().fit(blobs[0]).self_labeled_


# -- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1; got 0"),
        ({"n_clusters": 2.5}, TypeError, "n_clusters must be an integer"),
        ({"n_clusters": 200}, ValueError, "n_clusters=200 must not exceed"),
        ({"n_neighbors": -1}, ValueError, "n_neighbors must be .*; got -1"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors=0 .* the backbone must be train"),
        ({"neighbor_method": "exakt"}, ValueError, "Did you mean 'exact'"),
        ({"n_heads": True}, TypeError, "n_heads must be an integer"),
        ({"max_epochs": 0}, ValueError, "max_epochs must be .*; got 0"),
        ({"max_epochs": "few"}, ValueError, "max_epochs must be 'auto' or a number"),
        ({"self_label_epochs": -1}, ValueError, "self_label_epochs must be .*; got -1"),
        (
            {"confidence_threshold": 1.0},
            ValueError,
            "confidence_threshold must be .*; got 1.0",
        ),
        ({"entropy_weight": -1}, ValueError, "entropy_weight must be .*; got -1"),
        ({"entropy_weight": np.nan}, ValueError, "entropy_weight must be finite"),
        ({"cluster_prior": [0.5, 0.5]}, ValueError, r"cluster_prior .* shape \(3,\)"),
        ({"cluster_prior": [0.5, 0.5, 0.5]}, ValueError, "must sum to one"),
        ({"cluster_prior": [1, 0, 0]}, ValueError, "above zero"),
        ({"finetune": "yes"}, ValueError, "finetune must be 'auto', True or False"),
        ({"finetune": None}, ValueError, "finetune must be 'auto', True or False"),
        ({"finetune": True}, ValueError, "finetune=True trains .* X holds features"),
        ({"strong_views": "mild"}, TypeError, "strong_views must be .* got 'mild'"),
        ({"ema_decay": 1.0}, ValueError, "ema_decay must be .*; got 1.0"),
        ({"ema_decay": "slow"}, TypeError, "ema_decay must be a number; got"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be .*; got 0"),
        ({"learning_rate": "fast"}, ValueError, "learning_rate must be 'auto' or"),
        ({"cluster_prior": ["a", "b", "c"]}, ValueError, "must hold numbers"),
        ({"memory": 3}, TypeError, "memory must be a path"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"verbose": None}, TypeError, "verbose must be an integer"),
        ({"batch_size": 0}, ValueError, "batch_size must be .*; got 0"),
        ({"device": "gpu"}, ValueError, "device must be 'auto' or a torch device"),
        ({"precision": "fp8"}, ValueError, "precision must be one of"),
        ({"random_state": "x"}, ValueError, "random_state must be an integer from 0"),
    ],
)
def test_wrong_parameters(parameters, error, message, blobs):
    with pytest.raises(error, match=message):
        fast(**parameters).fit(blobs[0])


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        ("mobilenetv2_10", ValueError, "Did you mean .*'mobilenetv2_100'"),
        (7, TypeError, "encoder must be 'auto'.* got int"),
        ({"a": "b"}, TypeError, "got dict"),
        (SimCLR, TypeError, r"pass an instance, SimCLR\(\)"),
        (__file__, ValueError, "is a file, not the name of a model"),
        ("dinov2", ValueError, "Did you mean .*dinov2"),
    ],
)
def test_wrong_encoder(encoder, error, message, colored):
    with pytest.raises(error, match=message):
        fast(encoder=encoder).fit(colored[0])


def test_encoder_is_checked_before_files_are_read():
    with pytest.raises(ValueError, match="Unknown encoder"):
        fast(encoder="resnet18x").fit(["no-such-file.jpg"])


def test_encoder_with_features(blobs):
    with pytest.raises(ValueError, match="Leave encoder out to cluster features"):
        fast(encoder=SimCLR()).fit(blobs[0])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "0 sample"),
        (np.zeros((0, 8, 8)), ValueError, "0 sample"),
        (np.zeros((1, 8, 8)), ValueError, "1 sample"),
        (np.zeros(12), ValueError, "Reshape your data"),
        (np.full((9, 4), np.nan), ValueError, "NaN"),
        (np.full((9, 8, 8), np.inf), ValueError, "inf"),
        (np.full((9, 8, 8), 300.0), ValueError, "300"),
        (np.zeros((9, 3, 32, 32)), ValueError, "transpose"),
        ("photos", TypeError, "list_images"),
        ([np.zeros((8, 8)), np.zeros((9, 9))], ValueError, "shapes"),
        (["a.jpg", np.zeros((8, 8))], TypeError, "one kind"),
        (None, ValueError, "Expected 2D array|dtype"),
    ],
)
def test_wrong_images(X, error, message):
    with pytest.raises(error, match=message):
        fast().fit(X)


def test_all_unreadable_files_are_listed(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.jpg").touch()
    Image.new("RGB", (8, 8)).save(tmp_path / "fine.png")
    files = [str(tmp_path / name) for name in ("text.jpg", "fine.png", "empty.jpg")]
    with pytest.raises(ImageReadError) as caught:
        fast(encoder=tiny_encoder()).fit([*files, "missing.jpg"])
    listed = [path for _, path, _ in caught.value.failures]
    assert listed == [files[0], files[2], "missing.jpg"]


def test_unreachable_hub_names_three_ways_on(colored, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with pytest.raises(HubUnavailableError) as caught:
        fast().fit(colored[0])
    message = str(caught.value)
    assert "\n" not in message
    for way in ("checkpoint=", "SimCLR()", "features"):
        assert way in message


def test_features_and_images_are_not_exchanged(fitted, blobs, colored):
    with pytest.raises(ValueError, match="was fitted on images"):
        fitted.predict(blobs[0])
    with pytest.raises(ValueError, match="was fitted on features"):
        fast().fit(blobs[0]).predict(colored[0])


@pytest.mark.parametrize("n_labels", [59, 61, 0])
def test_score_needs_a_label_for_each_sample(n_labels, fitted, colored):
    with pytest.raises(ValueError, match=f"each of the 60 samples.*{n_labels} labels"):
        fitted.score(colored[0], np.zeros(n_labels))


def test_label_free_score_of_one_sample(fitted, colored):
    with pytest.raises(ValueError, match="1 sample"):
        fitted.score(colored[0][:1])


def test_an_encoder_that_returns_nan(colored):
    class Broken(nn.Module):
        def forward(self, images):
            return images.flatten(1) * torch.nan

    with pytest.raises(ValueError, match=r"encoder returned NaN .* for 60 of 60"):
        fast(encoder=ImageEncoder(Broken(), input_size=8)).fit(colored[0])


def test_features_are_kept_apart_from_the_users_array(blobs):
    X = blobs[0].astype(np.float32)
    X.setflags(write=False)
    clusterer = fast().fit(X)
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    assert not np.shares_memory(clusterer.embedding_, X)
    clusterer.fit(torch.tensor(X.copy(), requires_grad=True))


# -- warnings ------------------------------------------------------------------------


def test_no_confident_sample_leaves_the_first_stage(blobs):
    X, _ = blobs
    # weights that hardly move: heads begin decided, yet not so sure as this
    still = {"max_epochs": 1, "learning_rate": 1e-9}
    first_stage = fast(**still, self_label_epochs=0).fit(X)
    unsure = fast(**still, confidence_threshold=0.99999)
    with pytest.warns(ConvergenceWarning, match="Self-labelling was skipped"):
        unsure.fit(X)
    np.testing.assert_array_equal(unsure.probabilities_, first_stage.probabilities_)
    assert not unsure.confident_.any()


@pytest.mark.filterwarnings("ignore:100% of the samples have an exact copy")
def test_empty_clusters_are_reported():
    X = np.repeat(np.eye(4), 30, axis=0)  # four points, each thirty times
    clusterer = fast(n_clusters=12, self_label_epochs=0)
    names = r"Clusters (\d+, )*\d+ and 11 of 12 are empty\. Try"
    with pytest.warns(ConvergenceWarning, match=names) as caught:
        labels = clusterer.fit_predict(X)
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))
    messages = (str(warning.message) for warning in caught)
    (message,) = (each for each in messages if "empty" in each)
    named = [int(number) for number in re.findall(r"\d+", message.split(" of 12")[0])]
    assert named == list(range(labels.max() + 1, 12))


@pytest.mark.filterwarnings("ignore:100% of the samples have an exact copy")
@pytest.mark.parametrize(
    ("n_clusters", "names"),
    [(5, "Cluster 4 of 5 is empty"), (6, "Clusters 4 and 5 of 6 are empty")],
)
def test_empty_clusters_are_named(n_clusters, names):
    X = np.repeat(np.eye(4), 30, axis=0)
    clusterer = fast(n_clusters=n_clusters, self_label_epochs=0, max_epochs=60)
    with pytest.warns(ConvergenceWarning, match=names):
        labels = clusterer.fit_predict(X)
    assert np.unique(labels).tolist() == [0, 1, 2, 3]


def test_clusters_that_lost_their_confident_samples_are_named(blobs):
    # Weights that hardly move: what is confident is that of the head's first weights.
    still = {"max_epochs": 1, "learning_rate": 1e-9, "n_clusters": 4}
    first = fast(**still, self_label_epochs=0).fit(blobs[0])
    scaler, head, _ = first.module_  # as sure as before the calibration
    sure = head(scaler(torch.tensor(blobs[0], dtype=torch.float32)))[0].softmax(dim=1)
    sure = sure.max(dim=1).values.detach().numpy()
    highest = [sure[first.labels_ == c].max() for c in range(4)]
    lowest, next_lowest = np.sort(highest)[:2]
    threshold = (lowest + next_lowest) / 2
    clusterer = fast(**still, self_label_epochs=1, confidence_threshold=threshold)
    message = f"Cluster {np.argmin(highest)} of 4: self-labelling found few examples"
    with pytest.warns(ConvergenceWarning, match=message):
        clusterer.fit(blobs[0])
    assert clusterer.self_labeled_
    np.testing.assert_array_equal(clusterer.labels_, first.labels_)


def test_neighbors_are_clipped_with_a_warning():
    X, _ = make_blobs(12, 4, centers=2, random_state=0)
    with pytest.warns(UserWarning, match="You have only 12 samples, so each has all"):
        clusterer = SCANClusterer(2, random_state=0, self_label_epochs=0).fit(X)
    assert clusterer.neighbors_.n_neighbors == 11
    chosen = SCANClusterer(2, n_neighbors=30, random_state=0, self_label_epochs=0)
    asked = "n_neighbors=30 was lowered to 11: there are only 12 samples"
    with pytest.warns(UserWarning, match=asked):
        chosen.fit(X)


@pytest.mark.parametrize(
    "X", [np.zeros((50, 4)), np.ones((50, 4)) * 1e6], ids=["zeros", "large"]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_constant_features_do_not_crash(X):
    clusterer = fast(max_epochs=5).fit(X)
    assert np.isfinite(clusterer.probabilities_).all()


def test_nmi_of_a_scorer_string(blobs):
    X, y = blobs
    labels = fast().fit_predict(X)
    assert normalized_mutual_info_score(y, labels) == pytest.approx(1)
