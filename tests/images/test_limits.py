"""The limit of pixels, which a header is checked for before anything is decoded."""

import io
import os
import signal
import struct
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from image_helpers import Items
from numpy.testing import assert_array_equal
from PIL import Image, features
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, load, save
from sklearn_scan.encoders import limit_of, resolve_encoder
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import MAX_PIXELS, SquareCrop, as_image_source
from sklearn_scan.images._limits import large_one_by_one
from sklearn_scan.pretext import SimCLR
from sklearn_scan.report import write_report

WIDTH, HEIGHT = 37, 53
LARGE = 9_500  # squared, between the sizes that Pillow warns of and that it refuses
WEBP_BITS = (WIDTH - 1) | (HEIGHT - 1) << 14


def encode(kind, mode="RGB", **settings):
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **settings)
    return buffer.getvalue()


def replace(content, form, old, new):
    """Replace the numbers of a header, which must be in it."""
    packed = struct.pack(form, *old)
    assert packed in content
    return content.replace(packed, struct.pack(form, *new), 1)


def resize_png(content, width, height):
    start = content.index(b"IHDR")
    header = (
        b"IHDR" + struct.pack(">II", width, height) + content[start + 12 : start + 17]
    )
    checksum = struct.pack(">I", zlib.crc32(header))
    return content[:start] + header + checksum + content[start + 21 :]


def resize_tiff(content, width, height):
    for tag, old, new in ((256, WIDTH, width), (257, HEIGHT, height)):
        start = next(
            start
            for kind in (3, 4)  # of short and of long numbers
            if (start := struct.pack("<HHIH", tag, kind, 1, old)) in content
        )
        content = content.replace(start, start[:-2] + struct.pack("<H", new))
    return content


def declare(kind, width, height):
    """Return a small image of which the header says another size."""
    size = (WIDTH, HEIGHT), (width, height)
    turned = (HEIGHT, WIDTH), (height, width)
    bits = [(WEBP_BITS,), ((width - 1) | (height - 1) << 14,)]
    return {
        "jpeg": lambda: replace(encode("JPEG"), ">HH", *turned),
        "progressive jpeg": lambda: replace(
            encode("JPEG", progressive=True), ">HH", *turned
        ),
        "png": lambda: resize_png(encode("PNG", "1"), width, height),
        "gif": lambda: replace(encode("GIF", disposal=2), "<HH", *size),
        "bmp": lambda: replace(encode("BMP"), "<ii", *size),
        "tiff": lambda: resize_tiff(encode("TIFF", "L"), width, height),
        "ppm": lambda: encode("PPM", "1").replace(b"37 53", b"%d %d" % (width, height)),
        "webp": lambda: replace(encode("WEBP", lossless=True), "<I", *bits),
        "jpeg 2000": lambda: (
            encode("JPEG2000")
            .replace(
                struct.pack(">II", WIDTH, HEIGHT), struct.pack(">II", width, height)
            )
            .replace(
                struct.pack(">II", HEIGHT, WIDTH), struct.pack(">II", height, width)
            )
        ),
    }[kind]()


KINDS = [
    "jpeg", "progressive jpeg", "png", "gif", "bmp", "tiff", "ppm", "webp", "jpeg 2000",
]  # fmt: skip


def reasons(X, **settings):
    """Return why the first image cannot be read, however it is read."""
    source = as_image_source(X, **settings)
    found = []
    for read in (lambda: source[0], lambda: source.read(0, SquareCrop(8))):
        with pytest.raises(ImageReadError) as caught:
            read()
        found += [failure.reason for failure in caught.value.failures]
    return {*found, *(failure.reason for failure in source.unreadable())}


@pytest.fixture
def photo(tmp_path):
    """The path of a picture of 40 x 30 pixels."""
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


# Sizes in headers


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_pillow_only_warns_of_is_refused(tmp_path, kind):
    if kind in ("webp", "jpeg 2000"):
        name = {"webp": "webp", "jpeg 2000": "jpg_2000"}[kind]
        if not features.check(name):
            pytest.skip(f"this Pillow has no {kind}")
    content = declare(kind, LARGE, LARGE)
    path = tmp_path / "image"
    path.write_bytes(content)
    for X in ([path], [content]):
        (reason,) = reasons(X)
        assert reason.startswith("9500 x 9500 pixels, 90,250,000 in all, more than")
        assert f"max_pixels={MAX_PIXELS}: pass a larger max_pixels" in reason


def test_a_whole_large_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "large.tif"
    Image.new("1", (LARGE, LARGE)).save(path, compression="group4")
    loads = []
    monkeypatch.setattr(Image.core, "new", lambda *size: loads.append(size))
    (reason,) = reasons([path])
    assert "90,250,000" in reason
    assert loads == []


def test_tiles_larger_than_their_image_are_refused():
    tags = [
        (256, 16), (257, 16), (258, 8), (259, 1), (262, 1), (277, 1), (322, 20_000),
        (323, 20_000), (324, 8), (325, 256),
    ]  # fmt: skip
    content = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, value in tags:
        content += struct.pack("<HHII", tag, 4, 1, value)
    (reason,) = reasons([content + bytes(300)])
    assert reason.startswith("20000 x 20000 pixels")


