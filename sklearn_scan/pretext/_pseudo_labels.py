"""Clusters of the images, found anew before each epoch of a pretext."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.neighbors.partitions import k_means_partition
from sklearn_scan.pretext._task import Material
from sklearn_scan.training.loop import Loop, LoopCallback
from sklearn_scan.training.objectives import PrototypeLoss

_WARM_UP = 10  # the first of so many epochs is without clusters
_BATCH = 512


def suggest_prototypes(n_images: int) -> int:
    """Return a number of clusters: the square root of half the number of images."""
    return max(2, round(math.sqrt(n_images / 2)))


class PseudoLabels(LoopCallback):
    """Gives a `PrototypeLoss` the clusters of k-means before each epoch.

    Parameters
    ----------
    backbone : nn.Module
        Embeds the images; the average of the network that is trained.
    objective : PrototypeLoss
        Gets the clusters, and keeps them in its state.
    material : Material
        The images, and the view that leaves them as they are.
    """

    def __init__(
        self, backbone: nn.Module, objective: PrototypeLoss, material: Material
    ) -> None:
        self._backbone = backbone
        self._objective = objective
        self._material = material
        self._seed = material.generator.initial_seed() % 2**32
        self._epoch = 0  # whose clusters there are

    def before_epoch(self, loop: Loop) -> None:
        """Find the clusters for an epoch, unless it was interrupted and has them."""
        epoch = len(loop.history) + 1
        if epoch == self._epoch or _WARM_UP * (epoch - 1) < loop.n_epochs:
            return
        labels = k_means_partition(
            self._embed(loop),
            self._objective.n_prototypes,
            np.random.RandomState([self._seed, epoch]),
        )
        self._objective.labels.copy_(torch.from_numpy(labels))
        self._epoch = epoch

    @torch.no_grad()
    def _embed(self, loop: Loop) -> NDArray[np.float32]:
        """Return the features of all images, of unit length."""
        material, features = self._material, []
        self._backbone.eval()  # the loop sets it to training again
        for start in range(0, len(material.images), _BATCH):
            images = material.images[start : start + _BATCH].to(material.device)
            with loop.autocast:
                views = material.plain_view(images)
                found: Tensor = self._backbone(views)
            features.append(F.normalize(found.float(), dim=1).cpu())
        return torch.cat(features).numpy()

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch whose clusters there are."""
        return {"epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in that epoch."""
        self._epoch = state["epoch"]
