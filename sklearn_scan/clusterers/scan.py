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
from sklearn_scan.clusterers.trained import (
    SELF_LABELINGS,
    TrainedClusterer,
    check_self_labeling,
)
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
    option,
    real,
)
from sklearn_scan.core.wording import Message, Setting, Value
from sklearn_scan.encoders import Encoder
from sklearn_scan.results.registry import register_clusterer
from sklearn_scan.training.heads import KernelFeatures, Scaler, make_scaler


@register_clusterer("scan")
@clusterer_docs
@dataclass(eq=False, repr=False)
class SCANClusterer(TrainedClusterer):
    """Cluster images without labels by the SCAN method.

    `encoder` embeds each image, and the nearest neighbours of each image are found.
    Then several classifiers ("heads") are trained. The loss asks that neighbours are in
    the same cluster, and that all clusters are used. The heads start from the best of
    several partitions of the samples, and the best head is kept. A score without labels
    chooses both. In a second stage, this head learns from the samples that it is
    confident of. If neighbours agree less afterwards, the second stage is undone.

    A pretrained encoder is not changed, and the heads learn on its features in seconds.
    A pretext such as `SimCLR()` learns from the images first. Then it learns again,
    together with the heads, from strongly augmented views, as in the paper for small
    images (see `finetune`).

    Parameters
    ----------
    {n_clusters}
    n_neighbors : int, default=20
        The number of neighbours found for each sample; the paper uses 50 for subsets of
        ImageNet. On features, heads learn from the nearest {N_PAIRS} of them, and
        partitions use up to 20. With 0, if the backbone is trained, heads learn from
        two views of an image instead of neighbours.
    {neighbor_method}
    n_heads : int or "auto", default="auto"
        The number of heads that are trained at once; one is kept. On features, each
        head starts from a partition of the samples. Several methods make partitions,
        and those with the best score without labels are used. "auto" is {N_HEADS}: six
        partitions with each `entropy_weight`. It is less, at least 2, for more than 166
        clusters. If the backbone is trained, only the best heads continue, and "auto"
        is {N_FINETUNED_HEADS}.
    max_epochs : int or "auto", default="auto"
        Passes over the samples in the first stage. On features, "auto" makes {EPOCHS}
        passes, which see about {SAMPLES_SEEN} samples in all; for many samples,
        {EPOCHS_OF_MANY} passes and about {SEEN_OF_MANY} samples. If the backbone is
        trained, it makes {IMAGE_EPOCHS} passes, which see about {IMAGES_SEEN} images.
    self_label_epochs : int or "auto", default="auto"
        Passes over the samples in the second stage. 0 leaves the stage out. On
        features, "auto" makes {SELF_LABEL_EPOCHS} passes, which see about
        {SAMPLES_SELF_LABELED} samples in all. If the backbone is trained, it makes as
        many passes as "auto" does in the first stage.
    {self_labeling}
    {confidence_threshold}
    entropy_weight : float or "auto", default="auto"
        The weight λ of the entropy of the cluster sizes: a higher weight makes the
        sizes more alike. On features, "auto" tries {ENTROPY_WEIGHTS}, each with half of
        the heads. If a `cluster_prior` is given or the backbone is trained, it is
        {PAPER_ENTROPY_WEIGHT}, as in the paper. If you ask for many more clusters than
        there are classes, pass about 5 so that all are used. To make heads leave the
        sizes that they start with, pass a higher `learning_rate` too.
    cluster_prior : array-like of shape (n_clusters,), "auto" or None, default=None
        The expected sizes of the clusters, such as [0.7, 0.2, 0.1], in any order. None
        means equal sizes. "auto" means sizes that are estimated from the data: those of
        the partition that a head starts from. `entropy_weight` says how strongly
        clusters are pushed towards these sizes.
    finetune : bool or "auto", default="auto"
        Whether to train the backbone together with the heads, on augmented views.
        "auto" does so if `encoder` is a pretext. All images are then held in memory, at
        the size that is used in training. Several encoders are never trained.
    strong_views : callable or "auto", default="auto"
        Used if the backbone is trained: a function that takes a batch of images, float
        (b, c, h, w) in [0, 1], with c = 1 if all are grey, and returns a strongly
        augmented view of each. "auto" is `images.augment.StrongViews`, without flips
        for grey images. `random_state` seeds torch's global random numbers for it. Weak
        views (`images.augment.WeakViews`) shift images a little; they mirror coloured
        images, but only with "auto".
    ema_decay : float in [0, 1), default=None
        If given, the second stage ends with a moving average of the weights, which
        keeps this share of itself at each step; the paper uses 0.999 for ImageNet.
    learning_rate : float or "auto", default="auto"
        The learning rate of Adam, in both stages. On features, "auto" is {LOWEST_RATE},
        or more, up to {HIGHEST_RATE}, if there are few steps or few features; with
        known proportions as `cluster_prior` it is {PRIOR_RATE}. If the backbone is
        trained, it is {FINETUNING_RATE}, and {SELF_LABEL_RATE} in the second stage. The
        paper's 1e-4 is for longer training.
    batch_size : int or "auto", default="auto"
        The number of samples in a step, in both stages. "auto" is {BATCH_SIZE}; if the
        backbone is trained, {FINETUNING_BATCH}, and {SELF_LABEL_BATCH} in the second
        stage.
    {machine}

    Attributes
    ----------
    {clusters}
    embedding_ : ndarray of float32, shape (n, embed_dim)
        The embedding of the samples, by the backbone after training; NaN for an image
        that cannot be read. If X was features in a memmap, it is that memmap: keep its
        file.
    {encoders}
    neighbors_ : NeighborGraph
        The neighbours of each sample, in the embedding before the backbone was
        trained; -1 for an image that cannot be read. Such an image is not a neighbour
        of any other.
    head_losses_ : ndarray of shape (n_heads,)
        The loss of each head after the first stage, with its own `entropy_weight`.
    head_scores_ : ndarray of shape (n_heads,)
        The scores that chose the head. On features, it is the score of
        `model_selection.label_free_score` times the mean agreement with the other
        heads, and 0 for a head that leaves more clusters empty than another. If the
        backbone was trained, it is the negative loss.
    best_head_ : int
        The head with the highest score, which was kept.
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
    .. [3] C. Niu, H. Shan, G. Wang, "SPICE: Semantic Pseudo-Labeling for Image
       Clustering", IEEE TIP 2022, arXiv:2103.09382: the labelled samples of "fixmatch".
    .. [4] K. Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
       Consistency and Confidence", NeurIPS 2020, arXiv:2001.07685.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer
    >>> X, y = load_digits(return_X_y=True)
    >>> clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    >>> clusterer.score(X, y) > 0.8
    True
    """

    empty_hint: ClassVar[str] = Message(
        "a smaller {}, a larger {}, more {}, more {} or a lower {}",
        *map(Setting, ("n_clusters", "entropy_weight", "n_heads", "max_epochs")),
        Setting("learning_rate"),
    )

    _: KW_ONLY
    n_heads: int | str = checked("auto", auto_or(count()))
    entropy_weight: float | str = checked("auto", auto_or(real(0)))
    cluster_prior: ArrayLike | str | None = None
    finetune: bool | str = checked("auto", check_auto_flag)
    strong_views: StrongViews = checked("auto", check_views)
    ema_decay: float | None = checked(None, none_or(real(0, 1, "left")))
    self_labeling: str = checked("auto", option(SELF_LABELINGS))

    def _stages(self, material: Material) -> Sequence[Stage]:
        """Return heads on features, the backbone along with them, self-labelling."""
        stages: list[Stage] = []
        trains_backbone = material.trunk.is_trained
        if material.graph is not None:
            stages.append(self._first_heads(material))
        if trains_backbone:
            stages.append(self._finetuning(material))
        last = self._self_labeling(material, self.self_labeling, self.ema_decay)
        return [*stages, *last]

    def _first_heads(self, material: Material) -> FirstHeads:
        schedule = heads_schedule(material.n_samples)
        label = "first heads"
        if not material.trunk.is_trained:  # else the schedule asked for is another's
            if self._knows_sizes:
                schedule = schedule._replace(learning_rate=PRIOR_RATE)
            schedule, label = self._asked(schedule, self.max_epochs), "SCAN"
        weights: tuple[float, ...] = ENTROPY_WEIGHTS
        if not isinstance(self.entropy_weight, str):
            weights = (float(self.entropy_weight),)
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
        if not isinstance(self.finetune, bool):  # nobody asked for it
            return Guarded(stage)
        return Guarded(
            stage,
            warning=Message(
                "Training the backbone left clusters on which neighbours agree, and "
                "was undone: lower {}, raise {}, or pass {}.",
                *(Setting("learning_rate"), Setting("max_epochs")),
                Setting("finetune", False),
            ),
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
                    Message(
                        "{} must be 'auto', {} or an array; got {!r}.",
                        *(Setting("cluster_prior"), Value(None), self.cluster_prior),
                    )
                )
            if self.n_neighbors == 0:
                raise ValueError(
                    Message(
                        "{} takes the proportions of partitions by neighbours, of "
                        "which {} leaves none.",
                        Setting("cluster_prior", "auto"),
                        Setting("n_neighbors", 0),
                    )
                )
            return
        if isinstance(self.n_clusters, str):
            raise ValueError(
                Message(
                    "{} holds one proportion per cluster: pass their number as {}; got "
                    "{}.",
                    *(Setting("cluster_prior"), Setting("n_clusters")),
                    Setting("n_clusters", self.n_clusters),
                )
            )
        check_prior(self.cluster_prior, self.n_clusters)

    def _training_views(self, encoder: Encoder | None) -> StrongViews | None:
        trains = self.finetune
        if isinstance(trains, str):
            trains = encoder is not None and encoder.learns_from_images
        return self.strong_views if trains else None

    def _check_encoder(self, encoder: Encoder | None) -> None:
        super()._check_encoder(encoder)
        trains_backbone = self._training_views(encoder) is not None
        check_self_labeling(self.self_labeling, trains_backbone=trains_backbone)
        if self.n_neighbors == 0 and not trains_backbone:
            raise ValueError(
                Message(
                    "{} lets two views of an image agree, for which the backbone must "
                    "be trained: pass images and {}, or {}.",
                    *(Setting("n_neighbors", 0), Setting("finetune", True)),
                    Setting("n_neighbors", 20),
                )
            )
