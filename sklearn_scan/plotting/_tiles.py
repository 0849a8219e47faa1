"""Images as squares in rows and columns, with lines of text below each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sklearn_scan.images import ImageSource, SquareCrop
from sklearn_scan.plotting._axes import filled_axes, side_in_points
from sklearn_scan.plotting._colors import DIM

_GAP = 0.08  # between tiles, as a share of their side
_LINE = 0.17  # height of a line of text, as a share of the side
_LARGEST_FONT = 9.0  # points


def mosaic(
    source: ImageSource, chosen: NDArray[np.int64], side: int, right: int, below: int
) -> NDArray[np.uint8]:
    """Lay images (rows, columns) out on white, `right` and `below` pixels apart."""
    rows, columns = chosen.shape
    size = (rows * (side + below), columns * (side + right), 3)
    pixels = np.full(size, 255, dtype=np.uint8)
    tile = SquareCrop(side)
    for (row, column), index in np.ndenumerate(chosen):
        if index >= 0:
            top, left = row * (side + below), column * (side + right)
            pixels[top : top + side, left : left + side] = source.read(int(index), tile)
    return pixels


def plot_tiles(
    source: ImageSource,
    chosen: Sequence[int] | NDArray[np.int64],
    captions: Sequence[str],
    *,
    ax: Axes | None,
    columns: int,
    inches: float = 0.9,  # the side of an image, in a new figure
    title: str = "",
    colors: Sequence[str] | None = None,
) -> Axes:
    """Show images in reading order, each with its caption; -1 is an empty frame."""
    columns = max(1, min(columns, len(chosen)))
    places = np.full((max(1, -(-len(chosen) // columns)), columns), -1, dtype=np.int64)
    places.flat[: len(chosen)] = chosen
    n_lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    tall = 1 + 2 * _GAP + n_lines * _LINE
    width, height = columns * (1 + _GAP), len(places) * tall
    side = round(110 * inches)  # pixels: about as many as a screen shows
    right, below = round(_GAP * side), round((tall - 1) * side)
    pixels = mosaic(source, places, side, right, below)
    top = 0.4 if title else 0.1
    ax = filled_axes(ax, width * inches, height * inches, top=top)
    ax.imshow(pixels, extent=(0, width, height, 0))
    ax.set_axis_off()
    if title:
        ax.set_title(title, parse_math=False)
    _write_captions(ax, captions, colors or ["black"] * len(captions), width, height)
    for place in np.flatnonzero(np.asarray(chosen) < 0):
        row, column = divmod(int(place), columns)
        corner = (column * (1 + _GAP), row * tall)
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor=DIM, linestyle=":")
        ax.add_patch(frame)
    return ax


def _write_captions(
    ax: Axes,
    captions: Sequence[str],
    colors: Sequence[str],
    width: float,
    height: float,
) -> None:
    """Write captions below the images, in letters that fit the size of the Axes."""
    columns = round(width / (1 + _GAP))
    tall = height / max(1, -(-len(captions) // columns))
    tile = side_in_points(ax, width, height)
    fontsize = min(_LARGEST_FONT, 0.75 * _LINE * tile)
    texts = [
        ax.text(
            place % columns * (1 + _GAP) + 0.5,
            place // columns * tall + 1 + _GAP / 2,
            caption,
            color=color,
            fontsize=fontsize,
            ha="center",
            va="top",
            linespacing=1.1,
            parse_math=False,
        )
        for place, (caption, color) in enumerate(zip(captions, colors, strict=True))
    ]
    widest = max((text.get_window_extent().width for text in texts), default=0)
    room = tile * ax.figure.dpi / 72
    for text in texts:
        text.set_fontsize(fontsize * min(1, room / max(widest, 1)))
