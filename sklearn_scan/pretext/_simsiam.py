"""The SimSiam pretext: a network predicts itself."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import nn

from sklearn_scan.core.validation import checked
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import NormalizedMLP, Siamese
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._views import PROJECTION_DIM, ViewPretext
from sklearn_scan.training.objectives import PredictionLoss

_BOTTLENECK = 4  # how many times smaller the predictor's hidden layer is


@pretext_docs
@dataclass(eq=False, repr=False)
class SimSiam(ViewPretext):
    """Learn an encoder by predicting what it makes itself of other views.

    It is `BYOL` without the moving average: a step takes less time and memory, but
    training is less steady, and collapses more easily. Use it where `BYOL` takes too
    long.

    Parameters
    ----------
    projection_dim : int, default=512
        The size of the projections that are predicted, and of the projector's hidden
        layer. The predictor's hidden layer has a fourth of it. The embedding is the
        output of the network before the projection.
    **others
        The other parameters are those of `SimCLR`.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] X. Chen, K. He, "Exploring Simple Siamese Representation Learning", CVPR
       2021, arXiv:2011.10566.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import SimSiam
    >>> images = load_digits_images().images[:100]
    >>> SimSiam(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "SimSiam"
    _sgd_rate: ClassVar[float] = 0.1

    _: KW_ONLY
    projection_dim: int = checked(512, PROJECTION_DIM)

    def _task(self, material: Material) -> Task:
        size = self.projection_dim
        projector = nn.Sequential(
            NormalizedMLP(material.embed_dim, size, size),
            nn.BatchNorm1d(size, affine=False),
        )
        predictor = NormalizedMLP(size, max(1, size // _BOTTLENECK), size)
        return Task(
            Siamese(material.backbone, projector, predictor),
            PredictionLoss(self.n_views),
            self._batches(material),
            projector=projector,
        )
