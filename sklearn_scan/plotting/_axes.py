"""Axes to draw on, and the names along them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.transforms import Bbox

_MOST_NAMES = 60  # along an axis; of more, every second or third is written
_MOST_LETTERS = 24
_MARGIN = 0.1  # inches


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the Axes given, or those of a new figure of this size in inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def filled_axes(
    ax: Axes | None,
    width: float,
    height: float,
    *,
    top: float,
    left: float = _MARGIN,
    bottom: float = _MARGIN,
) -> Axes:
    """Return the Axes given, or new ones of this size and margins, in inches."""
    if ax is not None:
        return ax
    size = (left + width + _MARGIN, bottom + height + top)
    figure = plt.figure(figsize=size)
    return figure.add_axes(
        (left / size[0], bottom / size[1], width / size[0], height / size[1])
    )


def box_in_pixels(ax: Axes) -> Bbox:
    """Lay the figure out, and return the box of the Axes on the canvas, in pixels."""
    figure = ax.figure.canvas.figure  # of a subfigure, the whole figure
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    return ax.get_window_extent()


def side_in_points(ax: Axes, columns: float, rows: float) -> float:
    """Return the side, in points, of squares that fill the Axes in rows and columns."""
    box = box_in_pixels(ax)
    side = min(box.width / columns, box.height / rows)
    return float(side * 72 / ax.figure.dpi)


def write_names(
    axis: XAxis | YAxis, names: Sequence[str], *, upright: bool = False
) -> None:
    """Write names at 0, 1, 2, ..., in letters as large as there is room for."""
    box = box_in_pixels(axis.axes)
    length = box.width if axis.axis_name == "x" else box.height
    step = -(-len(names) // _MOST_NAMES)
    room = length * 72 / axis.axes.figure.dpi / max(len(names), 1) * step
    axis.set_ticks(
        np.arange(len(names))[::step],
        [shorten(name, _MOST_LETTERS) for name in names[::step]],
        fontsize=float(np.clip(0.85 * room, 3, 10)),
        rotation=90 if upright else 0,
        parse_math=False,  # a dollar sign in a name begins no formula
    )


def shorten(name: str, length: int) -> str:
    """Return the name, cut to at most `length` characters, of which the last is "…"."""
    return name if len(name) <= length else name[: length - 1] + "…"
