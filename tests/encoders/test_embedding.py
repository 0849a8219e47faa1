"""One pass over the images: in the memory there is, to where the user wants it."""

import errno
import os
import pickle
import tracemalloc

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch import nn

from sklearn_scan import ImageEncoder
from sklearn_scan.encoders._backbone_runner import suggest_batch_size
from sklearn_scan.encoders.backbones._folding import fold_batch_norms, is_delicate
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import ImageSource, as_image_source

CPU = torch.device("cpu")


def pooled():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)


# To a file


@pytest.mark.parametrize("memory", [False, True])
def test_an_embedding_in_a_file(images, tmp_path, memory):
    cache = tmp_path / "cache" if memory else None
    encoder = ImageEncoder(pooled, input_size=8, memory=cache, precision="fp32")
    expected = encoder.transform(images)
    embedding = encoder.transform(images, out=tmp_path / "embedding.npy")
    assert isinstance(embedding, np.memmap)
    assert embedding.dtype == np.float32
    assert_array_equal(embedding, expected)
    assert_array_equal(np.load(tmp_path / "embedding.npy"), expected)
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {"embedding.npy", *(["cache"] if memory else [])}


def test_a_pass_that_fails_leaves_no_file(images, tmp_path):
    path = tmp_path / "bad.png"
    Image.fromarray(images[0]).save(path)
    paths = [path, tmp_path / "missing.png"]
    out = tmp_path / "embedding.npy"
    out.write_text("of before")
    with pytest.raises(ImageReadError):
        ImageEncoder(pooled, input_size=8).transform(paths, out=out)
    assert out.read_text() == "of before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.png", "embedding.npy"]


class Failing(nn.Module):
    """A network that stops at a batch, counted from one, and counts the images."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at = stop_at
        self.images = []

    def forward(self, x):
        if len(self.images) + 1 == self.stop_at:
            raise KeyboardInterrupt
        self.images.append(len(x))
        return x.mean((2, 3))


@pytest.fixture
def stopped(images, tmp_path):
    """A file whose pass has been stopped in its third batch."""
    out = tmp_path / "embedding.npy"
    with pytest.raises(KeyboardInterrupt):
        embed(Failing(stop_at=3), images, out)
    assert not out.exists()
    return out


def embed(network, images, out, **settings):
    encoder = ImageEncoder(network, input_size=8, batch_size=4, **settings)
    # the network itself, which counts, and not a copy
    encoder.fit().module_ = network.eval()
    return encoder.transform(images, out=out)


@pytest.fixture
def same_identity(monkeypatch):
    """Networks that count are the same to the encoder, whatever they have counted."""
    monkeypatch.setattr(ImageEncoder, "_identity", lambda *_: "the same")


def test_a_stopped_pass_goes_on(same_identity, stopped, images):
    expected = embed(Failing(), images, None)
    network = Failing()
    found = embed(network, images, stopped)
    assert_array_equal(found, expected)
    assert sum(network.images) == len(images) - 8
    assert [each.name for each in stopped.parent.iterdir()] == [stopped.name]


@pytest.fixture
def photos(images, tmp_path):
    """Paths of images; the second and the third are damaged, in two copies each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = []
    for i, image in enumerate(images):
        paths.append(folder / f"{i:02}.png")
        Image.fromarray(image).save(paths[-1])
    for bad, copy in ((1, 4), (2, 20)):
        for place in (bad, copy):
            paths[place].write_bytes(f"no image {bad}".encode())
    return paths


