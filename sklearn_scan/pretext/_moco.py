"""The MoCo pretext: a view is like its image among a queue of others."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from sklearn_scan.core.validation import checked, count, real
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import MomentumPair, ProjectionHead
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._views import PROJECTION_DIM, TEMPERATURE, ViewPretext
from sklearn_scan.training.objectives import QueueLoss


@pretext_docs
@dataclass(eq=False, repr=False)
class MoCo(ViewPretext):
    """Learn an encoder from unlabelled images by contrasting views with past ones.

    Like SimCLR, but a view is compared with a queue of the views of past batches, so
    batches may be small. A moving average of the network embeds the queue. It also
    averages the statistics of batch norms. So the network cannot recognise the views of
    its own batch by these statistics, and views need not be shuffled between devices
    [2]_.

    Parameters
    ----------
    temperature : float, default=0.2
        The divisor of the similarities.
    projection_dim : int, default=128
        The size of the projections that are compared. The embedding is the output of
        the network before the projection.
    n_views : int, default=2
        The number of views of an image in a step. The moving average embeds the last
        one, which each of the others attracts.
    queue_size : int, default=4096
        The number of past views in the queue; at most half the number of images, so
        that few of them are of the same image.
    momentum : float in [0, 1), default=0.99
        The share of itself that the moving average keeps at each step. The paper uses
        0.999, for some hundred thousand steps.
    **others
        The other parameters are those of `SimCLR`.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] K. He et al., "Momentum Contrast for Unsupervised Visual Representation
       Learning", CVPR 2020, arXiv:1911.05722; with the projection of X. Chen et al.,
       "Improved Baselines with Momentum Contrastive Learning", arXiv:2003.04297.
    .. [2] Z. Cai et al., "Exponential Moving Average Normalization for
       Self-supervised and Semi-supervised Learning", CVPR 2021, arXiv:2101.08482.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import MoCo
    >>> images = load_digits_images().images[:100]
    >>> MoCo(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "MoCo"
    _sgd_rate: ClassVar[float] = 0.06

    _: KW_ONLY
    temperature: float = checked(0.2, TEMPERATURE)
    projection_dim: int = checked(128, PROJECTION_DIM)
    queue_size: int = checked(4096, count())
    momentum: float = checked(0.99, real(0, 1, "left"))

    def _task(self, material: Material) -> Task:
        head = ProjectionHead(material.embed_dim, self.projection_dim)
        queue = QueueLoss(
            self.projection_dim,
            min(self.queue_size, max(len(material.images) // 2, 1)),
            self.temperature,
            generator=material.generator,
        )
        pair = MomentumPair(material.backbone, head, self.momentum, self.n_views)
        return Task(pair, queue, self._batches(material))
