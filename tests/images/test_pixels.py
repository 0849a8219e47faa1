import warnings

import numpy as np
import pytest
import torch
from image_helpers import Items, read_all
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits

from sklearn_scan.images import as_image_source

EXIF_ORIENTATION = 0x0112


def read_one(pixels):
    return as_image_source([Image.fromarray(pixels)])[0]


# Shapes


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 1)])
def test_grey_becomes_rgb(shape):
    grey = np.arange(40, dtype=np.uint8).reshape(shape)
    images = read_all(as_image_source(grey))
    assert images.shape == (2, 4, 5, 3)
    assert_array_equal(images, np.broadcast_to(grey.reshape(2, 4, 5, 1), (2, 4, 5, 3)))
    tensor = torch.from_numpy(grey.reshape(2, 4, 5))
    assert_array_equal(read_all(as_image_source(tensor)), images)
    assert_array_equal(read_all(as_image_source(list(tensor))), images)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "X with 0 sample"),
        ((), "X with 0 sample"),
        (np.empty((0, 8, 8)), "0 sample"),
        (np.empty((3, 0, 8)), "no pixels"),
        ([np.empty((0, 8))], r"shape \(0, 8\)"),
        (Items([]), "X with 0 sample"),
        (np.array(3.0), "0 dimensions"),
        (np.zeros(8), "Expected 2D array, got 1D array instead.* Reshape your data"),
        (np.zeros((4, 8)), r"\(4, 8\)\. A 2-D array means features"),
        (torch.zeros((4, 8)), "2-D array means features"),
        (np.zeros((2, 2, 8, 8, 3)), "5 dimensions"),
        (np.zeros((2, 3, 8, 8)), r"channels first: pass X.transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 8, 8, 5)), "channels c must be 1, 3 or 4"),
        (np.zeros((16, 16, 3)), r"one image: pass X\[None\]"),
        (torch.zeros((2, 8, 8, 3)), r"channels first.* X.permute\(0, 3, 1, 2\)"),
        ([torch.zeros((8, 8, 3))] * 2, r"channels first.* image.permute\(2, 0, 1\)"),
        ([np.zeros((3, 8, 8))] * 2, r"X .*channels first.* image.transpose\(1, 2, 0\)"),
        ([np.zeros((8, 8)), np.zeros((4, 4))], r"\(4, 4\), \(8, 8\)\. .*PIL images or"),
        (
            [torch.zeros((8, 8)), torch.zeros((4, 4))],
            "X must hold tensors of one shape",
        ),
    ],
)
def test_shapes_that_are_no_images(X, message):
    with pytest.raises(ValueError, match=message):
        as_image_source(X)


@pytest.mark.parametrize("shape", [(20, 8, 4), (20, 15, 3), (15, 20, 3), (20, 20, 5)])
def test_narrow_grey_images_are_not_taken_for_one_picture(shape):
    assert len(as_image_source(np.zeros(shape))) == shape[0]


# Values


@pytest.mark.parametrize("scale", [1, 255.0])
def test_alpha_is_laid_on_white(scale):
    rgba = np.array([[[0, 0, 0, 0], [0, 100, 200, 255], [0, 0, 0, 51]]], np.uint8)
    images = rgba[None] / 255.0 if scale == 1 else rgba[None] / 1.0
    expected = [[[255, 255, 255], [0, 100, 200], [204, 204, 204]]]
    assert_array_equal(as_image_source(images)[0], expected)
    assert_array_equal(as_image_source(rgba[None])[0], expected)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([False, True], bool, [0, 255]),
        ([0, 128, 129, 65535], np.uint16, [0, 0, 1, 255]),
        ([0, 65535], ">u2", [0, 255]),
        ([0, 127], np.int8, [0, 127]),
        ([0, 255], np.int64, [0, 255]),
        ([0.0, 0.5, 0.999, 1.0], np.float32, [0, 128, 255, 255]),
        ([0.0, 1.0], np.float16, [0, 255]),
        ([0.0, 0.6, 254.4, 255.0], np.float64, [0, 1, 254, 255]),
        ([-1e-6, 1 + 1e-6], np.float64, [0, 255]),
    ],
)
def test_values_are_scaled_and_rounded(values, dtype, expected):
    images = np.array(values, dtype=dtype).reshape(1, 1, -1, 1)
    for X in [images, list(images), Items([(image, 0) for image in images])]:
        assert_array_equal(as_image_source(X)[0][0, :, 0], expected)


each_container = pytest.mark.parametrize(
    "wrap",
    [
        np.asarray,
        torch.tensor,
        list,
        lambda images: [(image, 0) for image in images],
        lambda images: Items(list(images)),
    ],
)


@each_container
def test_float_range_is_decided_once_for_all_images(wrap):
    images = np.stack([np.full((4, 4), 1.0), np.full((4, 4), 200.0)])
    source = as_image_source(wrap(images))
    assert source.float_range == 255.0
    assert source[0].max() == 1

    source = as_image_source(wrap(images / 200))
    assert source.float_range == 1.0
    assert source[0].max() == 1


@each_container
def test_float_range_is_kept_for_a_dark_batch(wrap):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = as_image_source(wrap(np.full((2, 4, 4), 0.8)), float_range=255.0)
    assert source.float_range == 255.0
    assert source[0].max() == 1


def test_float_range_is_none_where_there_are_no_floats(rgb):
    assert as_image_source(rgb, float_range=1.0).float_range is None


