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
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.results.registry import register_clusterer
from sklearn_scan.training.heads import KernelFeatures


@register_clusterer("temi")
@clusterer_docs
@dataclass(eq=False, repr=False)
class TEMIClusterer(TrainedClusterer):
    """Cluster images without labels by the TEMI method.

    A pretrained `encoder` embeds each image, and the nearest neighbours of each image
    are found. Several heads start from partitions of the samples, as in
    `SCANClusterer`. Each head has a teacher, the moving average of its own weights, and
    learns to agree with it on neighbours. Pairs that look like false neighbours to the
    teachers count less. At the end, the teacher with the highest score is kept: the
    score without labels, times the agreement with the other teachers.

    Parameters
    ----------
    {n_clusters}
    n_neighbors : int, default=20
        The number of neighbours found for each sample. Partitions of the samples use
        all of them; a head learns from the nearest {N_PAIRS}.
    {neighbor_method}
    n_heads : int, default=8
        The number of heads that are trained at once; one is kept. All of them decide
        how much a pair counts. Each starts from a partition of its own, one of those
        with the best scores. The paper uses 16 to 50 heads of random weights.
    beta : float in (0, 1], default=0.8
        A lower value makes the sizes of the clusters more alike; the paper uses 0.6.
        With 1 the loss is pointwise mutual information, and some clusters may stay
        empty. With 0.5 and less, heads lose their confidence.
    temperature : float, default=0.1
        The divisor of the first logits of the heads: with a lower one, heads are more
        confident at the start.
    teacher_momentum : float in [0, 1) or "auto", default="auto"
        The share of itself that a teacher keeps at each step. With "auto" it is
        {LEAST_MOMENTUM} to {MOST_MOMENTUM}, so that the teacher is behind its student
        by 1 / {TEACHER_LAGS} of the training. The paper's {MOST_MOMENTUM} is for
        thousands of steps.
    max_epochs : int or "auto", default="auto"
        Passes over the samples. "auto" makes {EPOCHS} passes, which see about
        {SAMPLES_SEEN} samples in all; for many samples, {EPOCHS_OF_MANY} passes and
        about {SEEN_OF_MANY} samples.
    self_label_epochs : int or "auto", default=0
        Passes over the samples in the second stage of SCAN, which learns from confident
        samples. It is undone if neighbours agree less afterwards. "auto" is as in
        `SCANClusterer`; 0 leaves the stage out, as the paper does.
    {confidence_threshold}
    learning_rate : float or "auto", default="auto"
        The highest learning rate of AdamW, and that of Adam in the second stage. "auto"
        is {LOWEST_RATE}, or more, up to {HIGHEST_RATE}, if there are few steps or few
        features.
    batch_size : int or "auto", default="auto"
        The number of pairs in a step. "auto" is {BATCH_SIZE}; the paper uses 1024.
    {machine}

    Attributes
    ----------
    {clusters}
    embedding_ : ndarray of float32, shape (n, embed_dim)
        The embedding of the samples; NaN for an image that cannot be read. If X was
        features in a memmap, it is that memmap: keep its file.
    {encoders}
    neighbors_ : NeighborGraph
        The neighbours of each sample; -1 for an image that cannot be read. Such an
        image is not a neighbour of any other.
    head_losses_ : ndarray of shape (n_heads,)
        The loss of each head's teacher after training.
    head_scores_ : ndarray of shape (n_heads,)
        The scores that chose the head: the score of `model_selection.label_free_score`
        times the mean agreement with the other heads, as normalised mutual information.
    best_head_ : int
        The head with the highest score. Its teacher was kept.
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
    empty_hint: ClassVar[str] = Message(
        "a smaller {}, a smaller {}, more {}, more {} or a lower {}",
        *map(Setting, ("n_clusters", "beta", "n_heads", "max_epochs", "learning_rate")),
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
            int(self.n_heads),
            schedule,
            N_PAIRS,
            float(self.beta),
            float(self.temperature),
            self.teacher_momentum,
        )
        return [heads, *self._self_labeling(material)]
