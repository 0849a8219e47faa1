"""What the pretexts share that learn from augmented views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from torch import Tensor

from sklearn_scan.core.validation import check_views, checked, count, real
from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._task import Material
from sklearn_scan.training.batches import SingleViews

# The checks of what subclasses have defaults for.
TEMPERATURE, PROJECTION_DIM = real(0, None, "neither"), count()


@dataclass(eq=False, repr=False)
class ViewPretext(Pretext):
    """A pretext that compares projections of random views.

    A subclass has a default for the size of the projections.
    """

    _: KW_ONLY
    views: str | Callable[[Tensor], Tensor] = checked("auto", check_views)
    n_views: int = checked(2, count(2))
    projection_dim: int

    def _batches(self, material: Material) -> SingleViews:
        """Return the source of batches of `n_views` views of each image."""
        return SingleViews(
            material.images,
            self.batch_size,
            generator=material.generator,
            view=lambda images: material.view(images.repeat(self.n_views, 1, 1, 1)),
            device=material.device,
        )

    def _augment(self, n_channels: int) -> Callable[[Tensor], Tensor] | None:
        if isinstance(self.views, str):
            return super()._augment(n_channels)
        return self.views