@pytest.mark.parametrize("n_pixels", [1199, 1200, 1201, None])
def test_the_limit_itself_is_within(photo, n_pixels):
    source = as_image_source([photo], max_pixels=n_pixels)
    assert source.max_pixels == n_pixels
    if n_pixels == 1199:
        with pytest.raises(ImageReadError, match="max_pixels=1199"):
            source[0]
    else:
        assert source[0].shape == (30, 40, 3)
    assert source.identity(0) == as_image_source([photo]).identity(0)


def test_a_jpeg_that_is_decoded_reduced_counts_as_a_whole(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (800, 600)).save(path)
    assert as_image_source([path]).read(0, SquareCrop(8)).shape == (8, 8, 3)
    (reason,) = reasons([path], max_pixels=100_000)
    assert "480,000" in reason


# Whatever X is


def test_every_kind_of_x(photo):
    content = photo.read_bytes()
    with Image.open(photo) as opened, photo.open("rb") as file:
        pictures = [opened]
        for X in ([photo], [content], [file], pictures, Items(pictures)):
            (reason,) = reasons(X, max_pixels=1000)
            assert reason.startswith("40 x 30 pixels, 1,200 in all, more than")
            assert as_image_source(X, max_pixels=1200)[0].shape == (30, 40, 3)


def test_images_of_hugging_face(photo):
    datasets = pytest.importorskip("datasets")
    rows = {"photo": [{"bytes": photo.read_bytes(), "path": None}]}
    data = datasets.Dataset.from_dict(rows).cast_column("photo", datasets.Image())
    for X in (data, data["photo"], data.with_transform(lambda rows: rows)):
        (reason,) = reasons(X, max_pixels=1000)
        assert "1,200" in reason


def test_a_source_keeps_its_own_limit(photo):
    source = as_image_source([photo], max_pixels=None)
    assert as_image_source(source, max_pixels=1) is source
    assert source.max_pixels is None
    assert source.take([0]).max_pixels is None


def test_arrays_and_pictures_are_in_memory_already(rgb):
    pictures = [Image.fromarray(image) for image in rgb]
    for X in (rgb, pictures, Items(pictures)):
        assert_array_equal(as_image_source(X, max_pixels=1)[0], rgb[0])


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (1e6, TypeError), ("1", TypeError)]
)
def test_limits_that_are_none(photo, value, error):
    for use in (
        lambda: as_image_source([photo], max_pixels=value),
        lambda: ImageEncoder(nn.Flatten(), max_pixels=value).transform([photo]),
        lambda: SimCLR(max_pixels=value).fit([photo]),
        lambda: SCANClusterer(2, max_pixels=value).fit([photo, photo]),
    ):
        with pytest.raises(error, match="max_pixels must be"):
            use()


# Pillow's own limit


def test_a_lower_limit_of_pillow_holds(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for limit in (MAX_PIXELS, None):
        (reason,) = reasons([photo], max_pixels=limit)
        assert reason.endswith("more than PIL.Image.MAX_IMAGE_PIXELS=1000: raise it")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    assert as_image_source([photo])[0].shape == (30, 40, 3)


def test_a_higher_limit_of_pillow_takes_the_place_of_the_default(photo, monkeypatch):
    monkeypatch.setattr("sklearn_scan.images._limits.MAX_PIXELS", 1000)
    source = as_image_source([photo], max_pixels=1000)
    for limit, is_read in ((1001, False), (1200, True), (None, True)):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        if is_read:
            assert source[0].shape == (30, 40, 3)
        else:
            with pytest.raises(ImageReadError, match="max_pixels=1001"):
                source[0]
        (reason,) = reasons([photo], max_pixels=1100)  # the user's own
        assert "max_pixels=1100" in reason


def test_the_limit_holds_while_another_thread_decodes_a_large_image(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with large_one_by_one((MAX_PIXELS, 2)), large_one_by_one((MAX_PIXELS, 2)):
        assert Image.MAX_IMAGE_PIXELS is None
        with pytest.raises(ImageReadError, match="MAX_IMAGE_PIXELS=1000"):
            as_image_source([photo])[0]
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_meanwhile_can_read(photo):
    limit = Image.MAX_IMAGE_PIXELS
    lifted, over = threading.Event(), threading.Event()

    def decode():
        with large_one_by_one((MAX_PIXELS, 2)):
            lifted.set()
            over.wait(timeout=60)

    thread = threading.Thread(target=decode)
    thread.start()
    lifted.wait(timeout=60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends it, should it wait for the lock
        with large_one_by_one((MAX_PIXELS, 2)):
            pass
        os._exit(0 if limit == Image.MAX_IMAGE_PIXELS else 1)
    over.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "WEBP", "JPEG"])
def test_above_pillows_limit_max_pixels_alone_decides(monkeypatch, kind):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr("sklearn_scan.images._limits.MAX_PIXELS", 100)
    content = encode(kind)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))
    source = as_image_source([content] * 20, max_pixels=10_000)
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        images = list(pool.map(source.__getitem__, range(20)))
    assert {image.shape for image in images} == {(HEIGHT, WIDTH, 3)}
    assert Image.MAX_IMAGE_PIXELS == 100  # as the user has left it


