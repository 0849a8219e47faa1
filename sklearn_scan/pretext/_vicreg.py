"""The VICReg pretext: views are alike, and features differ between images."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import nn

from sklearn_scan.core.validation import checked, real
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import NormalizedMLP, SingleHead
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._views import PROJECTION_DIM, ViewPretext
from sklearn_scan.training.batches import MultiView
from sklearn_scan.training.objectives import VICRegLoss


@pretext_docs
@dataclass(eq=False, repr=False)
class VICReg(ViewPretext):
    """Learn an encoder whose features vary between images and tell different things.

    The views of an image should have similar projections; each feature should vary
    over the batch, and no two features together. So images do not repel each other, as
    with `BYOL`, and it cannot collapse. Its weights need no tuning as a temperature
    does. Use it where `SimCLR` drives images of one group apart.

    Parameters
    ----------
    projection_dim : int, default=512
        The size of the projections that are compared, and of the projector's hidden
        layer. The embedding is the output of the network before the projection.
    invariance_weight : float, default=25
        The weight of the distance between views of an image.
    variance_weight : float, default=25
        The weight of the features' lack of variance.
    covariance_weight : float, default=1
        The weight of the covariance of features.
    **others
        The other parameters are those of `SimCLR`.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] A. Bardes, J. Ponce, Y. LeCun, "VICReg: Variance-Invariance-Covariance
       Regularization for Self-Supervised Learning", ICLR 2022, arXiv:2105.04906.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import VICReg
    >>> images = load_digits_images().images[:100]
    >>> VICReg(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "VICReg"
    _sgd_rate: ClassVar[float] = 0.02  # its loss is some 25 times that of SimCLR

    _: KW_ONLY
    projection_dim: int = checked(512, PROJECTION_DIM)
    invariance_weight: float = checked(25.0, real(0))
    variance_weight: float = checked(25.0, real(0))
    covariance_weight: float = checked(1.0, real(0))

    def _task(self, material: Material) -> Task:
        size = self.projection_dim
        projector = NormalizedMLP(material.embed_dim, size, size)
        network = nn.Sequential(material.backbone, SingleHead(projector))
        objective = VICRegLoss(
            self.invariance_weight, self.variance_weight, self.covariance_weight
        )
        return Task(
            MultiView(network, self.n_views), objective, self._batches(material)
        )
