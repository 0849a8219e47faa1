"""Pixels: the shapes and values of images, and their conversion to RGB uint8."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from sklearn_scan.core.warn import warn

if TYPE_CHECKING:
    import torch

BACKGROUND = 255
"""The grey level that transparent images are laid on: white, as paper is."""

_CHANNELS = (1, 3, 4)
_UPRIGHT = 1  # EXIF's orientation of an image that is stored upright
_PICTURE_SIDE = 16  # with as many rows and columns, (h, w, 3) is taken for one image
# Images whose values stay below these, of 255 and of 65535, are nearly black.
_DARK_FLOATS, _DARK_16_BITS = 64.0, 4095.0
# Floats this far outside their range, relative to it, are rounding errors, such as of
# an undone normalisation. It is less than half a grey level.
_SLACK = 1e-4

_STRIP_PIXELS = 2**18  # converted at a time

RGBImage: TypeAlias = npt.NDArray[np.uint8]


# Shapes


def check_array_shape(shape: tuple[int, ...]) -> None:
    """Raise if the shape of an array is not (n, h, w) or (n, h, w, c)."""
    n_dims = len(shape)
    if n_dims == 1:
        hint = (
            "Expected 2D array, got 1D array instead. Reshape your data: a 2-D array "
            "holds features, one row a sample."
        )
    elif n_dims == 2:
        hint = "A 2-D array means features, one row a sample, not images."
    elif n_dims not in (3, 4):
        hint = f"It has {n_dims} dimensions."
    elif 0 in shape:
        hint = "It has 0 sample(s) or no pixels."
    elif n_dims == 3 and min(shape[:2]) >= _PICTURE_SIDE and shape[2] in (3, 4):
        hint = "It looks like one image: pass X[None]."
    elif n_dims == 3 or shape[3] in _CHANNELS:
        return
    elif shape[1] in _CHANNELS:
        hint = "It looks channels first: pass X.transpose(0, 2, 3, 1)."
    else:
        hint = "The channels c must be 1, 3 or 4."
    raise ValueError(
        f"X must hold images (n, h, w) or (n, h, w, c); got shape {shape}. {hint}"
    )


def check_item_shape(shape: tuple[int, ...]) -> None:
    """Raise if the shape of one image is not (h, w) or (h, w, c)."""
    grey, coloured = len(shape) == 2, len(shape) == 3 and shape[2] in _CHANNELS
    if 0 in shape or not (grey or coloured):
        raise ValueError(
            "X must hold arrays (h, w) or (h, w, c), with c = 1, 3 or 4; got "
            f"one of shape {shape}. If it is channels first, pass "
            "image.transpose(1, 2, 0)."
        )


def tensor_to_array(tensor: torch.Tensor, channel_axis: int) -> np.ndarray:
    """Return a tensor, whose channels come first, as an array with channels last."""
    from sklearn_scan.core.features import to_numpy

    array: np.ndarray = to_numpy(tensor)
    if array.ndim != channel_axis + 3:
        return array
    if array.shape[channel_axis] not in _CHANNELS:
        raise ValueError(
            "Tensors in X must be channels first, (n, c, h, w) or (c, h, w), "
            f"with c = 1, 3 or 4; got shape {array.shape}. If it is channels last, "
            "pass it permuted: X.permute(0, 3, 1, 2) or image.permute(2, 0, 1)."
        )
    return np.moveaxis(array, channel_axis, -1)


# Values


def check_float_range(float_range: float | None) -> None:
    """Raise if the value of white is neither 1 nor 255."""
    if float_range not in (None, 1.0, 255.0):
        raise ValueError(f"float_range must be 1.0, 255.0 or None; got {float_range}.")


def resolve_float_range(
    images: np.ndarray | Sequence[np.ndarray], float_range: float | None
) -> float | None:
    """Return the value of white in floats, from all of the images; check all values."""
    check_float_range(float_range)
    # One array is one block: a loop over many small images would be slow.
    blocks = [images] if isinstance(images, np.ndarray) else images
    floats = [block for block in blocks if block.dtype.kind == "f"]
    peak = _peak(floats)
    white = float_range
    if not floats:
        white = None
    elif float_range is None:
        white = 255.0 if peak > 1 + _SLACK else 1.0
    if any(value_out_of_range(block, white) is not None for block in blocks):
        values = [value_out_of_range(image, white) for image in images]
        rows = [i for i, value in enumerate(values) if value is not None]
        raise ValueError(
            f"X must hold {expected_values(images[rows[0]], float_range)}; got "
            f"the value {values[rows[0]]:g} (in the images {list_some(rows)})."
        )
    if float_range is None and white == 255.0 and peak <= _DARK_FLOATS:
        _warn_of_black("floats", peak, 255)
    peak = _peak(block for block in blocks if _is_16_bit(block))
    if 0 < peak <= _DARK_16_BITS:
        _warn_of_black("16-bit integers", peak, 65535)
    return white


def _peak(blocks: Iterable[np.ndarray]) -> float:
    """Return the largest value of all blocks."""
    # fmax ignores NaN, for which another check raises
    peaks = [float(np.fmax.reduce(block, axis=None)) for block in blocks]
    return float(np.fmax.reduce(peaks, initial=-np.inf))


def _warn_of_black(numbers: str, peak: float, white: int) -> None:
    """Warn that the values are small for the range that they are read in."""
    warn(
        f"The largest value of X is {peak:g}: its {numbers} are read in [0, {white}], "
        "and look nearly black. If their scale is another, divide X by its maximum.",
        UserWarning,
    )


def _is_16_bit(pixels: np.ndarray) -> bool:
    """Tell whether pixels are uint16, of either byte order."""
    return pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2


def value_out_of_range(pixels: np.ndarray, float_range: float | None) -> float | None:
    """Return a value that no pixel may have, if there is one."""
    kind = pixels.dtype.kind
    if kind == "b" or pixels.dtype == np.uint8 or _is_16_bit(pixels):
        return None
    if kind not in "iuf":
        raise TypeError(f"X must hold numbers; got dtype {pixels.dtype}.")
    limit, slack = 255.0, 0.0
    if kind == "f":
        limit = float_range or 1.0  # see _to_uint8
        slack = limit * _SLACK
    low, high = pixels.min(), pixels.max()
    if not low >= -slack:  # true of NaN too
        return float(low)
    return None if high <= limit + slack else float(high)


def expected_values(pixels: np.ndarray, float_range: float | None) -> str:
    """Return the values that pixels may have, in words."""
    if pixels.dtype.kind != "f":
        return "integers in [0, 255]"
    either = "[0, 1] or [0, 255]"
    interval = either if float_range is None else f"[0, {float_range:g}]"
    return f"floats in {interval}, before any normalization"


def list_some(values: Sequence[object], shown: int = 5) -> str:
    """Return the first few values as text."""
    listed = ", ".join(str(value) for value in values[:shown])
    return f"{listed}, … ({len(values)} in all)" if len(values) > shown else listed


# To RGB


def array_to_rgb(pixels: np.ndarray, float_range: float | None = None) -> RGBImage:
    """Return checked pixels, (h, w) or (h, w, c), as a new RGB uint8 image."""
    image = _to_uint8(np.asarray(pixels), float_range)
    image = image.reshape(*image.shape[:2], -1)  # (h, w) → (h, w, 1)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    if image.shape[2] == 3:
        return np.ascontiguousarray(image)
    opacity = image[..., 3] / np.float32(255)
    background = (1 - opacity) * BACKGROUND
    rgb = np.empty((*opacity.shape, 3), np.uint8)
    for channel in range(3):  # twice as fast as all of them at once
        rgb[..., channel] = np.rint(opacity * image[..., channel] + background)
    return rgb


def _to_uint8(pixels: np.ndarray, float_range: float | None) -> RGBImage:
    """Return checked values scaled to 0 … 255, and rounded."""
    if pixels.dtype.kind == "b":
        return pixels * np.uint8(255)
    if pixels.dtype.kind == "f":
        # The range is unknown if a Dataset's first floats come late: then it is [0, 1],
        # as torch has it.
        return np.rint(pixels * (255 / (float_range or 1.0))).astype(np.uint8)
    if _is_16_bit(pixels):
        return np.rint(pixels / 257).astype(np.uint8)
    return pixels.astype(np.uint8)


def pil_to_rgb(image: Image.Image) -> Image.Image:
    """Return a PIL image of any mode but F as an upright RGB image."""
    check_mode(image)
    if _orientation(image) != _UPRIGHT:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which PIL's conversion would clip
        return _by_strips(image, _integers_to_rgb)
    if image.has_transparency_data:
        return _by_strips(
            image, lambda strip: array_to_rgb(np.asarray(strip.convert("RGBA")))
        )
    return image if image.mode == "RGB" else image.convert("RGB")


def _by_strips(
    image: Image.Image, to_rgb: Callable[[Image.Image], RGBImage]
) -> Image.Image:
    """Convert an image strip by strip: the floats of all of it would be many bytes."""
    image.load()
    width, height = image.size
    converted = Image.new("RGB", image.size)
    n_rows = max(1, _STRIP_PIXELS // max(1, width))
    for top in range(0, height, n_rows):
        strip = image.crop((0, top, width, min(top + n_rows, height)))
        converted.paste(Image.fromarray(to_rgb(strip)), (0, top))
    return converted


def _integers_to_rgb(image: Image.Image) -> RGBImage:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("must have 8 or 16 bits; got larger integers")
    return array_to_rgb(values.astype(np.uint16))


def _orientation(image: Image.Image) -> int:
    try:
        orientation: int = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except Exception:  # the tags are damaged, and the image may not be
        return _UPRIGHT
    return orientation


def check_mode(image: Image.Image) -> None:
    """Raise if the mode is F, whose scale a single image does not tell."""
    if image.mode == "F":
        raise ValueError("must have 8 or 16 bits; got floats (mode F) of unknown scale")
