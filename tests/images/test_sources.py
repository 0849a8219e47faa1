import pickle

import numpy as np
import pytest
from image_helpers import Items, channels_first, read_all
from numpy.testing import assert_array_equal
from PIL import Image
from torch.utils.data import TensorDataset

from sklearn_scan.exceptions import (
    DivergenceError,
    HubUnavailableError,
    ImageReadError,
    UnreadableImage,
)
from sklearn_scan.images import ArraySource, DatasetSource, ImageSource, as_image_source

# Later items


def test_later_items_of_a_dataset_keep_to_the_range_of_the_first():
    floats = [np.full((4, 4), 0.5)] * 16 + [np.full((4, 4), 100.0)]
    source = as_image_source(Items(floats))
    assert source.float_range == 1.0
    with pytest.raises(ValueError, match=r"X\[16\] .*\[0, 1\].* first items.* 100"):
        source[16]
    assert as_image_source(floats).float_range == 255.0  # a list is seen as a whole


def test_a_given_range_holds_for_later_floats_of_a_dataset():
    items = [np.zeros((4, 4), np.uint8)] * 16 + [np.full((4, 4), 100.0)]
    source = as_image_source(Items(items), float_range=255.0)
    assert source[16].max() == 100
    with pytest.raises(ValueError, match=r"X\[16\] .* 100"):
        as_image_source(Items(items))[16]


@pytest.mark.parametrize("source", [ArraySource, DatasetSource])
def test_sources_of_floats_check_the_range_themselves(source):
    with pytest.raises(
        ValueError, match=r"float_range must be 1\.0, 255\.0 or None; got 2"
    ):
        source(np.zeros((2, 4, 4)), float_range=2.0)


# Ownership


def test_read_only_memmap(rgb, tmp_path):
    np.save(tmp_path / "rgb.npy", rgb)
    images = np.load(tmp_path / "rgb.npy", mmap_mode="r")
    image = as_image_source(images)[1]
    assert type(image) is np.ndarray
    image[:] = 0
    assert_array_equal(np.load(tmp_path / "rgb.npy"), rgb)


@pytest.mark.parametrize(
    "wrap", [np.asarray, list, lambda rgb: [Image.fromarray(i) for i in rgb]]
)
def test_callers_may_write_to_what_they_read(rgb, wrap):
    source = as_image_source(wrap(rgb.copy()))
    source[0][:] = 0
    assert_array_equal(source[0], rgb[0])


def test_sources_pickle(rgb, paths):
    for X in [rgb, list(rgb), paths, TensorDataset(channels_first(rgb))]:
        source = pickle.loads(pickle.dumps(as_image_source(X)))
        assert_array_equal(read_all(source), rgb)


# Identity


def test_equal_content_has_equal_identity(rgb, paths):
    twice = np.concatenate([rgb, rgb])
    keys = [as_image_source(twice).identity(i) for i in range(8)]
    assert keys[:4] == keys[4:]
    assert len(set(keys)) == 4
    pil = as_image_source([Image.fromarray(image) for image in rgb])
    assert [pil.identity(i) for i in range(4)] == keys[:4]


def test_identity_sees_the_shape():
    flat, tall = np.zeros((1, 4, 9), np.uint8), np.zeros((1, 9, 4), np.uint8)
    assert ArraySource(flat).identity(0) != ArraySource(tall).identity(0)


def test_identity_sees_how_floats_are_read():
    images = np.full((1, 4, 4), 0.5)
    keys = {as_image_source(images, float_range=r).identity(0) for r in (1.0, 255.0)}
    assert len(keys) == 2


def test_a_moved_file_keeps_its_identity(paths, tmp_path):
    key = as_image_source(paths).identity(0)
    (tmp_path / "moved").mkdir()
    (tmp_path / "0.png").rename(tmp_path / "moved" / "other.png")
    moved = as_image_source([tmp_path / "moved" / "other.png", paths[1]])
    assert moved.identity(0) == key
    assert moved.identity(1) != key
    with pytest.raises(ImageReadError, match="no such file"):
        as_image_source(paths).identity(0)


# Files


def test_floating_point_files_are_refused(tmp_path, paths):
    path = tmp_path / "float.tif"
    image = Image.fromarray(np.ones((4, 4), np.float32))
    image.save(path)
    (failure,) = as_image_source([*paths, path]).unreadable()
    assert failure.path == str(path)
    assert "unknown scale" in failure.reason
    with pytest.raises(ValueError, match="unknown scale"):
        as_image_source([image])[0]


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = tmp_path / "film.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert_array_equal(as_image_source([path])[0][0, 0], [255, 0, 0])


def test_unicode_file_names(tmp_path):
    path = tmp_path / "Häuser 猫 🐱.png"
    Image.new("RGB", (4, 4), "red").save(path)
    source = as_image_source([str(path)])
    assert source.unreadable() == []
    assert_array_equal(source[0][0, 0], [255, 0, 0])


def test_check_lists_every_unreadable_file(tmp_path, paths):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    bad = [tmp_path / f"{n}.png" for n in ("missing", "empty", "text", "folder")]
    unreadable = as_image_source([*paths, *map(str, bad)]).unreadable()
    rows, found, reasons = zip(*unreadable, strict=True)
    assert list(rows) == [len(paths) + i for i in range(4)]
    assert list(found) == [str(path) for path in bad]
    assert reasons[:3] == ("no such file", "empty, zero bytes", reasons[2])
    assert reasons[2] == "not an image that PIL knows"
    assert "list_images" in reasons[3]


def test_the_message_stays_short():
    error = ImageReadError(
        as_image_source([f"{i}.png" for i in range(25)]).unreadable()
    )
    assert isinstance(error, ValueError)
    message = str(error)
    assert message.startswith("25 images cannot be read")
    assert "9.png: no such file\n  and 15 more" in message
    assert "10.png" not in message
    assert len(error.failures) == 25


def test_truncated_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "cut.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    source = as_image_source([path])
    assert source.unreadable() == []  # the header is sound
    with pytest.raises(ImageReadError, match=r"cut\.jpg: .*truncated") as caught:
        source[0]
    assert caught.value.failures[0].path == str(path)


def test_decompression_bomb(paths, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # the files hold 30
    source = as_image_source(paths)
    with pytest.raises(ImageReadError, match="pixels, 30 in all"):
        source[0]
    assert len(source.unreadable()) == 4


def test_errors_are_in_order_and_survive_pickling():
    failures = [UnreadableImage(2, "b", "y"), UnreadableImage(0, "a", "x")]
    error = ImageReadError(failures)
    assert error.failures == failures[::-1]
    copy = pickle.loads(pickle.dumps(error))
    assert copy.failures == error.failures
    assert str(copy) == str(error)
    for kind in (DivergenceError, HubUnavailableError):
        assert issubclass(kind, RuntimeError)


# A source of one's own


def test_a_source_of_ones_own(rgb):
    class Own(ImageSource):
        def __len__(self):
            return len(rgb)

        def __getitem__(self, i):
            return rgb[i].copy()

    source = Own()
    assert source.unreadable() == []
    assert as_image_source(source) is source
    assert source.float_range is None
    assert source.identity(0) == ArraySource(rgb).identity(0)
