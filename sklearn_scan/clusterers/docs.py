"""What the docs of the clusterers share: parameters, attributes and tuned numbers."""

from __future__ import annotations

from sklearn_scan.clusterers import defaults
from sklearn_scan.core.docs import share_docs


def _write(value: object) -> str:
    """Return a number as text, 36,000 or 3e-4; two of them are a range."""
    if isinstance(value, tuple):
        *firsts, last = map(_write, value)
        if len(firsts) == 1:
            return f"{firsts[0]} to {last}"
        return f"{', '.join(firsts)} and {last}"
    if isinstance(value, float) and value < 0.01:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


_numbers = {name: value for name, value in vars(defaults).items() if name.isupper()}

# In a docstring {n_clusters} stands for an entry below, and {N_HEADS} for the number of
# this name in `defaults`.
clusterer_docs = share_docs(
    **{name: _write(value) for name, value in _numbers.items()},
    n_clusters="""
    n_clusters : int or "auto", default=10
        The number of clusters; more than there are classes gives finer groups, which
        `metrics.majority_accuracy` compares with classes. "auto" estimates it from the
        features, by `model_selection.estimate_n_clusters`.
    encoder : default="auto"
        What embeds the images. "auto" is a small pretrained DINOv2; or the name of a
        timm model, an `ImageEncoder` (for weights on disk), a pretext that learns
        from the images in `fit` (`SimCLR()`, or another of `sklearn_scan.pretext`), an
        nn.Module (of which a copy is used), or a function that makes a new one.
        A list of these embeds with each, and gives each a head; the heads'
        probabilities are averaged. Numeric 2-D input is taken as features, without an
        encoder, and a tuple of several such arrays as several encoders' features.
    """,
    neighbor_method="""
    neighbor_method : {"auto", "exact", "flat", "ivf_flat", "ivf_sq8"}, default="auto"
        How neighbours are found, as `neighbors.mine_neighbors` has it. "auto" compares
        all pairs where that takes about a minute at most, and else looks for 95 % of
        them.
    """,
    confidence_threshold="""
    confidence_threshold : float in [0, 1), default=0.99
        The probability above which a sample teaches in the second stage, before it is
        calibrated; afterwards, that above which it is in `confident_`.
    """,
    machine="""
    device : str or torch.device, default="auto"
        Where to compute; "auto" prefers CUDA, then MPS, then the CPU.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        The encoder's number format; "auto" takes bf16 where the hardware has it.
    memory : path or joblib.Memory, default=None
        A folder that keeps embeddings, so that each image passes through an encoder
        once, in this fit and in all others.
    bad_images : {"raise", "skip"}, default="raise"
        What to do about images that cannot be read, in `fit` and in `predict`: raise
        an error that lists all of them; or warn, and give them the label -1 and
        probabilities of NaN.
    n_jobs : int, default=None
        Workers that read images; None takes one per core.
    random_state : int, RandomState or None, default=None
        Seeds everything drawn. Two fits with the same int on the same CPU are equal
        bit for bit.
    verbose : int, default=0
        Above zero, shows progress bars.
    """,
    clusters="""
    labels_ : ndarray of int64, shape (n,)
        The cluster of each sample. Cluster 0 is the largest; -1 is an image that
        cannot be read.
    probabilities_ : ndarray of float64, shape (n, n_clusters)
        The probability of each cluster; NaN for an image that cannot be read. They are
        calibrated: the mean of the largest is at most `expected_accuracy_`.
    expected_accuracy_ : float
        The share of samples expected to be right, after the best matching with classes
        that nobody knows: what other methods agree on, times what neighbours and a
        linear model find again. NaN for a single cluster, and after a merge.
    n_clusters_ : int
        The number of clusters.
    n_clusters_curve_ : ClusterNumberCurve or None
        The numbers that "auto" tried, and the score of each; None where the number was
        given.
    classes_ : ndarray of shape (n_clusters,)
        The clusters' numbers, 0 to n_clusters - 1.
    cluster_names_ : list of str
        What each cluster is called: "cluster 0" and so on, until `relabel` names it.
    image_names_ : list of str or None
        What each image is called, its path if it has one; None where X was features.
    """,
    encoders="""
    embedding_dims_ : tuple of int
        The size of each encoder's embedding, or of each feature array; they lie side by
        side in `embedding_`.
    encoder_ : Encoder or None
        The fitted encoder, an `EncoderList` of several; None where X was features.
    """,
    model="""
    stage_times_ : dict of str to float
        The seconds spent in "encode", "count" (of clusters, by "auto"), "mine",
        "cluster", "self_label" and "calibrate".
    bad_images_ : list of UnreadableImage
        The images that cannot be read, as (row, path, reason).
    module_ : nn.Module
        From the embedding (b, embed_dim) to logits (1, b, n_clusters).
    self_labeled_ : bool
        Whether the second stage was run and kept.
    confident_ : ndarray of bool, shape (n,)
        Whether a sample's largest probability exceeds `confidence_threshold`.
    input_kind_ : str
        What X was: "images", "features" or "a list of feature arrays".
    float_range_ : float or None
        The white of float images, 1 or 255; None if there were none.
    n_features_in_ : int
        The number of features, where X was features; of all arrays together.
    """,
)
