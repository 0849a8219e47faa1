"""Models saved and loaded: the same afterwards, or refused with a reason."""

import json
import os
import pickle
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from joblib import Memory
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import (
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
    load,
    relabel,
    save,
)
from sklearn_scan.clusterers import clusterer_classes
from sklearn_scan.core.documents import file_digest, write_document
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.encoders import Encoder, EncoderList, WeightsOrigin
from sklearn_scan.encoders.cache import fingerprint
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.images.augment import StrongViews
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RawPixels,
    RotNet,
    SimSiam,
    VICReg,
)
from sklearn_scan.results.relabeling import Edits

X = load_digits().data[:200].astype(np.float32)
IMAGES = load_digits_images().images[:60]
FAST = {"n_clusters": 4, "max_epochs": 1, "self_label_epochs": 0, "random_state": 0}
CPU = {"device": "cpu", "precision": "fp32"}


def make_scan(**settings):
    return SCANClusterer(**{**FAST, "n_heads": 3, **CPU, **settings})


def fit(clusterer, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a fit finds little
        return clusterer.fit(data)


class Pool(nn.Module):
    """A network of the user's own."""

    def __init__(self, side=2):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.mix = nn.Linear(3 * side**2, 6)

    def forward(self, images):
        return self.mix(self.pool(images).flatten(1))


def make_pool():
    return Pool()


def halve(images):
    return images / 2


class MeanEncoder(Encoder):
    """An encoder of the user's own."""

    def transform(self, X):
        pixels = np.stack([np.asarray(image, dtype=np.float32) for image in X])
        return pixels.reshape(len(pixels), 4, -1).mean(axis=2)


@pytest.fixture(scope="module")
def fitted():
    return make_scan().fit(X)


@pytest.fixture
def saved(fitted, tmp_path):
    save(fitted, tmp_path / "model")
    return tmp_path / "model"


def there_and_back(estimator, folder, **given):
    save(estimator, folder / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load(folder / "model", **given)


def assert_same_state(loaded, original):
    """Compare everything that `fit` has set, however deep."""
    assert type(loaded) is type(original)
    if isinstance(original, nn.Module):
        assert fingerprint(loaded) == fingerprint(original)
    elif isinstance(original, np.ndarray):
        assert loaded.dtype == original.dtype
        np.testing.assert_array_equal(loaded, original)
    elif isinstance(original, list | tuple):
        assert len(loaded) == len(original)
        for ours, theirs in zip(loaded, original, strict=True):
            assert_same_state(ours, theirs)
    elif isinstance(original, dict):
        assert list(loaded) == list(original)
        assert_same_state(list(loaded.values()), list(original.values()))
    elif hasattr(original, "__dict__") and not callable(original):
        assert vars(loaded).keys() == vars(original).keys()
        for name, value in vars(original).items():
            assert_same_state(vars(loaded)[name], value)
    else:
        np.testing.assert_equal(loaded, original)  # NaN equals NaN


def assert_same_model(loaded, original, data):
    np.testing.assert_array_equal(
        loaded.predict_proba(data), original.predict_proba(data)
    )
    np.testing.assert_array_equal(loaded.transform(data), original.transform(data))
    assert_same_state(loaded, original)


# There and back


@pytest.mark.parametrize(
    ("clusterer", "data"),
    [
        (make_scan(), X),
        (make_scan(n_clusters="auto"), X),
        (make_scan(n_clusters=np.int64(3), self_label_epochs=2), X),
        (make_scan(cluster_prior=np.full(4, 0.25)), X),
        (TEMIClusterer(**FAST, **CPU, n_heads=2), X),
        (JULEClusterer(**FAST, **CPU), X),
        (make_scan(), (X, X[:, :20])),
        (TEMIClusterer(**FAST, **CPU, n_heads=2), (X, X[:, :20], np.ones_like(X))),
        (JULEClusterer(**FAST, **CPU), (X, X[:, :20])),
    ],
    ids=[
        "scan",
        "auto",
        "numpy",
        "prior",
        "temi",
        "jule",
        "spaces",
        "temi of spaces",
        "jule of spaces",
    ],
)
def test_features(clusterer, data, tmp_path):
    fit(clusterer, data)
    loaded = there_and_back(clusterer, tmp_path)
    assert_same_model(loaded, clusterer, data)
    assert loaded.score(data) == clusterer.score(data)
    np.testing.assert_array_equal(loaded.predict(data), loaded.labels_)


@pytest.mark.parametrize(
    ("pretext", "finetune"),
    [
        (SimCLR(epochs=1, **CPU), False),
        (SimCLR(epochs=1, **CPU), True),
        (SimCLR("test_resnet", epochs=1, **CPU), True),
        (SimCLR("test_vit", epochs=1, **CPU), False),
        (MoCo(epochs=1, **CPU), False),
        (BYOL(epochs=1, **CPU), False),
        (SimSiam(epochs=1, **CPU), False),
        (VICReg(epochs=1, **CPU), False),
        (RotNet(epochs=1, **CPU), False),
        (InstanceDiscrimination(epochs=1, **CPU), False),
        (RawPixels(**CPU), False),
    ],
    ids=repr,
)
def test_pretexts(pretext, finetune, tmp_path):
    clusterer = fit(make_scan(encoder=pretext, finetune=finetune), IMAGES)
    loaded = there_and_back(clusterer, tmp_path)
    assert_same_model(loaded, clusterer, IMAGES)
    assert clone(loaded).get_params().keys() == clusterer.get_params().keys()


@pytest.mark.parametrize(
    "encoder",
    ["auto", RawPixels("test_resnet", image_size=16), SimCLR(epochs=1)],
    ids=repr,
)
def test_jule_on_images(encoder, tmp_path):
    clusterer = fit(JULEClusterer(encoder=encoder, **FAST, **CPU), IMAGES)
    loaded = there_and_back(clusterer, tmp_path)
    assert_same_model(loaded, clusterer, IMAGES)
    assert clone(loaded).get_params().keys() == clusterer.get_params().keys()


@pytest.fixture
def checkpoint(tmp_path):
    def make(name, **settings):
        module = timm.create_model(name, **settings).eval()
        with torch.no_grad():
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    buffer.add_(0.1)
        file = tmp_path / "weights.safetensors"
        save_file(module.state_dict(), file)
        return file

    return make


@pytest.mark.parametrize("finetune", [False, True])
@pytest.mark.parametrize(
    ("name", "settings"),
    [("test_efficientnet", {"pad_type": "same"}), ("test_vit", {})],
)
def test_a_timm_model_needs_its_checkpoint_no_more(
    name, settings, finetune, checkpoint, tmp_path
):
    file = checkpoint(name, **settings)
    encoder = ImageEncoder(
        name, checkpoint=file, model_kwargs=settings, input_size=64, mean=0.5, **CPU
    )
    clusterer = fit(make_scan(encoder=encoder, finetune=finetune), IMAGES)
    save(clusterer, tmp_path / "model")
    file.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(tmp_path / "model")
    assert_same_model(loaded, clusterer, IMAGES)
    with pytest.raises(ValueError, match="not a file"):
        clone(loaded).fit(IMAGES)


def test_several_encoders_and_unreadable_images(checkpoint, tmp_path):
    for i, image in enumerate(IMAGES[:12]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "5.png").write_bytes(b"no picture")
    paths = [str(tmp_path / f"{i}.png") for i in range(12)]
    named = ImageEncoder(
        "test_resnet", checkpoint=checkpoint("test_resnet"), input_size=32
    )
    clusterer = make_scan(encoder=[named, SimCLR(epochs=1)], bad_images="skip")
    fit(clusterer, paths)
    loaded = there_and_back(clusterer, tmp_path)
    assert_same_state(loaded, clusterer)
    assert loaded.bad_images_[0].row == 5
    assert loaded.labels_[5] == -1
    with pytest.warns(UserWarning, match="cannot be read"):
        again = loaded.predict_proba(paths)
    np.testing.assert_array_equal(again, clusterer.probabilities_)


@pytest.mark.parametrize("encoder", [SimCLR(epochs=1, **CPU), None])
def test_encoders_by_themselves(encoder, checkpoint, tmp_path):
    if encoder is None:
        file = checkpoint("test_resnet")
        encoder = ImageEncoder("test_resnet", checkpoint=file, input_size=32)
    encoder.fit(IMAGES)
    loaded = there_and_back(encoder, tmp_path)
    np.testing.assert_array_equal(loaded.transform(IMAGES), encoder.transform(IMAGES))


def test_a_pretext_s_encoder_as_a_parameter_is_stored_once(tmp_path):
    pretext = SimCLR(epochs=1, **CPU).fit(IMAGES)
    clusterer = fit(make_scan(encoder=pretext.encoder_), IMAGES)
    loaded = there_and_back(clusterer, tmp_path)
    assert_same_model(loaded, clusterer, IMAGES)
    assert loaded.encoder.model is loaded.encoder.module_
    assert loaded.encoder_.model is loaded.encoder_.module_
    assert loaded.encoder_.model is not loaded.encoder.model
    weights = pretext.encoder_.module_.state_dict()
    stored = load_file(tmp_path / "model" / "backbones.safetensors")
    assert len(stored) == len(weights)
    assert_same_state(fit(clone(loaded), IMAGES).labels_, clusterer.labels_)


def test_relabelled_models_and_corrected_labels(fitted, tmp_path):
    edits = Edits(names={0: "zéro 😀"}, merged={3: 1}, moved={7: 2})
    corrected = relabel(fitted, edits)
    loaded = there_and_back(corrected, tmp_path)
    assert_same_model(loaded, corrected, X)
    assert loaded.cluster_names_[0] == "zéro 😀"
    assert loaded.n_clusters_ == 3
    twice = relabel(loaded, Edits(merged={2: 0}))
    assert_same_model(there_and_back(twice, tmp_path / "twice"), twice, X)


def test_a_loaded_model_saves_as_the_same_files(tmp_path):
    clusterer = fit(make_scan(encoder=SimCLR(epochs=1)), IMAGES)
    loaded = there_and_back(clusterer, tmp_path)
    save(loaded, tmp_path / "again")
    for file in (tmp_path / "model").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_odd_values(fitted, tmp_path):
    """Whatever a fitted attribute may hold comes back."""
    import copy

    odd = copy.copy(fitted)
    odd.history_ = [{"loss": float("nan"), "stage": "SCAN"}, {"loss": float("inf")}]
    odd.image_names_ = ["a\udcff.jpg", "\\\"<'>\n", "名.png", "b"] * 50
    odd.feature_names_in_ = np.array(["a", "b"], dtype=object)
    odd.big_endian_ = np.arange(3, dtype=">f4")
    odd.scalars_ = (np.float32(0.1), np.bool_(True), Path("a"), torch.device("cpu"))
    odd.empty_ = np.empty((3, 0))
    loaded = there_and_back(odd, tmp_path)
    assert str(loaded.history_) == str(odd.history_)
    assert loaded.image_names_ == odd.image_names_
    assert loaded.feature_names_in_.tolist() == ["a", "b"]
    assert loaded.big_endian_.tolist() == [0, 1, 2]
    assert_same_state(loaded.scalars_, odd.scalars_)
    assert loaded.empty_.shape == (3, 0)


def test_what_is_loaded_is_the_caller_s(saved):
    loaded = load(saved)
    loaded.labels_[0] = 3  # writeable
    loaded.embedding_ += 1
    assert load(saved).embedding_.max() < loaded.embedding_.max()


def test_the_origin_of_the_encoder_s_weights(checkpoint, tmp_path):
    """People find it in the document, and programs in what is loaded."""
    file = checkpoint("test_resnet")
    encoder = ImageEncoder("test_resnet", checkpoint=file, input_size=32, **CPU)
    for finetune in (False, True):
        clusterer = fit(make_scan(encoder=encoder, finetune=finetune), IMAGES)
        save(clusterer, tmp_path / "model", overwrite=True)
        loaded = load(tmp_path / "model").encoder_
        origin = WeightsOrigin("test_resnet", file.name, None, finetune)
        assert loaded.weights_origin_ == origin
        document = json.loads((tmp_path / "model" / "model.json").read_text())
        assert document["encoders"] == [
            {**origin._asdict(), "fingerprint": fingerprint(loaded.module_)}
        ]


def test_an_encoder_of_before_its_origin_was_kept(checkpoint, tmp_path):
    file = checkpoint("test_resnet")
    encoder = ImageEncoder("test_resnet", checkpoint=file, input_size=32, **CPU)
    clusterer = fit(make_scan(encoder=encoder, finetune=False), IMAGES)
    del clusterer.encoder_.weights_origin_
    save(clusterer, tmp_path / "model")
    save(load(tmp_path / "model"), tmp_path / "again")
    document = json.loads((tmp_path / "again" / "model.json").read_text())
    network = clusterer.encoder_.module_
    assert document["encoders"] == [{"fingerprint": fingerprint(network)}]
    trained = clusterer.encoder_.with_trained(network)
    assert not hasattr(trained, "weights_origin_")


def test_each_encoder_is_described_once(tmp_path):
    encoder = ImageEncoder(make_pool, **CPU).fit()
    given = EncoderList([encoder, ImageEncoder(Pool, **CPU).fit()])
    clusterer = fit(make_scan(encoder=given), IMAGES)
    clusterer.note_ = {"is": "ImageEncoder", "fitted": True}  # which is no encoder
    save(clusterer, tmp_path / "model")
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    assert [each["model"] for each in document["encoders"]] == ["make_pool", "Pool"]


def test_the_origin_of_weights_of_the_hub():
    name = "vit_small_patch14_dinov2"
    assert WeightsOrigin.of(f"{name}.lvd142m", None) == WeightsOrigin(
        f"{name}.lvd142m", f"hf-hub:timm/{name}.lvd142m", "apache-2.0"
    )
    assert WeightsOrigin.of(Pool(), None) == WeightsOrigin("Pool", None, None)


# Parameters that JSON does not hold


def test_parameters_of_many_kinds(tmp_path):
    state = np.random.RandomState(3)
    views = StrongViews()
    clusterer = make_scan(
        random_state=state, memory=Memory(tmp_path / "kept"), strong_views=views
    )
    clusterer.fit(X)
    loaded = there_and_back(clusterer, tmp_path)
    assert loaded.strong_views == views
    assert loaded.memory is None  # which is of the machine, and not of the model
    assert loaded.random_state.randint(99) == state.randint(99)


def test_functions_are_left_out_with_a_warning(tmp_path):
    clusterer = make_scan(strong_views=halve).fit(X)
    clusterer.note_ = object()
    with pytest.warns(UserWarning, match="is not stored") as told:
        save(clusterer, tmp_path / "model")
    texts = [str(warning.message) for warning in told]
    assert "strong_views, the function halve, is not stored: what" in texts[0]
    assert texts[1] == "note_, a object, is not stored."
    with pytest.warns(UserWarning, match=r"strong_views.*default|note_"):
        loaded = load(tmp_path / "model")
    assert loaded.strong_views == "auto"
    np.testing.assert_array_equal(loaded.predict_proba(X), clusterer.probabilities_)


# Networks of the user's own


@pytest.mark.parametrize(
    ("encoder", "given"),
    [
        (Pool(), make_pool),
        (Pool(), Pool()),
        (make_pool, Pool()),
        (make_pool, Pool),
        (ImageEncoder(Pool()), ImageEncoder(Pool())),
        (ImageEncoder(make_pool), make_pool),
    ],
)
def test_an_own_network(encoder, given, tmp_path):
    clusterer = fit(make_scan(encoder=encoder), IMAGES)
    loaded = there_and_back(clusterer, tmp_path, encoder=given)
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )
    clone(loaded).fit(IMAGES)


def test_an_own_network_by_which_a_pretext_was_trained(tmp_path):
    clusterer = fit(make_scan(encoder=SimCLR(make_pool, epochs=1, **CPU)), IMAGES)
    loaded = there_and_back(clusterer, tmp_path, encoder=make_pool)
    assert_same_model(loaded, clusterer, IMAGES)
    assert loaded.encoder.backbone is make_pool


def test_the_settings_of_a_function(tmp_path):
    encoder = ImageEncoder(Pool, model_kwargs={"side": 3}, **CPU)
    clusterer = fit(make_scan(encoder=encoder), IMAGES)
    loaded = there_and_back(clusterer, tmp_path, encoder=Pool)
    assert_same_model(loaded, clusterer, IMAGES)


def test_a_network_that_was_changed_is_one_s_own(tmp_path):
    """How it was made says no more how to make it."""
    pretext = SimCLR("test_resnet", epochs=1, **CPU).fit(IMAGES)
    pretext.encoder_.module_.act1 = nn.Tanh()
    save(pretext, tmp_path / "model")
    with pytest.raises(ValueError, match="'ResNet': its weights are in the file"):
        load(tmp_path / "model")


def test_an_own_network_among_several(tmp_path):
    clusterer = fit(make_scan(encoder=[SimCLR(epochs=1), make_pool]), IMAGES)
    loaded = there_and_back(clusterer, tmp_path, encoder=[None, Pool])
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )
    with pytest.raises(
        ValueError, match=r"encoder \(number 1 of the list\).*'make_pool'"
    ):
        load(tmp_path / "model")
    with pytest.raises(ValueError, match="as a list"):
        load(tmp_path / "model", encoder=Pool)


