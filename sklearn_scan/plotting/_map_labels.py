"""Names and images on a map, moved apart so that none lies on another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import (
    AnnotationBbox,
    OffsetBox,
    OffsetImage,
    TextArea,
    VPacker,
)
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from sklearn_scan.plotting._axes import box_in_pixels
from sklearn_scan.plotting._colors import DIM

_ROUNDS = 300


def draw_names(ax: Axes, names: Sequence[str], places: NDArray[np.float64]) -> None:
    """Write names at places of shape (n_names, 2)."""
    font = {
        "fontsize": 11 if len(names) <= 20 else 8,
        "fontweight": "bold",
        "parse_math": False,
    }
    frame = {"edgecolor": "none", "alpha": 0.8}
    boxes = [TextArea(name, textprops=font) for name in names]
    _draw_apart(ax, boxes, places, [frame] * len(names))


def draw_images(
    ax: Axes,
    images: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    colors: Sequence[str],
    places: NDArray[np.float64],
) -> None:
    """Draw images, in frames and with names below, at places of shape (n, 2)."""
    side = float(np.clip(140 / len(images) ** 0.5, 14, 36))  # points
    font = {"fontsize": 8 if side > 24 else 6, "parse_math": False}
    boxes = [
        VPacker(
            children=[
                OffsetImage(image, zoom=side / len(image)),
                TextArea(name, textprops=font),
            ],
            align="center",
            pad=0,
            sep=1,
        )
        for image, name in zip(images, names, strict=True)
    ]
    _draw_apart(ax, boxes, places, [{"edgecolor": c, "linewidth": 1.5} for c in colors])


def _draw_apart(
    ax: Axes,
    boxes: Sequence[OffsetBox],
    places: NDArray[np.float64],
    frames: Sequence[dict[str, object]],
) -> None:
    """Draw boxes near their places, with a line to the place where one was moved."""
    labels = []
    for box, place, frame in zip(boxes, places, frames, strict=True):
        label = AnnotationBbox(
            box, (place[0], place[1]), (0, 0), boxcoords="offset points", pad=0.15,
            bboxprops=frame,
            arrowprops={"arrowstyle": "-", "color": DIM, "linewidth": 0.8},
        )  # fmt: skip
        ax.add_artist(label)
        labels.append(label)
    if not labels:
        return
    per_point = ax.figure.dpi / 72
    frame_box = box_in_pixels(ax)
    extents = [_extent(label) for label in labels]
    sizes = np.array([extent.size for extent in extents]) / per_point
    spots = ax.transData.transform(places) - [frame_box.x0, frame_box.y0]
    spots = spots / per_point
    room = np.array(frame_box.size) / per_point
    offsets = spread_boxes(spots, sizes + 1, room) - spots
    for label, offset, size in zip(labels, offsets, sizes, strict=True):
        label.xybox = tuple(offset)
        if (np.abs(offset) <= size / 2).all():
            label.arrowprops, label.arrow_patch = None, None


def _extent(label: AnnotationBbox) -> Bbox:
    label.get_window_extent()  # lays out its parts
    return label.patch.get_window_extent()


def spread_boxes(
    centers: NDArray[np.float64], sizes: NDArray[np.float64], room: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return centers (n, 2), moved until no box of sizes (n, 2) lies on another."""
    # the second term tells boxes of one place apart
    spots = centers + np.arange(len(centers))[:, None] * [1e-3, 1.7e-3]
    lowest = sizes / 2
    highest = np.maximum(room - lowest, lowest)
    reach = (sizes[:, None] + sizes[None]) / 2  # (n, n, 2)
    others = ~np.eye(len(centers), dtype=bool)
    for _ in range(_ROUNDS):
        spots = np.clip(spots, lowest, highest)
        apart = spots[:, None] - spots[None]
        overlap = reach - np.abs(apart)
        meets = (overlap > 0).all(axis=2) & others
        if not meets.any():
            break
        # along the axis with the smaller overlap
        along = np.eye(2)[overlap.argmin(axis=2)] * meets[..., None]
        spots = spots + (0.35 * np.sign(apart) * (overlap + 0.2) * along).sum(axis=1)
    return spots
