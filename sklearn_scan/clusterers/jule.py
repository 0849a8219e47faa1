"""JULE: joint unsupervised learning of representations and image clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.clusterers.defaults import (
    MAP_FEATURES,
    TRIPLET_MARGIN,
    UNROLLING_RATE,
    period_schedule,
)
from sklearn_scan.clusterers.docs import clusterer_docs
from sklearn_scan.clusterers.reading import Data, Reader
from sklearn_scan.clusterers.stages import (
    Material,
    MergingPeriods,
    Stage,
    period_numbers,
)
from sklearn_scan.clusterers.trained import (
    SELF_LABELINGS,
    TrainedClusterer,
    check_self_labeling,
)
from sklearn_scan.clusterers.trunks import (
    BackboneTrunk,
    MapTrunk,
    StrongViews,
    Trunk,
    check_training_precision,
)
from sklearn_scan.core.features import Features
from sklearn_scan.core.mapped_rows import Rows, through
from sklearn_scan.core.sampling import draw_sample
from sklearn_scan.core.threads import note_work
from sklearn_scan.core.validation import (
    auto_or,
    check_auto_flag,
    check_views,
    checked,
    count,
    option,
    real,
)
from sklearn_scan.encoders import Encoder
from sklearn_scan.images.augment import default_views
from sklearn_scan.neighbors.partitions import first_clusters
from sklearn_scan.pretext import RawPixels, probe
from sklearn_scan.results.registry import register_clusterer
from sklearn_scan.training.heads import Directions, Scaler, UnitRows


@register_clusterer("jule")
@clusterer_docs
@dataclass(eq=False, repr=False)
class JULEClusterer(TrainedClusterer):
    """Cluster images, and learn features for the clusters, by the JULE method.

    Graph degree linkage first makes small, pure clusters of the pixels. A network
    learns from them to bring members of one cluster together, and to separate those of
    different clusters. Neighbours are found again in the features that it has learnt,
    which gives fewer and larger clusters. This is repeated until `n_clusters` are left.

    It suits small images of one kind, such as digits, letters, faces and objects on a
    plain background: for these it needs no other data. For photos, pass a pretrained
    `encoder`. It is not changed, and a small map of its features is learnt. (Features
    are compared by their angles about the mean, which say little in few dimensions.)

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        The number of clusters. "auto" estimates it from the pixels, or the features
        (`model_selection.estimate_n_clusters`).
    encoder : default="auto"
        What turns images into features. "auto" is `pretext.RawPixels()`: first the
        pixels, then the paper's network for images of this size, which starts with
        random weights. `RawPixels(backbone="resnet18")` uses a timm network instead.
        Other values are as for `SCANClusterer`. A numeric 2-D X is used as features,
        without an encoder.
    n_neighbors : int, default=20
        The number of neighbours found for each sample. At first they are found in the
        pixels or the features, by angles about the mean, if none are passed to `fit`;
        later in the features that were learnt.
    {neighbor_method}
    unrolling_rate : float in (0, 1), default={UNROLLING_RATE}
        The share of the clusters that is merged in each period. A lower value makes
        more periods; the paper uses 0.9, and 0.2 for faces.
    margin : float, default={TRIPLET_MARGIN}
        The margin of the triplet loss: how much nearer a sample should be to a member
        of its cluster than to members of other clusters, in squared distance of rows of
        length one.
    finetune : bool or "auto", default="auto"
        Whether to train the network of the encoder. "auto" does so if the encoder
        learns from the images, like `RawPixels` and the pretexts. All images are then
        held in memory, at the size that is used in training. Otherwise a linear map of
        the features to {MAP_FEATURES} is learnt, which starts as their principal axes.
    strong_views : callable or "auto", default="auto"
        Used if the network is trained: a function that takes a batch of images, float
        (b, c, h, w) in [0, 1], and returns a random view of each. "auto" uses
        `images.augment.GreyViews` for grey images and `ColorViews` for coloured ones.
        The paper uses no views; without them, a cluster is often only half of a digit.
    max_epochs : int or "auto", default="auto"
        Passes over the samples in each period. "auto" makes {PERIOD_EPOCHS} passes,
        which see about {PERIOD_SAMPLES_SEEN} samples; on frozen features {MAP_EPOCHS}
        passes and about {MAP_SAMPLES_SEEN} samples.
    self_label_epochs : int or "auto", default=0
        Passes over the samples in the second stage of SCAN, which learns from confident
        samples. It is undone if neighbours agree less afterwards. 0 leaves it out.
    {self_labeling}
    {confidence_threshold}
    learning_rate : float or "auto", default="auto"
        The highest learning rate of AdamW. "auto" is {PERIOD_RATE}, and {MAP_RATE} on
        frozen features. In the last stage it is the rate of Adam, as for
        `SCANClusterer`.
    batch_size : int or "auto", default="auto"
        The number of pairs in a step. "auto" is {PERIOD_BATCH}.
    {machine}

    Attributes
    ----------
    {clusters}
    embedding_ : ndarray of float32, shape (n, embed_dim)
        The embedding of the samples, by the network after training; NaN for an image
        that cannot be read. If only a map was trained, it is the features before it.
    {encoders}
    neighbors_ : NeighborGraph
        The neighbours of each sample in the learnt features; -1 for an image that
        cannot be read.
    head_losses_, head_scores_ : ndarray of shape (1,)
        The loss of the last epoch, and its negative.
    best_head_ : int
        0: there is one head, which predicts the clusters.
    history_ : list of dict
        The loss of each epoch of all periods.
    {model}

    References
    ----------
    .. [1] J. Yang, D. Parikh, D. Batra, "Joint Unsupervised Learning of Deep
       Representations and Image Clusters", CVPR 2016, arXiv:1604.03628.

    Examples
    --------
    >>> from sklearn_scan import JULEClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> digits = load_digits_images()
    >>> clusterer = JULEClusterer(n_clusters=10, max_epochs=3, random_state=0)
    >>> clusterer.fit(digits.images).score(digits.images, digits.target) > 0.7
    True
    """

    _scaler = Directions

    _: KW_ONLY
    n_neighbors: int = checked(20, count())
    unrolling_rate: float = checked(UNROLLING_RATE, real(0, 1, "neither"))
    margin: float = checked(TRIPLET_MARGIN, real(0, None, "neither"))
    finetune: bool | str = checked("auto", check_auto_flag)
    strong_views: StrongViews = checked("auto", check_views)
    self_label_epochs: int | str = checked(0, auto_or(count(0)))
    self_labeling: str = checked("auto", option(SELF_LABELINGS))

    def _stages(self, material: Material) -> Sequence[Stage]:
        """Return periods of merging and learning, and self-labelling."""
        assert material.graph is not None  # for mypy: there is a neighbour at least
        n_first = int(first_clusters(material.graph).max()) + 1
        schedule = period_schedule(
            material.n_samples,
            trains_backbone=isinstance(material.trunk, BackboneTrunk),
        )
        periods = MergingPeriods(
            tuple(period_numbers(n_first, material.n_clusters, self.unrolling_rate)),
            self._asked(schedule, self.max_epochs),
            float(self.margin),
            self.neighbor_method,
        )
        return [periods, *self._self_labeling(material, self.self_labeling)]

    def make_auto_encoder(self) -> Any:
        """Return what embeds images where `encoder` is "auto"."""
        return RawPixels()

    def _training_views(self, encoder: Encoder | None) -> StrongViews | None:
        trains = self.finetune
        if isinstance(trains, str):
            trains = encoder is not None and (
                encoder.learns_from_images or isinstance(encoder, RawPixels)
            )
        if not trains:
            return None
        return _mild_views if isinstance(self.strong_views, str) else self.strong_views

    def _check_encoder(self, encoder: Encoder | None) -> None:
        trains_network = self._training_views(encoder) is not None
        if not isinstance(encoder, RawPixels):
            super()._check_encoder(encoder)
        elif trains_network:  # its network is for this
            check_training_precision(self.precision)
        check_self_labeling(self.self_labeling, trains_backbone=trains_network)

    def _make_scaler(
        self, encoder: Encoder | None, rows: Rows, dims: tuple[int, ...]
    ) -> Scaler:
        if encoder is not None and self._training_views(encoder) is not None:
            module, preprocessing = encoder.networks()[0]
            side = preprocessing.input_size
            return UnitRows(probe(module, torch.zeros(2, 3, side, side)))
        scaler = super()._make_scaler(encoder, rows, dims)
        sample = draw_sample(through(scaler, rows), seed=0)
        return UnitRows.learning(scaler, sample, MAP_FEATURES)

    def _trunk(
        self, reader: Reader, data: Data, features: Features, rows: Rows, scaler: Scaler
    ) -> Trunk:
        if self._training_views(reader.encoder) is None:
            return MapTrunk(rows, scaler)
        return super()._trunk(reader, data, features, rows, scaler)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the learnt features of images, or of features.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the same kind as the X of `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
            The outputs of the network. If only a map was trained, the mapped features,
            in rows of length one. NaN for an image that cannot be read.
        """
        return super().transform(X)

    def _embedding(self, features: Features) -> NDArray[np.float32]:
        """Return the network's embedding of images; of features what was learnt."""
        learnt = cast(UnitRows, self.module_[0])
        if learnt.before is None:
            return features.array
        note_work()
        rows = np.empty((len(features), self._n_features_out), dtype=np.float32)
        with torch.inference_mode():
            for block, some in features.blocks():
                rows[block] = learnt.unit(some).numpy()
        return rows

    @property
    def _n_features_out(self) -> int:
        return cast(UnitRows, self.module_[0]).dims[0]


def _mild_views(images: Tensor) -> Tensor:
    """Return views of grey images, or of coloured ones."""
    return default_views(images.shape[1])(images)
