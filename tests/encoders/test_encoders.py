"""ImageEncoder: timm models, checkpoints and plain modules, as a transformer."""

import pickle
import random
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.pipeline import Pipeline
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_scan import ImageEncoder
from sklearn_scan.encoders import DEFAULT_MODEL, Preprocessing
from sklearn_scan.exceptions import HubUnavailableError, ImageReadError

EXACT = {"device": "cpu", "precision": "fp32"}
# A backbone that returns what it is given: its embedding is the preprocessed pixels.
PIXELS = nn.Flatten()


def small_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


def make_images(n, height, width, seed=0):
    shape = (n, height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save_images(images, folder):
    paths = [str(folder / f"{i}.png") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def standardized(images):
    """Return images (n, h, w, 3) as a backbone sees them with mean = std = 0.5."""
    return (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5


def global_state():
    """Return the state of every global source of randomness."""
    numpy_state = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy_state.tolist(), random.getstate()


@pytest.fixture(scope="module")
def images():
    return make_images(7, 20, 28)


@pytest.fixture(scope="module")
def resnet():
    """A network with weights of its own, and its classifier."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return timm.create_model("test_resnet").eval()


@pytest.fixture(scope="module")
def vit():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return timm.create_model("test_vit").eval()


@pytest.fixture
def checkpoint(resnet, tmp_path):
    path = tmp_path / "resnet.safetensors"
    save_file(resnet.state_dict(), path)
    return path


# -- what a backbone may be ----------------------------------------------------------


@pytest.mark.parametrize("model", [small_net(), small_net])
def test_module_and_factory(images, model):
    encoder = ImageEncoder(model, input_size=20, mean=0.5, std=0.5, **EXACT).fit()
    embedding = encoder.transform(images)
    assert embedding.dtype == np.float32
    with torch.no_grad():
        expected = encoder.module_(standardized(images[:, :, 4:24]))  # the centre
    assert_allclose(embedding, expected, atol=1e-5)
    assert_array_equal(encoder.fit_transform(images), embedding)


def test_model_kwargs_go_to_the_factory(images):
    def pooled(side):
        return nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten())

    encoder = ImageEncoder(pooled, model_kwargs={"side": 3}, **EXACT)
    assert encoder.transform(images).shape == (7, 27)


def test_model_kwargs_go_to_timm(images, checkpoint):
    settings = {"checkpoint": checkpoint, "input_size": 96} | EXACT
    average = ImageEncoder("test_resnet", **settings)
    most = ImageEncoder("test_resnet", model_kwargs={"global_pool": "max"}, **settings)
    assert (most.transform(images) >= average.transform(images)).all()
    assert (most.transform(images) > average.transform(images)).any()


def test_default_model_has_weights_on_the_hub():
    assert DEFAULT_MODEL in timm.list_pretrained()


def test_global_random_state_is_left_alone(checkpoint):
    before = global_state()
    ImageEncoder("test_resnet", checkpoint=checkpoint).fit()
    ImageEncoder(small_net).fit()
    assert global_state() == before


def test_a_factory_gives_the_same_network_whatever_the_global_state(images):
    encoder = ImageEncoder(small_net, **EXACT)
    embedding = encoder.transform(images)
    torch.rand(3)
    assert_array_equal(clone(encoder).transform(images), embedding)


# -- checkpoints ---------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["safetensors", "state dict", "training checkpoint"])
def test_checkpoint(resnet, tmp_path, layout):
    path = tmp_path / "weights.safetensors"
    if layout == "safetensors":
        save_file(resnet.state_dict(), path)
    else:
        path = path.with_suffix(".pth")
        state = resnet.state_dict()
        torch.save(state if layout == "state dict" else {"state_dict": state}, path)
    images = make_images(3, 64, 64)
    encoder = ImageEncoder(
        "test_resnet", checkpoint=str(path), input_size=64, crop_pct=1, **EXACT
    )
    with torch.no_grad():
        features = resnet.forward_features(standardized(images))
    expected = features.mean(dim=(2, 3))
    assert_allclose(encoder.transform(images), expected, atol=1e-5)


def test_checkpoint_at_another_image_size(vit, tmp_path):
    """Position embeddings are resampled, as timm does for weights of its own."""
    save_file(vit.state_dict(), tmp_path / "vit.safetensors")
    images = make_images(3, 96, 96)
    encoder = ImageEncoder(
        "test_vit",
        checkpoint=tmp_path / "vit.safetensors",
        input_size=96,
        crop_pct=1,
        **EXACT,
    )
    embedding = encoder.transform(images)
    reference = timm.create_model("test_vit", num_classes=0).eval()
    state = vit.state_dict()
    reference.load_state_dict({k: state[k] for k in reference.state_dict()})
    reference.set_input_size(96)
    with torch.no_grad():
        assert_allclose(embedding, reference(standardized(images)), atol=1e-4)


def test_checkpoint_of_a_plain_network(images, tmp_path):
    saved = small_net()
    torch.save(saved.state_dict(), tmp_path / "net.pth")
    settings = {"input_size": 16} | EXACT
    embedding = ImageEncoder(
        small_net, checkpoint=tmp_path / "net.pth", **settings
    ).transform(images)
    assert_array_equal(embedding, ImageEncoder(saved, **settings).transform(images))


def test_weights_are_not_kept_twice(checkpoint):
    fitted = ImageEncoder("test_resnet", checkpoint=checkpoint).fit()
    assert len(pickle.dumps(fitted)) < 1.5 * checkpoint.stat().st_size


def test_checkpoint_that_is_missing(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(ValueError, match=r"checkpoint=.* is not a file"):
            ImageEncoder("test_resnet", checkpoint=path).fit()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
@pytest.mark.parametrize("content", [b"", b"not weights at all" * 100])
def test_checkpoint_that_is_damaged(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint=.*weights.* could not be read"):
        ImageEncoder("test_resnet", checkpoint=tmp_path / name).fit()


@pytest.mark.parametrize("name", ["levit_128s", "test_convnext", "test_vit"])
def test_checkpoint_with_a_head_of_several_layers(tmp_path, name):
    model = timm.create_model(name)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    size = {"input_size": 224 if name == "levit_128s" else 160}
    encoder = ImageEncoder(name, checkpoint=tmp_path / "weights.safetensors", **size)
    encoder.set_params(precision="fp32").fit()
    pixels = torch.rand(1, 3, size["input_size"], size["input_size"])
    model.reset_classifier(0)
    with torch.no_grad():
        expected = model.eval()(pixels)
        torch.testing.assert_close(encoder.module_(pixels), expected)


def test_checkpoint_that_is_empty(tmp_path):
    torch.save({}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="holds no weights"):
        ImageEncoder("test_resnet", checkpoint=tmp_path / "weights.pth").fit()


@pytest.mark.parametrize(
    "model", ["test_vit", "test_convnext", small_net, nn.Linear(3, 3)]
)
def test_checkpoint_of_another_architecture(checkpoint, model):
    with pytest.raises(ValueError, match=r"checkpoint=.* does not fit this model"):
        ImageEncoder(model, checkpoint=checkpoint).fit()


@pytest.mark.parametrize("model", ["test_resnet", "factory"])
@pytest.mark.parametrize("damage", ["missing", "unknown", "reshaped"])
def test_checkpoint_with_one_wrong_weight(resnet, tmp_path, model, damage):
    state = dict(resnet.state_dict())
    if damage == "missing":
        del state["conv1.0.weight"]
    else:
        name = "conv1.0.weight" if damage == "reshaped" else "conv9.weight"
        state[name] = torch.zeros(2, 3)
    torch.save(state, tmp_path / "weights.pth")
    if model == "factory":

        def model():
            return timm.create_model("test_resnet", num_classes=0)

    with pytest.raises(ValueError, match=r"does not fit .*conv[19]\.(0\.)?weight"):
        ImageEncoder(model, checkpoint=tmp_path / "weights.pth").fit()


class Burglar:
    """When unpickled, writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("save", ["pickle", "torch", "old torch"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pkl"])
def test_checkpoint_is_never_executed(tmp_path, save, suffix):
    trace, path = tmp_path / "trace", (tmp_path / "weights").with_suffix(suffix)
    content = {"conv1.weight": Burglar(trace)}
    if save == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        new = save == "torch"
        torch.save(content, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ValueError, match="could not be read"):
        ImageEncoder("test_resnet", checkpoint=path).fit()
    assert not trace.exists()


# -- the hub -------------------------------------------------------------------------


@pytest.fixture
def empty_hub_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionRefusedError("no network in this test")

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between retries


@pytest.mark.usefixtures("empty_hub_cache", "no_network")
@pytest.mark.parametrize("obstacle", ["network", "offline mode", "proxy"])
def test_hub_unavailable(monkeypatch, obstacle):
    if obstacle == "offline mode":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    if obstacle == "proxy":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(HubUnavailableError) as caught:
        ImageEncoder("test_resnet").fit()
    message = str(caught.value)
    assert "'test_resnet'" in message
    assert "\n" not in message
    for way_on in ("checkpoint=", "SimCLR()", "features"):
        assert way_on in message


@pytest.mark.usefixtures("no_network")
def test_weights_fetched_before_need_no_network(empty_hub_cache, checkpoint, images):
    repository = empty_hub_cache / "models--timm--test_resnet.r160_in1k"
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(checkpoint.read_bytes())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    cached = ImageEncoder("test_resnet", **EXACT).transform(images)
    given = ImageEncoder("test_resnet", checkpoint=checkpoint, **EXACT)
    assert_array_equal(cached, given.transform(images))


def test_a_model_that_has_no_weights():
    with pytest.raises(ValueError, match=r"no pretrained weights.*pass checkpoint="):
        ImageEncoder("test_vit_relpos").fit()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("mobilenetv2_10", "mobilenetv2_100"),
        ("ResNet18", "resnet18"),
        ("test_resnet.in1k", r"test_resnet\.r160_in1k"),
    ],
)
def test_unknown_name(name, nearest):
    with pytest.raises(ValueError, match=rf"{name}.*Did you mean .*'{nearest}'"):
        ImageEncoder(name).fit()


# -- preprocessing -------------------------------------------------------------------


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_resize_then_crop(interpolation):
    images = make_images(3, 40, 60)
    encoder = ImageEncoder(
        PIXELS,
        input_size=16,
        crop_pct=0.8,
        interpolation=interpolation,
        mean=0,
        std=1,
        **EXACT,
    )
    method = Image.Resampling[interpolation.upper()]
    # 16 is 0.8 of 20, so the whole image at half its size, then the middle of that
    expected = [
        np.asarray(
            Image.fromarray(image).resize((30, 20), method).crop((7, 2, 23, 18))
        ).transpose(2, 0, 1)
        for image in images
    ]
    found = encoder.transform(images).reshape(3, 3, 16, 16)
    assert_allclose(found * 255, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (0.5, 0.25),
        (np.float32(0.5), 1),
        ([0.1, 0.2, 0.3], np.array([0.4, 0.5, 0.6])),
        (0, (0.4, 0.5, 0.6)),
    ],
)
def test_mean_and_std(mean, std):
    images = make_images(4, 9, 9)
    encoder = ImageEncoder(PIXELS, input_size=9, mean=mean, std=std, **EXACT)
    expected = (images / 255 - np.asarray(mean)) / np.asarray(std)
    found = encoder.transform(images).reshape(4, 3, 9, 9)
    assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_a_timm_model_brings_its_own_preprocessing(checkpoint):
    own = timm.get_pretrained_cfg("test_resnet")
    encoder = ImageEncoder("test_resnet", checkpoint=checkpoint).fit()
    preprocessing = encoder.preprocessing_
    assert preprocessing.input_size == own.input_size[-1]
    for name in ("mean", "std", "crop_pct", "interpolation"):
        assert getattr(preprocessing, name) == getattr(own, name)
    changed = clone(encoder).set_params(crop_pct=1, mean=0.25).fit().preprocessing_
    assert changed.mean == (0.25, 0.25, 0.25)
    assert (changed.crop_pct, changed.std) == (1, preprocessing.std)


@pytest.mark.parametrize(
    "name",
    [
        "vit_small_patch14_dinov2.lvd142m",
        "vit_small_patch16_224.dino",
        "mobilenetv2_100.ra_in1k",
        "resnet50.tv_in1k",
        "convnext_tiny.fb_in1k",
        "swin_tiny_patch4_window7_224.ms_in1k",
    ],
)
def test_the_configuration_of_a_family(name):
    module, own = nn.Flatten(), timm.get_pretrained_cfg(name)
    module.pretrained_cfg = own.to_dict()
    assert Preprocessing.of(module) == Preprocessing(
        own.input_size[-1], own.mean, own.std, own.crop_pct, own.interpolation
    )


def test_a_configuration_that_says_little():
    module = nn.Flatten()
    module.pretrained_cfg = {"interpolation": "random", "mean": (0.1, 0.2, 0.3)}
    plain = Preprocessing.of(nn.Flatten())
    assert Preprocessing.of(module) == replace(plain, mean=(0.1, 0.2, 0.3))
    assert plain.interpolation == "bicubic"


def test_a_plain_module_gets_imagenets_preprocessing():
    preprocessing = ImageEncoder(PIXELS).fit().preprocessing_
    own = timm.get_pretrained_cfg("resnet50.tv_in1k")
    assert preprocessing.input_size == 224
    assert (preprocessing.mean, preprocessing.std) == (own.mean, own.std)
    assert preprocessing.crop_pct == 1


# -- rows, batches, containers -------------------------------------------------------


def test_rows_follow_the_images_whatever_the_batch(images):
    encoder = ImageEncoder(small_net, input_size=16, **EXACT)
    whole = encoder.transform(images)
    for batch_size in (1, 3, np.int64(3), 100):
        parts = clone(encoder).set_params(batch_size=batch_size).transform(images)
        assert_allclose(parts, whole, atol=1e-6)
    order = np.random.default_rng(1).permutation(len(images))
    assert_allclose(encoder.transform(images[order]), whole[order], atol=1e-6)


def test_batch_size_is_what_the_backbone_gets(images):
    sizes = []

    class Recorder(nn.Flatten):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    ImageEncoder(Recorder, input_size=4, batch_size=np.int64(3)).transform(images)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_every_container_gives_the_same_embedding(images, tmp_path, n_jobs):
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    encoder = ImageEncoder(small_net, input_size=16, n_jobs=n_jobs, **EXACT)
    expected = encoder.transform(images)
    for same in (
        tensor,
        images / 255,
        images.astype(np.float32),
        [Image.fromarray(image) for image in images],
        save_images(images, tmp_path),
        TensorDataset(tensor, torch.arange(len(images))),
    ):
        assert_array_equal(encoder.transform(same), expected)


def test_bf16_agrees_with_fp32(images):
    full = ImageEncoder(small_net, precision="fp32", device="cpu").transform(images)
    half = ImageEncoder(small_net, precision="bf16", device="cpu").transform(images)
    assert half.dtype == np.float32
    assert (half != full).any()
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1)
    assert (cosine / np.linalg.norm(half, axis=1)).min() > 0.99


# -- a scikit-learn citizen ----------------------------------------------------------


def test_parameters(checkpoint):
    encoder = ImageEncoder("test_resnet", checkpoint=checkpoint, input_size=32)
    copy = clone(encoder)
    assert copy.get_params() == encoder.get_params()
    assert copy.set_params(input_size=48).fit().preprocessing_.input_size == 48
    assert encoder.input_size == 32
    assert not hasattr(encoder, "module_")


def test_pickle(images):
    encoder = ImageEncoder(small_net, input_size=16, **EXACT)
    unfitted = pickle.loads(pickle.dumps(encoder))
    embedding = encoder.transform(images)
    fitted = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(fitted.transform(images), embedding)
    assert_array_equal(unfitted.transform(images), embedding)


def test_pipeline(images):
    steps = [
        ("encoder", ImageEncoder(small_net, input_size=16, **EXACT)),
        ("kmeans", KMeans(2, n_init=1, random_state=0)),
    ]
    pipeline = Pipeline(steps).fit(images)
    assert_array_equal(pipeline.predict(images), pipeline["kmeans"].labels_)
    pipeline.set_params(encoder__input_size=8)
    assert pipeline["encoder"].input_size == 8


def test_verbose(images, capsys):
    ImageEncoder(small_net).transform(images)
    assert capsys.readouterr().err == ""
    ImageEncoder(small_net, verbose=1).transform(images)
    assert "embedding" in capsys.readouterr().err


# -- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"model": 7}, TypeError, "encoder must be 'auto'.* got int"),
        ({"model": lambda: "net"}, TypeError, "return an nn.Module; it returned str"),
        ({"input_size": 0}, ValueError, "input_size must be .*; got 0"),
        ({"input_size": 8.0}, TypeError, "input_size must be an integer"),
        ({"crop_pct": 0}, ValueError, "crop_pct must be .*; got 0"),
        ({"crop_pct": 1.1}, ValueError, r"crop_pct must be .*; got 1\.1"),
        ({"interpolation": "bicubik"}, ValueError, "Did you mean 'bicubic'"),
        ({"mean": (0.5, 0.5)}, ValueError, r"mean must be a number.*\(0\.5, 0\.5\)"),
        ({"mean": "grey"}, ValueError, "mean must be a number.*'grey'"),
        ({"mean": np.nan}, ValueError, "mean must be finite"),
        ({"std": (1, 0, 1)}, ValueError, r"std must be above zero; got \(1, 0, 1\)"),
        ({"std": [1, None, 1]}, ValueError, "std must be finite"),
        ({"batch_size": 0}, ValueError, "batch_size must be .*; got 0"),
        ({"batch_size": "big"}, ValueError, "batch_size must be 'auto' or a number"),
        ({"device": "gpu"}, ValueError, "device must be 'auto' or a torch device"),
        ({"precision": "fp8"}, ValueError, "precision must be one of"),
        ({"memory": 3}, TypeError, "memory must be a path.* got int"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"n_jobs": "all"}, TypeError, "n_jobs must be an integer"),
    ],
)
def test_wrong_parameters(parameters, error, message, images):
    settings = {"model": small_net} | parameters
    with pytest.raises(error, match=message):
        ImageEncoder(**settings).fit(images)


