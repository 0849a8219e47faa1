"""Several feature spaces, of arrays or of encoders, in both clusterers."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR, TEMIClusterer
from sklearn_scan.core.features import Features
from sklearn_scan.encoders import Embedded
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.model_selection import TransductiveSplit
from sklearn_scan.training.heads import AveragedHeads

# Fits so short end with clusters without a confident sample.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Self-labelling was skipped"),
    pytest.mark.filterwarnings("ignore:Cluster:sklearn.exceptions.ConvergenceWarning"),
]

QUICK_TEMI = TEMIClusterer(4, n_heads=2, max_epochs=5, n_neighbors=10, random_state=0)
QUICK_SCAN = SCANClusterer(
    4, n_heads=4, max_epochs=30, self_label_epochs=5, n_neighbors=10, random_state=0
)
both = pytest.mark.parametrize("clusterer", [QUICK_SCAN, QUICK_TEMI])


@pytest.fixture(scope="module")
def digits():
    """The digits 0 to 3: their rows of pixels, and random features of them."""
    X, y = load_digits(n_class=4, return_X_y=True)
    rng = np.random.default_rng(0)
    random = np.tanh(X @ rng.normal(size=(64, 24)) / 30)
    return [X.astype(np.float32), random.astype(np.float32)], y


def unit(space):
    centered = space - space.mean(axis=0)
    return centered / np.linalg.norm(centered, axis=1, keepdims=True)


def pool(size, **settings):
    """Return an encoder of 3 x size x size features."""
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten())
    return ImageEncoder(backbone, input_size=8, **settings)


@pytest.fixture(scope="module")
def colored():
    """Return 60 images of four colours, 8 x 8."""
    rng = np.random.default_rng(0)
    colors = np.array([[150, 0, 0], [0, 150, 0], [0, 0, 150], [130, 130, 0]])
    y = np.repeat(np.arange(4), 15)
    images = colors[y][:, None, None] + rng.integers(0, 100, (60, 8, 8, 3))
    return images.astype(np.uint8), y


# Arrays of features


@both
def test_a_list_of_feature_arrays(clusterer, digits):
    spaces, y = digits
    fitted = clone(clusterer).fit(spaces)
    assert fitted.embedding_dims_ == (64, 24)
    assert fitted.n_features_in_ == 88
    assert fitted.encoder_ is None
    assert isinstance(fitted.module_[1], AveragedHeads)
    np.testing.assert_array_equal(fitted.embedding_, np.hstack(spaces))
    np.testing.assert_array_equal(fitted.transform(spaces), np.hstack(spaces))
    np.testing.assert_array_equal(fitted.predict(spaces), fitted.labels_)
    np.testing.assert_array_equal(fitted.predict_proba(spaces), fitted.probabilities_)
    np.testing.assert_allclose(fitted.probabilities_.sum(axis=1), 1)
    assert fitted.score(spaces, y) > 0.7
    assert 0.3 < fitted.score(spaces) < np.log(fitted.n_clusters_)
    assert len(fitted.get_feature_names_out()) == 88


@both
def test_probabilities_are_the_mean_of_the_spaces(clusterer, digits):
    spaces, _ = digits
    fitted = clone(clusterer).fit(spaces)
    scaler, heads, calibrated = fitted.module_
    scaled = scaler(torch.from_numpy(fitted.embedding_))
    scaled = scaled.split(list(scaler.dims), dim=1)
    each = [
        head(space)[0].softmax(dim=1).detach().numpy()
        for head, space in zip(heads.heads, scaled, strict=True)
    ]
    mean = torch.from_numpy(np.mean(each, axis=0)).log()[None]
    expected = calibrated(mean)[0].exp().detach().numpy()
    np.testing.assert_allclose(fitted.probabilities_, expected, atol=1e-4)
    assert not np.allclose(each[0], each[1], atol=0.01)


@both
def test_neighbors_are_by_the_mean_cosine(clusterer, digits):
    (pixels, random), _ = digits
    fitted = clone(clusterer).fit([pixels, random])
    cosines = [unit(space) @ unit(space).T for space in (pixels, random)]
    mean = np.mean(cosines, axis=0)
    np.fill_diagonal(mean, -1)
    expected = -np.sort(-mean, axis=1)[:, :10]
    np.testing.assert_allclose(fitted.neighbors_.similarities, expected, atol=1e-5)


@both
def test_the_scale_of_a_space_does_not_matter(clusterer, digits):
    (pixels, random), _ = digits
    fitted = clone(clusterer).fit([pixels, random])
    scaled = clone(clusterer).fit([pixels, 1024 * random])  # exact in binary
    np.testing.assert_array_equal(scaled.labels_, fitted.labels_)
    np.testing.assert_array_equal(scaled.neighbors_.indices, fitted.neighbors_.indices)
    assert scaled.score([pixels, 1024 * random]) == fitted.score([pixels, random])


@pytest.mark.parametrize("wrap", ["tuple", "tensors", "frames", "integers"])
def test_kinds_of_arrays(wrap, digits):
    spaces, _ = digits
    pd = pytest.importorskip("pandas")
    X = {
        "tuple": lambda: tuple(spaces),
        "tensors": lambda: [torch.from_numpy(space) for space in spaces],
        "frames": lambda: [pd.DataFrame(space) for space in spaces],
        "integers": lambda: (spaces[0].astype(np.uint8), spaces[1].astype(float)),
    }[wrap]()
    fitted = clone(QUICK_SCAN).fit(X)
    assert fitted.embedding_dims_ == (64, 24)
    np.testing.assert_array_equal(fitted.labels_, clone(QUICK_SCAN).fit(spaces).labels_)
    np.testing.assert_array_equal(fitted.predict(spaces), fitted.labels_)


def test_spaces_of_one_width(digits):
    (pixels, _), _ = digits
    fitted = clone(QUICK_SCAN).fit((pixels, pixels[:, ::-1]))
    assert fitted.embedding_dims_ == (64, 64)
    # what it was fitted on decides, whatever else the list could be
    few = [pixels[:3], pixels[:3, ::-1]]
    assert fitted.predict(few).shape == (3,)


def test_lists_of_one_height_and_many_widths_are_images_where_integers():
    """Which differ in shape, as no array of images may."""
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 255, (64, 40 + i), dtype=np.uint8) for i in range(20)]
    with pytest.raises(ValueError, match="arrays of one shape"):
        clone(QUICK_SCAN).fit(photos)


def test_few_float_images_are_not_taken_for_features():
    few = list(np.random.default_rng(0).random((3, 28, 28)))
    with pytest.raises(ValueError, match="n_clusters=4 must not exceed"):
        clone(QUICK_SCAN).set_params(encoder=pool(2)).fit(few)


def test_one_space_in_a_tuple_is_as_the_space(digits):
    (pixels, _), _ = digits
    fitted = clone(QUICK_SCAN).fit((pixels,))
    np.testing.assert_array_equal(
        fitted.probabilities_, clone(QUICK_SCAN).fit(pixels).probabilities_
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("wrap", [list, tuple])
def test_lists_of_grey_images_stay_images(dtype, wrap, colored):
    grey = wrap(colored[0][..., 0].astype(dtype))
    fitted = clone(QUICK_SCAN).set_params(encoder=pool(2)).fit(grey)
    assert fitted.labels_.shape == (60,)
    assert fitted.embedding_dims_ == (12,)


def test_grey_images_for_the_default_encoder_stay_images(colored):
    """The list is refused for its bad pixels, and so was read as images."""
    grey = list(colored[0][..., 0] + 1000.0)
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]"):
        clone(QUICK_SCAN).fit(grey)


def test_fit_keeps_apart_from_the_users_arrays(digits):
    spaces = [space.copy() for space in digits[0]]
    fitted = clone(QUICK_SCAN).fit(spaces)
    for space in spaces:
        space[:] = 0
    assert np.abs(fitted.embedding_).max() > 0


def test_number_of_clusters_from_several_spaces():
    """Four groups, of which each space tells two apart; one has larger numbers."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(2, 2, 8))
    y = np.arange(240) % 4
    first, second = centers[0][y % 2], 1e4 * centers[1][y // 2]
    noisy = [
        space + space.std() * rng.normal(scale=0.3, size=space.shape)
        for space in (first, second)
    ]
    auto = clone(QUICK_SCAN).set_params(n_clusters="auto").fit(tuple(noisy))
    assert auto.n_clusters_ == 4  # and 2 by either of them


def test_same_seed_same_fit_and_pickle(digits):
    spaces, _ = digits
    first, second = (clone(QUICK_TEMI).fit(spaces) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities_, second.probabilities_)
    loaded = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(loaded.predict(spaces), first.labels_)


def test_grid_search_on_all_samples(digits):
    spaces, _ = digits
    search = GridSearchCV(
        clone(QUICK_SCAN), {"entropy_weight": [2.0, 5.0]}, cv=TransductiveSplit()
    ).fit(spaces)
    assert search.best_estimator_.embedding_dims_ == (64, 24)


# Wrong or odd arrays


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: (a, b[:-1]), r"have 720 and 719 rows"),
        (lambda a, b: [a, b[:-1]], r"have 720 and 719 rows"),
        (lambda a, b: [a, np.where(b > 2, 0, np.nan)], r"X\[1\] contains NaN"),
        (lambda a, b: [a * np.inf, b], r"X\[0\] contains"),
        (lambda a, b: (a, b[:, :0]), r"0 feature\(s\)"),
    ],
)
@both
@pytest.mark.filterwarnings("ignore:invalid value")
def test_wrong_spaces(clusterer, change, message, digits):
    with pytest.raises(ValueError, match=message):
        clone(clusterer).fit(change(*digits[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: [a, b[:-1]], "have 720 and 719 rows"),
        (lambda a, b: [a, b, b], "must hold 2 feature arrays, as for fit; got 3"),
        (lambda a, b: [b, a], r"X\[0\] has 24 features, and had 64 in fit"),
        (lambda a, b: [a, b[:, 1:]], r"X\[1\] has 23 features, and had 24 in fit"),
        (lambda a, b: [a, b * np.nan], r"X\[1\] contains NaN"),
        (lambda a, b: a, "a list of feature arrays, but X holds features"),
        (lambda a, b: a.reshape(-1, 8, 8), "feature arrays, but X holds images"),
    ],
)
def test_wrong_spaces_to_predict(change, message, digits):
    fitted = clone(QUICK_SCAN).fit(digits[0])
    for method in (fitted.predict, fitted.predict_proba, fitted.transform):
        with pytest.raises(ValueError, match=message):
            method(change(*digits[0]))