def test_an_own_encoder(tmp_path):
    clusterer = fit(make_scan(encoder=MeanEncoder()), IMAGES)
    given = MeanEncoder()
    loaded = there_and_back(clusterer, tmp_path, encoder=given)
    assert loaded.encoder_ is given
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )
    with pytest.raises(ValueError, match="'MeanEncoder': its code is not in the file"):
        load(tmp_path / "model")
    with pytest.raises(ValueError, match="must be a fitted Encoder"):
        load(tmp_path / "model", encoder=Pool())


def test_own_encoders_among_several(tmp_path):
    clusterer = fit(make_scan(encoder=[MeanEncoder(), make_pool]), IMAGES)
    given = [MeanEncoder(), Pool]
    loaded = there_and_back(clusterer, tmp_path, encoder=given)
    assert loaded.encoder_.encoders[0] is given[0]
    assert loaded.encoder[0] is not given[0]
    np.testing.assert_array_equal(
        loaded.predict_proba(IMAGES), clusterer.predict_proba(IMAGES)
    )


def test_own_networks_that_are_missing_or_others(tmp_path):
    clusterer = fit(make_scan(encoder=Pool()), IMAGES)
    save(clusterer, tmp_path / "model")
    with pytest.raises(ValueError, match=r"'Pool': its weights are in the file.*load"):
        load(tmp_path / "model")
    with pytest.raises(ValueError, match="do not fit a Pool as it is made here"):
        load(tmp_path / "model", encoder=Pool(3))
    with pytest.raises(ValueError, match=r"must be an nn\.Module or a function"):
        load(tmp_path / "model", encoder="resnet18")
    with pytest.raises(ValueError, match=r"must return an nn\.Module; it returned int"):
        load(tmp_path / "model", encoder=lambda: 3)

    class Pool2(Pool):
        def forward(self, images):
            return -super().forward(images)

    with pytest.warns(UserWarning, match="its code or settings are not those"):
        load(tmp_path / "model", encoder=Pool2())


