"""SCAN: semantic clustering by adopting nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sklearn_scan.clusterers.defaults import (
    ENTROPY_WEIGHTS,
    MOST_LOST_BY_BACKBONE,
    N_FINETUNED_HEADS,
    N_PAIRS,
    PAPER_ENTROPY_WEIGHT,
    PRIOR_RATE,
    count_heads,
    finetuning_schedule,
    heads_schedule,
)
from sklearn_scan.clusterers.docs import clusterer_docs
from sklearn_scan.clusterers.stages import (
    Finetuning,
    FirstHeads,
    Guarded,
    Material,
    Stage,
)
from sklearn_scan.clusterers.trained import TrainedClusterer
from sklearn_scan.clusterers.trunks import StrongViews
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.validation import (
    auto_or,
    check_auto_flag,
    check_prior,
    check_views,
    checked,
    count,
    none_or,
    real,
)
from sklearn_scan.encoders import Encoder
from sklearn_scan.results.registry import register_clusterer
from sklearn_scan.training.heads import KernelFeatures, Scaler, make_scaler


@register_clusterer("scan")
@clusterer_docs
@dataclass(eq=False, repr=False)
class SCANClusterer(TrainedClusterer):
    """Cluster images without labels by the SCAN method.

    Each image is embedded by `encoder`, its nearest neighbours are mined, and cluster
    heads are trained so that neighbours agree while the clusters stay spread. They
    start from the best of several partitions of the samples, and the best head is kept,
    both by a score without labels. This head then learns from the samples it is
    confident of; where neighbours agree less after that, it is undone.

    A pretrained encoder stays as it is, and the heads learn on its features in seconds.
    A pretext learns from the images first, and then again along with the heads, from
    strongly augmented views: the paper's way for small images (see `finetune`).

    Parameters
    ----------
    {n_clusters}
    n_neighbors : int, default=20
        The number of neighbours mined for each sample; the paper's ImageNet subsets
        use 50. On features as they are, the nearest {N_PAIRS} of them agree; partitions
        are made of up to 20. With 0, where the backbone is trained, two views of an
        image agree.
    {neighbor_method}
    n_heads : int or "auto", default="auto"
        The number of heads trained at once, of which one is kept. On features each
        starts from a partition of the samples: several methods partition them, and the
        best by a score without labels are the starts. "auto" is {N_HEADS}, from six
        partitions with each weight of the spread, and fewer, at least 2, of more than
        166 clusters. If the backbone is trained, the best of these go on, and "auto" is
        {N_FINETUNED_HEADS}.
    max_epochs : int or "auto", default="auto"
        Passes over the samples in the first stage. "auto" looks at {SAMPLES_SEEN}
        samples in {EPOCHS} passes on features as they are, and of many at
        {SEEN_OF_MANY} in {EPOCHS_OF_MANY}; if the backbone is trained, at {IMAGES_SEEN}
        images in {IMAGE_EPOCHS} passes.
    self_label_epochs : int or "auto", default="auto"
        Passes over the samples in the second stage, which ends earlier when confident
        samples no longer grow in number; 0 leaves it out. "auto" looks at
        {SAMPLES_SELF_LABELED} samples in {SELF_LABEL_EPOCHS} passes on features as they
        are; if the backbone is trained it is as in the first stage.
    {confidence_threshold}
    entropy_weight : float or "auto", default="auto"
        The weight λ of the spread of clusters: higher makes their sizes more alike.
        "auto" tries {ENTROPY_WEIGHTS} on features, half of the heads each, since how
        unequal clusters are is not known; it is the paper's {PAPER_ENTROPY_WEIGHT} if a
        `cluster_prior` is given or the backbone is trained. Many more clusters than
        classes need about 5 to be all used, and a higher `learning_rate` if heads are
        to leave the sizes that they start with.
    cluster_prior : array-like of shape (n_clusters,), "auto" or None, default=None
        The proportions that clusters are drawn to, by λ: known ones, in any order (the
        clusters found are numbered by size); with "auto" those of the partition that
        each head starts from, which follow the data; and equal ones with None.
    finetune : bool or "auto", default="auto"
        Whether to train the backbone along with the heads, on augmented views. "auto"
        does where `encoder` is a pretext: its features are of these images alone, and
        have more to learn. All images are then held in memory at the size trained on.
        Of several encoders none is trained along.
    strong_views : callable or "auto", default="auto"
        Where the backbone is trained: from a batch of images, float (b, c, h, w) in
        [0, 1] with c = 1 where all are grey, to a strongly augmented view of each.
        "auto" is `images.augment.StrongViews`, without flips for grey images. What
        draws from torch's global state is seeded by `random_state`.
    ema_decay : float in [0, 1), default=None
        Ends the second stage with a moving average of the weights that keeps this
        share of itself at every step; the paper has 0.999 for ImageNet.
    learning_rate : float or "auto", default="auto"
        Adam's, in both stages. "auto" is {LOWEST_RATE}, and more, up to {HIGHEST_RATE},
        if few samples of few features leave few steps to learn in; with known
        proportions, as `cluster_prior`, it is {PRIOR_RATE}. If the backbone is trained
        it is {FINETUNING_RATE}, and {SELF_LABEL_RATE} in the second stage; the paper's
        1e-4 is for longer training.
    batch_size : int or "auto", default="auto"
        Samples a step, in both stages. "auto" is {BATCH_SIZE}; if the backbone is
        trained, {FINETUNING_BATCH}, and {SELF_LABEL_BATCH} in the second stage.
    {machine}

    Attributes
    ----------
    {clusters}
    embedding_ : ndarray of float32, shape (n, embed_dim)
        The embedding of the samples, by the backbone as it is after training; NaN for
        an image that cannot be read. Where X was features in a memmap, that memmap:
        its file must stay.
    {encoders}
    neighbors_ : NeighborGraph
        The neighbours of each sample, in the embedding before the backbone was
        trained; -1 for an image that cannot be read, which is nobody's neighbour.
    head_losses_ : ndarray of shape (n_heads,)
        The loss of each head after the first stage, at its own weight of the spread.
    head_scores_ : ndarray of shape (n_heads,)
        What the head to keep was chosen by: on features, how much the clusters of
        neighbours tell of each other, times the square of the share of clusters that a
        linear model finds again, as in `model_selection.label_free_score`, times the
        mean agreement with the other heads, and 0 for a head that leaves more clusters
        empty than another; the loss with its sign changed where the backbone was
        trained.
    best_head_ : int
        The head of the highest score, which was kept.
    history_ : list of dict
        The loss and its terms, for each epoch of both stages.
    {model}

    References
    ----------
    .. [1] W. Van Gansbeke, S. Vandenhende, S. Georgoulis, M. Proesmans, L. Van Gool,
       "SCAN: Learning to Classify Images without Labels", ECCV 2020,
       arXiv:2005.12320.
    .. [2] C. Williams and M. Seeger, "Using the Nyström Method to Speed Up Kernel
       Machines", NIPS 2000: the map of features as they are.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer
    >>> X, y = load_digits(return_X_y=True)
    >>> clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    >>> clusterer.score(X, y) > 0.8
    True
    """

    empty_hint: ClassVar[str] = (
        "a smaller n_clusters, a larger entropy_weight, more n_heads, more max_epochs "
        "or a lower learning_rate"
    )

    _: KW_ONLY
    n_heads: int | str = checked("auto", auto_or(count()))
    entropy_weight: float | str = checked("auto", auto_or(real(0)))
    cluster_prior: ArrayLike | str | None = None
    finetune: bool | str = checked("auto", check_auto_flag)
    strong_views: StrongViews = checked("auto", check_views)
    ema_decay: float | None = checked(None, none_or(real(0, 1, "left")))

    def _stages(self, material: Material) -> Sequence[Stage]:
        """Return heads on features, the backbone along with them, self-labelling."""
        stages: list[Stage] = []
        trains_backbone = material.trunk.is_trained
        if material.graph is not None:
            stages.append(self._first_heads(material))
        if trains_backbone:
            stages.append(self._finetuning(material))
        return [*stages, *self._self_labeling(material, self.ema_decay)]

    def _first_heads(self, material: Material) -> FirstHeads:
        schedule = heads_schedule(material.n_samples)
        label = "first heads"
        if not material.trunk.is_trained:  # else the schedule asked for is another's
            if self._knows_sizes:
                schedule = schedule._replace(learning_rate=PRIOR_RATE)
            schedule, label = self._asked(schedule, self.max_epochs), "SCAN"
        weights: tuple[float, ...] = ENTROPY_WEIGHTS
        if not isinstance(self.entropy_weight, str):
            weights = (self.entropy_weight,)
        elif self.cluster_prior is not None:
            weights = (PAPER_ENTROPY_WEIGHT,)
        return FirstHeads(
            count_heads(material.n_clusters)
            if isinstance(self.n_heads, str)
            else self.n_heads,
            weights,
            schedule,
            N_PAIRS,
            self._prior(material),
            label,
        )

    def _make_scaler(
        self, encoder: Encoder | None, rows: Rows, dims: tuple[int, ...]
    ) -> Scaler:
        """Return a kernel map of features as they are; else what scales them."""
        if self._training_views(encoder) is not None:
            return super()._make_scaler(encoder, rows, dims)
        return make_scaler(KernelFeatures.from_features, rows, dims)

    def _finetuning(self, material: Material) -> Guarded:
        n_heads, weight = self.n_heads, self.entropy_weight
        stage = Finetuning(
            N_FINETUNED_HEADS if isinstance(n_heads, str) else n_heads,
            PAPER_ENTROPY_WEIGHT if isinstance(weight, str) else weight,
            self._asked(finetuning_schedule(material.n_samples), self.max_epochs),
            self._prior(material),
        )
        return Guarded(
            stage,
            MOST_LOST_BY_BACKBONE,
            warning="Training the backbone merged clusters that its features told "
            "apart, and was undone: lower learning_rate, raise max_epochs, or pass "
            "finetune=False.",
        )

    @property
    def _knows_sizes(self) -> bool:
        return not (self.cluster_prior is None or isinstance(self.cluster_prior, str))

    def _prior(self, material: Material) -> Tensor | str | None:
        """Return the proportions of the clusters, from the largest to the smallest."""
        if self.cluster_prior is None or isinstance(self.cluster_prior, str):
            return self.cluster_prior
        proportions = check_prior(self.cluster_prior, material.n_clusters)
        return torch.from_numpy(np.sort(proportions)[::-1].copy())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._check_prior()

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

    def _training_views(self, encoder: Encoder | None) -> StrongViews | None:
        trains = self.finetune
        if isinstance(trains, str):
            trains = encoder is not None and encoder.learns_from_images
        return self.strong_views if trains else None

    def _check_encoder(self, encoder: Encoder | None) -> None:
        super()._check_encoder(encoder)
        if self.n_neighbors == 0 and self._training_views(encoder) is None:
            raise ValueError(
                "n_neighbors=0 lets two views of an image agree, for which the "
                "backbone must be trained: pass images and finetune=True, or "
                "n_neighbors=20."
            )
