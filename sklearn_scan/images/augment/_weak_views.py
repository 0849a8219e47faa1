"""The weak views that labels are learnt from."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sklearn_scan.core.sending import send
from sklearn_scan.core.validation import check_real
from sklearn_scan.images.augment._draws import (
    Draws,
    check_generator,
    check_images,
    flip_probability,
)


@dataclass(frozen=True)
class WeakViews:
    """FixMatch's weak views: a flip, and a small shift.

    An image moves by whole pixels, so that its grey levels stay as they are. Places
    outside the image show its mirror image, as if it were padded by reflection.

    Parameters
    ----------
    shift : float in [0, 1), default=0.125
        The largest shift, as a share of the image's side, rounded down to whole pixels:
        4 for 32 pixels. All shifts up to it, both ways, are equally likely.
    flip_probability : float, default=0.5
        The probability that an image is mirrored.
    generator : torch.Generator or None, default=None
        A generator of the CPU; None draws from torch's global state.

    References
    ----------
    .. [1] K. Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
       Consistency and Confidence", NeurIPS 2020, arXiv:2001.07685, section 2.3.

    Examples
    --------
    >>> import torch
    >>> from sklearn_scan.images.augment import WeakViews
    >>> WeakViews()(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 3, 32, 32])
    """

    shift: float = 0.125
    flip_probability: float = 0.5
    generator: torch.Generator | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_real("shift", self.shift, minimum=0, maximum=1, boundaries="left")
        check_real("flip_probability", self.flip_probability, minimum=0, maximum=1)
        check_generator(self.generator)

    def __call__(self, images: Tensor) -> Tensor:
        """Return one view of each image (b, c, h, w), of one channel or three."""
        check_images(images, (1, 3))
        n_images, n_channels, height, width = images.shape
        draws = Draws(n_images, self.generator)
        flipped = draws.chance(self.flip_probability)
        columns = self._draw_places(draws, width)  # (b, w)
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
        rows = self._draw_places(draws, height)  # (b, h)
        rows, columns = (send(places, images.device) for places in (rows, columns))
        rows = rows[:, None, :, None].expand(-1, n_channels, -1, width)
        columns = columns[:, None, None, :].expand(-1, n_channels, height, -1)
        return images.gather(2, rows).gather(3, columns)

    def _draw_places(self, draws: Draws, side: int) -> Tensor:
        """Return which pixel each of the view shows along one axis, (b, side)."""
        longest = int(self.shift * side)
        shift = draws.below(2 * longest + 1).long() - longest
        places = (torch.arange(side) + shift[:, None]).abs()
        last = side - 1
        return last - (last - places).abs()


def default_weak_views(
    n_channels: int, generator: torch.Generator | None = None
) -> WeakViews:
    """Return the weak views for images of `n_channels` channels.

    Grey images are not mirrored, since letters, digits and scans differ from their
    mirror images.
    """
    return WeakViews(flip_probability=flip_probability(n_channels), generator=generator)