def test_an_encoder_is_not_ignored(saved):
    with pytest.raises(ValueError, match="encoder is for models with a network of you"):
        load(saved, encoder=Pool())


def test_tied_weights_and_halves(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.second = nn.Linear(3, 3)
            self.second.weight = self.first.weight

        def forward(self, images):
            means = images.mean(dim=(2, 3)).to(self.first.weight.dtype)
            return self.second(self.first(means)).float()

    clusterer = fit(make_scan(encoder=Tied().bfloat16()), IMAGES)
    loaded = there_and_back(clusterer, tmp_path, encoder=Tied)
    assert_same_model(loaded, clusterer, IMAGES)
    module = loaded.encoder_.module_
    assert module.first.weight is module.second.weight
    assert module.first.weight.dtype == torch.bfloat16


# Devices


def test_a_device_that_is_not_here(fitted, tmp_path):
    far = pickle.loads(pickle.dumps(fitted)).set_params(device="cuda:7")
    save(far, tmp_path / "model")
    with pytest.warns(UserWarning, match="device='cuda:7', which is not here") as told:
        loaded = load(tmp_path / "model")
    assert len(told) == 1
    assert loaded.device == "auto"
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.probabilities_)


def test_a_device_of_one_s_choice_reaches_the_encoder(tmp_path):
    clusterer = fit(make_scan(encoder=SimCLR(epochs=1), device="auto"), IMAGES)
    loaded = there_and_back(clusterer, tmp_path, device="cpu")
    devices = [loaded.device, loaded.encoder_.device, loaded.encoder_.encoder_.device]
    assert devices == ["cpu"] * 3
    with pytest.raises(ValueError, match="device"):
        load(tmp_path / "model", device="gpu")


