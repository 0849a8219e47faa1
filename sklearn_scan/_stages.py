"""The two stages of a fit: what they train on, and at what pace."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan._device import resolve_precision
from sklearn_scan._input import Features, ImageInputMixin
from sklearn_scan._validation import check_count, check_real, is_auto
from sklearn_scan.augment import default_strong_views
from sklearn_scan.clustering import TrainedHeads, suggest_learning_rate, train_heads
from sklearn_scan.heads import ClusterHeads, Standardize
from sklearn_scan.images import BadImages, ImageSource, load_pixels
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.objectives import Objective
from sklearn_scan.pretext import Pretext
from sklearn_scan.self_labeling import SelfLabeled, self_label
from sklearn_scan.training import Record, count_batches
from sklearn_scan.trunks import BackboneTrunk, FeatureTrunk, Trunk


class _Pace(NamedTuple):
    """What "auto" means for the length of training and the size of its batches."""

    epochs: int
    self_label_epochs: int
    batch_size: int
    self_label_batch_size: int


_FROZEN = _Pace(100, 50, 512, 512)
_TRAINED = _Pace(20, 20, 128, 256)
_TRAINED_RATE = 1e-3


class StagesMixin(ImageInputMixin):
    """The training of a clusterer with the parameters below."""

    n_clusters: int
    n_neighbors: int
    n_heads: int
    max_epochs: int | str
    self_label_epochs: int | str
    confidence_threshold: float
    finetune: bool | str
    strong_views: str | Callable[[Tensor], Tensor]
    ema_decay: float | None
    learning_rate: float | str
    batch_size: int | str

    @abstractmethod
    def _objective(self) -> Objective:
        """Return the loss of the first stage."""

    def _check_stages(self) -> None:
        check_count("n_heads", self.n_heads)
        if not is_auto("max_epochs", self.max_epochs):
            check_count("max_epochs", self.max_epochs)
        if not is_auto("self_label_epochs", self.self_label_epochs):
            check_count("self_label_epochs", self.self_label_epochs, minimum=0)
        check_real(
            "confidence_threshold",
            self.confidence_threshold,
            minimum=0,
            maximum=1,
            boundaries="left",
        )
        if not (isinstance(self.finetune, bool) or self.finetune == "auto"):
            raise ValueError(
                f"finetune must be 'auto', True or False; got {self.finetune!r}."
            )
        if not (self.strong_views == "auto" or callable(self.strong_views)):
            raise TypeError(
                "strong_views must be 'auto' or a function of a batch; got "
                f"{self.strong_views!r}."
            )
        if self.ema_decay is not None:
            check_real(
                "ema_decay", self.ema_decay, minimum=0, maximum=1, boundaries="left"
            )
        if not is_auto("learning_rate", self.learning_rate):
            check_real(
                "learning_rate", self.learning_rate, minimum=0, boundaries="neither"
            )
        if not is_auto("batch_size", self.batch_size):
            check_count("batch_size", self.batch_size)

    @property
    def _trains_backbone(self) -> bool:
        if isinstance(self.finetune, str):
            return isinstance(self.encoder_, Pretext)
        return self.finetune

    def _check_finetune(self) -> None:
        """Raise if what is to be trained does not go with X."""
        if not self._trains_backbone:
            if self.n_neighbors == 0:
                raise ValueError(
                    "n_neighbors=0 lets two views of an image agree, for which the "
                    "backbone must be trained: pass images and finetune=True, or "
                    "n_neighbors=20."
                )
            return
        if self.encoder_ is None:
            raise ValueError(
                "finetune=True trains an encoder's backbone, but X holds features: "
                "pass images, or finetune='auto'."
            )
        if self.precision == "fp16":
            raise ValueError(
                "precision must be 'auto', 'fp32' or 'bf16' to train a backbone in: "
                "gradients vanish in fp16."
            )

    def _make_trunk(
        self,
        data: Features | ImageSource,
        readable: NDArray[Any],
        embedding: Tensor,
        scaler: Standardize,
    ) -> Trunk:
        """Return what the heads are trained on."""
        if not (self._trains_backbone and isinstance(data, ImageSource)):
            return FeatureTrunk(scaler(embedding))
        assert self.encoder_ is not None  # for mypy: images have an encoder
        module, preprocessing = self.encoder_.for_training()
        pixels = load_pixels(
            data,
            preprocessing.crop,
            readable.tolist(),
            BadImages(self.bad_images),
            n_jobs=self.n_jobs,
        )
        augment = self.strong_views
        if isinstance(augment, str):
            augment = default_strong_views(pixels.shape[1])
        return BackboneTrunk(
            torch.from_numpy(pixels),
            module,
            scaler,
            preprocessing,
            augment=augment,
            device=embedding.device,
            dtype=resolve_precision(self.precision, embedding.device),
        )

    def _fit_heads(
        self, trunk: Trunk, neighbors: NeighborGraph | None, seed: int
    ) -> ClusterHeads:
        """Run the first stage; return the head of the lowest loss."""
        objective = self._objective().to(trunk.device)
        self.history_: list[Record] = []
        first_heads = None
        if trunk.is_trained and neighbors is not None:
            # On the features as they are, heads learn in seconds what to begin with.
            frozen = FeatureTrunk(trunk.features())
            first_heads = self._train_heads(frozen, neighbors, objective, seed).heads
        trained = self._train_heads(trunk, neighbors, objective, seed, first_heads)
        self.head_losses_ = trained.losses.cpu().numpy()
        self.best_head_ = trained.best_head
        return trained.heads.select(trained.best_head)

    def _train_heads(
        self,
        trunk: Trunk,
        neighbors: NeighborGraph | None,
        objective: Objective,
        seed: int,
        first_heads: ClusterHeads | None = None,
    ) -> TrainedHeads:
        pace = _TRAINED if trunk.is_trained else _FROZEN
        n_epochs = _unless_auto(self.max_epochs, pace.epochs)
        batch_size = _unless_auto(self.batch_size, pace.batch_size)
        trained = train_heads(
            trunk,
            neighbors,
            objective,
            n_clusters=self.n_clusters,
            n_heads=self.n_heads,
            n_epochs=n_epochs,
            batch_size=batch_size,
            learning_rate=self._learning_rate(trunk, n_epochs, batch_size),
            seed=seed,
            first_heads=first_heads,
            verbose=self.verbose,
        )
        self.history_ += trained.history
        return trained

    def _self_label(
        self,
        head: ClusterHeads,
        trunk: Trunk,
        neighbors: NeighborGraph | None,
        seed: int,
    ) -> SelfLabeled:
        """Run the second stage, in place."""
        pace = _TRAINED if trunk.is_trained else _FROZEN
        n_epochs = _unless_auto(self.self_label_epochs, pace.self_label_epochs)
        if n_epochs == 0:
            return SelfLabeled(kept=False, history=[])
        batch_size = _unless_auto(self.batch_size, pace.self_label_batch_size)
        result = self_label(
            head,
            trunk,
            neighbors,
            confidence_threshold=self.confidence_threshold,
            n_epochs=n_epochs,
            batch_size=batch_size,
            learning_rate=self._learning_rate(trunk, n_epochs, batch_size),
            ema_decay=self.ema_decay,
            seed=seed,
            verbose=self.verbose,
        )
        self.history_ += result.history
        return result

    def _learning_rate(self, trunk: Trunk, n_epochs: int, batch_size: int) -> float:
        if not isinstance(self.learning_rate, str):
            return self.learning_rate
        if trunk.is_trained:
            return _TRAINED_RATE
        n_steps = n_epochs * count_batches(len(trunk.samples), batch_size)
        return suggest_learning_rate(trunk.embed_dim, n_steps)


def _unless_auto(value: int | str, suggested: int) -> int:
    return suggested if isinstance(value, str) else value