@each_container
@pytest.mark.parametrize("value", [-0.5, np.nan, np.inf, 256.0])
def test_impossible_floats(wrap, value):
    images = np.full((3, 4, 4), 100.0)
    images[1, 2, 2] = value
    message = rf"X must hold floats .* got the value {value:g} \(in the images 1\)"
    with pytest.raises(ValueError, match=message):
        as_image_source(wrap(images))


@each_container
def test_floats_above_the_given_range(wrap):
    with pytest.raises(ValueError, match=r"floats in \[0, 1\].* 3 \(in the images 0, "):
        as_image_source(wrap(np.full((2, 4, 4), 3.0)), float_range=1.0)


def test_many_offending_images_are_counted():
    with pytest.raises(ValueError, match=r"images 0, 1, 2, 3, 4, … \(9 in all\)"):
        as_image_source(np.full((9, 4, 4), -1.0))


@pytest.mark.parametrize("value", [-1, 256])
def test_impossible_integers(value):
    images = np.zeros((3, 4, 4), dtype=int)
    images[2, 0, 0] = value
    message = rf"X must hold integers in \[0, 255\]; got the value {value} .* 2\)"
    for X in [images, list(images)]:
        with pytest.raises(ValueError, match=message):
            as_image_source(X)


@pytest.mark.parametrize("dtype", [complex, object, "U3"])
def test_arrays_of_no_numbers(dtype):
    with pytest.raises(TypeError, match="X must hold numbers"):
        as_image_source(np.zeros((2, 4, 4)).astype(dtype))


def test_nearly_black_floats_warn():
    digits = load_digits().images[:20]
    with pytest.warns(UserWarning, match="largest value of X is 16.*divide X by"):
        source = as_image_source(digits)
    assert source.float_range == 255.0
    assert as_image_source(digits / 16).float_range == 1.0
    assert as_image_source(digits, float_range=255.0)[0].max() <= 16


@pytest.mark.parametrize("float_range", [0.5, 16, "auto"])
def test_unknown_float_range(rgb, float_range):
    with pytest.raises(ValueError, match=r"float_range must be 1\.0, 255\.0 or None"):
        as_image_source(rgb, float_range=float_range)


@each_container
@pytest.mark.parametrize("peak", [1, 255, 4095])
def test_nearly_black_uint16_warns(wrap, peak):
    images = np.full((2, 4, 4), peak, np.uint16)
    message = rf"largest value of X is {peak}: its 16-bit .* \[0, 65535\].*divide X by"
    with pytest.warns(UserWarning, match=message):
        as_image_source(wrap(images))
    assert as_image_source(wrap(images / peak))[0].max() == 255


@pytest.mark.parametrize("peak", [0, 4096])
def test_uint16_that_is_black_or_bright_enough_does_not_warn(peak):
    images = np.zeros((2, 4, 4), np.uint16)
    images[0, 0, 0] = peak
    assert as_image_source(images)[0].max() == round(peak / 257)


@each_container
def test_warnings_point_at_the_caller(wrap):
    with pytest.warns(UserWarning, match="nearly black") as caught:
        as_image_source(wrap(np.full((2, 4, 4), 16.0)))
    assert [warning.filename for warning in caught] == [__file__]


# PIL modes


def test_exif_rotation(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255  # left half white
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[EXIF_ORIENTATION] = 6  # to be turned a quarter clockwise
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif, quality=95)
    expected = np.rot90(pixels, -1)
    with Image.open(path) as opened:
        for source in [as_image_source([path]), as_image_source([opened])]:
            assert_array_equal(source[0] > 127, expected > 127)
        assert opened.size == (16, 8)  # the caller's image is left as it is


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits(tmp_path, suffix):
    pixels = np.array([[0, 257, 25700, 65535]], np.uint16)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(pixels).save(path)
    for image in [as_image_source([path])[0], read_one(pixels)]:
        assert_array_equal(image[0, :, 0], [0, 1, 100, 255])


def test_mode_i_is_read_as_sixteen_bits():
    assert_array_equal(read_one(np.array([[0, 25700]], np.int32))[0, :, 0], [0, 100])
    with pytest.raises(ValueError, match="got larger integers"):
        read_one(np.array([[0, 65536]], np.int32))


def test_cmyk_jpeg(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path, quality=95)
    assert np.abs(as_image_source([path])[0] - [255, 0, 0.0]).max() < 10


def test_palette(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "opaque.png")
    palette.save(tmp_path / "holes.png", transparency=0)
    palette.save(tmp_path / "veil.png", transparency=b"\x33\xff")
    source = as_image_source(
        [tmp_path / name for name in ("opaque.png", "holes.png", "veil.png")]
    )
    assert_array_equal(source[0], [[[10, 20, 30], [40, 50, 60]]])
    assert_array_equal(source[1], [[[255, 255, 255], [40, 50, 60]]])
    assert_array_equal(source[2], [[[206, 208, 210], [40, 50, 60]]])


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, [255, 255, 255]),
        ("L", 7, [7, 7, 7]),
        ("LA", (0, 51), [204, 204, 204]),
        ("RGBA", (0, 100, 200, 0), [255, 255, 255]),
        ("RGBA", (0, 100, 200, 255), [0, 100, 200]),
    ],
)
def test_modes(tmp_path, mode, colour, expected):
    image = Image.new(mode, (2, 3), colour)
    image.save(tmp_path / "image.png")
    for X in [[image], [tmp_path / "image.png"]]:
        assert_array_equal(as_image_source(X)[0], np.full((3, 2, 3), expected))