# The folder


def test_what_may_be_replaced(fitted, saved, tmp_path):
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save(fitted, saved)
    save(fitted, saved, overwrite=True)
    (saved / "notes.txt").write_text("mine")
    save(fitted, saved, overwrite=True)  # other things in the folder stay
    assert (saved / "notes.txt").read_text() == "mine"
    load(saved)

    other = tmp_path / "photos"
    other.mkdir()
    save(fitted, other)  # empty
    shutil.rmtree(other)
    other.mkdir()
    (other / "model.json").write_text("{}")
    with pytest.raises(FileExistsError, match="other things than a saved model"):
        save(fitted, other, overwrite=True)
    with pytest.raises(FileExistsError, match="is a file"):
        save(fitted, other / "model.json", overwrite=True)


def test_folders_above_are_made_and_links_followed(fitted, tmp_path):
    save(fitted, tmp_path / "a" / "b" / "model")
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "a" / "b" / "model")
    load(link)
    save(fitted, link, overwrite=True)
    assert link.is_symlink()
    load(tmp_path / "a" / "b" / "model")


@pytest.mark.parametrize("failing", ["safetensors.torch.save_file", "os.fsync"])
def test_an_interrupted_save_leaves_the_old_model(failing, fitted, saved, monkeypatch):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(failing, stop)
        with pytest.raises(KeyboardInterrupt):
            save(fitted, saved, overwrite=True)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_a_rename_that_fails_leaves_the_old_model(fitted, saved, monkeypatch):
    def fail_to_place(source, target):
        if Path(target) == saved and "before" not in Path(source).name:
            raise OSError("disk gone")
        os.replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("sklearn_scan.core.disk.replace", fail_to_place)
        with pytest.raises(OSError, match="disk gone"):
            save(fitted, saved, overwrite=True)
    load(saved)
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_a_model_whose_replacement_was_cut_off_is_found(fitted, saved):
    """As by a loss of power between two renames."""
    saved.rename(saved.with_name(f".model.{'0' * 22}.before"))
    np.testing.assert_array_equal(load(saved).labels_, fitted.labels_)


