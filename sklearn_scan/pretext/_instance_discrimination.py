"""The instance discrimination pretext: every image is a class of its own."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import nn

from sklearn_scan.core.validation import checked, count, real
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import LinearProjection
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._views import PROJECTION_DIM, TEMPERATURE, ViewPretext
from sklearn_scan.training.batches import MultiView
from sklearn_scan.training.objectives import MemoryBankLoss


@pretext_docs
@dataclass(eq=False, repr=False)
class InstanceDiscrimination(ViewPretext):
    """Learn an encoder by distinguishing each image from all others.

    A memory bank has an entry for each image: the running mean of its projections. For
    a view, the network learns to distinguish the entry of its image from entries that
    are drawn at random (noise-contrastive estimation).

    Parameters
    ----------
    temperature : float, default=0.1
        The divisor of the similarities; the paper uses 0.07.
    projection_dim : int, default=128
        The size of the projections that are compared. The embedding is the output of
        the network before the projection.
    n_views : int, default=1
        The number of views of an image in a step. Each is compared with the bank, which
        takes in their mean.
    n_negatives : int, default=4096
        The number of entries that are drawn for a batch; at most the number of images.
    momentum : float in [0, 1), default=0.5
        The share of itself that an entry keeps when its image is seen.
    **others
        The other parameters are those of `SimCLR`.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] Z. Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
       Discrimination", CVPR 2018, arXiv:1805.01978.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import InstanceDiscrimination
    >>> images = load_digits_images().images[:100]
    >>> InstanceDiscrimination(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "InstanceDiscrimination"
    _sgd_rate: ClassVar[float] = 0.06

    _: KW_ONLY
    temperature: float = checked(0.1, TEMPERATURE)
    projection_dim: int = checked(128, PROJECTION_DIM)
    n_views: int = checked(1, count())
    n_negatives: int = checked(4096, count())
    momentum: float = checked(0.5, real(0, 1, "left"))

    def _task(self, material: Material) -> Task:
        head = LinearProjection(material.embed_dim, self.projection_dim)
        bank = MemoryBankLoss(
            len(material.images),
            self.projection_dim,
            n_negatives=min(self.n_negatives, len(material.images)),
            temperature=self.temperature,
            momentum=self.momentum,
            generator=material.generator,
        )
        network = nn.Sequential(material.backbone, head)
        return Task(MultiView(network, self.n_views), bank, self._batches(material))
