"""What holds for every encoder: `transform` writes nothing, and copies are copies."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR
from sklearn_scan.core.features import Features
from sklearn_scan.encoders import Embedded, Encoder, EncoderList
from sklearn_scan.encoders._backbone_runner import ready_to_embed
from sklearn_scan.exceptions import ImageReadError, UnreadableImage
from sklearn_scan.images import ArraySource, ImageSource, as_image_source
from sklearn_scan.pretext import RawPixels

N_IMAGES = 12
EXACT = {"input_size": 32, "crop_pct": 1, "device": "cpu", "precision": "fp32"}


def small_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


class MeanColor(Encoder):
    """An encoder of a user's own, of which only `transform` is written."""

    def transform(self, X):
        source = as_image_source(X)
        return np.stack([source[row].mean(axis=(0, 1)) for row in range(len(source))])


class Choosy(Encoder):
    """An encoder of a user's own that skips dark images."""

    def embed(self, source, rows=None):
        chosen = range(len(source))[rows or slice(None)]
        array = np.stack([source[row].mean(axis=(0, 1)) for row in chosen])
        array[array.mean(axis=1) < 100] = np.nan
        features = Features.of(array.astype(np.float32))
        gaps = set(range(len(chosen))) - set(features.readable)
        bad = [UnreadableImage(chosen[i], "X", "dark") for i in sorted(gaps)]
        return Embedded(features, bad)


