"""Batches of images: their order, their workers, and what is read of a file."""

import itertools
import threading
import time

import numpy as np
import pytest
from image_helpers import Items
from numpy.testing import assert_array_equal
from PIL import Image, ImageFile

from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import (
    BadImages,
    ImageSource,
    SquareCrop,
    as_image_source,
    decoder_name,
    load_batches,
    load_pixels,
    resolve_workers,
)
from sklearn_scan.images import _files as files

EXIF_ORIENTATION = 0x0112
SIDE = 4
N_FILES = 50
BAD = (0, 7, 8, 30, 49)


def numbered(n):
    """Return images that tell their row by their colour."""
    return np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, SIDE, SIDE, 3), np.uint8
    )


def load(X, policy="raise", rows=None, **settings):
    """Return all batches, and the bad images."""
    source = as_image_source(X)
    bad = BadImages(policy)
    rows = range(len(source)) if rows is None else rows
    settings = {"batch_size": 8} | settings
    return list(load_batches(source, SquareCrop(SIDE), rows, bad, **settings)), bad


def rows_of(batches):
    return [row for rows, _ in batches for row in rows]


def check_colours(batches):
    for rows, images in batches:
        assert images.dtype == np.uint8
        assert images.shape == (len(rows), SIDE, SIDE, 3)
        assert_array_equal(images, numbered(256)[rows])


@pytest.fixture
def numbered_files(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(N_FILES)]
    for path, image in zip(paths, numbered(N_FILES), strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def some_bad(numbered_files):
    for i, row in enumerate(BAD):
        path = numbered_files[row]
        path.write_bytes(path.read_bytes()[: 50 * (i % 2)])  # empty, or cut
    return numbered_files


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr("sklearn_scan.images._loading._WORTH_PROCESSES", 1)
    return {"processes": True, "n_jobs": 2}


# Order and batches


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 3, 16, 17, 40, 100])
def test_order_and_batch_sizes(n_jobs, batch_size):
    batches, bad = load(numbered(100), batch_size=batch_size, n_jobs=n_jobs)
    assert rows_of(batches) == list(range(100))
    check_colours(batches)
    sizes = [len(rows) for rows, _ in batches]
    assert set(sizes[:-1]) <= {batch_size}
    assert 0 < sizes[-1] <= batch_size
    assert bad.found == []


def test_rows_in_the_order_asked_for():
    rows = [*np.random.default_rng(0).permutation(60).tolist(), 5, 5]
    batches, _ = load(numbered(60), rows=iter(rows), n_jobs=3)
    assert rows_of(batches) == rows
    check_colours(batches)


def test_no_rows():
    assert load(numbered(3), rows=[])[0] == []


class Uneven(ImageSource):
    """Images of which the first take the longest."""

    def __len__(self):
        return 40

    def __getitem__(self, i):
        time.sleep(0.02 if i % 8 == 0 else 0)
        return numbered(40)[i]


def test_workers_that_finish_early_do_not_change_the_order():
    batches, _ = load(Uneven(), batch_size=4, n_jobs=4)
    assert rows_of(batches) == list(range(40))
    check_colours(batches)


def test_what_is_yielded_is_the_callers():
    source = as_image_source(numbered(32))
    batches = load_batches(
        source, SquareCrop(SIDE), range(32), BadImages("raise"), batch_size=8
    )
    kept = []
    for rows, images in batches:
        kept += rows
        images[:] = 0
        rows.clear()
    assert kept == list(range(32))
    assert_array_equal(source[31], numbered(32)[31])


# Bad images


@pytest.mark.parametrize("how", ["threads", "processes"])
def test_batches_are_full_despite_bad_images(some_bad, processes, how):
    settings = processes if how == "processes" else {}
    batches, bad = load(some_bad, "skip", **settings)
    assert rows_of(batches) == [row for row in range(N_FILES) if row not in BAD]
    check_colours(batches)
    assert [len(rows) for rows, _ in batches] == [8] * 5 + [5]
    assert [failure.row for failure in bad.found] == list(BAD)
    assert [failure.path for failure in bad.found] == [str(some_bad[i]) for i in BAD]


