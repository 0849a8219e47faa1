"""Pixels: the shapes and values that images may have, and their way to RGB uint8."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from sklearn_scan.core.warn import warn

if TYPE_CHECKING:
    import torch

BACKGROUND = 255
"""Transparent images are laid on white: the paper most pictures are drawn on."""

_CHANNELS = (1, 3, 4)
_UPRIGHT = 1  # EXIF's orientation of a picture to be shown as it is stored
_PICTURE_SIDE = 16  # from this many rows and columns on, (h, w, 3) is a picture
# What stays below these, of 255 and of 65535, is nearly black.
_DARK_FLOATS, _DARK_16_BITS = 64.0, 4095.0
# Floats this far outside their range, relative to it, are noise (of an undone
# normalisation, say). It is less than half a grey level, so rounding removes it.
_SLACK = 1e-4

RGBImage: TypeAlias = npt.NDArray[np.uint8]


# Shapes


def check_array_shape(shape: tuple[int, ...]) -> None:
    """Refuse an array whose shape is not (n, h, w) or (n, h, w, c)."""
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
        "Expected X to hold images (n, h, w) or (n, h, w, c), got shape "
        f"{shape}. {hint}"
    )


def check_item_shape(shape: tuple[int, ...]) -> None:
    """Refuse an array of one image whose shape is not (h, w) or (h, w, c)."""
    grey, coloured = len(shape) == 2, len(shape) == 3 and shape[2] in _CHANNELS
    if 0 in shape or not (grey or coloured):
        raise ValueError(
            "Expected X to hold arrays (h, w) or (h, w, c), with c = 1, 3 or 4, got "
            f"one of shape {shape}. If it is channels first, pass "
            "image.transpose(1, 2, 0)."
        )


def tensor_to_array(tensor: torch.Tensor, channel_axis: int) -> npt.NDArray[Any]:
    """View a tensor channels first, if it has channels, as an array channels last."""
    import torch

    if tensor.dtype == torch.bfloat16:  # which NumPy does not know
        tensor = tensor.float()
    array = tensor.detach().cpu().numpy()
    if array.ndim != channel_axis + 3:
        return array
    if array.shape[channel_axis] not in _CHANNELS:
        raise ValueError(
            "Expected tensors in X to be channels first, (n, c, h, w) or (c, h, w), "
            f"with c = 1, 3 or 4, got shape {array.shape}. If it is channels last, "
            "pass it permuted: X.permute(0, 3, 1, 2) or image.permute(2, 0, 1)."
        )
    return np.moveaxis(array, channel_axis, -1)


# Values


def check_float_range(float_range: float | None) -> None:
    """Refuse a white of floats other than 1 and 255."""
    if float_range not in (None, 1.0, 255.0):
        raise ValueError(f"Expected float_range 1.0, 255.0 or None, got {float_range}.")


def settle_float_range(
    images: npt.NDArray[Any] | Sequence[npt.NDArray[Any]], float_range: float | None
) -> float | None:
    """Decide how floats are read, by all of the images, and check all values."""
    check_float_range(float_range)
    # One array is measured at once: a loop over many small images would be slow.
    blocks = [images] if isinstance(images, np.ndarray) else images
    floats = [block for block in blocks if block.dtype.kind == "f"]
    peak = _peak(floats)
    settled = float_range
    if not floats:
        settled = None
    elif float_range is None:
        settled = 255.0 if peak > 1 + _SLACK else 1.0
    if any(value_out_of_range(block, settled) is not None for block in blocks):
        values = [value_out_of_range(image, settled) for image in images]
        rows = [i for i, value in enumerate(values) if value is not None]
        raise ValueError(
            f"Expected X to hold {expected_values(images[rows[0]], float_range)}, got "
            f"the value {values[rows[0]]:g} (in the images {list_some(rows)})."
        )
    if float_range is None and settled == 255.0 and peak <= _DARK_FLOATS:
        _warn_of_black("floats", peak, 255)
    peak = _peak(block for block in blocks if _is_16_bit(block))
    if 0 < peak <= _DARK_16_BITS:
        _warn_of_black("16-bit integers", peak, 65535)
    return settled


def _peak(blocks: Iterable[npt.NDArray[Any]]) -> float:
    """Return the largest value of all blocks."""
    # fmax passes over NaN, so that what is refused later is the NaN alone.
    peaks = [float(np.fmax.reduce(block, axis=None)) for block in blocks]
    return float(np.fmax.reduce(peaks, initial=-np.inf))


def _warn_of_black(numbers: str, peak: float, white: int) -> None:
    """Tell that the numbers are small for how they are read."""
    warn(
        f"The largest value of X is {peak:g}: its {numbers} are read in [0, {white}], "
        "and look nearly black. If their scale is another, divide X by its maximum.",
        UserWarning,
    )


def _is_16_bit(pixels: npt.NDArray[Any]) -> bool:
    """Tell uint16 of either byte order."""
    return pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2


def value_out_of_range(
    pixels: npt.NDArray[Any], float_range: float | None
) -> float | None:
    """Return a value that cannot be a pixel's, if there is one."""
    kind = pixels.dtype.kind
    if kind == "b" or pixels.dtype == np.uint8 or _is_16_bit(pixels):
        return None
    if kind not in "iuf":
        raise TypeError(f"Expected X to hold numbers, got dtype {pixels.dtype}.")
    limit, slack = 255.0, 0.0
    if kind == "f":
        limit = float_range or 1.0  # see _to_uint8
        slack = limit * _SLACK
    low, high = pixels.min(), pixels.max()
    if not low >= -slack:  # in this form it is true of NaN too
        return float(low)
    return None if high <= limit + slack else float(high)


