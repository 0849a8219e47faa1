"""Every kind of file that cannot be read, and odd ones that can."""

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from torch import nn

from sklearn_scan import ImageEncoder
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import SquareCrop, as_image_source, decoder_name

RED = (255, 0, 0)
N_CUTS = 20
EXIF_ORIENTATION = 0x0112


def make_encoder(**settings):
    return ImageEncoder(nn.Flatten(), input_size=8, device="cpu", **settings)


def make_picture(height=61, width=83):
    """Return a picture that is everywhere different, and as noisy as photos are."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width))
    channels = [x * 2 + noise, y * 3 + noise, x + y]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def encode(image, kind, **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def save_red(path):
    Image.new("RGB", (4, 4), RED).save(path)
    return path


def failure_of(path):
    """Return why a file cannot be read, which reading must say however it is done."""
    source = as_image_source([path])
    failures = []
    for read in (
        lambda: source[0],
        lambda: source.read(0, SquareCrop(8)),
        lambda: make_encoder().transform([path]),
    ):
        with pytest.raises(ImageReadError) as caught:
            read()
        failures += caught.value.failures
    assert len(failures) == 3
    assert len(set(failures)) == 1
    assert failures[0].row == 0
    assert failures[0].path == str(path)
    return failures[0]


def reason_of_header(path):
    """Return why a file cannot be read, where its header tells."""
    (failure,) = as_image_source([path]).unreadable()
    assert failure == failure_of(path)
    return failure.reason


@pytest.fixture(params=["pillow", "torchcodec"])
def decoder(request, monkeypatch):
    if request.param == "pillow":
        monkeypatch.setattr("sklearn_scan.images._files._fast_decoder", lambda: None)
    else:
        pytest.importorskip("torchcodec")
    assert decoder_name() == request.param
    return request.param


# Cut off

FORMATS = {
    "jpeg": ("JPEG", {"quality": 90}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "grey jpeg": ("JPEG", {}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
}


@pytest.mark.usefixtures("decoder")
@pytest.mark.filterwarnings("ignore:.*EXIF|Truncated File Read")
@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_never_another_picture(tmp_path, name):
    kind, settings = FORMATS[name]
    image = Image.fromarray(make_picture())
    content = encode(image.convert("L") if "grey" in name else image, kind, **settings)
    whole = tmp_path / "whole"
    whole.write_bytes(content)
    expected = as_image_source([whole])[0]
    cuts = np.linspace(1, len(content) - 1, N_CUTS).astype(int)
    paths = [tmp_path / f"cut {cut}" for cut in cuts]
    for path, cut in zip(paths, cuts, strict=True):
        path.write_bytes(content[:cut])
    source = as_image_source(paths)
    unreadable = []
    for row in range(N_CUTS):
        try:
            assert_array_equal(source[row], expected)  # what was cut was no pixels
        except ImageReadError as error:
            unreadable += [failure._replace(row=row) for failure in error.failures]
    rows = [failure.row for failure in unreadable]
    assert rows == list(range(len(rows)))  # once enough is there, more does no harm
    assert len(rows) >= N_CUTS - 2
    with pytest.raises(ImageReadError) as caught:
        make_encoder().transform(paths)
    assert [failure.row for failure in caught.value.failures] == rows


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("name", ["jpeg", "progressive jpeg"])
def test_a_truncated_jpeg_is_not_read_at_a_reduced_size(tmp_path, name):
    kind, settings = FORMATS[name]
    content = encode(Image.fromarray(make_picture(256, 320)), kind, **settings)
    path = tmp_path / "cut.jpg"
    for cut in np.linspace(len(content) // 10, len(content) - 3, N_CUTS).astype(int):
        path.write_bytes(content[:cut])
        with pytest.raises(ImageReadError):
            as_image_source([path]).read(0, SquareCrop(16))


# No images


def test_empty_file(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert reason_of_header(path) == "empty, zero bytes"


@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary,\n",
        b"\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41\x00\x00\x00\x08free",
        b"\x1aE\xdf\xa3\x93B\x82\x88matroska",
        b"%PDF-1.7\n",
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "mp4"])
def test_files_of_other_kinds(tmp_path, content, suffix):
    path = tmp_path / f"other.{suffix}"
    path.write_bytes(content)
    assert reason_of_header(path) == "not an image that PIL knows"


@pytest.mark.parametrize("name", ["x.jpg", "x"])
def test_folder(tmp_path, name):
    (tmp_path / name).mkdir()
    assert "list_images(folder)" in reason_of_header(tmp_path / name)


def test_missing_file(tmp_path):
    assert reason_of_header(tmp_path / "none.png") == "no such file"


def test_a_file_used_as_a_folder(tmp_path):
    file = save_red(tmp_path / "red.png")
    assert "Not a directory" in reason_of_header(file / "inner.png")


def test_broken_link(tmp_path):
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "gone.png")
    assert reason_of_header(link) == "a link to a file that does not exist"


def test_links_in_a_loop(tmp_path):
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    one.symlink_to(other)
    other.symlink_to(one)
    assert "symbolic links" in reason_of_header(one)


def test_a_good_link_is_followed(tmp_path):
    link = tmp_path / "link.png"
    link.symlink_to(save_red(tmp_path / "red.png"))
    assert_array_equal(as_image_source([link])[0][0, 0], RED)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_no_permission(tmp_path, what):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = save_red(folder / "red.png")
    locked = path if what == "file" else folder
    locked.chmod(0)
    try:
        assert reason_of_header(path) == "no permission to read it"
    finally:
        locked.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    reasons = []

    def read():
        reasons.append(reason_of_header(path))
        with pytest.raises(ImageReadError, match="pipe") as caught:
            as_image_source([path]).identity(0)
        reasons.append(caught.value.failures[0].reason)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert not reader.is_alive()
    assert reasons == ["not a file but a pipe, a socket or a device"] * 2


def test_a_device_is_not_read():
    assert "device" in reason_of_header(Path(os.devnull))


# Huge


def png_chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    )


def make_huge_png(side):
    """Return a PNG of many pixels, of which the file holds only the first."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", pixels)
        + png_chunk(b"IEND", b"")
    )


