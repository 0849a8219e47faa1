"""Thumbnails, a hundred in one picture, so that a page holds ten thousand."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images import (
    BadImages,
    ImageSource,
    SquareCrop,
    load_batches,
    resolve_workers,
    try_each,
)

COLUMNS = 10  # of tiles in a sheet, and as many rows
# Most images, and the side of their tiles in pixels. Sides are multiples of 16, the
# size of WebP's blocks, so that a tile does not blur into the next.
_SIDES = ((1_000, 256), (4_000, 160), (12_000, 96), (40_000, 64))
_LEAST_SIDE, _TINY = 48, 64
_QUALITY, _TINY_QUALITY = 74, 90  # in tiny tiles each pixel is seen
_METHOD = 2  # of WebP's 0 to 6: a third of the default's time, for 4 % more bytes
_PROBED = 9  # images read to know their size


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Sprites:
    """Thumbnails in sheets."""

    sheets: list[bytes]  # WebP pictures of 10 rows of 10 tiles, the last of fewer
    places: NDArray[np.int32]  # (n,); the tile, numbered through all sheets, or -1
    side: int  # of a tile, in pixels


def make_sprites(
    source: ImageSource, rows: Sequence[int], *, n_jobs: int | None = None
) -> tuple[Sprites, list[UnreadableImage]]:
    """Read images, and lay their thumbnails out in sheets, in the order of `rows`."""
    side = choose_side(source, rows)
    places = np.full(len(source), -1, dtype=np.int32)
    bad_images = BadImages("skip")
    sheets: list[Future[bytes]] = []
    with ThreadPoolExecutor(resolve_workers(n_jobs)) as threads:
        tile, size = SquareCrop(side), COLUMNS**2
        for some, tiles in load_batches(
            source, tile, rows, bad_images, batch_size=size, n_jobs=n_jobs
        ):
            first = len(sheets) * size
            places[some] = np.arange(first, first + len(some))
            sheets.append(threads.submit(_compress, tiles))
    bad_images.raise_or_warn(len(rows))
    sprites = Sprites([sheet.result() for sheet in sheets], places, side)
    return sprites, bad_images.found


def choose_side(source: ImageSource, rows: Sequence[int]) -> int:
    """Return the side of a tile, smaller for many images, at most that of images."""
    sides = [side for most, side in _SIDES if len(rows) <= most]
    side = sides[0] if sides else _LEAST_SIDE
    probed = rows[:: max(1, len(rows) // _PROBED)]
    images = try_each(source.__getitem__, probed)
    shorter = [min(i.shape[:2]) for i in images if isinstance(i, np.ndarray)]
    return min(side, int(np.median(shorter))) if shorter else side


def _compress(tiles: NDArray[np.uint8]) -> bytes:
    """Lay tiles (b, side, side, 3) out in rows, and return the picture as WebP."""
    side = tiles.shape[1]
    n_rows = -(-len(tiles) // COLUMNS)
    sheet = np.zeros((n_rows * COLUMNS, side, side, 3), dtype=np.uint8)
    sheet[: len(tiles)] = tiles
    sheet = sheet.reshape(n_rows, COLUMNS, side, side, 3).swapaxes(1, 2)
    picture = Image.fromarray(sheet.reshape(n_rows * side, COLUMNS * side, 3))
    content = BytesIO()
    quality = _QUALITY if side >= _TINY else _TINY_QUALITY
    picture.save(content, "WEBP", quality=quality, method=_METHOD)
    return content.getvalue()