def test_spaces_for_a_fit_on_features(digits):
    fitted = clone(QUICK_SCAN).fit(digits[0][0])
    with pytest.raises(ValueError, match="features, but X holds a list of feature"):
        fitted.predict(digits[0])


@both
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_constant_space_does_not_contribute(clusterer, value, digits):
    (pixels, _), _ = digits
    constant = np.full((len(pixels), 5), value)
    alone = clone(clusterer).fit(pixels)
    for X, i in (([pixels, constant], 1), ([constant, pixels], 0)):
        with pytest.warns(ConvergenceWarning, match=f"encoder {i},.* the same for all"):
            fitted = clone(clusterer).fit(X)
        np.testing.assert_array_equal(fitted.labels_, alone.labels_)
        np.testing.assert_array_equal(fitted.predict(X), alone.labels_)
        assert fitted.score(X) == pytest.approx(alone.score(pixels), abs=0.02)


@both
@pytest.mark.filterwarnings("ignore:100% of the samples have an exact copy")
def test_nothing_but_constant_spaces(clusterer):
    X = [np.zeros((30, 3)), np.ones((30, 5))]
    assert clone(clusterer).fit(X).labels_.shape == (30,)


# Lists of encoders


@both
def test_a_list_of_encoders(clusterer, colored):
    images, y = colored
    fitted = clone(clusterer).set_params(encoder=[pool(1), pool(2)]).fit(images)
    assert fitted.embedding_dims_ == (3, 12)
    embedding = np.hstack([pool(size).transform(images) for size in (1, 2)])
    np.testing.assert_array_equal(fitted.embedding_, embedding)
    np.testing.assert_array_equal(fitted.transform(images), embedding)
    np.testing.assert_array_equal(fitted.predict(images), fitted.labels_)
    assert fitted.score(images, y) > 0.9
    assert fitted.score(images) > 0.5
    assert not hasattr(fitted, "n_features_in_")