class Pair(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)), x


@pytest.mark.parametrize("model", [nn.Conv2d(3, 4, 3), Pair(), nn.Flatten(0)])
def test_a_backbone_that_does_not_pool(images, model):
    with pytest.raises(ValueError, match=r"one vector an image.* for 7 images. Pool"):
        ImageEncoder(model, input_size=16).transform(images)


def test_unreadable_files_are_all_listed(images, tmp_path):
    good = save_images(images, tmp_path)
    empty, text = tmp_path / "empty.png", tmp_path / "text.png"
    empty.touch()
    text.write_text("not an image")
    paths = [str(tmp_path / "none.png"), *good[:3], str(empty), *good[3:], str(text)]
    with pytest.raises(ImageReadError, match="3 images") as caught:
        ImageEncoder(small_net).transform(paths)
    assert [path for _, path, _ in caught.value.failures] == [
        paths[0],
        paths[4],
        paths[-1],
    ]


def test_unreadable_files_are_found_before_any_image_is_embedded(images, tmp_path):
    class Never(nn.Module):
        def forward(self, x):
            raise AssertionError("an image was embedded")

    paths = [*save_images(images, tmp_path), str(tmp_path / "none.png")]
    with pytest.raises(ImageReadError, match=r"none\.png: no such file"):
        ImageEncoder(Never, batch_size=2).transform(paths)