def test_a_relative_path(fitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(fitted, "model")
    load("model")


# What cannot be saved


def test_what_save_refuses(fitted, tmp_path):
    with pytest.raises(NotFittedError):
        save(make_scan(), tmp_path / "model")
    with pytest.raises(TypeError, match=r"save knows .*SCANClusterer.*; got PCA"):
        save(PCA(), tmp_path / "model")

    class Subclass(SCANClusterer):
        pass

    Subclass.__name__ = "SCANClusterer"
    with pytest.raises(TypeError, match="save knows"):
        save(Subclass(3, random_state=0).fit(X), tmp_path / "model")
    changed = pickle.loads(pickle.dumps(fitted))
    changed.module_ = nn.Sequential(changed.module_, Pool())
    with pytest.raises(TypeError, match="cannot be saved, because of module_"):
        save(changed, tmp_path / "model")
    assert not list(tmp_path.iterdir())


# Damage


def rewrite(folder, change):
    """Change the document of a model, with a right checksum."""
    file = folder / "model.json"
    document = json.loads(file.read_text())
    change(document)
    write_document(file, document)


def cut(file):
    file.write_bytes(file.read_bytes()[:-3])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize(
    "name", ["model.json", "heads.safetensors", "arrays.safetensors"]
)
def test_damaged_files(damage, name, saved):
    damage(saved / name)
    with pytest.raises(ModelFileError, match=f"cannot be loaded: {name} is") as told:
        load(saved)
    assert str(saved) in str(told.value)


@pytest.mark.parametrize(
    "name", ["model.json", "heads.safetensors", "arrays.safetensors"]
)
def test_every_flipped_or_missing_byte_is_noticed_or_harmless(name, saved):
    file = saved / name
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=30):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        for damaged in (bytes(flipped), content[:place] + content[place + 1 :]):
            file.write_bytes(damaged)
            try:
                load(saved)
            except ModelFileError:
                continue
            # of white space, or of letters that mean the same
            assert name == "model.json"
            assert json.loads(damaged) == json.loads(content)


