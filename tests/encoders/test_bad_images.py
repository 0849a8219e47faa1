"""Images that cannot be read: an error that lists them, or gaps in the results."""

import shutil
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from torch import nn
from torch.utils.data import Dataset

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import as_image_source
from sklearn_scan.metrics import clustering_report
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.plotting import plot_clusters

N_IMAGES = 24
# What is wrong with which row. Headers tell of the first three, pixels of the last two.
BAD = {3: "missing", 10: "empty", 11: "text", 17: "cut", 22: "cut"}
BAD_ROWS = list(BAD)
GOOD_ROWS = [row for row in range(N_IMAGES) if row not in BAD]
REASONS = {
    "missing": "no such file",
    "empty": "empty, zero bytes",
    "text": "not an image that PIL knows",
    "cut": "truncated",
}


def small_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


def make_encoder(**settings):
    settings = {"input_size": 16, "device": "cpu", "precision": "fp32"} | settings
    return ImageEncoder(small_net, **settings)


def make_clusterer(**settings):
    defaults = {
        "n_clusters": 2,
        "encoder": make_encoder(),
        "max_epochs": 2,
        "self_label_epochs": 1,
        "confidence_threshold": 0.5,
        "n_neighbors": 3,
        "bad_images": "skip",
        "device": "cpu",
        "random_state": 0,
    }
    return SCANClusterer(**defaults | settings)


def fit_with_gaps(X, **settings):
    with pytest.warns(UserWarning, match=f"{len(BAD)} of {N_IMAGES} images") as caught:
        clusterer = make_clusterer(**settings).fit(X)
    assert {warning.category for warning in caught} == {UserWarning}
    return clusterer


def damage(path, how):
    path = Path(path)
    if how == "missing":
        path.unlink()
    elif how == "text":
        path.write_text("not an image")
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2 if how == "cut" else 0])


def check_failures(failures, paths, rows=None):
    """Check that all bad images are listed, by row, each with its path and reason."""
    rows = BAD_ROWS if rows is None else rows
    assert [failure.row for failure in failures] == rows
    assert [failure.path for failure in failures] == [str(paths[row]) for row in rows]
    for failure in failures:
        assert REASONS[BAD[failure.row]] in failure.reason


def check_gaps(array, is_gap, bad_rows=None):
    """Check that the rows of bad images, and no others, are gaps."""
    bad_rows = BAD_ROWS if bad_rows is None else bad_rows
    assert len(array) == N_IMAGES
    gaps = is_gap(np.asarray(array)).reshape(N_IMAGES, -1)
    expected = np.isin(np.arange(N_IMAGES), bad_rows)
    assert_array_equal(gaps.all(axis=1), expected)
    assert_array_equal(gaps.any(axis=1), expected)


def is_minus_one(array):
    return array == -1