def test_encoders_of_every_kind(colored, tmp_path):
    images, _ = colored

    def make():
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    kinds = [make(), make, pool(2), SimCLR(epochs=1, image_size=8)]
    clusterer = clone(QUICK_SCAN).set_params(encoder=kinds, memory=tmp_path)
    fitted = clusterer.fit(images)
    assert fitted.embedding_dims_[:3] == (3, 3, 12)
    assert all(encoder.n_jobs is None for encoder in fitted.encoder_.encoders)
    assert fitted.encoder_.encoders[3].memory == tmp_path  # settings reach them
    assert not hasattr(kinds[3], "encoder_")  # it was a copy that learnt
    assert clone(fitted).encoder[2].get_params()["input_size"] == 8


def test_two_pretexts_of_a_kind_learn_different_embeddings(colored):
    pretext = SimCLR(epochs=1, image_size=8)
    fitted = clone(QUICK_SCAN).set_params(encoder=[pretext, pretext]).fit(colored[0])
    first, second = np.split(fitted.embedding_, 2, axis=1)
    assert not np.allclose(first, second)


def test_a_list_of_one_encoder_is_as_the_encoder(colored):
    images, _ = colored
    one = clone(QUICK_SCAN).set_params(encoder=[pool(2)]).fit(images)
    same = clone(QUICK_SCAN).set_params(encoder=pool(2)).fit(images)
    np.testing.assert_array_equal(one.probabilities_, same.probabilities_)