def test_a_model_of_an_earlier_release_is_read():
    """Of each version of the format; none of these folders is ever written anew."""
    folders = sorted(Path(__file__).with_name("fixtures").glob("model_v*"))
    assert [folder.name for folder in folders] == ["model_v2"]
    digits = load_digits()
    rows = np.flatnonzero(np.isin(digits.target, [0, 4, 6]))[:60]
    label_of = {0: 0, 6: 1, 4: 2}
    expected = [label_of[digit] for digit in digits.target[rows]]
    for folder in folders:
        loaded = load(folder)
        np.testing.assert_array_equal(loaded.labels_, expected)
        np.testing.assert_array_equal(loaded.predict(digits.data[rows]), expected)
        assert loaded.cluster_names_ == ["cluster 0", "cluster 1", "cluster 2"]


@pytest.mark.skipif(os.name == "nt", reason="needs sparse files")
def test_a_document_larger_than_any_model_has_is_not_read(saved):
    os.truncate(saved / "model.json", 10**12)  # which takes no room on the disk
    with pytest.raises(ModelFileError, match="it has 1,000,000,000,000 bytes, more"):
        load(saved)


@pytest.mark.parametrize("declared", ["header", "tensor"])
def test_sizes_beyond_the_file_take_no_memory(declared, saved):
    file = saved / "heads.safetensors"
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if declared == "header":
        content = (10**12).to_bytes(8, "little") + content[8:]
    else:
        header = json.loads(content[8 : 8 + length])
        entry = next(v for k, v in header.items() if k != "__metadata__")
        entry["shape"] = [10**12, *entry["shape"]]
        text = json.dumps(header).encode()
        content = len(text).to_bytes(8, "little") + text + content[8 + length :]
    file.write_bytes(content)
    rewrite(saved, lambda d: d["files"].update({file.name: file_digest(file)}))
    with pytest.raises(ModelFileError, match=r"heads\.safetensors is damaged"):
        load(saved)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": 3}', "[" * 100_000, "\x00", "NaN"]
)
def test_documents_that_are_none(text, saved):
    (saved / "model.json").write_text(text)
    with pytest.raises(ModelFileError, match=r"model\.json"):
        load(saved)