@pytest.fixture(scope="module")
def images():
    shape = (N_IMAGES, 32, 32, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.fixture
def encoder(request, checkpoint):
    if request.param == "named":
        return ImageEncoder("test_resnet", checkpoint=checkpoint, **EXACT)
    return {
        "module": ImageEncoder(small_net(), **EXACT),
        "factory": ImageEncoder(small_net, **EXACT),
        "pretext": SimCLR(epochs=1, batch_size=8, device="cpu", precision="fp32"),
        "pixels": RawPixels(random_state=0),
        "list": EncoderList([ImageEncoder(small_net, **EXACT), MeanColor()]),
        "transform": MeanColor(),
        "embed": Choosy(),
    }[request.param]


def encoders(*kinds):
    return pytest.mark.parametrize("encoder", kinds, indirect=True)


for_all = encoders(
    "named", "module", "factory", "pretext", "pixels", "list", "transform", "embed"
)
for_trainable = encoders("named", "module", "factory", "pretext")


@pytest.fixture
def paths(images, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(N_IMAGES)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def spoil(paths, rows):
    return [f"{path}.none" if i in rows else path for i, path in enumerate(paths)]


def rows_of(unreadable):
    return [failure.row for failure in unreadable]


# -- nothing is written ----------------------------------------------------------------


@for_all
def test_a_fitted_encoder_is_not_changed_by_its_use(encoder, images):
    encoder.fit(images)
    before, attributes = pickle.dumps(encoder), dict(vars(encoder))
    encoder.transform(images)
    encoder.embed(ArraySource(images), slice(3, 6))
    assert vars(encoder) == attributes
    assert pickle.dumps(encoder) == before


@encoders("named", "module", "factory", "list", "transform", "embed")
def test_an_encoder_that_was_not_fitted_stays_so(encoder, images):
    attributes = dict(vars(encoder))
    embedding = encoder.transform(images)
    assert vars(encoder) == attributes
    assert_array_equal(encoder.fit(images).transform(images), embedding)


@for_all
def test_the_embedding_is_that_of_transform(encoder, images):
    embedded = encoder.fit(images).embed(ArraySource(images))
    assert_array_equal(embedded.features.array, encoder.transform(images))
    assert embedded.features.array.dtype == np.float32
    assert sum(embedded.features.dims) == embedded.features.array.shape[1]
    gaps = np.setdiff1d(np.arange(N_IMAGES), embedded.features.readable)
    assert rows_of(embedded.unreadable) == gaps.tolist()


def test_threads_share_an_encoder(paths):
    encoder = ImageEncoder(small_net, bad_images="skip", **EXACT).fit()
    bad = [[], [1], [3, 4], [0, 11]] * 8
    with warnings.catch_warnings(), ThreadPoolExecutor(2) as pool:
        warnings.simplefilter("ignore", UserWarning)
        sources = [as_image_source(spoil(paths, rows)) for rows in bad]
        results = list(pool.map(encoder.embed, sources))
    for embedded, rows in zip(results, bad, strict=True):
        assert rows_of(embedded.unreadable) == rows
        gaps = np.isnan(embedded.features.array).all(axis=1)
        assert np.flatnonzero(gaps).tolist() == rows


def test_a_network_in_training_mode_is_left_so(images):
    model = nn.Sequential(nn.Dropout(0.5), *small_net()).train()
    encoder = ImageEncoder(model, **EXACT).fit()
    expected = encoder.transform(images)
    model.train()  # by its user, who trains it on
    assert_array_equal(encoder.transform(images), expected)
    assert model.training
    assert model[0].training


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_module_is_copied_where_it_must_be_moved(device):
    model = small_net().append(nn.Linear(32, 32)).append(nn.Linear(32, 32))
    model = model.eval().to(memory_format=torch.channels_last)
    model[-1].weight = model[-2].weight
    model.register_buffer("scale", torch.ones(1))
    ready = ready_to_embed(model, torch.device(device))
    assert (ready is model) == (device == "cpu")
    for tensor in (*ready.parameters(), *ready.buffers()):
        assert tensor.device.type == device
    for tensor in (*model.parameters(), *model.buffers()):
        assert tensor.device.type == "cpu"
    assert ready[-1].weight is ready[-2].weight
    assert ready.state_dict().keys() == model.state_dict().keys()


# -- parts -----------------------------------------------------------------------------

SLICES = [
    slice(2, 5),
    slice(None),
    slice(None, None, 3),
    slice(-2, None),
    slice(9, 4, -2),
]


@for_all
@pytest.mark.parametrize("rows", SLICES, ids=str)
def test_a_part_of_the_images(encoder, images, rows):
    whole = encoder.fit(images).embed(ArraySource(images))
    part = encoder.embed(ArraySource(images), rows)
    assert_allclose(part.features.array, whole.features.array[rows], atol=1e-5)
    assert part.features.dims == whole.features.dims
    chosen = range(N_IMAGES)[rows]
    expected = [bad for bad in whole.unreadable if bad.row in chosen]
    assert sorted(part.unreadable) == expected


@encoders("module", "pretext", "list", "transform")
def test_a_part_without_images(encoder, images):
    encoder.fit(images)
    with pytest.raises(ValueError, match=r"rows must name at least one of the 12"):
        encoder.embed(ArraySource(images), slice(5, 5))


@encoders("module", "list", "transform", "embed")
def test_of_a_part_no_other_images_are_read(encoder, images):
    read = set()

    class Watched(ImageSource):
        def __len__(self):
            return N_IMAGES

        def __getitem__(self, i):
            read.add(i)
            return images[i].copy()

    encoder.fit(images).embed(Watched(), slice(4, 7))
    assert read == {4, 5, 6}


@pytest.mark.parametrize("memory", [False, True])
def test_unreadable_images_of_a_part(paths, tmp_path, memory):
    files = spoil(paths, [1, 6, 10])
    files[8] = files[0]
    settings = EXACT | {"memory": tmp_path / "cache" if memory else None}
    encoder = ImageEncoder(small_net, **settings).fit()
    source = as_image_source(files)
    with pytest.raises(ImageReadError, match="2 images") as caught:
        encoder.embed(source, slice(4, None))
    assert rows_of(caught.value.failures) == [6, 10]
    encoder.set_params(bad_images="skip")
    with pytest.warns(UserWarning, match="2 of 8 images"):
        part = encoder.embed(source, slice(4, None))
    assert rows_of(part.unreadable) == [6, 10]
    assert part.unreadable[0].path == files[6]
    assert part.features.readable.tolist() == [0, 1, 3, 4, 5, 7]
    with pytest.raises(ImageReadError, match="1 image cannot be read"):
        encoder.embed(source, slice(6, 7))


def test_a_part_in_a_file(images, tmp_path):
    encoder = ImageEncoder(small_net, **EXACT).fit()
    out = tmp_path / "part.npy"
    features, _ = encoder.embed(ArraySource(images), slice(3, 8), out=out)
    assert features.is_mapped
    assert_array_equal(np.load(out), features.array)
    assert_allclose(np.load(out), encoder.transform(images)[3:8], atol=1e-5)


# -- copies, to be trained -------------------------------------------------------------


def double(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2)
    return module.train()


@for_trainable
def test_training_does_not_change_the_encoder(encoder, images):
    encoder.fit(images)
    state, before = pickle.dumps(encoder), encoder.transform(images)
    module, preprocessing = encoder.for_training()
    assert preprocessing == encoder.networks()[0].preprocessing
    assert all(parameter.requires_grad for parameter in module.parameters())
    trained = encoder.with_trained(double(module))
    assert type(trained) is type(encoder)
    assert pickle.dumps(encoder) == state
    assert_array_equal(encoder.transform(images), before)
    after = trained.transform(images)
    assert (after != before).any()
    with torch.no_grad():
        pixels = preprocessing.normalize(torch.from_numpy(images))
        assert_allclose(after, module(pixels), rtol=1e-4, atol=1e-4)


@for_trainable
def test_a_trained_encoder_is_trained_on(encoder, images):
    encoder.fit(images)
    trained = encoder.with_trained(double(encoder.for_training().module))
    again = trained.for_training().module
    weights = trained.networks()[0].module.state_dict()
    assert again.state_dict().keys() == weights.keys()
    for name, weight in again.state_dict().items():
        assert torch.equal(weight, weights[name])
        assert weight is not weights[name]


def test_a_clone_of_a_trained_encoder(images):
    own, made = ImageEncoder(small_net(), **EXACT), ImageEncoder(small_net, **EXACT)
    for encoder, keeps in ((own, True), (made, False)):
        encoder.fit()
        trained = encoder.with_trained(double(encoder.for_training().module))
        expected = trained if keeps else encoder
        assert_array_equal(clone(trained).transform(images), expected.transform(images))
    assert trained.model is small_net


def test_the_batch_norms_of_a_named_model_are_unfolded_to_be_trained(
    checkpoint, images
):
    encoder = ImageEncoder("test_resnet", checkpoint=checkpoint, **EXACT).fit()
    modules = [*encoder.module_.modules()]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)
    module, _ = encoder.for_training()
    assert any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    trained = encoder.with_trained(module)
    assert_allclose(
        trained.transform(images), encoder.transform(images), rtol=1e-3, atol=1e-4
    )


@for_trainable
def test_only_a_fitted_encoder_can_be_trained(encoder):
    with pytest.raises(NotFittedError):
        encoder.for_training()
    with pytest.raises(NotFittedError):
        encoder.with_trained(small_net())


# -- feature names ---------------------------------------------------------------------


@encoders("named", "module", "factory", "pretext")
def test_data_frames(encoder, images):
    encoder.set_output(transform="pandas").fit(images)
    frame = encoder.transform(images)
    prefix = type(encoder).__name__.lower()
    assert list(frame.columns) == [f"{prefix}{i}" for i in range(frame.shape[1])]
    assert_array_equal(frame.columns, encoder.get_feature_names_out())


def test_data_frames_of_several_encoders(images):
    several = EncoderList([ImageEncoder(small_net, **EXACT) for _ in range(2)])
    frame = several.set_output(transform="pandas").transform(images)
    assert list(frame.columns) == [f"encoderlist{i}" for i in range(64)]


def test_an_encoder_is_shown_without_being_built():
    built = []

    def make():
        built.append(True)
        return small_net()

    for encoder in (ImageEncoder(make), EncoderList([ImageEncoder(make)])):
        assert "ImageEncoder" in encoder._repr_html_()
    assert built == []


# -- encoders of a user's own ----------------------------------------------------------


def test_data_frames_of_an_encoder_s_own_are_taken(images):
    class Framed(MeanColor):
        def fit(self, X, y=None):
            self._n_features_out = 3
            return self

    encoder = Framed().fit(images).set_output(transform="pandas")
    assert list(encoder.transform(images).columns) == ["framed0", "framed1", "framed2"]
    array = encoder.embed(ArraySource(images)).features.array
    assert_array_equal(array, MeanColor().embed(ArraySource(images)).features.array)


def test_an_encoder_that_writes_neither():
    class Empty(Encoder):
        pass

    with pytest.raises(NotImplementedError, match="Empty must write"):
        Empty().transform(np.zeros((2, 8, 8)))


def test_a_transform_that_nobody_would_call():
    with pytest.raises(TypeError, match="Scaled must write embed, and not transform"):

        class Scaled(ImageEncoder):
            def transform(self, X):
                return super().transform(X) / 2


@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_child_of_an_encoder_writes_embed(images, is_fitted):
    class Half(ImageEncoder):
        def embed(self, source, rows=None):
            features, unreadable = super().embed(source, rows)
            return Embedded(Features.of(features.array[:, ::2] / 2), unreadable)

    half = Half(small_net, **EXACT)
    if is_fitted:
        half.fit()
    expected = ImageEncoder(small_net, **EXACT).transform(images)[:, ::2]
    assert_array_equal(2 * half.transform(images), expected)
    assert half.set_output(transform="pandas").transform(images).shape == (12, 16)


@pytest.mark.parametrize("shape", [(4, 3), (5,), (5, 0)])
def test_what_an_own_encoder_returns_is_checked(shape):
    class Own(Encoder):
        def transform(self, X):
            return np.zeros(shape)

    images = np.zeros((5, 8, 8, 3), np.uint8)
    with pytest.raises(
        ValueError, match=r"Own.transform must return .*\(5, embed_dim\)"
    ):
        SCANClusterer(2, encoder=Own()).fit(images)
