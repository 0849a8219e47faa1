"""SCAN's first stage: heads on features, and then the backbone along with them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from sklearn_scan.clusterers.pace import StagesMixin, Usual, choose_pace, count_epochs
from sklearn_scan.clusterers.reading import Features
from sklearn_scan.clusterers.stages.clustering import TrainedHeads, train_heads
from sklearn_scan.clusterers.stages.feature_stage import train_on_features
from sklearn_scan.clusterers.trunks import BackboneTrunk, FeatureTrunk, Trunk
from sklearn_scan.core.device import resolve_precision
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.validation import check_count, check_prior, check_real, is_auto
from sklearn_scan.encoders import EncoderList
from sklearn_scan.images import BadImages, ImageSource, load_pixels
from sklearn_scan.images.augment import default_strong_views
from sklearn_scan.model_selection import COLLAPSE, information_lost
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import Heads, Scaler, count_shares, label_all
from sklearn_scan.training.objectives import ScanLoss

# Heads on features as they are, which take seconds: twelve partitions, each followed at
# several weights of the spread, since how unequal clusters are is not known.
_N_HEADS = 36
_ENTROPY_WEIGHTS = (1.0, 0.6, 0.3)
# Of a backbone that learns along, and of clusters of given proportions: the paper's.
_N_HEADS_OF_BACKBONE = 10
_PAPER_ENTROPY_WEIGHT = 5.0

# Samples to look at, in all passes. The paper's rate of 1e-4 for a backbone is for ten
# times as many steps, and 100 and 200 passes.
_SAMPLES_SEEN, _IMAGES_SEEN = 300_000, 36_000
_SEEN_OF_MANY = 1_000_000  # in fewer passes than ten

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

    def _label(self, head: Heads) -> NDArray[np.int64]:
        labels = label_all(head, self._trunk.features())[0]
        numbers: NDArray[np.int64] = labels.cpu().numpy()
        return numbers


class ScanStageMixin(StagesMixin):
    """The training of a clusterer with the parameters below."""

    n_heads: int | str
    entropy_weight: float | str
    cluster_prior: ArrayLike | str | None
    finetune: bool | str
    strong_views: str | Callable[[Tensor], Tensor]
    ema_decay: float | None

    def _check_stages(self) -> None:
        super()._check_stages()
        if not is_auto("n_heads", self.n_heads):
            check_count("n_heads", self.n_heads)
        if not is_auto("entropy_weight", self.entropy_weight):
            check_real("entropy_weight", self.entropy_weight, minimum=0)
        self._check_prior()
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

    def _check_prior(self) -> None:
        if self.cluster_prior is None:
            return
        if isinstance(self.cluster_prior, str):
            if self.cluster_prior != "auto":
                raise ValueError(
                    "cluster_prior must be 'auto', None or an array; got "
                    f"{self.cluster_prior!r}."
                )
            if self.n_neighbors == 0:
                raise ValueError(
                    "cluster_prior='auto' takes the proportions of partitions by "
                    "neighbours, of which n_neighbors=0 leaves none."
                )
            return
        if isinstance(self.n_clusters, str):
            raise ValueError(
                "cluster_prior holds one proportion per cluster: pass their number as "
                f"n_clusters; got n_clusters={self.n_clusters!r}."
            )
        check_prior(self.cluster_prior, self.n_clusters)

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
        embedding: Rows,
        scaler: Scaler,
    ) -> Trunk:
        """Return what the heads are trained on."""
        if not (self._trains_backbone and isinstance(data, ImageSource)):
            return super()._make_trunk(data, readable, embedding, scaler)
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
        """Run the first stage; return the best head."""
        self.history_ = []
        if neighbors is None:
            return self._train_backbone(None, trunk, None, seed)
        stage = "first heads" if trunk.is_trained else "SCAN"
        first = self._train_on_features(trunk, neighbors, seed, stage)
        if not trunk.is_trained:
            return first.heads.select(first.best_head)
        # On the features as they are, heads learn in seconds what to begin with.
        start = _Start(trunk, first.heads.select(first.best_head))
        head = self._train_backbone(first, trunk, neighbors, seed)
        if not start.is_lost(head, neighbors):
            return head
        warnings.warn(
            "Training the backbone merged clusters that its features told apart, and "
            "was undone: lower learning_rate, raise max_epochs, or pass "
            "finetune=False.",
            ConvergenceWarning,
            stacklevel=4,
        )
        self._note(first)
        return start.restore()

    def _train_on_features(
        self, trunk: Trunk, neighbors: NeighborGraph, seed: int, stage: str
    ) -> TrainedHeads:
        """Train heads on the features of a trunk as they now are."""
        features = FeatureTrunk(trunk.features(), trunk.dims, trunk.scale)
        usual = Usual(_count_head_epochs(len(features.samples)), 512, None)
        if trunk.is_trained:  # whose training the user's pace is for
            pace = choose_pace(features, usual)
        else:
            pace = self._choose_pace(features, usual, self.max_epochs)
        trained = train_on_features(
            features,
            neighbors,
            n_clusters=self.n_clusters_,
            n_heads=_N_HEADS if isinstance(self.n_heads, str) else self.n_heads,
            entropy_weights=self._entropy_weights(),
            prior=self._prior(),
            **pace._asdict(),
            seed=seed,
            stage=stage,
            verbose=self.verbose,
        )
        self.history_ += trained.history
        self._note(trained)
        return trained

    def _entropy_weights(self) -> tuple[float, ...]:
        if not isinstance(self.entropy_weight, str):
            return (self.entropy_weight,)
        if self.cluster_prior is None:
            return _ENTROPY_WEIGHTS
        return (_PAPER_ENTROPY_WEIGHT,)

    def _prior(self) -> Tensor | str | None:
        """Return the proportions of the clusters, from the largest to the smallest."""
        if self.cluster_prior is None or isinstance(self.cluster_prior, str):
            return self.cluster_prior
        proportions = check_prior(self.cluster_prior, self.n_clusters_)
        return torch.from_numpy(np.sort(proportions)[::-1].copy())

    def _train_backbone(
        self,
        first: TrainedHeads | None,
        trunk: Trunk,
        neighbors: NeighborGraph | None,
        seed: int,
    ) -> Heads:
        """Train heads and trunk; return the best head."""
        n_heads = self.n_heads
        if isinstance(n_heads, str):
            n_heads = _N_HEADS_OF_BACKBONE
        first_heads = None if first is None else first.best_heads(n_heads)
        weight = self.entropy_weight
        if isinstance(weight, str):
            weight = _PAPER_ENTROPY_WEIGHT
        prior = self._prior()
        if isinstance(prior, str):
            assert first_heads is not None  # for mypy: there are neighbours
            prior = count_shares(
                label_all(first_heads, trunk.features()), self.n_clusters_
            )
        usual = Usual(_count_backbone_epochs(trunk), 128, 1e-3)
        pace = self._choose_pace(trunk, usual, self.max_epochs)
        trained = train_heads(
            trunk,
            neighbors,
            ScanLoss(weight, prior).to(trunk.device),
            n_clusters=self.n_clusters_,
            n_heads=n_heads,
            **pace._asdict(),
            seed=seed,
            first_heads=first_heads,
            verbose=self.verbose,
        )
        self.history_ += trained.history
        self._note(trained)
        return trained.heads.select(trained.best_head)

    def _second_stage_settings(self, trunk: Trunk) -> dict[str, Any]:
        least_share = _LEAST_SHARE if trunk.is_trained else 0.0
        return {"least_share": least_share, "ema_decay": self.ema_decay}

    def _usual_again(self, trunk: Trunk) -> Usual:
        if not trunk.is_trained:
            return super()._usual_again(trunk)
        return Usual(_count_backbone_epochs(trunk), 256, 3e-4)


def _count_head_epochs(n_samples: int) -> int:
    fewest = count_epochs(n_samples, _SEEN_OF_MANY, fewest=1, most=10)
    return count_epochs(n_samples, _SAMPLES_SEEN, fewest=fewest, most=60)


def _count_backbone_epochs(trunk: Trunk) -> int:
    return count_epochs(len(trunk.samples), _IMAGES_SEEN, fewest=10, most=100)