def test_no_folder(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such folder"):
        load(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"model\.json is missing"):
        load(tmp_path)


def test_a_newer_version(saved):
    def change(document):
        document["version"], document["readable_from"] = 3, "3.1"

    rewrite(saved, change)
    with pytest.raises(
        ModelFileError, match=r"is version 3, which sklearn_scan 3\.1 and later read"
    ):
        load(saved)


def test_a_version_that_is_read_no_longer(fitted, saved):
    rewrite(saved, lambda document: document.update(version=1))
    with pytest.raises(
        ModelFileError,
        match="is version 1, and this sklearn_scan reads version 2: fit the est",
    ):
        load(saved)
    save(fitted, saved, overwrite=True)
    load(saved)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_files_are_as_readable_as_others(fitted, tmp_path):
    (tmp_path / "ordinary").write_text("")
    mode = (tmp_path / "ordinary").stat().st_mode
    save(fitted, tmp_path / "model")
    assert {file.stat().st_mode for file in (tmp_path / "model").iterdir()} == {mode}


def test_several_may_save_at_once(fitted, tmp_path):
    """All with overwrite, the first one without; the model is whole."""
    save(fitted, tmp_path / "before")
    expected = load(tmp_path / "before").labels_
    for overwrite, n_expected in ((False, 1), (True, 4)):
        with ThreadPoolExecutor(4) as pool:
            save_there = partial(saves, fitted, tmp_path / "model", overwrite=overwrite)
            saved = [pool.submit(save_there) for _ in range(4)]
        assert sum(each.result() for each in saved) == n_expected
        np.testing.assert_array_equal(load(tmp_path / "model").labels_, expected)
    assert {path.name for path in tmp_path.iterdir()} == {"before", "model"}


def test_a_model_that_is_replaced_while_it_is_loaded(fitted, tmp_path):
    """The one or the other is loaded, and nothing between."""
    other = relabel(fitted, Edits(names={0: "other"}))
    expected = [each.cluster_names_ for each in (fitted, other)]
    save(fitted, tmp_path / "model")

    def save_often():
        for i in range(10):
            save((fitted, other)[i % 2], tmp_path / "model", overwrite=True)

    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(save_often)
        while not saving.done():
            assert load(tmp_path / "model").cluster_names_ in expected
        saving.result()


def saves(estimator, path, **options):
    try:
        save(estimator, path, **options)
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize("name", ["model.json", "heads.safetensors"])
def test_links_are_not_followed_out_of_the_folder(name, saved, tmp_path):
    file = saved / name
    file.rename(tmp_path / name)
    file.symlink_to(tmp_path / name)
    with pytest.raises(ModelFileError, match="is a link"):
        load(saved)


def drop_heads(document):
    del document["files"]["heads.safetensors"]


def climb(document):
    document["files"]["../../secret"] = "0"


def spoil(*path, value):
    def change(document):
        place = document["estimator"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        drop_heads,
        climb,
        lambda document: document.pop("estimator"),
        lambda document: document.pop("files"),
        lambda document: document.update(estimator=3),
        lambda document: document.update(estimator={"is": "dict", "items": {}}),
        spoil("is", value="Popen"),
        spoil("is", value=["SCANClusterer"]),
        spoil("fitted", value=[]),
        spoil("parameters", "shell", value=True),
        spoil("fitted", "predict", value=1),
        spoil("fitted", "__class__", value=1),
        spoil("fitted", "labels_", "name", value="probabilities_"),
        spoil("fitted", "labels_", "name", value="elsewhere"),
        spoil("fitted", "labels_", value=None),
        spoil("fitted", "n_clusters_", value=10**9),
        spoil("fitted", "embedding_", value=[1, 2]),
        spoil("fitted", "module_", value=3),
        spoil("fitted", "module_", "is", value="Linear"),
        spoil("fitted", "module_", "parts", value={}),
        spoil("fitted", "module_", "attributes", "forward", value=3),
        spoil("fitted", "module_", "attributes", "_modules", value=3),
        spoil("fitted", "cluster_names_", value=["one"]),
        spoil("fitted", "confident_", value={"is": "path"}),
        spoil("fitted", "classes_", value={"is": "scalar", "dtype": "O", "value": 1}),
        spoil("fitted", "embedding_dims_", value={"is": "tuple", "items": "no"}),
        spoil("fitted", "neighbors_", "fields", "more", value=1),
        spoil("fitted", "encoder_", value={"is": "network"}),
    ],
)
def test_absurd_documents(change, saved):
    rewrite(saved, change)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load(saved)