@pytest.mark.parametrize("how", ["threads", "processes"])
@pytest.mark.parametrize("first_bad", [0, 20, 49])
def test_after_a_bad_image_all_are_read_but_none_is_yielded(
    numbered_files, processes, how, first_bad
):
    settings = processes if how == "processes" else {}
    for row in (first_bad, 49):
        numbered_files[row].write_bytes(b"")
    batches, bad = load(numbered_files, **settings)
    assert rows_of(batches) == list(range(first_bad // 8 * 8))
    check_colours(batches)
    assert {failure.row for failure in bad.found} == {first_bad, 49}
    assert bad.lost


def test_rows_of_bad_images_are_those_of_x(some_bad, processes):
    rows = [49, 10, 7]
    for settings in ({}, processes):
        batches, bad = load(some_bad, "skip", rows=rows, **settings)
        assert rows_of(batches) == [10]
        found = [(failure.row, failure.path) for failure in bad.found]
        assert found == [(7, str(some_bad[7])), (49, str(some_bad[49]))]


def test_an_error_of_a_source_is_passed_on():
    class Faulty(Uneven):
        def __getitem__(self, i):
            if i == 30:
                raise TypeError("not the image's fault")
            return super().__getitem__(i)

    with pytest.raises(TypeError, match="not the image's fault"):
        load(Faulty(), "skip")


# Threads and processes


def test_threads_and_processes_read_alike(tmp_path, processes, monkeypatch):
    generator = np.random.default_rng(0)
    paths = []
    for i, kind in zip(range(20), itertools.cycle(["png", "jpg"]), strict=False):
        height, width = generator.integers(5, 90, 2)
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{i}.{kind}")
        Image.fromarray(pixels).save(paths[-1])
    threads, _ = load(paths)

    def refuse(*args):
        raise AssertionError("read in this process")

    monkeypatch.setattr("sklearn_scan.images._file_sources.decode_file", refuse)
    others, _ = load(paths, **processes)
    assert rows_of(others) == rows_of(threads) == list(range(20))
    for (_, one), (_, other) in zip(threads, others, strict=True):
        assert_array_equal(one, other)


def test_few_files_are_not_worth_processes(numbered_files, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("processes were started")

    monkeypatch.setattr("sklearn_scan.images._loading.ReadingProcesses", refuse)
    batches, _ = load(numbered_files, processes=True, n_jobs=2)
    assert rows_of(batches) == list(range(N_FILES))


def test_only_files_are_read_by_processes(processes, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("processes were started")

    monkeypatch.setattr("sklearn_scan.images._loading.ReadingProcesses", refuse)
    pil = [Image.fromarray(image) for image in numbered(9)]
    for X in (numbered(9), pil, Items(pil)):
        assert rows_of(load(X, **processes)[0]) == list(range(9))


def test_processes_keep_to_the_limit_of_pixels(numbered_files, processes, monkeypatch):
    for limit, n_bad in [(5, N_FILES), (SIDE**2, 0), (5, N_FILES), (None, 0)]:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        batches, bad = load(numbered_files, "skip", **processes)
        assert len(bad.found) == n_bad
        assert len(rows_of(batches)) == N_FILES - n_bad
        reasons = {failure.reason for failure in bad.found}
        assert all("PIL.Image.MAX_IMAGE_PIXELS" in reason for reason in reasons)


def test_processes_have_the_settings_of_pillow_here(
    numbered_files, processes, monkeypatch
):
    path = numbered_files[3].with_suffix(".jpg")
    Image.effect_noise((64, 64), 100).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    paths = [*numbered_files, path]
    _, bad = load(paths, "skip", **processes)
    assert [failure.row for failure in bad.found] == [N_FILES]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert load(paths, "skip", **processes)[1].found == []


def test_what_a_process_refuses_is_not_read_again(some_bad, processes, monkeypatch):
    def refuse(*args):
        raise AssertionError("read in this process")

    monkeypatch.setattr("sklearn_scan.images._processes.read_images", refuse)
    _, bad = load(some_bad, "skip", **processes)
    assert [failure.row for failure in bad.found] == list(BAD)


class AddedFormat(ImageFile.ImageFile):
    """A format of two bytes and a grey level, which someone has added to Pillow."""

    format = "ADDED"

    def _open(self):
        self._size, self._mode = (SIDE, SIDE), "L"
        self.fp.seek(2)
        self.tile = [("raw", (0, 0, SIDE, SIDE), 2, "L")]


def test_a_format_that_this_process_was_taught_is_read_here(
    numbered_files, processes, monkeypatch
):
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    Image.register_open("ADDED", AddedFormat, lambda start: start.startswith(b"AD"))
    numbered_files[3].write_bytes(b"AD" + bytes([3]) * SIDE**2)
    numbered_files[7].write_bytes(b"")
    batches, bad = load(numbered_files, "skip", **processes)
    assert [failure.row for failure in bad.found] == [7]
    check_colours(batches)


def test_a_dataset_is_read_by_one_thread():
    readers = set()

    class Photos(Items):
        def __getitem__(self, i):
            readers.add(threading.get_ident())
            return super().__getitem__(i)

    source = as_image_source(Photos(list(numbered(40))))
    readers.clear()  # of the thread that probed the first items
    batches, _ = load(source, n_jobs=4)
    assert rows_of(batches) == list(range(40))
    assert len(readers) == 1


def test_no_more_threads_than_asked_for():
    readers = set()

    class Watched(Uneven):
        def __getitem__(self, i):
            readers.add(threading.get_ident())
            return super().__getitem__(i)

    load(Watched(), batch_size=1, n_jobs=3)
    assert 1 < len(readers) <= 3


# Laziness


@pytest.mark.parametrize("how", ["threads", "processes"])
@pytest.mark.parametrize(("batch_size", "n_jobs"), [(4, 2), (16, 2), (64, 2)])
def test_rows_are_not_drawn_far_ahead(
    numbered_files, processes, how, batch_size, n_jobs
):
    drawn = 0

    def draw():
        nonlocal drawn
        for row in itertools.cycle(range(N_FILES)):
            drawn += 1
            yield row

    batches = load_batches(
        as_image_source(numbered_files),
        SquareCrop(SIDE),
        draw(),
        BadImages("raise"),
        batch_size=batch_size,
        n_jobs=n_jobs,
        processes=how == "processes",
    )
    assert drawn == 0
    for n_batches in range(1, 4):
        rows, _ = next(batches)
        assert len(rows) == batch_size
        ahead = drawn - n_batches * batch_size
        assert min(batch_size, 16) <= ahead  # workers have something to do
        assert ahead <= batch_size + 16 * (n_jobs + 1)
    batches.close()
    assert drawn < 500  # of rows without end


class Slow(ImageSource):
    """Many images that take their time, and the count of those read."""

    n_read = 0

    def __len__(self):
        return 10_000

    def __getitem__(self, i):
        time.sleep(0.005)
        self.n_read += 1
        return np.zeros((SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize("end", ["close", "throw", "forget"])
def test_ending_early_is_quick(end):
    source = Slow()
    batches = load_batches(
        source,
        SquareCrop(SIDE),
        range(len(source)),
        BadImages("raise"),
        batch_size=64,
        n_jobs=1,
    )
    next(batches)
    start = time.perf_counter()
    if end == "close":
        batches.close()
    elif end == "throw":
        with pytest.raises(KeyboardInterrupt):
            batches.throw(KeyboardInterrupt)
    else:
        del batches
    assert time.perf_counter() - start < 2  # all of them would take 50 seconds
    n_read = source.n_read
    assert n_read < 9 * 16  # the five jobs that waited are cancelled
    time.sleep(0.05)
    assert source.n_read == n_read  # nobody reads on


# Workers


def test_workers_are_counted_from_the_cores(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    assert resolve_workers(None) == 6
    assert resolve_workers(1) == 1
    assert resolve_workers(np.int64(3)) == 3
    assert resolve_workers(50) == 50


def test_negative_workers():
    every = resolve_workers(None)
    assert resolve_workers(-1) == every
    assert resolve_workers(-2) == max(every - 1, 1)
    assert resolve_workers(-1000) == 1


@pytest.mark.parametrize("n_jobs", [1.0, "2", True, np.float64(2), [1]])
def test_workers_that_are_no_number(n_jobs):
    with pytest.raises(TypeError, match="n_jobs must be an integer or None"):
        resolve_workers(n_jobs)


def test_zero_workers():
    with pytest.raises(ValueError, match="n_jobs must not be 0: None or -1"):
        resolve_workers(0)
    with pytest.raises(ValueError, match="n_jobs must not be 0"):
        load(numbered(3), n_jobs=0)


# Large JPEGs


def smooth(height, width):
    """Return a picture without sharp edges, as photos mostly are."""
    y, x = np.mgrid[:height, :width] / 100
    waves = [np.sin(x + 0.5 * y), np.cos(0.7 * x - y), np.sin(0.4 * x) * np.cos(y)]
    return np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.fixture
def decoded_sizes(monkeypatch):
    """Sizes at which files are decoded, as they come."""
    sizes = []
    decode, turn = files._fast_decoder(), files.pil_to_rgb

    def spy_on_pillow(image):
        sizes.append(image.size)
        return turn(image)

    def spy_on_fast(content):
        image = decode(content)
        sizes.append(image.size)
        return image

    monkeypatch.setattr(files, "pil_to_rgb", spy_on_pillow)
    if decode is not None:
        monkeypatch.setattr(files, "_fast_decoder", lambda: spy_on_fast)
    return sizes


@pytest.mark.parametrize(
    ("size", "side", "decoded", "most"),
    [
        ((1600, 1200), 32, (200, 150), 1),
        ((1200, 1600), 100, (300, 400), 1),
        ((1600, 1200), 300, (800, 600), 1),
        ((1600, 1200), 301, (1600, 1200), 0),
        ((1600, 64), 32, (1600, 64), 0),
        # of blocks cut by the edge a whole pixel is left: all is shifted, a little
        ((1601, 1203), 32, (201, 151), 2.5),
    ],
)
def test_a_large_jpeg_is_decoded_reduced(
    tmp_path, decoded_sizes, size, side, decoded, most
):
    path = tmp_path / "large.jpg"
    image = Image.fromarray(smooth(*size[::-1]))
    image.save(path, quality=90, progressive=side == 100)
    source, crop = as_image_source([path]), SquareCrop(side)
    found = source.read(0, crop)
    whole = source[0]
    assert decoded_sizes == [decoded, size]
    assert found.shape == (side, side, 3)
    assert np.abs(found.astype(float) - crop(whole)).mean() <= most
    assert source.read(0, SquareCrop(1)).shape == (1, 1, 3)


@pytest.mark.parametrize("crop_pct", [1.0, 0.875, 0.3])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_crops_of_a_reduced_jpeg(tmp_path, crop_pct, interpolation):
    path = tmp_path / "large.jpg"
    Image.fromarray(smooth(600, 800)).save(path, quality=90)
    source, crop = as_image_source([path]), SquareCrop(32, crop_pct, interpolation)
    difference = source.read(0, crop).astype(float) - crop(source[0])
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_jpeg_is_upright(tmp_path, orientation):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(smooth(400, 640)).save(path, exif=exif, quality=90)
    source, crop = as_image_source([path]), SquareCrop(32)
    assert source[0].shape == ((640, 400, 3) if orientation > 4 else (400, 640, 3))
    assert np.abs(source.read(0, crop).astype(float) - crop(source[0])).mean() < 1


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_other_large_files_are_cropped_alike(tmp_path, kind):
    path = tmp_path / f"large.{kind}"
    Image.fromarray(smooth(300, 400)).save(path, lossless=True)
    source, crop = as_image_source([path]), SquareCrop(32, 0.9)
    assert_array_equal(source.read(0, crop), crop(source[0]))


# Two decoders


@pytest.fixture
def both(monkeypatch):
    """Return a function that reads a file with torchcodec, and with Pillow alone."""
    pytest.importorskip("torchcodec")
    decode = files._fast_decoder()
    assert decoder_name() == "torchcodec"

    def read(path):
        images = []

        def spy(content):
            images.append(decode(content))
            return images[-1]

        monkeypatch.setattr(files, "_fast_decoder", lambda: spy)
        fast = as_image_source([path])[0]
        assert_array_equal(fast, images[0])  # it was torchcodec that read it
        monkeypatch.setattr(files, "_fast_decoder", lambda: None)
        pillow = as_image_source([path])[0]
        assert len(images) == 1
        return fast.astype(int), pillow.astype(int)

    return read


JPEGS = {
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "4:2:0": {"subsampling": "4:2:0"},
    "progressive": {"progressive": True},
    "progressive 4:4:4": {"progressive": True, "subsampling": "4:4:4"},
    "poor": {"quality": 5},
    "optimised": {"optimize": True, "quality": 100},
    "restarts": {"restart_marker_blocks": 1},
    "not converted": {"keep_rgb": True},
}


@pytest.mark.parametrize("settings", JPEGS.values(), ids=JPEGS.keys())
@pytest.mark.parametrize("size", [(64, 48), (61, 83), (1, 1), (7, 1), (17, 16)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decoders_agree(tmp_path, both, settings, size, mode):
    path = tmp_path / "image.jpg"
    width, height = size
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3))
    pixels = (smooth(height, width) * 0.7 + noise).astype(np.uint8)
    if mode == "L":
        settings = {k: settings[k] for k in settings if k != "keep_rgb"}
    Image.fromarray(pixels).convert(mode).save(path, **settings)
    fast, pillow = both(path)
    assert fast.shape == pillow.shape == (height, width, 3)
    assert np.abs(fast - pillow).max() <= 1


@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 there are not
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decoders_turn_alike(tmp_path, both, orientation, mode):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    pixels = smooth(61, 240)[:, ::4]
    Image.fromarray(pixels).convert(mode).save(path, exif=exif)
    fast, pillow = both(path)
    assert fast.shape == ((60, 61, 3) if 4 < orientation < 9 else (61, 60, 3))
    assert np.abs(fast - pillow).max() <= 1


def test_decoders_embed_alike_after_a_crop(tmp_path, monkeypatch):
    pytest.importorskip("torchcodec")
    path = tmp_path / "image.jpg"
    Image.fromarray(smooth(120, 160)).save(path)
    fast = as_image_source([path]).read(0, SquareCrop(100))
    monkeypatch.setattr(files, "_fast_decoder", lambda: None)
    pillow = as_image_source([path]).read(0, SquareCrop(100))
    assert np.abs(fast.astype(int) - pillow).max() <= 1


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_jpegs_of_other_modes(tmp_path, mode, monkeypatch):
    path = tmp_path / "image.jpg"
    image = Image.fromarray(smooth(40, 60)).convert(mode)
    image.save(path, quality=95)
    expected = np.asarray(image.convert("RGB")).astype(float)
    found = as_image_source([path])[0]
    assert np.abs(found - expected).mean() < 5
    monkeypatch.setattr(files, "_fast_decoder", lambda: None)
    assert np.abs(as_image_source([path])[0].astype(int) - found).max() <= 1


# All at once, to be trained on


def pixels(X, policy="raise", rows=None, size=SIDE):
    source = as_image_source(X)
    rows = range(len(source)) if rows is None else rows
    return load_pixels(source, SquareCrop(size), rows, BadImages(policy))


@pytest.mark.parametrize("n_images", [1, 255, 256, 600])
def test_pixels_have_channels_first(n_images):
    shape = (n_images, 6, SIDE, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    array = pixels(images)
    assert array.dtype == np.uint8
    assert_array_equal(array, images[:, 1:5].transpose(0, 3, 1, 2))


@pytest.mark.parametrize("convert", [lambda x: x, lambda x: x[..., 0]])
def test_pixels_of_images_that_are_all_grey_have_one_channel(convert):
    images = numbered(20)
    assert_array_equal(pixels(convert(images)), images[..., :1].transpose(0, 3, 1, 2))
    images[7, 0, 0, 1] += 1
    assert pixels(images).shape == (20, 3, SIDE, SIDE)


def test_pixels_of_some_rows_in_the_order_asked_for():
    rows = [5, 0, 30, 5]
    assert_array_equal(pixels(numbered(40), rows=rows)[:, 0, 0, 0], rows)


def test_pixels_without_the_images_that_cannot_be_read(some_bad):
    with pytest.warns(UserWarning, match="5 of 50 images"):
        array = pixels(some_bad, "skip")
    good = [row for row in range(N_FILES) if row not in BAD]
    assert_array_equal(array[:, 0, 0, 0], good)
    with pytest.raises(ImageReadError) as caught:
        pixels(some_bad)
    assert [failure.row for failure in caught.value.failures] == list(BAD)
