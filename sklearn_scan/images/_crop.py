"""The square, cut out of an image and resized, that a network takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# A JPEG decoded at a fraction of its size, but at least at this multiple of the
# result's, differs from one decoded whole by a fifth of a grey level in the mean.
_SPARE = 2


@dataclass(frozen=True)
class SquareCrop:
    """Cut the centre out of an image and resize it.

    Parameters
    ----------
    size : int
        The side of the result, in pixels.
    crop_pct : float in (0, 1], default=1.0
        The share of the image's shorter side that is kept.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default="bicubic"
        The method of resizing; reductions are antialiased.

    Examples
    --------
    >>> import numpy as np
    >>> SquareCrop(224)(np.zeros((480, 640, 3), dtype=np.uint8)).shape
    (224, 224, 3)
    """

    size: int
    crop_pct: float = 1.0
    interpolation: str = "bicubic"

    @property
    def ample_side(self) -> int:
        """The shorter side, in pixels, that is enough; more detail would be lost."""
        return ceil(_SPARE * self.size / self.crop_pct)

    def __call__(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the square of an RGB image, uint8 of shape (size, size, 3)."""
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        width, height = image.size
        side = min(width, height) * self.crop_pct
        left, top = (width - side) / 2, (height - side) / 2
        if side == self.size:
            # whole pixels: a shift by half a pixel would blur the image
            left, top = round(left), round(top)
            return np.asarray(image.crop((left, top, left + side, top + side)))
        # crop and resize in one resampling: only pixels that are kept are computed
        box = (left, top, left + side, top + side)
        resampling = INTERPOLATIONS[self.interpolation]
        return np.asarray(image.resize((self.size, self.size), resampling, box=box))
