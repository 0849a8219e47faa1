"""The RotNet pretext: by how many quarter turns an image is turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import LinearProjection
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.training.batches import MultiView, SingleViews
from sklearn_scan.training.objectives import RotationLoss

N_TURNS = 4


@pretext_docs
@dataclass(eq=False, repr=False)
class RotNet(Pretext):
    """Learn an encoder by predicting by how many quarter turns images are turned.

    In the other pretexts, views of one image should get similar features; here they
    need not. The SCAN paper uses RotNet to show that this matters (table 2). `SimCLR`
    is the better choice.

    Parameters
    ----------
    **others
        The parameters of `SimCLR`, except `views`.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by
       Predicting Image Rotations", ICLR 2018, arXiv:1803.07728.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import RotNet
    >>> images = load_digits_images().images[:100]
    >>> RotNet(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "RotNet"
    _sgd_rate: ClassVar[float] = 0.4

    def _augment(self, n_channels: int) -> Callable[[Tensor], Tensor] | None:
        return None

    def _task(self, material: Material) -> Task:
        head = LinearProjection(material.embed_dim, N_TURNS)
        views = SingleViews(
            material.images,
            self.batch_size,
            generator=material.generator,
            view=lambda images: _turn(material.view(images)),
            device=material.device,
        )
        network = nn.Sequential(material.backbone, head)
        return Task(MultiView(network, N_TURNS), RotationLoss(), views)


def _turn(views: Tensor) -> Tensor:
    """Return views (b, c, h, w) turned 0, 1, 2 and 3 times, (4 b, c, h, w)."""
    turned = [torch.rot90(views, turns, dims=(2, 3)) for turns in range(N_TURNS)]
    return torch.cat(turned).contiguous(memory_format=torch.channels_last)