def test_recipes_bring_no_weights_from_elsewhere(tmp_path):
    clusterer = fit(make_scan(encoder=SimCLR("test_resnet", epochs=1)), IMAGES)
    save(clusterer, tmp_path / "model")
    evil = {
        "is": "TimmRecipe",
        "fields": {
            "name": "test_resnet",
            "settings": {"is": "dict", "items": {"checkpoint_path": "evil.pt"}},
            "folded": False,
        },
    }
    model = ("fitted", "encoder_", "fitted", "encoder_", "parameters", "model")
    rewrite(tmp_path / "model", spoil(*model, "recipe", value=evil))
    with pytest.raises(ModelFileError, match="checkpoint_path cannot be"):
        load(tmp_path / "model")
    evil["fields"]["name"] = "hf-hub:someone/model"
    rewrite(tmp_path / "model", spoil(*model, "recipe", value=evil))
    with pytest.raises(ModelFileError, match="has no model"):
        load(tmp_path / "model")


def test_nothing_is_unpickled(saved, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    (saved / "heads.safetensors").write_bytes(pickle.dumps(Evil()))
    digest = file_digest(saved / "heads.safetensors")
    rewrite(saved, lambda d: d["files"].update({"heads.safetensors": digest}))
    with pytest.raises(ModelFileError, match=r"heads\.safetensors is damaged"):
        load(saved)
    assert not (tmp_path / "executed").exists()


def test_the_global_random_state_is_left_alone(tmp_path):
    encoder = SimCLR("test_resnet", epochs=1).fit(IMAGES)
    before = torch.get_rng_state()
    there_and_back(encoder, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_class_that_nobody_has_registered(fitted, tmp_path, monkeypatch):
    save(fitted, tmp_path / "model")
    name = next(n for n, k in clusterer_classes.items() if k is type(fitted))
    monkeypatch.delitem(clusterer_classes, name)
    with pytest.raises(ModelFileError, match=r"its class \w+ is not known here"):
        load(tmp_path / "model")