def expected_values(pixels: npt.NDArray[Any], float_range: float | None) -> str:
    """Name the values that pixels may have."""
    if pixels.dtype.kind != "f":
        return "integers in [0, 255]"
    either = "[0, 1] or [0, 255]"
    interval = either if float_range is None else f"[0, {float_range:g}]"
    return f"floats in {interval}, before any normalization"


def list_some(values: Sequence[object], shown: int = 5) -> str:
    """List the first few of many values, for a message."""
    listed = ", ".join(str(value) for value in values[:shown])
    return f"{listed}, … ({len(values)} in all)" if len(values) > shown else listed


# To RGB


def array_to_rgb(
    pixels: npt.NDArray[Any], float_range: float | None = None
) -> RGBImage:
    """Turn (h, w) or (h, w, c) of checked values into new RGB uint8."""
    image = _to_uint8(np.asarray(pixels), float_range)
    image = image.reshape(*image.shape[:2], -1)  # (h, w) → (h, w, 1)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    if image.shape[2] == 3:
        return np.ascontiguousarray(image)
    colour, opacity = image[..., :3], image[..., 3:] / np.float32(255)
    blend = opacity * colour + (1 - opacity) * BACKGROUND
    return np.rint(blend).astype(np.uint8)


def _to_uint8(pixels: npt.NDArray[Any], float_range: float | None) -> RGBImage:
    """Scale checked values to 0 … 255, rounding."""
    if pixels.dtype.kind == "b":
        return pixels * np.uint8(255)
    if pixels.dtype.kind == "f":
        # No range was settled where a Dataset's first floats come late: torch's own
        # convention, [0, 1], is then the only one that can be relied on.
        return np.rint(pixels * (255 / (float_range or 1.0))).astype(np.uint8)
    if _is_16_bit(pixels):
        return np.rint(pixels / 257).astype(np.uint8)
    return pixels.astype(np.uint8)


def pil_to_rgb(image: Image.Image) -> Image.Image:
    """Turn a PIL image of any mode but F into an upright RGB one."""
    check_mode(image)
    if _orientation(image) != _UPRIGHT:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which PIL's own conversion clips
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("Expected an image of 8 or 16 bits, got larger integers")
        return Image.fromarray(array_to_rgb(values.astype(np.uint16)))
    if image.has_transparency_data:
        return Image.fromarray(array_to_rgb(np.asarray(image.convert("RGBA"))))
    return image if image.mode == "RGB" else image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        orientation: int = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except Exception:  # damaged tags say nothing, and the picture is there all the same
        return _UPRIGHT
    return orientation


def check_mode(image: Image.Image) -> None:
    """Refuse the one mode whose scale cannot be known from a single image."""
    if image.mode == "F":
        raise ValueError(
            "Expected an image of 8 or 16 bits, got floats (mode F) of unknown scale"
        )
