"""TEMI: teacher ensemble-weighted pointwise mutual information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from sklearn_scan.clusterers.defaults import N_PAIRS, heads_schedule
from sklearn_scan.clusterers.docs import clusterer_docs
from sklearn_scan.clusterers.stages import Material, Stage, TeacherHeads
from sklearn_scan.clusterers.trained import TrainedClusterer
from sklearn_scan.core.validation import auto_or, checked, count, real
from sklearn_scan.results.registry import register_clusterer
from sklearn_scan.training.heads import KernelFeatures


@register_clusterer("temi")
@clusterer_docs
@dataclass(eq=False, repr=False)
class TEMIClusterer(TrainedClusterer):
    """Cluster images without labels by the TEMI method.

    Each image is embedded by a pretrained `encoder`, its nearest neighbours are mined,
    and several heads start from partitions of the samples, as in `SCANClusterer`. They
    learn what each image's neighbours share according to a teacher: the moving average
    of the head itself. Pairs that look like false neighbours to the teachers of all
    heads weigh less. The teacher is kept whose clusters neighbours share most, a linear
    model finds again, and the other teachers agree with.

    Parameters
    ----------
    {n_clusters}
    n_neighbors : int, default=20
        The number of neighbours mined for each sample. All are used in partitions of
        the samples; a head learns from the nearest {N_PAIRS}.
    {neighbor_method}
    n_heads : int, default=8
        The number of heads trained at once, which weigh the pairs together and of
        which one is kept. Each starts from a partition of its own, the best by its
        score; the paper has 16 to 50, of random weights.
    beta : float in (0, 1], default=0.8
        With 1 the loss is pointwise mutual information, which may use few of the
        clusters; less makes their sizes more alike: the paper has 0.6. At 0.5 and
        below, heads lose what they were sure of.
    temperature : float, default=0.1
        What the logits that heads start with are divided by: a lower one makes them
        more confident.
    teacher_momentum : float in [0, 1) or "auto", default="auto"
        The share of itself that a teacher keeps at every step. "auto" lets it lag
        behind its student by 1 / {TEACHER_LAGS} of the training: from {LEAST_MOMENTUM}
        to the paper's {MOST_MOMENTUM}, which keeps up over thousands of steps only.
    max_epochs : int or "auto", default="auto"
        Passes over the samples. "auto" looks at {SAMPLES_SEEN} samples in {EPOCHS}
        passes, and of many at {SEEN_OF_MANY} in {EPOCHS_OF_MANY}.
    self_label_epochs : int or "auto", default=0
        Passes over the samples in a second stage, SCAN's, in which confident samples
        teach; it is undone where neighbours agree less after it. "auto" is as in
        `SCANClusterer`; 0 leaves it out, as the paper does.
    {confidence_threshold}
    learning_rate : float or "auto", default="auto"
        AdamW's at its peak, and Adam's in the second stage. "auto" is {LOWEST_RATE},
        and more, up to {HIGHEST_RATE}, if few samples of few features leave few steps
        to learn in.
    batch_size : int or "auto", default="auto"
        Pairs a step. "auto" is {BATCH_SIZE}; the paper has 1024.
    {machine}

    Attributes
    ----------
    {clusters}
    embedding_ : ndarray of float32, shape (n, embed_dim)
        The embedding of the samples; NaN for an image that cannot be read. Where X was
        features in a memmap, that memmap: its file must stay.
    {encoders}
    neighbors_ : NeighborGraph
        The neighbours of each sample; -1 for an image that cannot be read, which is
        nobody's neighbour.
    head_losses_ : ndarray of shape (n_heads,)
        The loss of each head's teacher after training.
    head_scores_ : ndarray of shape (n_heads,)
        What the head to keep was chosen by: what neighbours share and a linear model
        finds again, as in `model_selection.label_free_score`, times the mean agreement
        with the other heads, as normalised mutual information.
    best_head_ : int
        The head of the highest score, whose teacher was kept.
    history_ : list of dict
        The loss, for each epoch; of the second stage too, if there is one.
    {model}

    References
    ----------
    .. [1] N. Adaloglou, F. Michels, H. Kalisch, M. Kollmann, "Exploring the Limits of
       Deep Image Clustering using Pretrained Models", BMVC 2023, arXiv:2303.17896.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import TEMIClusterer
    >>> X, y = load_digits(return_X_y=True)
    >>> clusterer = TEMIClusterer(n_clusters=10, random_state=0).fit(X)
    >>> clusterer.score(X, y) > 0.8
    True
    """

    _scaler = KernelFeatures
    empty_hint: ClassVar[str] = (
        "a smaller n_clusters, a smaller beta, more n_heads, more max_epochs or a "
        "lower learning_rate"
    )

    _: KW_ONLY
    n_neighbors: int = checked(20, count())
    n_heads: int = checked(8, count())
    beta: float = checked(0.8, real(0, 1, "right"))
    temperature: float = checked(0.1, real(0, None, "neither"))
    teacher_momentum: float | str = checked("auto", auto_or(real(0, 1, "left")))
    self_label_epochs: int | str = checked(0, auto_or(count(0)))

    def _stages(self, material: Material) -> Sequence[Stage]:
        """Return heads that learn from their teachers, and self-labelling."""
        schedule = self._asked(heads_schedule(material.n_samples), self.max_epochs)
        heads = TeacherHeads(
            self.n_heads,
            schedule,
            N_PAIRS,
            self.beta,
            self.temperature,
            self.teacher_momentum,
        )
        return [heads, *self._self_labeling(material)]
