"""What the pretexts share that learn from augmented views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from torch import Tensor

from sklearn_scan.core.validation import check_views, checked, count, real
from sklearn_scan.pretext._base import Material, Pretext
from sklearn_scan.training.batches import ViewPairs

# The checks of what subclasses have defaults for.
TEMPERATURE, PROJECTION_DIM = real(0, None, "neither"), count()


@dataclass(eq=False, repr=False)
class ViewPretext(Pretext):
    """A pretext that compares projections of random views.

    A subclass has defaults for the temperature and the size of the projections.
    """

    _: KW_ONLY
    views: str | Callable[[Tensor], Tensor] = checked("auto", check_views)
    temperature: float
    projection_dim: int

    def _view_pairs(self, material: Material) -> ViewPairs:
        """Return the source of batches of two views of each image."""
        return ViewPairs(
            material.images,
            self.batch_size,
            generator=material.generator,
            anchor_view=material.view,
            partner_view=material.view,
            device=material.device,
        )

    def _augment(self, n_channels: int) -> Callable[[Tensor], Tensor] | None:
        if isinstance(self.views, str):
            return super()._augment(n_channels)
        return self.views
