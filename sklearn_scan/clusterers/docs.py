"""What the docs of the clusterers share: parameters, attributes and tuned numbers."""

from __future__ import annotations

from sklearn_scan.clusterers import defaults
from sklearn_scan.core.docs import share_docs
from sklearn_scan.training.checkpoints import INTERVAL


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
        The number of clusters. "auto" estimates it from the features
        (`model_selection.estimate_n_clusters`). If it is larger than the number of
        classes, the groups are finer; `metrics.majority_accuracy` compares these with
        classes.
    encoder : default="auto"
        What turns images into features. "auto" is a small pretrained DINOv2. "learn" is
        `pretext.LearnedEncoder()`: it learns from the images in `fit`, and chooses how
        (it needs about 1,000 images or more, and is worse than a pretrained network on
        photos). You can also pass the name of a timm model; an `ImageEncoder` (for
        weights on disk); a pretext such as `SimCLR()`; an nn.Module, which is copied;
        or a function that makes one. With a list of these, each encoder has its own
        head, and the probabilities of the heads are averaged. A numeric 2-D X is used
        as features, without an encoder; a tuple of such arrays is used as the features
        of several encoders.
    """,
    neighbor_method="""
    neighbor_method : {"auto", "exact", "flat", "ivf_flat", "ivf_sq8"}, default="auto"
        How neighbours are found; see `neighbors.mine_neighbors`. "auto" compares all
        pairs if this takes about a minute at most. Otherwise it searches
        approximately, and finds about 95 % of the neighbours.
    """,
    self_labeling="""
    self_labeling : {"auto", "fixmatch", "confident"}, default="auto"
        How the second stage learns. "confident" is SCAN's: confident samples teach, and
        it ends earlier if their number stops growing. "fixmatch" needs a backbone that
        is trained: confident samples whose neighbours agree with them, some in every
        cluster, are labelled; those labels teach, and the strong view of every image
        learns what its weak view is confident of. "auto" is "fixmatch" if the backbone
        is trained.
    """,
    confidence_threshold="""
    confidence_threshold : float in [0, 1), default=0.99
        The second stage learns from samples with a probability above this value. After
        calibration, `confident_` marks the samples above it.
    """,
    machine="""
    device : str or torch.device, default="auto"
        Where to compute; "auto" prefers CUDA, then MPS, then the CPU.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        The number format of the encoder; "auto" uses bf16 if the hardware supports it.
    memory : path or joblib.Memory, default=None
        A folder that saves embeddings, so that each encoder embeds each image only
        once, in this fit and in later ones.
    checkpoint : path, default=None
        A folder that keeps what the fit has done: embeddings as they are made,
        neighbours, and the training every {INTERVAL} seconds. After a kill, the same
        call goes on from there, and ends with the same clusters. Each fit needs a
        folder of its own; delete it to begin anew.
    bad_images : {"raise", "skip"}, default="raise"
        What happens if images cannot be read, in `fit` and in `predict`: an error
        ("raise"), or a warning and the label -1 ("skip"). The error lists all of these
        images. With "skip" their probabilities are NaN.
    max_pixels : int or None, default=89_478_485
        The most pixels of an image that is decoded. A larger one is an image that
        cannot be read, as its header tells: nothing of it is decoded. The default, 89
        megapixels, is the size that Pillow warns of. Each worker needs 4 to 12 bytes of
        memory a pixel, by the format. A larger `PIL.Image.MAX_IMAGE_PIXELS` takes the
        place of the default. None is no limit.
    n_jobs : int, default=None
        Workers that read images; None takes one per core.
    random_state : int, RandomState or None, default=None
        The seed of all random numbers. Two fits with the same int, on the same CPU and
        with the same number of threads, are equal bit for bit. (A fit uses as many
        threads as there are free cores, at most torch's number. With another number,
        probabilities differ in the sixth digit.)
    verbose : int, default=0
        Progress bars are shown if it is above zero.
    """,
    clusters="""
    labels_ : ndarray of int64, shape (n,)
        The cluster of each sample. Cluster 0 is the largest; -1 is an image that
        cannot be read, or that `relabel` has left out.
    probabilities_ : ndarray of float64, shape (n, n_clusters)
        The probability of each cluster; NaN for an image that cannot be read. They are
        calibrated: the mean of the largest is at most `quality_.expected_accuracy`.
    quality_ : Quality
        What is known of the clusters without labels, each from 0 to 1: how often
        neighbours are in one cluster (`neighbor_agreement`), the label-free `score`,
        the `stability` (the share that other methods put into the same clusters), and
        the `expected_accuracy`, an estimate of the share of samples in the right
        cluster. NaN for a single cluster, and after clusters are merged.
    n_clusters_ : int
        The number of clusters.
    n_clusters_curve_ : ClusterNumberCurve or None
        The numbers that "auto" tried, and the score of each; None if the number was
        given.
    classes_ : ndarray of shape (n_clusters,)
        The numbers of the clusters, 0 to n_clusters - 1.
    cluster_names_ : list of str
        The name of each cluster: "cluster 0" and so on, until `relabel` changes it.
        The name stays if `relabel` gives the cluster another number.
    image_names_ : list of str or None
        The name of each image: its path if it has one; None if X was features.
    """,
    encoders="""
    embedding_dims_ : tuple of int
        The number of features of each encoder, or of each feature array. They are side
        by side in `embedding_`.
    encoder_ : Encoder or None
        The fitted encoder, or an `EncoderList` of several; None if X was features.
    """,
    model="""
    stage_times_ : dict of str to float
        The seconds spent in "encode", "count" (the search for the number of clusters,
        with "auto"), "mine" (of neighbours), "cluster", "self_label" and "calibrate".
        Of a fit that went on from a checkpoint, the seconds since then.
    bad_images_ : list of UnreadableImage
        The images that cannot be read, as (row, path, reason).
    module_ : nn.Module
        The module that turns the embedding (b, embed_dim) into logits
        (1, b, n_clusters).
    self_labeled_ : bool
        Whether the second stage was run and kept.
    confident_ : ndarray of bool, shape (n,)
        Whether the largest probability of a sample is above `confidence_threshold`.
    input_kind_ : str
        What X was: "images", "features" or "a list of feature arrays".
    float_range_ : float or None
        The value of white in float images, 1 or 255; None if X was anything else.
    n_features_in_ : int
        The number of features if X was features; of all arrays together.
    """,
    INTERVAL=f"{INTERVAL:g}",  # in the parts above too
)
