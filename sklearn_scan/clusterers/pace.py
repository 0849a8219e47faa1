"""What the stages of every clusterer share: their pace, and the second stage."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

from numpy.typing import NDArray

from sklearn_scan.clusterers.reading import Features, ImageInputMixin
from sklearn_scan.clusterers.stages.clustering import (
    TrainedHeads,
    suggest_learning_rate,
)
from sklearn_scan.clusterers.stages.self_labeling import SelfLabeled, self_label
from sklearn_scan.clusterers.trunks import FeatureTrunk, Trunk
from sklearn_scan.core.mapped_rows import Rows, through
from sklearn_scan.core.validation import check_count, check_real, is_auto
from sklearn_scan.images import ImageSource
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import Heads, Scaler
from sklearn_scan.training.loop import Record, count_batches

# Samples to look at, in all passes over very many of them.
_SAMPLES_SEEN = 3_000_000


class Pace(NamedTuple):
    """How long, in what steps and at which rate to train."""

    n_epochs: int
    batch_size: int
    learning_rate: float


class Usual(NamedTuple):
    """What "auto" means; a rate of None is worked out from the features."""

    n_epochs: int
    batch_size: int
    learning_rate: float | None


class StagesMixin(ImageInputMixin):
    """The training of a clusterer with the parameters below."""

    n_clusters: int | str
    n_clusters_: int
    n_neighbors: int
    max_epochs: int | str
    self_label_epochs: int | str
    confidence_threshold: float
    learning_rate: float | str
    batch_size: int | str

    history_: list[Record]

    _rate_again: float | None = None  # of the second stage on features as they are

    @abstractmethod
    def _fit_heads(
        self, trunk: Trunk, neighbors: NeighborGraph | None, seed: int
    ) -> Heads:
        """Run the first stage; return the best head."""

    def _check_stages(self) -> None:
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
        if not is_auto("learning_rate", self.learning_rate):
            check_real(
                "learning_rate", self.learning_rate, minimum=0, boundaries="neither"
            )
        if not is_auto("batch_size", self.batch_size):
            check_count("batch_size", self.batch_size)

    def _check_finetune(self) -> None:
        """Raise if what is to be trained does not go with X."""

    @property
    def _trains_backbone(self) -> bool:
        return False

    def _make_trunk(
        self,
        data: Features | ImageSource,
        readable: NDArray[Any],
        embedding: Rows,
        scaler: Scaler,
    ) -> Trunk:
        """Return what the heads are trained on."""
        return FeatureTrunk(through(scaler, embedding), scaler.dims, scaler.scale)

    def _note(self, trained: TrainedHeads) -> None:
        self.head_losses_ = trained.losses.cpu().numpy()
        self.head_scores_ = trained.scores.cpu().numpy()
        self.best_head_ = trained.best_head

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
        pace = self._choose_pace(
            trunk, self._usual_again(trunk), self.self_label_epochs
        )
        result = self_label(
            head,
            trunk,
            neighbors,
            confidence_threshold=self.confidence_threshold,
            **pace._asdict(),
            seed=seed,
            verbose=self.verbose,
            **self._second_stage_settings(trunk),
        )
        self.history_ += result.history
        return result

    def _second_stage_settings(self, trunk: Trunk) -> dict[str, Any]:
        return {}

    def _usual_again(self, trunk: Trunk) -> Usual:
        n_epochs = count_epochs(len(trunk.samples), _SAMPLES_SEEN, fewest=5, most=50)
        return Usual(n_epochs, 512, self._rate_again)

    def _choose_pace(self, trunk: Trunk, usual: Usual, n_epochs: int | str) -> Pace:
        """Return the pace that the user's parameters ask for."""
        return choose_pace(trunk, usual, n_epochs, self.batch_size, self.learning_rate)


def choose_pace(
    trunk: Trunk,
    usual: Usual,
    n_epochs: int | str = "auto",
    batch_size: int | str = "auto",
    learning_rate: float | str = "auto",
) -> Pace:
    """Return the pace asked for, the usual one where it is "auto"."""
    if isinstance(n_epochs, str):
        n_epochs = usual.n_epochs
    if isinstance(batch_size, str):
        batch_size = usual.batch_size
    if isinstance(learning_rate, str):
        n_steps = n_epochs * count_batches(len(trunk.samples), batch_size)
        learning_rate = usual.learning_rate or suggest_learning_rate(
            min(trunk.dims),
            n_steps,  # that the narrowest comes to a decision
        )
    return Pace(n_epochs, batch_size, learning_rate)


def count_epochs(n_samples: int, n_seen: int, *, fewest: int, most: int) -> int:
    """Return how many passes look at about `n_seen` samples, within limits."""
    return min(max(round(n_seen / n_samples), fewest), most)
