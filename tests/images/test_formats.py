"""The formats that are read, told by the content of a file."""

import io
import struct

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import EpsImagePlugin, Image, ImageFile, features

from sklearn_scan.core.file_kinds import IMAGES
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import SquareCrop, as_image_source

RED = (255, 0, 0)
REFUSED = ["EPS", "ICO", "ICNS", "PCX", "SGI", "DDS"]  # that Pillow writes


def encode(kind, size=(16, 16)):
    buffer = io.BytesIO()
    Image.new("RGB", size, RED).save(buffer, kind)
    return buffer.getvalue()


def reason(path):
    source = as_image_source([path])
    failures = source.unreadable()
    for read in (lambda: source[0], lambda: source.read(0, SquareCrop(8))):
        with pytest.raises(ImageReadError) as caught:
            read()
        failures += caught.value.failures
    (why,) = {failure.reason for failure in failures}
    assert len(failures) == 3
    return why


@pytest.mark.parametrize("suffix", IMAGES)
def test_every_extension_that_is_listed_is_of_a_format_that_is_read(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    path = tmp_path / f"image{suffix}"
    mode = {".pbm": "1", ".pgm": "L"}.get(suffix, "RGB")
    Image.new(mode, (16, 16), 1 if mode == "1" else 200).save(path)
    assert as_image_source([path])[0].shape == (16, 16, 3)


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_other_formats_are_refused_whatever_their_name(
    tmp_path, kind, suffix, monkeypatch
):
    def start(*args, **kwargs):
        raise AssertionError("another program was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    path = tmp_path / f"image.{suffix}"
    path.write_bytes(encode(kind))
    assert reason(path) == (
        f"perhaps {kind}, and only JPEG, PNG, GIF, WEBP, BMP, TIFF, PPM, JPEG2000 and "
        "AVIF are read: convert it to PNG"
    )


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"8BPS\0\1" + bytes(6) + b"\0\3" + struct.pack(">IIHH", 9, 9, 8, 3), "PSD"),
        (b"SIMPLE  =                    T" + bytes(50), "FITS"),
        (b"\xd7\xcd\xc6\x9a" + bytes(40), "WMF"),
    ],
)
def test_formats_that_pillow_does_not_write(tmp_path, start, kind):
    path = tmp_path / "image.png"
    path.write_bytes(start)
    assert reason(path).startswith(f"perhaps {kind}, and only JPEG")


class OddImageFile(ImageFile.ImageFile):
    """A format of two bytes and a grey level, which someone has added to Pillow."""

    format = "ODD"

    def _open(self):
        self._size, self._mode = (4, 4), "L"
        self.fp.seek(2)
        self.tile = [("raw", (0, 0, 4, 4), 2, "L")]


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A file of a format that Pillow has been taught."""
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    path = tmp_path / "image.odd"
    path.write_bytes(b"OD" + bytes([7]) * 16)
    return path


@pytest.mark.parametrize("test", [lambda start: start.startswith(b"OD"), None])
def test_a_format_that_the_user_has_added_is_read(odd, test):
    assert reason(odd) == "not an image that PIL knows"
    Image.register_open("ODD", OddImageFile, test)
    assert_array_equal(as_image_source([odd])[0], np.full((4, 4, 3), 7))
    with pytest.raises(ImageReadError, match="4 x 4 pixels"):
        as_image_source([odd], max_pixels=15)[0]


def test_a_format_that_pillow_was_built_without(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    path = tmp_path / "image.png"
    path.write_bytes(encode("PNG"))
    Image.OPEN["PNG"] = (Image.OPEN["PNG"][0], lambda start: "no PNG in this Pillow")
    assert reason(path) == "not an image that PIL knows"


def test_pil_images_may_be_of_any_format(tmp_path):
    path = tmp_path / "image.ico"
    path.write_bytes(encode("ICO"))
    with Image.open(path) as image:
        assert as_image_source([image])[0].shape == (16, 16, 3)