def test_a_header_of_too_many_pixels(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "huge.png"
    path.write_bytes(make_huge_png(60_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reason = reason_of_header(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1_000_000  # KiB; whole, it would be 10 GB
    assert "60000 x 60000 pixels, 3,600,000,000 in all" in reason


# Names

NAMES = [
    "Grüße.png",
    "кот.png",
    "猫.png",
    "ねこ.png",
    "고양이.png",
    "قط.png",
    "e\u0301.png",
    "🐱👩\u200d🚀.png",
    "two  spaces .png",
    " .png",
    'it\'s "quoted".png',
    "back\\slash.png",
    "{braces} %s [1] *?.png",
    "-dash.png",
    "tab\tand\nline.png",
    "no suffix",
    os.fsdecode(b"caf\xe9.png"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_file_names(tmp_path, name):
    path = str(tmp_path / name)
    Image.new("RGB", (4, 4), RED).save(path, "PNG")
    source = as_image_source([path])
    assert source.unreadable() == []
    assert source.name(0) == path
    assert_array_equal(source[0][0, 0], RED)
    assert make_encoder(memory=tmp_path / "cache").transform([path]).shape == (1, 192)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("content", ["missing", "empty", "cut", "folder", "loop"])
def test_names_of_unreadable_files_can_be_printed(tmp_path, name, content):
    path = str(tmp_path / name)
    if content == "folder":
        os.mkdir(path)
    elif content == "loop":
        os.symlink(path, path)
    elif content != "missing":
        png = encode(Image.fromarray(make_picture()), "PNG")
        Path(path).write_bytes(b"" if content == "empty" else png[: len(png) // 2])
    with pytest.raises(ImageReadError) as caught:
        as_image_source([path])[0]
    assert caught.value.failures[0].path == path
    message = str(caught.value).encode()  # a terminal's, which takes UTF-8 alone
    assert b"1 image cannot be read" in message
    if name.isprintable():
        assert name.encode() in message


@pytest.mark.parametrize("name", ["\ud800.png", "null\0.png", ""], ids=ascii)
def test_names_that_no_file_can_have(name):
    with pytest.raises(ImageReadError) as caught:
        as_image_source([name])[0]
    assert caught.value.failures[0].path == name
    assert b"1 image cannot be read" in str(caught.value).encode()


def test_skipped_files_of_odd_names_are_warned_of(tmp_path):
    good = save_red(tmp_path / "red.png")
    bad = [str(tmp_path / name) for name in (NAMES[-1], "猫.png")]
    encoder = make_encoder(bad_images="skip")
    with pytest.warns(UserWarning, match="2 of 3 images") as caught:
        unreadable = encoder.embed(as_image_source([*bad, str(good)])).unreadable
    assert "猫.png".encode() in str(caught[0].message).encode()
    assert [failure.path for failure in unreadable] == bad


# Odd, but readable


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "txt", "gif", "webp", ""])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_suffix_does_not_matter(tmp_path, suffix, kind):
    image = Image.new("RGB", (16, 16), RED)
    path = tmp_path / f"red.{suffix}"
    path.write_bytes(encode(image, kind))
    source = as_image_source([path])
    assert source.unreadable() == []
    assert np.abs(source[0].astype(int) - RED).max() <= 4


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"garbage",
        b"Exif\x00\x00",
        b"Exif\x00\x00II",
        b"Exif\x00\x00" + bytes(range(200)),
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + b"\x01\x12" * 20,
        # an orientation that there is not: 9, and one that is text
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00"
        b"\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00" + bytes(4),
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00"
        b"\x12\x01\x02\x00\x04\x00\x00\x00six\x00" + bytes(4),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_is_passed_over(tmp_path, exif, kind):
    image = Image.fromarray(make_picture())
    plain, tagged = tmp_path / "plain", tmp_path / "tagged"
    plain.write_bytes(encode(image, kind))
    tagged.write_bytes(encode(image, kind, exif=exif))
    expected = as_image_source([plain])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow tells of it
        source = as_image_source([tagged])
        assert source.unreadable() == []
        assert_array_equal(source[0], expected)


@pytest.mark.usefixtures("decoder")
def test_bytes_after_the_end_are_passed_over(tmp_path):
    for kind in ("JPEG", "PNG", "WEBP"):
        content = encode(Image.fromarray(make_picture()), kind)
        paths = [tmp_path / f"{kind} plain", tmp_path / f"{kind} longer"]
        for path, tail in zip(paths, (b"", b"\x00more" * 50), strict=True):
            path.write_bytes(content + tail)
        source = as_image_source(paths)
        assert_array_equal(source[1], source[0])


@pytest.mark.usefixtures("decoder")
def test_orientation_said_in_xmp_alone(tmp_path):
    """Pillow heeds it: so must a file read whole, whatever decodes it."""
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
        b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    path = tmp_path / "turned.jpg"
    picture = Image.fromarray(make_picture(64, 96))
    picture.save(path, xmp=xmp, quality=95)
    source = as_image_source([path])
    assert source[0].shape == (96, 64, 3)
    whole = source.read(0, SquareCrop(60)).astype(float)
    reduced = Image.fromarray(source.read(0, SquareCrop(16))).resize((60, 60))
    assert np.abs(whole - np.asarray(reduced)).mean() < 20


# PIL images and datasets


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_images_opened_from_truncated_files(tmp_path, kind):
    content = encode(Image.fromarray(make_picture()), kind)
    path = tmp_path / "cut"
    path.write_bytes(content[: len(content) * 2 // 3])
    with Image.open(path) as image:
        source = as_image_source([image])
        for _ in range(3):  # to have failed once makes no second reading succeed
            with pytest.raises(ImageReadError, match="cut: ") as caught:
                source[0]
        assert caught.value.failures[0].path == str(path)
        with pytest.raises(ImageReadError):
            source.identity(0)


def test_an_image_opened_by_a_name_of_bytes(tmp_path):
    content = encode(Image.fromarray(make_picture()), "PNG")
    path = tmp_path / "cut.png"
    path.write_bytes(content[: len(content) // 2])
    with Image.open(os.fsencode(path)) as image:
        with pytest.raises(ImageReadError) as caught:
            as_image_source([image])[0]
        assert "cut.png: " in str(caught.value)


def test_an_image_whose_file_was_closed(tmp_path):
    path = save_red(tmp_path / "red.png")
    with Image.open(path) as image:
        pass
    with pytest.raises(ImageReadError, match=r"red\.png: "):
        as_image_source([image])[0]


def test_an_image_of_no_file_is_named_by_its_place(tmp_path):
    content = encode(Image.fromarray(make_picture()), "PNG")
    images = [
        Image.new("RGB", (4, 4)),
        Image.open(io.BytesIO(content[: len(content) // 2])),
    ]
    with pytest.raises(ImageReadError, match=r"X\[1\]: ") as caught:
        make_encoder().transform(images)
    assert [failure.row for failure in caught.value.failures] == [1]