class Forgetful(nn.Module):
    """Returns NaN for the first image of a batch."""

    def forward(self, images):
        features = images.mean(dim=(2, 3))
        features[0] = torch.nan
        return features


class Failing(nn.Module):
    def forward(self, images):
        raise RuntimeError("out of ideas")


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        ([], ValueError, "encoder is an empty list"),
        ([pool(1), [pool(2)]], TypeError, r"encoder\[1\] is itself a list"),
        ([pool(1), 7], TypeError, r"got int(.|\n)*about encoder\[1\]"),
        (["mobilenetv2_10"], ValueError, r"mobilenetv2_100(.|\n)*encoder\[0\]"),
        ([pool(1), Forgetful()], ValueError, r"NaN(.|\n)*about encoder\[1\]"),
        ([pool(1), Failing()], RuntimeError, r"ideas(.|\n)*about encoder\[1\]"),
        ([pool(1), pool(2, mean="x")], Exception, r"mean(.|\n)*encoder\[1\]"),
    ],
)
def test_wrong_encoders(encoder, error, message, colored):
    with pytest.raises(error, match=message):
        clone(QUICK_SCAN).set_params(encoder=encoder).fit(colored[0])


def test_encoders_of_features(digits):
    with pytest.raises(ValueError, match=r"not images for the encoder list\. Leave"):
        clone(QUICK_SCAN).set_params(encoder=[pool(1)]).fit(digits[0][0])


def test_several_encoders_are_not_trained_along(colored):
    pretexts = [SimCLR(epochs=1, image_size=8), pool(1)]
    clusterer = clone(QUICK_SCAN).set_params(encoder=pretexts)
    fitted = clusterer.fit(colored[0])  # finetune="auto"
    np.testing.assert_array_equal(
        fitted.embedding_, fitted.encoder_.transform(colored[0])
    )
    with pytest.raises(TypeError, match="a list of encoders does not offer"):
        clusterer.set_params(finetune=True).fit(colored[0])
    with pytest.raises(ValueError, match="n_neighbors=0"):
        clusterer.set_params(finetune="auto", n_neighbors=0).fit(colored[0])


@pytest.fixture
def files(colored, tmp_path):
    names = [str(tmp_path / f"{i}.png") for i in range(len(colored[0]))]
    for name, image in zip(names, colored[0], strict=True):
        Image.fromarray(image).save(name)
    for i in (3, 20):
        (tmp_path / f"{i}.png").write_text("not an image")
    return names


@pytest.mark.filterwarnings("ignore:2 of 60 images cannot be read:UserWarning")
def test_unreadable_images(files):
    clusterer = clone(QUICK_SCAN).set_params(encoder=[pool(1), pool(2)])
    with pytest.raises(ValueError, match="2 images cannot be read"):
        clusterer.fit(files)
    fitted = clusterer.set_params(bad_images="skip").fit(files)
    assert [bad.row for bad in fitted.bad_images_] == [3, 20]
    assert np.isnan(fitted.embedding_[[3, 20]]).all()
    assert np.flatnonzero(fitted.labels_ == -1).tolist() == [3, 20]
    np.testing.assert_array_equal(fitted.predict(files), fitted.labels_)


class Choosy(ImageEncoder):
    """Cannot read one image more than others can."""

    def embed(self, source, rows=None):
        embedding = super().embed(source, rows).features.array
        embedding[7] = np.nan
        bad = [UnreadableImage(7, "X[7]", "of no interest")]
        return Embedded(Features.of(embedding), bad)


def test_unreadable_for_one_is_unreadable_for_all(colored):
    choosy = Choosy(pool(1).model, input_size=8)
    for encoders in ([pool(2), choosy], [choosy, pool(2)]):
        fitted = clone(QUICK_SCAN).set_params(encoder=encoders).fit(colored[0])
        assert np.isnan(fitted.embedding_[7]).all()
        assert np.flatnonzero(fitted.labels_ == -1).tolist() == [7]
        assert len(fitted.bad_images_) == 1