@pytest.mark.parametrize("memory", [False, True])
def test_damaged_files_of_all_batches_are_listed(images, tmp_path, memory):
    paths = save_images(images, tmp_path)
    damaged = [paths[i] for i in (0, 3, 6)]
    for path in damaged:  # the header stays
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) // 2])
    encoder = ImageEncoder(
        small_net, batch_size=2, memory=tmp_path / "cache" if memory else None
    )
    with pytest.raises(ImageReadError, match="3 images") as caught:
        encoder.transform(paths)
    assert [path for _, path, _ in caught.value.failures] == damaged


def test_a_dataset_is_read_by_one_thread():
    readers = set()

    class Photos(torch.utils.data.Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, i):
            readers.add(threading.get_ident())
            return torch.zeros(3, 8, 8)

    photos = Photos()
    encoder = ImageEncoder(nn.Flatten(), input_size=8, n_jobs=4)
    assert encoder.transform(photos).shape == (20, 192)
    readers.discard(threading.get_ident())  # it probed the first items
    assert len(readers) == 1


# -- views to train on -----------------------------------------------------------------


@pytest.mark.parametrize("augment", [None, lambda images: 1 - images])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_view_is_normalized_as_an_image_is(augment, n_channels):
    images = make_images(4, 6, 6)[..., :n_channels]
    preprocessing = Preprocessing(6, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    stored = torch.from_numpy(images).permute(0, 3, 1, 2)
    view = preprocessing.view(augment)(stored)
    shown = images if augment is None else 255 - images
    expected = preprocessing.normalize(
        torch.from_numpy(np.broadcast_to(shown, (4, 6, 6, 3)).copy())
    )
    torch.testing.assert_close(view, expected)
    assert view.is_contiguous(memory_format=torch.channels_last)
    assert_array_equal(stored.permute(0, 2, 3, 1), images)
