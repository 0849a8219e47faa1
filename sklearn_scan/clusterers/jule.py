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
from sklearn_scan.clusterers.trained import TrainedClusterer
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
from sklearn_scan.core.validation import (
    auto_or,
    check_auto_flag,
    check_views,
    checked,
    count,
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
    """Cluster images, and learn what tells the clusters apart, by the JULE method.

    The clusters of the pixels begin small and pure, by graph degree linkage. A network
    learns to bring members of one cluster together, and those of others apart; then
    there are neighbours anew in what it has learnt, and fewer and larger clusters. This
    is repeated until `n_clusters` are left.

    It suits small images of one kind, such as digits, letters, faces and objects on
    plain ground: there it needs no other data. For photos pass a pretrained `encoder`;
    its features stay as they are, and a small map of them is learnt. (Features are
    looked at by their angles about the mean, which tell little in few dimensions.)

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        The number of clusters. "auto" estimates it from the pixels, or the features, by
        `model_selection.estimate_n_clusters`.
    encoder : default="auto"
        What embeds the images. "auto" is `pretext.RawPixels()`: the pixels at first,
        and then the paper's network for images of this size, which begins with random
        weights; with `RawPixels(backbone="resnet18")` it is a timm network, or one's
        own. Others are as for `SCANClusterer`. Numeric 2-D input is taken as features,
        without an encoder.
    n_neighbors : int, default=20
        The number of neighbours mined for each sample: at first in the pixels or the
        features, by angles about their mean, or those given to `fit`; then in what is
        learnt.
    {neighbor_method}
    unrolling_rate : float in (0, 1), default={UNROLLING_RATE}
        The share of the clusters that is merged in each period. Less makes more
        periods; the paper has 0.9, and 0.2 for faces.
    margin : float, default={TRIPLET_MARGIN}
        How much nearer, in squared distance of rows of length one, a sample is to be to
        one of its cluster than to those of other clusters.
    finetune : bool or "auto", default="auto"
        Whether to train the network of the encoder. "auto" does where the encoder
        learns from the images, as `RawPixels` and the pretexts; all images are then
        held in memory at the size trained on. Else a linear map of the features to
        {MAP_FEATURES} is learnt, which begins as their principal axes.
    strong_views : callable or "auto", default="auto"
        Where the network is trained: from a batch of images, float (b, c, h, w) in
        [0, 1], to a random view of each. "auto" takes `images.augment.GreyViews` for
        grey images and `ColorViews` for coloured ones. The paper has none; views of
        digits let clusters be right that without them are halves of a digit.
    max_epochs : int or "auto", default="auto"
        Passes over the samples in each period. "auto" looks at {PERIOD_SAMPLES_SEEN}
        samples in {PERIOD_EPOCHS} passes, and of frozen features at {MAP_SAMPLES_SEEN}
        in {MAP_EPOCHS}.
    self_label_epochs : int or "auto", default=0
        Passes over the samples in a last stage, SCAN's, in which confident samples
        teach; it is undone where neighbours agree less after it. 0 leaves it out.
    {confidence_threshold}
    learning_rate : float or "auto", default="auto"
        AdamW's at its peak. "auto" is {PERIOD_RATE}, and {MAP_RATE} on frozen features.
        In the last stage Adam's, as for `SCANClusterer`.
    batch_size : int or "auto", default="auto"
        Pairs a step, {PERIOD_BATCH} with "auto".
    {machine}

    Attributes
    ----------
    {clusters}
    embedding_ : ndarray of float32, shape (n, embed_dim)
        The embedding of the samples by the network as it is after training; NaN for an
        image that cannot be read. Where the features stay as they are, these features.
    {encoders}
    neighbors_ : NeighborGraph
        The neighbours of each sample in what was learnt; -1 for an image that cannot be
        read.
    head_losses_, head_scores_ : ndarray of shape (1,)
        The loss of the last epoch, and the same with its sign changed.
    best_head_ : int
        0: there is one head, which finds the clusters again.
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
            self.margin,
            self.neighbor_method,
        )
        return [periods, *self._self_labeling(material)]

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
        if not isinstance(encoder, RawPixels):
            super()._check_encoder(encoder)
        elif self._training_views(encoder) is not None:  # its network is for this
            check_training_precision(self.precision)

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
        """Return what was learnt of images or features.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the kind given to `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
            The outputs of the network; or, where features stay as they are, their map,
            in rows of length one. NaN for an image that cannot be read.
        """
        return super().transform(X)

    def _embedding(self, features: Features) -> NDArray[np.float32]:
        """Return the network's embedding of images; of features what was learnt."""
        learnt = cast(UnitRows, self.module_[0])
        if learnt.before is None:
            return features.array
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
