"""Every tuned number of the clusterers, and what "auto" means.

Linear heads are trained on at most `training.heads.MOST_AXES` kernel features, which
scores without labels look at too.
"""

from __future__ import annotations

from typing import NamedTuple

# -- Passes, batches and learning rates ------------------------------------------------


class Schedule(NamedTuple):
    """How long to train, in which steps.

    Attributes
    ----------
    n_epochs : int
        Passes over the samples.
    batch_size : int
        Samples a step.
    learning_rate : float or None
        None is worked out from the number of features and of steps.
    """

    n_epochs: int
    batch_size: int
    learning_rate: float | None

    def asked(
        self,
        n_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
    ) -> Schedule:
        """Return the schedule with what a user asks for, where that is not "auto"."""
        return Schedule(
            # Python's numbers: NumPy's of few bits overflow in arithmetic
            self.n_epochs if isinstance(n_epochs, str) else int(n_epochs),
            self.batch_size if isinstance(batch_size, str) else int(batch_size),
            self.learning_rate
            if isinstance(learning_rate, str)
            else float(learning_rate),
        )

    def with_rate(self, n_features: int, n_samples: int) -> Schedule:
        """Return the schedule with a learning rate, whatever it was.

        Parameters
        ----------
        n_features : int
            Of the encoder that has the fewest: its heads are the last to decide.
        n_samples : int
            The number of samples.
        """
        if self.learning_rate is not None:
            return self
        n_steps = self.n_epochs * -(-n_samples // self.batch_size)
        return self._replace(learning_rate=suggest_learning_rate(n_features, n_steps))


def count_epochs(n_samples: int, n_seen: int, limits: tuple[int, int]) -> int:
    """Return how many passes look at about `n_seen` samples, within limits."""
    fewest, most = limits
    return min(max(round(n_seen / n_samples), fewest), most)


# Adam's rate for heads on features; the paper's 1e-4 is for a trained backbone. With
# 1e-3, heads left the good partitions that they start from (pets 63.5 and 60.8).
LOWEST_RATE, HIGHEST_RATE = 3e-4, 0.1
# With a `cluster_prior`, heads must leave partitions that were found without it: digits
# 0, 4 and 6 of known proportions had an accuracy of .84 with 3e-4, and 1.00 with 0.01.
PRIOR_RATE = 0.01
# How far a logit can move in training: far enough for its head to grow confident.
LOGIT_TRAVEL = 15.0


def suggest_learning_rate(n_features: int, n_steps: int) -> float:
    """Return a rate at which few steps on few features still come to a decision.

    Adam moves a weight by about its rate each step, and so a logit of features of a
    variance near one by up to `n_features` times as much.

    Parameters
    ----------
    n_features, n_steps : int
        The size of a feature vector, and the number of steps in training.

    Returns
    -------
    float
        From 3e-4, for all but small sets, to 0.1.

    Examples
    --------
    >>> suggest_learning_rate(n_features=384, n_steps=10_000)
    0.0003
    >>> suggest_learning_rate(n_features=10, n_steps=100)
    0.015
    """
    rate = LOGIT_TRAVEL / (n_features * n_steps)
    return min(max(rate, LOWEST_RATE), HIGHEST_RATE)


# -- SCAN on features as they are ------------------------------------------------------

# Partitions come first, and few heads start from the best of them, each at several
# weights of the entropy, since how unequal clusters are is not known. Of many clusters
# there are fewer heads: their time is that of all clusters of all heads.
N_HEADS, MOST_LOGITS = 12, 2000
ENTROPY_WEIGHTS = (1.0, 0.3)
# The neighbours that a sample agrees with: the nearest of those that are mined. With 10
# or 20, heads lost up to a point on eight sets of eleven.
N_NEIGHBORS, N_PAIRS = 20, 5
# Samples in the partitions, or of a cluster: heads learn from all.
MOST_PARTITIONED, MOST_OF_CLUSTER = 10_000, 40
# Samples, or of a cluster, that other methods partition to be compared with, where none
# was partitioned in the fit: after JULE, or where a backbone is trained.
MOST_COMPARED, MOST_COMPARED_OF_CLUSTER = 2_000, 10
# With a `cluster_prior`, or a backbone that is trained: the paper's.
PAPER_ENTROPY_WEIGHT = 5.0

# Samples to look at in all passes, within limits of passes; and of many samples.
SAMPLES_SEEN, EPOCHS = 100_000, (5, 30)
SEEN_OF_MANY, EPOCHS_OF_MANY = 300_000, (1, 5)
BATCH_SIZE = 512


def count_heads(n_clusters: int) -> int:
    """Return "auto" for heads on features."""
    return max(len(ENTROPY_WEIGHTS), min(N_HEADS, MOST_LOGITS // n_clusters))


def heads_schedule(n_samples: int) -> Schedule:
    """Return "auto" for heads on features."""
    fewest = count_epochs(n_samples, SEEN_OF_MANY, EPOCHS_OF_MANY)
    n_epochs = count_epochs(n_samples, SAMPLES_SEEN, (fewest, EPOCHS[1]))
    return Schedule(n_epochs, BATCH_SIZE, None)


# -- SCAN with a backbone that is trained ----------------------------------------------

# Of the heads on features, so many go on.
N_FINETUNED_HEADS = 10
# The paper's rate of 1e-4 is for many more steps, in 100 and 200 passes. SCAN on 10,000
# images of CIFAR had an accuracy of 45.6 after 10 passes, 47.1 after 20 and 47.0 after
# 30, with an encoder of 100 passes of SimCLR.
IMAGES_SEEN, IMAGE_EPOCHS = 36_000, (20, 100)
FINETUNING_BATCH, FINETUNING_RATE = 128, 1e-3
WEIGHT_DECAY = 1e-4  # the paper's

# What labels tell of the neighbours' labels may fall by this multiple of the share of
# the nearest neighbours that are apart before a stage. Where stages gained 2 points or
# more (CIFAR-10), it fell by 0.5 to 1.0 of it; where they lost 3 to 16 points (coil20,
# USPS), by 1.6 to 7.
MOST_LOST_OF_APART = 1.5


def finetuning_schedule(n_images: int) -> Schedule:
    """Return "auto" for a backbone and its heads."""
    n_epochs = count_epochs(n_images, IMAGES_SEEN, IMAGE_EPOCHS)
    return Schedule(n_epochs, FINETUNING_BATCH, FINETUNING_RATE)


# -- Comparison of heads ---------------------------------------------------------------

# By their loss over several draws of neighbours, in batches large enough for the spread
# of clusters in a batch to be that of the whole set.
COMPARISON_DRAWS = 2
COMPARISON_BATCH, LEAST_COMPARISON_BATCH = 2**14, 256
COMPARISON_LOGITS = 2**23  # of all heads and clusters at once: 32 MB


# -- Self-labelling --------------------------------------------------------------------

SAMPLES_SELF_LABELED, SELF_LABEL_EPOCHS = 3_000_000, (5, 50)
# Where a backbone is trained: as many passes as in finetuning, since images that are
# labelled late still have to teach. On CIFAR-10, after a finetuning of 10 passes,
# FixMatch gained 0.7 points in 10 passes, and 1.7 in 25.
SELF_LABEL_BATCH, SELF_LABEL_RATE = 256, 3e-4

# On the features of eight sets, fits that lost at most 0.2 % gained up to 1.5 points of
# accuracy, and fits that lost 1 % or more lost up to 13 points.
MOST_LOST_ON_FEATURES = 0.005

# Training ends after so many epochs in which the confident samples did not grow in
# number by this share of all samples.
PATIENCE = 10
LEAST_GROWTH = 1e-3

# Where a backbone is trained, the more confident half of each cluster teaches in any
# case. With confident samples alone, coil20's 20 clusters lost 11 to the others, and 9
# points of accuracy.
LEAST_SHARE = 0.5

# FixMatch's labelled samples have so many neighbours, of which this share has the same
# label (SPICE's); of a cluster this share is labelled at least.
LABELING_NEIGHBORS = 20
LEAST_AGREEMENT = 0.95
LEAST_LABELED = 0.1
# The epochs after which samples are labelled again. On CIFAR-10, labels that stayed for
# 30 epochs gave 37.3, and chosen three times 38.2, from 34.8.
LABELED_EPOCHS = 5
# For each labelled sample of a step, so many of all; the paper's.
UNLABELED_RATIO = 7


def self_labeling_schedule(n_samples: int, *, trains_backbone: bool) -> Schedule:
    """Return "auto" for self-labelling."""
    if trains_backbone:
        n_epochs = count_epochs(n_samples, IMAGES_SEEN, IMAGE_EPOCHS)
        return Schedule(n_epochs, SELF_LABEL_BATCH, SELF_LABEL_RATE)
    n_epochs = count_epochs(n_samples, SAMPLES_SELF_LABELED, SELF_LABEL_EPOCHS)
    return Schedule(n_epochs, BATCH_SIZE, None)


# -- TEMI ------------------------------------------------------------------------------

TEACHER_WEIGHT_DECAY = 1e-4  # the paper's
TEACHER_COMPARISON_BATCH = 1024

# A teacher is behind its student by about 1 / (1 - momentum) steps, of which the
# training should have so many.
TEACHER_LAGS = 50
LEAST_MOMENTUM, MOST_MOMENTUM = 0.9, 0.996


def suggest_momentum(n_steps: int) -> float:
    """Return the momentum of a teacher that keeps up within so many steps.

    Parameters
    ----------
    n_steps : int
        The number of steps in training.

    Returns
    -------
    float
        From 0.9, for all but long training, to the paper's 0.996.

    Examples
    --------
    >>> suggest_momentum(300), suggest_momentum(100_000)
    (0.9, 0.996)
    """
    return min(max(1 - TEACHER_LAGS / n_steps, LEAST_MOMENTUM), MOST_MOMENTUM)


# -- JULE ------------------------------------------------------------------------------

# Of the clusters, the share that a period merges; the paper has 0.9, and 0.2 for faces.
# With 0.9, the first clusters of COIL-20 to learn from were of several objects, and its
# normalised mutual information stayed at .96, and with 0.7 at .98; with 0.5 it is .99
# to 1.00.
UNROLLING_RATE = 0.5
TRIPLET_MARGIN = 0.2  # the paper's
JULE_WEIGHT_DECAY = 1e-4
# Samples to look at in all passes of a period, within limits of passes.
PERIOD_SAMPLES_SEEN, PERIOD_EPOCHS = 50_000, (2, 15)
PERIOD_BATCH, PERIOD_RATE = 100, 1e-3
# On frozen features, which have no views, a map learns in few steps, and then parts
# halves of classes: in 15 passes dishes lost 11 points of accuracy.
MAP_SAMPLES_SEEN, MAP_EPOCHS = 10_000, (1, 5)
MAP_RATE = 3e-4
MAP_FEATURES = 160  # of the map, as of the paper's networks


def period_schedule(n_samples: int, *, trains_backbone: bool) -> Schedule:
    """Return "auto" for a period of JULE."""
    if trains_backbone:
        n_epochs = count_epochs(n_samples, PERIOD_SAMPLES_SEEN, PERIOD_EPOCHS)
        return Schedule(n_epochs, PERIOD_BATCH, PERIOD_RATE)
    n_epochs = count_epochs(n_samples, MAP_SAMPLES_SEEN, MAP_EPOCHS)
    return Schedule(n_epochs, PERIOD_BATCH, MAP_RATE)


# -- Graph degree linkage --------------------------------------------------------------

# On eleven sets of features and of pixels, angles about the mean were the better
# distance on seven (COIL-20 .95 and .93, trashnet .37 and .34; but pets .67 and .70);
# on digits of 64 pixels Euclidean distance was (.90 and .91). In the plane, angles part
# nothing.
FEATURES_FOR_ANGLES = 100
