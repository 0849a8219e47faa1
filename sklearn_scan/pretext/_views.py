"""What the pretexts share that learn from augmented views."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sklearn_scan.pretext._base import Pretext


class ViewPretext(Pretext):
    """A pretext with the parameter `views`."""

    views: str | Callable[[Tensor], Tensor]

    def check(self) -> None:
        """Raise if a parameter is wrong, before any long work."""
        super().check()
        if not (self.views == "auto" or callable(self.views)):
            raise TypeError(
                f"views must be 'auto' or a function of a batch; got {self.views!r}."
            )

    def _augment(self, n_channels: int) -> Callable[[Tensor], Tensor] | None:
        if isinstance(self.views, str):
            return super()._augment(n_channels)
        return self.views