# Estimators


def make_encoder(**settings):
    return ImageEncoder(nn.Flatten(), input_size=8, device="cpu", **settings)


@pytest.fixture
def photos(tmp_path):
    """Paths of 30 pictures; only that in row 7 has more than 1,000 pixels."""
    generator = np.random.default_rng(0)
    paths = []
    for i in range(30):
        shape = (40, 30, 3) if i == 7 else (20, 30, 3)
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths


def test_encoders_and_pretexts_have_the_limit(photos):
    for encoder in (make_encoder(), SimCLR(epochs=1)):
        encoder.set_params(max_pixels=1000)
        with pytest.raises(ImageReadError, match="max_pixels=1000") as caught:
            encoder.fit_transform(photos)
        assert [failure.row for failure in caught.value.failures] == [7]
        encoder.set_params(bad_images="skip")
        with pytest.warns(UserWarning, match="1 of 30 images"):
            embedding = encoder.fit(photos).transform(photos)
        assert np.isnan(embedding).any(axis=1).nonzero()[0].tolist() == [7]


def make_clusterer(encoder, **settings):
    return SCANClusterer(
        2, encoder=encoder, max_epochs=1, n_neighbors=3, random_state=0, device="cpu",
        bad_images="skip", **settings,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_a_clusterer_hands_its_limit_on(photos, tmp_path):
    fitted = make_clusterer(make_encoder(), max_pixels=1000).fit(photos)
    assert fitted.encoder_.max_pixels == 1000
    assert [bad.row for bad in fitted.bad_images_] == [7]
    assert fitted.predict(photos[6:9])[1] == -1
    page = tmp_path / "page.html"
    write_report(page, fitted, photos, projection="pca")
    assert "max_pixels=1000" in page.read_text()
    several = make_clusterer([make_encoder(), make_encoder()], max_pixels=1000)
    assert [bad.row for bad in several.fit(photos).bad_images_] == [7]


@pytest.mark.filterwarnings("ignore")
def test_the_limit_of_an_encoder_comes_first(photos, tmp_path):
    fitted = make_clusterer(make_encoder(max_pixels=1200), max_pixels=5).fit(photos)
    assert fitted.bad_images_ == []
    page = tmp_path / "page.html"
    write_report(page, fitted, photos, projection="pca")
    assert "more than max_pixels" not in page.read_text()


def test_of_several_encoders_the_largest_limit_holds():
    for limits, expected in (((1000, 1200), 1200), ((1200, None), None)):
        several = [make_encoder(max_pixels=limit) for limit in limits]
        assert limit_of(resolve_encoder(several, random_state=0), 5) == expected
    assert limit_of(None, 5) == 5


@pytest.mark.filterwarnings("ignore")
def test_a_list_of_encoders_reads_what_one_of_them_may(photos):
    several = [make_encoder(max_pixels=1200), make_encoder(max_pixels=1100)]
    assert make_clusterer(several, max_pixels=5).fit(photos).bad_images_ == []


def test_the_report_of_features_has_the_limit_of_the_clusterer(photos, tmp_path):
    features = np.random.default_rng(0).normal(size=(30, 4))
    fitted = make_clusterer("auto", max_pixels=1000).fit(features)
    with pytest.warns(UserWarning, match="1 of 30 images.*\n.*max_pixels=1000"):
        write_report(tmp_path / "page.html", fitted, photos, projection="pca")


def test_reasons_that_are_kept_are_plain_text(photos, tmp_path):
    with pytest.warns(UserWarning, match="more than max_pixels=1000"):
        fitted = make_clusterer(make_encoder(), max_pixels=1000).fit(photos)
    assert type(fitted.bad_images_[0].reason) is str
    save(fitted, tmp_path / "model")
    again = load(tmp_path / "model", encoder=nn.Flatten())
    assert again.bad_images_ == fitted.bad_images_


class Counted(io.BytesIO):
    """An open file that tells how often it was read, of a size that it declares."""

    def __init__(self, content, declared=0):
        super().__init__(content)
        self.declared, self.n_reads = declared, 0

    def seek(self, position, whence=os.SEEK_SET):
        reached = super().seek(position, whence)
        return max(reached, self.declared) if whence == os.SEEK_END else reached

    def read(self, *args):
        self.n_reads += 1
        return super().read(*args)


def test_an_open_file_that_is_too_large_is_not_read(photo):
    file = Counted(photo.read_bytes(), declared=3 * 10**9)
    file.seek(5)
    (reason,) = reasons([file])
    assert reason.startswith("3.0 GB, more than the 1.1 GB")
    assert (file.n_reads, file.tell()) == (0, 5)
    assert as_image_source([file], max_pixels=None)[0].shape == (30, 40, 3)