@pytest.fixture(scope="module")
def images():
    """Dark and bright images, in turn."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 100, (N_IMAGES, 20, 24, 3))
    bright = np.arange(N_IMAGES)[:, None, None, None] % 2
    return (noise + 150 * bright).astype(np.uint8)


@pytest.fixture
def classes():
    return np.arange(N_IMAGES) % 2


@pytest.fixture
def sound(images, tmp_path):
    """Files that can all be read."""
    folder = tmp_path / "sound"
    folder.mkdir()
    paths = [str(folder / f"{i}.png") for i in range(N_IMAGES)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def paths(sound, tmp_path):
    """The same files, of which some cannot be read."""
    shutil.copytree(tmp_path / "sound", tmp_path / "damaged")
    damaged = [str(tmp_path / "damaged" / Path(path).name) for path in sound]
    for row, how in BAD.items():
        damage(damaged[row], how)
    return damaged


@pytest.fixture
def memory(request, tmp_path):
    return tmp_path / "cache" if request.param else None


with_and_without_memory = pytest.mark.parametrize(
    "memory", [False, True], indirect=True, ids=["no memory", "memory"]
)


# Raise


@with_and_without_memory
@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_every_bad_image_is_in_one_error(paths, memory, batch_size, n_jobs):
    encoder = make_encoder(batch_size=batch_size, memory=memory, n_jobs=n_jobs)
    for _ in range(2):  # what was embedded before the error may be known now
        with pytest.raises(ImageReadError, match="5 images cannot be read") as caught:
            encoder.transform(paths)
        check_failures(caught.value.failures, paths)
        lines = str(caught.value).splitlines()
        assert len(lines) == 1 + len(BAD)
        for line, row in zip(lines[1:], BAD_ROWS, strict=True):
            assert paths[row] in line
            assert REASONS[BAD[row]] in line


@with_and_without_memory
@pytest.mark.parametrize("encoder", [make_encoder(), SimCLR(epochs=1, batch_size=8)])
def test_a_fit_raises_by_default(paths, memory, encoder):
    clusterer = make_clusterer(encoder=encoder, memory=memory)
    assert SCANClusterer().bad_images == "raise"
    clusterer.set_params(bad_images="raise")
    with pytest.raises(ImageReadError) as caught:
        clusterer.fit(paths)
    check_failures(caught.value.failures, paths)
    assert not clusterer.__sklearn_is_fitted__()


@with_and_without_memory
def test_predictions_raise_by_default(sound, paths, memory):
    clusterer = make_clusterer(bad_images="raise", memory=memory).fit(sound)
    assert clusterer.bad_images_ == []
    for method in ("transform", "predict", "predict_proba", "score"):
        with pytest.raises(ImageReadError) as caught:
            getattr(clusterer, method)(paths)
        check_failures(caught.value.failures, paths)


def test_an_image_that_was_known_and_is_bad_now(sound, tmp_path):
    encoder = make_encoder(memory=tmp_path / "cache")
    encoder.transform(sound)
    damage(sound[5], "cut")
    with pytest.raises(ImageReadError, match="1 image cannot") as caught:
        encoder.transform(sound)
    assert [failure.row for failure in caught.value.failures] == [5]


# Skip


@with_and_without_memory
def test_a_fit_has_gaps(paths, memory):
    clusterer = fit_with_gaps(paths, memory=memory)
    check_failures(clusterer.bad_images_, paths)
    check_gaps(clusterer.labels_, is_minus_one)
    check_gaps(clusterer.probabilities_, np.isnan)
    check_gaps(clusterer.embedding_, np.isnan)
    check_gaps(clusterer.neighbors_.indices, is_minus_one)
    check_gaps(clusterer.neighbors_.similarities, np.isnan)
    assert not np.isin(clusterer.neighbors_.indices[GOOD_ROWS], BAD_ROWS).any()
    assert clusterer.confident_.shape == (N_IMAGES,)
    assert not clusterer.confident_[BAD_ROWS].any()
    assert clusterer.confident_.any()
    assert clusterer.labels_.dtype == np.int64
    assert_array_equal(clusterer.classes_, [0, 1])
    sizes = np.bincount(clusterer.labels_[GOOD_ROWS], minlength=2)
    assert sizes[0] >= sizes[1]
    assert sizes.sum() == len(GOOD_ROWS)


@with_and_without_memory
@pytest.mark.parametrize("finder", ["auto", "exact"])
def test_good_images_fare_as_if_alone(paths, memory, finder):
    settings = {"memory": memory, "neighbor_method": finder}
    clusterer = fit_with_gaps(paths, **settings)
    alone = make_clusterer(**settings).fit([paths[row] for row in GOOD_ROWS])
    assert alone.bad_images_ == []
    assert_array_equal(clusterer.labels_[GOOD_ROWS], alone.labels_)
    assert_array_equal(clusterer.confident_[GOOD_ROWS], alone.confident_)
    # batches of other sizes may round otherwise
    assert_allclose(clusterer.embedding_[GOOD_ROWS], alone.embedding_, atol=1e-6)
    assert_allclose(
        clusterer.probabilities_[GOOD_ROWS], alone.probabilities_, atol=1e-4
    )
    among_all = np.array(GOOD_ROWS)[alone.neighbors_.indices]
    assert_array_equal(clusterer.neighbors_.indices[GOOD_ROWS], among_all)


def test_the_warning_tells_number_and_files(paths):
    with pytest.warns(UserWarning, match="images cannot be read") as caught:
        make_encoder(bad_images="skip").transform(paths)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith(f"5 of {N_IMAGES} images cannot be read")
    assert f"{paths[3]}: no such file" in message
    assert "and 2 more" in message
    assert paths[22] not in message


def test_sound_images_warn_of_nothing(sound):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedding = make_encoder(bad_images="skip").transform(sound)
    assert_array_equal(embedding, make_encoder().transform(sound))


@with_and_without_memory
def test_predictions_have_gaps(sound, paths, memory):
    clusterer = make_clusterer(memory=memory).fit(sound)
    results = {}
    for method in ("transform", "predict", "predict_proba"):
        with pytest.warns(UserWarning, match="5 of 24 images"):
            results[method] = getattr(clusterer, method)(paths)
    check_gaps(results["transform"], np.isnan)
    check_gaps(results["predict"], is_minus_one)
    check_gaps(results["predict_proba"], np.isnan)
    assert_array_equal(results["predict"][GOOD_ROWS], clusterer.labels_[GOOD_ROWS])
    assert_allclose(
        results["predict_proba"][GOOD_ROWS],
        clusterer.probabilities_[GOOD_ROWS],
        atol=1e-5,
    )
    assert_allclose(results["predict_proba"][GOOD_ROWS].sum(axis=1), 1)
    assert clusterer.bad_images_ == []  # those of the fit


def test_predictions_after_a_fit_with_gaps(paths, sound):
    clusterer = fit_with_gaps(paths)
    labels = clusterer.predict(sound)
    assert labels.min() >= 0
    assert_array_equal(labels[GOOD_ROWS], clusterer.labels_[GOOD_ROWS])
    with pytest.warns(UserWarning, match="5 of 24 images"):
        assert_array_equal(clusterer.predict(paths), clusterer.labels_)
    with pytest.warns(UserWarning, match="5 of 24 images"):
        embedding = clone(clusterer).fit_transform(paths)
    assert_array_equal(embedding, clusterer.embedding_)
    with pytest.warns(UserWarning, match="5 of 24 images"):
        assert_array_equal(clone(clusterer).fit_predict(paths), clusterer.labels_)


def test_scores(paths, sound, classes):
    clusterer = fit_with_gaps(paths)
    with pytest.warns(UserWarning, match="5 of 24 images"):
        accuracy = clusterer.score(paths, classes)
    agree = (clusterer.labels_ == classes)[GOOD_ROWS].sum()
    best = max(agree, len(GOOD_ROWS) - agree)
    assert accuracy == pytest.approx(best / N_IMAGES)  # what is unreadable is wrong
    with pytest.warns(UserWarning, match="5 of 24 images"):
        information = clusterer.score(paths)
    alone = clusterer.score([sound[row] for row in GOOD_ROWS])
    assert information == pytest.approx(alone, abs=1e-5)


def test_labels_of_a_fit_with_gaps_can_be_reported(paths, classes):
    clusterer = fit_with_gaps(paths)
    report = clustering_report(classes, clusterer.labels_, clusterer.probabilities_)
    assert report.n_unreadable == len(BAD)
    assert report.confusion.sum() == len(GOOD_ROWS)
    assert_array_equal(report.cluster_sizes.sum(), len(GOOD_ROWS))
    assert_array_equal(report.class_sizes.sum(), N_IMAGES)
    assert -1 not in report.clusters
    assert report.top_5 == pytest.approx(len(GOOD_ROWS) / N_IMAGES)
    assert f"{N_IMAGES} images · {len(BAD)} unreadable" in str(report)


@pytest.mark.parametrize("first", ["bad", "good"])
def test_clusters_with_bad_images_are_plotted(images, paths, first):
    if first == "bad":
        damage(paths[0], "cut")
    with pytest.warns(UserWarning, match="images cannot be read"):
        clusterer = make_clusterer().fit(paths)
    ax = plot_clusters(clusterer, paths, n_images=3)
    n_good = (clusterer.labels_ >= 0).sum()
    assert n_good == len(GOOD_ROWS) - (first == "bad")
    sizes = [label.get_text() for label in ax.get_yticklabels()]
    counts = np.bincount(clusterer.labels_[clusterer.labels_ >= 0], minlength=2)
    assert sizes == [f"0 ({counts[0]})", f"1 ({counts[1]})"]
    assert (ax.images[0].get_array() < 255).any()
    plt.close("all")


# All bad, hardly any good


@with_and_without_memory
@pytest.mark.parametrize("policy", ["raise", "skip"])
@pytest.mark.parametrize("how", ["missing", "empty", "text", "cut"])
def test_nothing_but_bad_images(sound, memory, policy, how):
    for path in sound:
        damage(path, how)
    for estimator in (
        make_encoder(bad_images=policy, memory=memory),
        SimCLR(epochs=1, bad_images=policy, memory=memory),
        make_clusterer(bad_images=policy, memory=memory),
    ):
        with pytest.raises(ImageReadError, match="24 images cannot be read") as caught:
            estimator.fit_transform(sound)
        rows = [failure.row for failure in caught.value.failures]
        assert rows == list(range(N_IMAGES))


def test_new_images_that_are_all_bad(sound, paths):
    clusterer = make_clusterer().fit(sound)
    bad = [paths[row] for row in BAD_ROWS]
    for method in ("transform", "predict_proba"):
        with pytest.warns(UserWarning, match="5 images cannot be read"):
            result = getattr(clusterer, method)(bad)
        assert result.shape[0] == 5
        assert np.isnan(result).all()
    with pytest.warns(UserWarning, match="1 image cannot be read"):
        assert clusterer.predict(bad[:1]).tolist() == [-1]
    with (
        pytest.warns(UserWarning, match="5 images cannot be read"),
        pytest.raises(ValueError, match="minimum of 2 is required"),
    ):
        clusterer.score(bad)


def test_too_few_good_images(sound, paths):
    bad = [paths[row] for row in BAD_ROWS]
    with (
        pytest.warns(UserWarning, match="5 of 6 images"),
        pytest.raises(ValueError, match="minimum of 2 is required"),
    ):
        make_clusterer().fit([*bad, sound[0]])
    with (
        pytest.warns(UserWarning, match="5 of 7 images"),
        pytest.raises(ValueError, match="n_clusters=3 must not exceed"),
    ):
        make_clusterer(n_clusters=3).fit([*bad, *sound[:2]])
    clusterer = make_clusterer().fit(sound)
    with pytest.warns(UserWarning, match="5 of 6 images"):
        labels = clusterer.predict([*bad, sound[0]])
    assert_array_equal(labels, [-1] * 5 + [clusterer.labels_[0]])


# Policies


@pytest.mark.parametrize("policy", ["ignore", "skp", None, True])
def test_unknown_policies(images, policy):
    for estimator in (
        make_encoder(bad_images=policy),
        SimCLR(epochs=1, bad_images=policy),
        make_clusterer(bad_images=policy),
        make_clusterer(encoder=make_encoder(bad_images=policy)),
    ):
        with pytest.raises(ValueError, match=r"bad_images.*'raise'.*'skip'"):
            estimator.fit(images)


def test_the_encoders_own_policy_is_kept(paths):
    clusterer = make_clusterer(
        encoder=make_encoder(bad_images="skip"), bad_images="raise"
    )
    with pytest.warns(UserWarning, match="5 of 24 images"):
        clusterer.fit(paths)
    check_gaps(clusterer.labels_, is_minus_one)


def test_each_pass_has_its_own_bad_images(sound, paths):
    encoder = make_encoder(bad_images="skip").fit()
    with pytest.warns(UserWarning, match="5 of 24"):
        embedded = encoder.embed(as_image_source(paths))
    check_failures(embedded.unreadable, paths)
    assert encoder.embed(as_image_source(sound)).unreadable == []


# Memory and files


@pytest.mark.parametrize("policy", ["raise", "skip"])
@pytest.mark.parametrize("how", ["empty", "text", "cut"])
def test_copies_of_a_bad_file_are_all_listed(sound, tmp_path, policy, how):
    damage(sound[4], how)
    shutil.copy(sound[4], sound[9])
    shutil.copy(sound[4], sound[20])
    shutil.copy(sound[5], sound[21])
    encoder = make_encoder(bad_images=policy, memory=tmp_path / "cache", batch_size=4)
    for _ in range(2):
        if policy == "raise":
            with pytest.raises(ImageReadError, match="3 images") as caught:
                encoder.transform(sound)
            failures = caught.value.failures
        else:
            with pytest.warns(UserWarning, match="3 of 24 images"):
                features, failures = encoder.embed(as_image_source(sound))
            check_gaps(features.array, np.isnan, [4, 9, 20])
            assert_array_equal(features.array[21], features.array[5])
        assert [failure.row for failure in failures] == [4, 9, 20]
        assert [failure.path for failure in failures] == [sound[i] for i in (4, 9, 20)]
        assert len({failure.reason.replace(sound[4], "") for failure in failures}) == 1


def test_a_file_that_has_been_mended_is_embedded(sound, paths, tmp_path):
    encoder = make_encoder(bad_images="skip", memory=tmp_path / "cache")
    with pytest.warns(UserWarning, match="5 of 24"):
        first = encoder.transform(paths)
    for row in BAD_ROWS:
        shutil.copy(sound[row], paths[row])
    second = encoder.transform(paths)
    assert np.isfinite(second).all()
    assert_array_equal(second[GOOD_ROWS], first[GOOD_ROWS])


@with_and_without_memory
def test_gaps_in_a_file(paths, memory, tmp_path):
    encoder = make_encoder(bad_images="skip", memory=memory)
    out = tmp_path / "embedding.npy"
    with pytest.warns(UserWarning, match="5 of 24"):
        embedding = encoder.transform(paths, out=out)
    check_gaps(embedding, np.isnan)
    assert_array_equal(np.load(out), embedding)
    out.unlink()
    with pytest.raises(ImageReadError):
        make_encoder(memory=memory).transform(paths, out=out)
    assert list(tmp_path.glob("embedding*")) == []  # nothing half done is left


# Pretext


@with_and_without_memory
def test_a_pretext_learns_without_bad_images(paths, memory):
    settings = {"epochs": 1, "batch_size": 8, "device": "cpu", "random_state": 0}
    pretext = SimCLR(**settings, bad_images="skip", memory=memory)
    with pytest.warns(UserWarning, match="5 of 24 images"):
        pretext.fit(paths)
    with pytest.warns(UserWarning, match="5 of 24 images"):
        features, failures = pretext.embed(as_image_source(paths))
    embedding = features.array
    check_gaps(embedding, np.isnan)
    check_failures(failures, paths)
    good = [paths[row] for row in GOOD_ROWS]
    alone = SimCLR(**settings).fit(good)
    assert pretext.history_ == alone.history_
    assert_allclose(embedding[GOOD_ROWS], alone.transform(good), atol=1e-5)


@with_and_without_memory
def test_a_pretext_as_encoder(paths, memory):
    encoder = SimCLR(epochs=1, batch_size=8)
    settings = {"encoder": encoder, "finetune": False}
    clusterer = fit_with_gaps(paths, **settings, memory=memory)
    check_failures(clusterer.bad_images_, paths)
    check_gaps(clusterer.labels_, is_minus_one)
    check_gaps(clusterer.probabilities_, np.isnan)
    alone = make_clusterer(**settings).fit([paths[row] for row in GOOD_ROWS])
    assert_array_equal(clusterer.labels_[GOOD_ROWS], alone.labels_)
    with pytest.warns(UserWarning, match="5 of 24"):
        assert_array_equal(clusterer.predict(paths), clusterer.labels_)


# Datasets and PIL images


class Photos(Dataset):
    """A dataset of which some items fail, all of them after those probed."""

    def __init__(self, images, bad=(), error=None):
        self.images = images
        self.bad = bad
        self.error = error

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        if i in self.bad:
            raise type(self.error)(*self.error.args)
        return Image.fromarray(self.images[i]), i % 2


LATE, EARLY = [17, 22], [0, 3, 22]


@with_and_without_memory
@pytest.mark.parametrize("bad", [LATE, EARLY], ids=["late", "early"])
@pytest.mark.parametrize(
    "error",
    [
        OSError("image file is truncated"),
        FileNotFoundError("no such file: x.png"),
        Image.DecompressionBombError("too many pixels"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_items_of_a_dataset_that_cannot_be_read(images, memory, error, bad):
    photos = Photos(images, bad, error)
    with pytest.raises(ImageReadError) as caught:
        make_encoder(memory=memory).transform(photos)
    assert [failure.row for failure in caught.value.failures] == bad
    assert caught.value.failures[0].path == f"X[{bad[0]}]"
    assert caught.value.failures[0].reason == str(error)
    with pytest.warns(UserWarning, match=f"{len(bad)} of 24 images"):
        clusterer = make_clusterer(memory=memory).fit(photos)
    assert [failure.row for failure in clusterer.bad_images_] == bad
    check_gaps(clusterer.labels_, is_minus_one, bad)
    check_gaps(clusterer.embedding_, np.isnan, bad)
    with pytest.warns(UserWarning, match=f"{len(bad)} of 24 images"):
        assert_array_equal(clusterer.predict(photos), clusterer.labels_)


@with_and_without_memory
@pytest.mark.parametrize("policy", ["raise", "skip"])
@pytest.mark.parametrize("bad", [[22], [0]], ids=["late", "early"])
@pytest.mark.parametrize("error", [TypeError("a fault"), IndexError("a fault")])
def test_faults_of_a_datasets_code_are_not_swallowed(
    images, memory, policy, error, bad
):
    photos = Photos(images, bad, error)
    with pytest.raises(type(error), match="a fault"):
        make_encoder(bad_images=policy, memory=memory).transform(photos)
    with pytest.raises(type(error), match="a fault"):
        make_clusterer(bad_images=policy, memory=memory).fit(photos)


@with_and_without_memory
def test_pil_images_opened_from_truncated_files(sound, memory):
    for row in LATE:
        damage(sound[row], "cut")
    opened = [Image.open(path) for path in sound]
    try:
        with pytest.raises(ImageReadError) as caught:
            make_encoder(memory=memory).transform(opened)
        assert [failure.row for failure in caught.value.failures] == LATE
        paths = [failure.path for failure in caught.value.failures]
        assert paths == [sound[row] for row in LATE]
        for encoder in (make_encoder(), SimCLR(epochs=1, batch_size=8)):
            with pytest.warns(UserWarning, match="2 of 24 images"):
                clusterer = make_clusterer(
                    encoder=encoder, memory=memory, finetune=False
                ).fit(opened)
            check_gaps(clusterer.labels_, is_minus_one, LATE)
            check_gaps(clusterer.embedding_, np.isnan, LATE)
            assert [failure.row for failure in clusterer.bad_images_] == LATE
            with pytest.warns(UserWarning, match="2 of 24 images"):
                assert_array_equal(clusterer.predict(opened), clusterer.labels_)
    finally:
        for image in opened:
            image.close()


def test_a_dataset_whose_items_are_opened_lazily(sound):
    for row in LATE:
        damage(sound[row], "cut")

    opened = []

    class Opened(Photos):
        def __getitem__(self, i):
            opened.append(Image.open(self.images[i]))
            return opened[-1]

    with pytest.warns(UserWarning, match="2 of 24 images"):
        clusterer = make_clusterer().fit(Opened(sound))
    for image in opened:
        image.close()
    check_gaps(clusterer.labels_, is_minus_one, LATE)


def test_features_have_no_bad_images(images):
    features = images.reshape(N_IMAGES, -1)[:, :10].astype(float)
    clusterer = make_clusterer(encoder="auto").fit(features)
    assert clusterer.bad_images_ == []
    features[3, 0] = np.nan  # no image: it is not skipped
    with pytest.raises(ValueError, match="NaN"):
        clusterer.predict(features)


@pytest.mark.parametrize("policy", ["raise", "skip"])
def test_nan_of_the_backbone_is_not_taken_for_a_bad_image(paths, policy):
    class Broken(nn.Flatten):
        def forward(self, x):
            features = super().forward(x)
            features[0] = np.nan
            return features

    encoder = ImageEncoder(Broken, input_size=8, device="cpu")
    clusterer = make_clusterer(encoder=encoder, bad_images=policy)
    X = paths if policy == "skip" else [paths[row] for row in GOOD_ROWS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(ValueError, match="encoder returned NaN or infinity"):
            clusterer.fit(X)


def test_the_graph_of_a_fit_with_gaps_serves_again(paths):
    first = fit_with_gaps(paths)
    with pytest.warns(UserWarning, match=f"{len(BAD)} of {N_IMAGES} images"):
        again = make_clusterer().fit(paths, neighbors=first.neighbors_)
    assert_array_equal(again.probabilities_, first.probabilities_)
    assert_array_equal(again.neighbors_.indices, first.neighbors_.indices)


def test_a_graph_that_names_unreadable_images(paths):
    rows, steps = np.arange(N_IMAGES)[:, np.newaxis], np.arange(1, 4)
    indices = (rows + steps) % N_IMAGES
    graph = NeighborGraph(indices, np.ones(indices.shape, np.float32))
    with (
        pytest.warns(UserWarning, match="images"),
        pytest.raises(ValueError, match=r"row 0 the first.*cannot be read"),
    ):
        make_clusterer().fit(paths, neighbors=graph)
    # with gaps allowed or not, a number that is none of a row
    wrong = NeighborGraph(rows + steps, graph.similarities)
    with pytest.raises(ValueError, match="from 0 to 23; got 24 in row 21"):
        make_clusterer().fit(paths, neighbors=wrong)
