"""The BYOL pretext: a network predicts its own moving average."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

from sklearn_scan.core.validation import auto_or, checked, count, real
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import Bootstrap, NormalizedMLP
from sklearn_scan.pretext._pseudo_labels import PseudoLabels, suggest_prototypes
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._views import PROJECTION_DIM, ViewPretext
from sklearn_scan.training.objectives import PredictionLoss, PrototypeLoss


@pretext_docs
@dataclass(eq=False, repr=False)
class BYOL(ViewPretext):
    """Learn an encoder by predicting what its moving average makes of other views.

    Images do not repel each other. So images of one group, which `SimCLR` drives
    apart, may get similar features, which suits clustering. In return it learns slowly,
    and it can collapse, which is warned of: all features become alike. It pays for many
    hundreds of epochs over ten thousand images or more; the papers make 1,000 epochs.
    With as few epochs as "auto" makes, the features of `SimCLR` are better.

    With `noise=0.001` and `prototype_weight=0.1` it is ProPos [2]_, which clusters the
    images before each epoch, and lets the clusters repel each other.

    Parameters
    ----------
    projection_dim : int, default=128
        The size of the projections that are predicted. The embedding is the output of
        the network before the projection.
    hidden_dim : int, default=512
        The size of the hidden layers of the projector and of the predictor.
    momentum : float in [0, 1], default=0.99
        The share of itself that the moving average keeps at the first steps; it rises
        to 1 along a cosine.
    noise : float, default=0
        The standard deviation of random numbers that are added to the projections
        before the prediction. ProPos uses 0.001.
    prototype_weight : float, default=0
        The weight of the contrast between clusters. ProPos uses 0.1.
    n_prototypes : int or "auto", default="auto"
        The number of clusters for it; "auto" is the square root of half the number of
        images; ProPos takes the number of classes. The first tenth of the epochs has
        no clusters.
    **others
        The other parameters are those of `SimCLR`.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] J.-B. Grill et al., "Bootstrap Your Own Latent: A New Approach to
       Self-Supervised Learning", NeurIPS 2020, arXiv:2006.07733.
    .. [2] Z. Huang et al., "Learning Representation for Clustering via Prototype
       Scattering and Positive Sampling", TPAMI 2022, arXiv:2111.11821.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import BYOL
    >>> images = load_digits_images().images[:100]
    >>> BYOL(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "BYOL"
    _sgd_rate: ClassVar[float] = 0.1  # ProPos'; BYOL's own is for LARS

    _: KW_ONLY
    projection_dim: int = checked(128, PROJECTION_DIM)
    hidden_dim: int = checked(512, count())
    momentum: float = checked(0.99, real(0, 1))
    noise: float = checked(0, real(0))
    prototype_weight: float = checked(0, real(0))
    n_prototypes: int | str = checked("auto", auto_or(count(2)))

    def _task(self, material: Material) -> Task:
        sizes = self.hidden_dim, self.projection_dim
        n_images = len(material.images)
        projector = NormalizedMLP(material.embed_dim, *sizes)
        module = Bootstrap(
            material.backbone,
            projector,
            NormalizedMLP(self.projection_dim, *sizes),
            decay=partial(rising_decay, start=self.momentum, n_steps=material.n_steps),
            noise=self.noise,
        )
        batches = self._batches(material)
        if self.prototype_weight == 0:
            loss = PredictionLoss(self.n_views)
            return Task(module, loss, batches, projector=projector)
        n_prototypes = self.n_prototypes
        if isinstance(n_prototypes, str):
            n_prototypes = suggest_prototypes(n_images)
        objective = PrototypeLoss(
            n_images,
            min(n_prototypes, n_images),
            self.prototype_weight,
            self.n_views,
        )
        labels = PseudoLabels(module.target_backbone, objective, material)
        return Task(module, objective, batches, [labels], projector)


def rising_decay(step: int, *, start: float, n_steps: int) -> float:
    """Return the share that the average keeps at a step: from `start` to 1."""
    return 1 - (1 - start) * (math.cos(math.pi * step / n_steps) + 1) / 2
