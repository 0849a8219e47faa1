"""Networks that collapsed: what they make of all images is nearly the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.training.loop import Loop, LoopCallback

# Features of a smaller spread are of a network that collapsed. But batch norms keep
# features apart where all projections are alike, and then learn nothing more: there the
# spread of the projections is a small part of that of the features. On digits the part
# is 0.8 or more, and 0.3 after one epoch; without a predictor 0.1, and ever less.
LEAST_SPREAD, LEAST_PART = 0.02, 0.2
_N_LOOKED_AT = 512
_FEWEST = 16  # a few images may be alike
_REMEDIES = ("batch_size", "epochs", "learning_rate")


def measure_spread(rows: Tensor) -> float:
    """Return how far the outputs (n, d) for images lie apart, at unit length.

    The mean deviation of an output, times the square root of d: 0 if all images have
    the same outputs, and about 1 if they lie evenly in all directions.
    """
    units = F.normalize(rows.double(), dim=1)
    deviations = units.std(dim=0, correction=0)
    return float(deviations.mean()) * math.sqrt(rows.shape[1])


class NoticeCollapse(LoopCallback):
    """Warns at the end if the network makes nearly the same of all images.

    Of fewer than 16 images nothing is said.

    Parameters
    ----------
    name : str
        The name of the pretext.
    backbone : nn.Module
        From views to features (n, d).
    look : callable
        Returns plain views of some images, (n, 3, h, w).
    projector : nn.Module, optional
        From features to what the loss compares; given where the loss is low if all of
        it is alike.
    """

    def __init__(
        self,
        name: str,
        backbone: nn.Module,
        look: Callable[[], Tensor],
        projector: nn.Module | None = None,
    ) -> None:
        self._name = name
        self._backbone = backbone
        self._look = look
        self._projector = projector

    @torch.no_grad()
    def end(self, loop: Loop) -> None:  # noqa: ARG002
        """Look at the outputs for the images."""
        views = self._look()
        if len(views) < _FEWEST:
            return
        features = self._backbone.eval()(views)
        spread = measure_spread(features)
        if spread < LEAST_SPREAD:
            self._warn("features", spread)
        elif self._projector is not None:
            projected = measure_spread(self._projector.eval()(features))
            if projected < LEAST_PART * spread:
                self._warn("projections", projected)

    def _warn(self, what: str, spread: float) -> None:
        others = ", or use SimCLR or VICReg, which cannot collapse so"
        warn(
            Message(
                "{} collapsed: the {} of all images are nearly the same (their spread "
                "is {:.2g}, where 1 is even). Raise {} or {}, or lower {}{}.",
                *(self._name, what, spread),
                *(Setting(name, of_encoder=True) for name in _REMEDIES),
                others if self._projector is not None else "",
            ),
            ConvergenceWarning,
        )


def some_of(images: Tensor) -> Tensor:
    """Return up to 512 images (n, ...), evenly from all."""
    return images[:: -(-len(images) // _N_LOOKED_AT)]