@pytest.mark.filterwarnings("ignore:.* cannot be read:UserWarning")
@pytest.mark.parametrize("rows", [None, slice(1, 25)])
@pytest.mark.parametrize("memory", [True, False])
def test_a_stopped_pass_knows_its_unreadable_images(
    memory, rows, same_identity, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr("sklearn_scan.encoders._embedding_array._INTERVAL", 0.0)
    source = as_image_source(photos)

    def embed_photos(network, out, cache):
        encoder = ImageEncoder(
            network, input_size=8, batch_size=4, bad_images="skip",
            memory=tmp_path / cache if memory else None,
        )  # fmt: skip
        encoder.fit().module_ = network.eval()
        return encoder.embed(source, rows, out=out)

    expected = embed_photos(Failing(), None, "of the whole")
    out = tmp_path / "embedding.npy"
    with pytest.raises(KeyboardInterrupt):
        embed_photos(Failing(stop_at=4), out, "cache")
    found = embed_photos(Failing(), out, "cache")
    assert_array_equal(found.features.array, expected.features.array)
    assert [bad.row for bad in found.unreadable] == [1, 2, 4, 20]
    assert found.unreadable == expected.unreadable


@pytest.mark.parametrize("damage", ["rows", "note", "cut"])
def test_damaged_rows_are_embedded_again(damage, same_identity, stopped, images):
    (folder,) = stopped.parent.iterdir()
    file = folder / ("progress.json" if damage == "note" else "rows.npy")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[:200]
    else:
        content[-1 if damage == "note" else 130] ^= 1
    file.write_bytes(content)
    network = Failing()
    found = embed(network, images, stopped)
    assert_array_equal(found, embed(Failing(), images, None))
    assert sum(network.images) == len(images)


@pytest.mark.parametrize("other", ["images", "encoder", "batches"])
def test_another_pass_begins_anew(other, stopped, images):
    settings = {}
    if other == "images":
        images = images.copy()
        images[0, 0, 0] ^= 255
    network = Failing()
    if other == "encoder":
        network.scale = 2.0
    if other == "batches":
        settings["precision"] = "bf16"
    assert len(embed(network, images, stopped, **settings)) == len(images)
    assert sum(network.images) == len(images)


def test_two_passes_do_not_write_one_file(images, tmp_path):
    out = tmp_path / "embedding.npy"

    class Nested(nn.Module):
        def forward(self, x):
            with pytest.raises(OSError, match="is being written by another program"):
                ImageEncoder(pooled, input_size=8).transform(images, out=out)
            return x.mean((2, 3))

    ImageEncoder(Nested, input_size=8).transform(images, out=out)
    assert np.load(out).shape == (len(images), 3)


def test_a_full_disk_is_an_error_that_names_the_file(images, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device: .*embedding\.npy'"):
        ImageEncoder(pooled, input_size=8).transform(
            images, out=tmp_path / "embedding.npy"
        )
    assert not list(tmp_path.iterdir())


def test_a_file_in_no_folder(images, tmp_path):
    with pytest.raises(FileNotFoundError, match="out must be a file in a folder"):
        ImageEncoder(pooled, input_size=8).transform(images, out=tmp_path / "no" / "x")
    with pytest.raises(FileNotFoundError, match="out must be a file in a folder"):
        ImageEncoder(pooled, input_size=8).transform(images, out=tmp_path)


def test_memory_does_not_grow_with_the_images(tmp_path):
    """Ten times the images: the same peak, but for their embeddings."""

    class Many(ImageSource):
        def __init__(self, n_images):
            self.n_images = n_images

        def __len__(self):
            return self.n_images

        def __getitem__(self, i):
            image = np.zeros((64, 64, 3), dtype=np.uint8)  # 12 kB
            image[0, 0] = i % 251, i // 251, 0
            return image

    def peak(n_images, **settings):
        encoder = ImageEncoder(pooled, input_size=64, **settings)
        tracemalloc.start()
        encoder.transform(Many(n_images), out=tmp_path / "embedding.npy")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(50)
    few, many = peak(200), peak(2000)
    assert many - few < 2e6
    few, many = (peak(n, memory=tmp_path / str(n)) for n in (1100, 4400))
    assert many - few < 2e6


# In the memory there is


class Small(nn.Module):
    """Raises as devices do when more than `most` images come at once."""

    def __init__(self, most, error):
        super().__init__()
        self.most, self.error, self.sizes = most, error, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error
        return x.mean((2, 3))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_the_batch_is_halved_when_memory_runs_out(images, error):
    model = Small(6, error)
    encoder = ImageEncoder(model, input_size=8, batch_size=20, precision="fp32")
    with pytest.warns(RuntimeWarning, match="embedded at once") as caught:
        embedding = encoder.transform(images)
    assert len(caught) == 2
    assert model.sizes == [20, 10, *[5] * 6]
    assert_allclose(
        embedding,
        ImageEncoder(Small(99, error), input_size=8, precision="fp32").transform(
            images
        ),
        atol=1e-6,
    )


def test_memory_for_no_image_at_all(images):
    encoder = ImageEncoder(Small(0, MemoryError()), input_size=8, batch_size=2)
    with (
        pytest.warns(RuntimeWarning, match="1 images"),
        pytest.raises(RuntimeError, match="single image: choose a smaller model"),
    ):
        encoder.transform(images)


def test_other_errors_are_not_taken_for_it(images):
    model = Small(0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        ImageEncoder(model, input_size=8).transform(images)
    assert len(model.sizes) == 1


def test_the_batch_goes_by_the_size_of_images():
    sizes = [suggest_batch_size(size, CPU) for size in (8, 32, 224, 518, 4000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] == 8
    assert sizes[-1] == 1
    assert sizes[0] <= 1024


# As fast as it gets


@pytest.mark.parametrize(
    ("name", "n_left"),
    [("test_resnet", 0), ("test_efficientnet", 0), ("mobilenetv2_100", 0)],
)
def test_folding_changes_nothing_but_the_time(name, n_left):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0).eval()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.1)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = model(x)
        after = fold_batch_norms(model)(x)
    assert norms
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == n_left
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


class Twice(nn.Module):
    """Batch norms that must stay: of an output used twice, and one used twice."""

    def __init__(self, shared):
        super().__init__()
        self.shared = shared
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean.fill_(0.5)

    def forward(self, x):
        y = self.a(x)
        if self.shared:
            return (self.norm(y) + self.norm(self.b(x))).mean((2, 3))
        return (y + self.norm(y)).mean((2, 3))


@pytest.mark.parametrize("shared", [False, True])
def test_what_cannot_be_folded_stays(shared):
    model = Twice(shared).eval()
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        before = model(x)
        torch.testing.assert_close(fold_batch_norms(model)(x), before)
    assert isinstance(model.norm, nn.BatchNorm2d)


def test_a_forward_pass_that_cannot_be_traced_stays():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

        def forward(self, x):
            return self.net(x) if x.sum() > 0 else x

    model = Branching().eval()
    assert fold_batch_norms(model) is model
    assert isinstance(model.net[1], nn.BatchNorm2d)


def test_a_folded_model_can_be_pickled(images):
    model = timm.create_model("levit_128s", num_classes=0).eval()
    pickle.loads(pickle.dumps(fold_batch_norms(model)))


def test_beyond_the_range_of_fp16_it_is_fp32(images):
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)
            nn.init.constant_(self.linear.weight, 1e5)

        def forward(self, x):
            return self.linear(x.mean((2, 3)))

    def embed(precision):
        return ImageEncoder(Large, input_size=8, precision=precision).transform(images)

    assert_array_equal(embed("fp16"), embed("fp32"))


def test_a_module_of_ones_own_is_left_as_it_is(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), *pooled())
    ImageEncoder(model, input_size=8).transform(images)
    assert isinstance(model[1], nn.BatchNorm2d)


def test_which_networks_are_delicate():
    delicate = {
        name: is_delicate(timm.create_model(name))
        for name in ("mobilenetv2_100", "resnet18", "test_vit", "test_convnext")
    }
    assert delicate == {
        "mobilenetv2_100": True,
        "resnet18": False,
        "test_vit": False,
        "test_convnext": False,  # depthwise too, but with layer norms
    }


# What the user sees of it


def test_silence_and_progress(images, capsys):
    ImageEncoder(pooled, input_size=8).transform(images)
    assert capsys.readouterr() == ("", "")
    ImageEncoder(pooled, input_size=8, verbose=1).transform(images)
    shown = capsys.readouterr().err
    assert "embedding: 100%" in shown
    assert "30/30" in shown
    assert "image/s" in shown


def test_the_progress_of_what_is_known(images, tmp_path, capsys):
    encoder = ImageEncoder(pooled, input_size=8, memory=tmp_path, verbose=1)
    doubled = np.concatenate([images, images])
    encoder.transform(doubled)
    encoder.transform(doubled)
    assert capsys.readouterr().err.count("60/60") >= 2
