"""The two stages of a fit: what they train on, and at what pace."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from sklearn_scan._device import resolve_precision
from sklearn_scan._input import Features, ImageInputMixin
from sklearn_scan._validation import check_count, check_real, is_auto
from sklearn_scan.augment import default_strong_views
from sklearn_scan.clustering import TrainedHeads, suggest_learning_rate, train_heads
from sklearn_scan.encoders import EncoderList
from sklearn_scan.heads import Heads, Standardize
from sklearn_scan.images import BadImages, ImageSource, load_pixels
from sklearn_scan.model_selection import COLLAPSE, information_lost
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.objectives import Objective
from sklearn_scan.self_labeling import SelfLabeled, self_label
from sklearn_scan.training import Record, count_batches
from sklearn_scan.trunks import BackboneTrunk, FeatureTrunk, Trunk


class Pace(NamedTuple):
    """How long, in what steps and at which rate to train."""

    n_epochs: int
    batch_size: int
    learning_rate: float


class Usual(NamedTuple):
    """What "auto" means; None is worked out from the samples."""

    n_epochs: int | None
    batch_size: int
    learning_rate: float | None


# Of heads on features as they are, which takes seconds; and of a backbone that learns
# along: its epochs are counted below, and the paper's rate of 1e-4 is for ten times as
# many steps.
_HEADS, _HEADS_AGAIN = Usual(100, 512, None), Usual(50, 512, None)
_BACKBONE, _BACKBONE_AGAIN = Usual(None, 128, 1e-3), Usual(None, 256, 3e-4)

# About so many images are looked at in a stage that trains a backbone, within these
# numbers of epochs (the paper has 100 and 200).
_IMAGES_SEEN = 36_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 10, 100

# The more confident half of each cluster teaches in any case. With confident samples
# alone, coil20's 20 clusters lost 11 to the others, and 9 points of accuracy.
_LEAST_SHARE = 0.5


class _Start:
    """A head and its trunk before the trunk is trained, to come back to.

    Parameters
    ----------
    trunk : Trunk
    head : Heads
        The best on the features as they are.
    """

    def __init__(self, trunk: Trunk, head: Heads) -> None:
        self._trunk = trunk
        self._head = head
        # a copy, since what is trained is the head's own weights, and the trunk's
        self._weights = copy.deepcopy(trunk.body.state_dict())
        self._labels = self._label(head)

    def is_lost(self, head: Heads, neighbors: NeighborGraph) -> bool:
        """Whether another head, on the trunk as it now is, has merged the clusters."""
        lost = information_lost(self._labels, self._label(head), neighbors)
        return lost > COLLAPSE

    def restore(self) -> Heads:
        """Give the trunk its weights back; return the head."""
        self._trunk.body.load_state_dict(self._weights)
        return self._head

    @torch.no_grad()
    def _label(self, head: Heads) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = (
            head(self._trunk.features())[0].argmax(dim=1).cpu().numpy()
        )
        return labels


class StagesMixin(ImageInputMixin):
    """The training of a clusterer with the parameters below."""

    n_clusters: int | str
    n_clusters_: int
    n_neighbors: int
    n_heads: int
    max_epochs: int | str
    self_label_epochs: int | str
    confidence_threshold: float
    learning_rate: float | str
    batch_size: int | str

    # Of a clusterer that can train a backbone; others have no such parameters.
    finetune: bool | str = False
    strong_views: str | Callable[[Tensor], Tensor] = "auto"
    ema_decay: float | None = None

    _heads_again = _HEADS_AGAIN  # the second stage's pace on features as they are

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
            return self.encoder_ is not None and self.encoder_.learns_from_images
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
        if not self.encoder_.is_trainable:
            name = type(self.encoder_).__name__
            if isinstance(self.encoder_, EncoderList):
                name = "a list of encoders"
            raise TypeError(
                f"finetune=True trains an encoder's backbone, which {name} does not "
                "offer: pass finetune=False, or an ImageEncoder or a pretext as "
                "encoder."
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
            return FeatureTrunk(scaler(embedding), scaler.space_dims)
        assert self.encoder_ is not None  # for mypy: images have an encoder
        module, preprocessing = self.encoder_.for_training()
        pixels = load_pixels(
            data,
            preprocessing.crop,
            readable.tolist(),
            BadImages("raise"),  # of these, all could be read a moment ago
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
    ) -> Heads:
        """Run the first stage; return the head of the lowest loss."""
        objective = self._objective().to(trunk.device)
        self.history_: list[Record] = []
        if not trunk.is_trained or neighbors is None:
            return self._train_from(None, trunk, neighbors, objective, seed)
        # On the features as they are, heads learn in seconds what to begin with.
        frozen = FeatureTrunk(trunk.features())
        pace = _choose_pace(frozen, _HEADS)
        first = self._train_heads(
            frozen, neighbors, objective, pace, seed, stage="first heads"
        )
        start = _Start(trunk, first.heads.select(first.best_head))
        head = self._train_from(first.heads, trunk, neighbors, objective, seed)
        if not start.is_lost(head, neighbors):
            return head
        warnings.warn(
            "Training the backbone merged clusters that its features told apart, and "
            "was undone: lower learning_rate, raise max_epochs, or pass "
            "finetune=False.",
            ConvergenceWarning,
            stacklevel=4,
        )
        self._note_losses(first)
        return start.restore()

    def _train_from(
        self,
        first_heads: Heads | None,
        trunk: Trunk,
        neighbors: NeighborGraph | None,
        objective: Objective,
        seed: int,
    ) -> Heads:
        """Train heads, and the trunk if it learns along; return the best head."""
        usual = _BACKBONE if trunk.is_trained else _HEADS
        pace = self._choose_pace(trunk, usual, self.max_epochs)
        trained = self._train_heads(
            trunk, neighbors, objective, pace, seed, first_heads=first_heads
        )
        self._note_losses(trained)
        return trained.heads.select(trained.best_head)

    def _note_losses(self, trained: TrainedHeads) -> None:
        self.head_losses_ = trained.losses.cpu().numpy()
        self.best_head_ = trained.best_head

    def _train_heads(
        self,
        trunk: Trunk,
        neighbors: NeighborGraph | None,
        objective: Objective,
        pace: Pace,
        seed: int,
        **settings: Any,
    ) -> TrainedHeads:
        trained = train_heads(
            trunk,
            neighbors,
            objective,
            n_clusters=self.n_clusters_,
            n_heads=self.n_heads,
            **pace._asdict(),
            seed=seed,
            verbose=self.verbose,
            **settings,
        )
        self.history_ += trained.history
        return trained

    def _self_label(
        self,
        head: Heads,
        trunk: Trunk,
        neighbors: NeighborGraph | None,
        seed: int,
    ) -> SelfLabeled:
        """Run the second stage, in place."""
        if self.self_label_epochs == 0:
            return SelfLabeled(kept=False, history=[])
        usual = _BACKBONE_AGAIN if trunk.is_trained else self._heads_again
        pace = self._choose_pace(trunk, usual, self.self_label_epochs)
        result = self_label(
            head,
            trunk,
            neighbors,
            confidence_threshold=self.confidence_threshold,
            least_share=_LEAST_SHARE if trunk.is_trained else 0.0,
            **pace._asdict(),
            ema_decay=self.ema_decay,
            seed=seed,
            verbose=self.verbose,
        )
        self.history_ += result.history
        return result

    def _choose_pace(self, trunk: Trunk, usual: Usual, n_epochs: int | str) -> Pace:
        """Return the pace that the user's parameters ask for."""
        return _choose_pace(trunk, usual, n_epochs, self.batch_size, self.learning_rate)


def _choose_pace(
    trunk: Trunk,
    usual: Usual,
    n_epochs: int | str = "auto",
    batch_size: int | str = "auto",
    learning_rate: float | str = "auto",
) -> Pace:
    n_samples = len(trunk.samples)
    if isinstance(n_epochs, str):
        n_epochs = usual.n_epochs or _count_epochs(n_samples)
    if isinstance(batch_size, str):
        batch_size = usual.batch_size
    if isinstance(learning_rate, str):
        n_steps = n_epochs * count_batches(n_samples, batch_size)
        learning_rate = usual.learning_rate or suggest_learning_rate(
            min(trunk.space_dims),
            n_steps,  # that the narrowest comes to a decision
        )
    return Pace(n_epochs, batch_size, learning_rate)


def _count_epochs(n_images: int) -> int:
    n_epochs = round(_IMAGES_SEEN / n_images)
    return min(max(n_epochs, _FEWEST_EPOCHS), _MOST_EPOCHS)
