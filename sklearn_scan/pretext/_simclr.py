"""The SimCLR pretext: two views of an image are alike."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import nn

from sklearn_scan.core.validation import auto_or, checked
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import ProjectionHead
from sklearn_scan.pretext._task import Material, Task
from sklearn_scan.pretext._views import PROJECTION_DIM, TEMPERATURE, ViewPretext
from sklearn_scan.training.batches import MultiView
from sklearn_scan.training.objectives import ContrastiveLoss

# On two sets of colour images, the nearest neighbours of 4 to 7 % more images were of
# their class with the lower one, after as many passes.
_GREY_TEMPERATURE, _COLOR_TEMPERATURE = 0.5, 0.1


@pretext_docs
@dataclass(eq=False, repr=False)
class SimCLR(ViewPretext):
    """Learn an encoder from unlabelled images by contrasting views of them.

    This pays for about 1,000 images or more that are unlike photos on the web:
    microscopy, drawings, digits, thumbnails. On photos it is much worse than a
    pretrained network.

    Without arguments it adapts to the images: the network and the image size depend on
    the size of the images, the epochs on their number, and the views on whether they
    are grey. On two CPU cores, 1,797 images of 8 pixels take half a minute, and 500
    images of 32 pixels or more about 7 minutes. With more `epochs` or a larger
    `image_size` it takes longer and learns more.

    Parameters
    ----------
    backbone : "auto", str or callable, default="auto"
        The network that is trained. "auto" is a small convolutional network. You can
        also pass the name of a timm model, whose weights start at random (the SCAN
        paper trains "resnet18"); or a function that makes a new module, which takes
        images (b, 3, h, w) and returns features (b, embed_dim).
    image_size : int or "auto", default="auto"
        The side of the images in training, in pixels. "auto" is the shorter side of the
        first image, but at least 8 and at most 32.
    stem : {"auto", "small", "standard"}, default="auto"
        The first layers of a timm model. "small" keeps the resolution: the first
        convolution is 3 x 3 with stride 1, and for images up to 32 pixels there is no
        max-pooling (a transformer gets patches of 8 x 8). "auto" is "small" for images
        up to 64 pixels.
    views : callable or "auto", default="auto"
        A function that takes a batch of images, float (b, c, h, w) in [0, 1], with
        c = 1 if all are grey, and returns a random view of each. "auto" uses
        `GreyViews` for grey images and `ColorViews` for coloured ones. `random_state`
        seeds torch's global random numbers for it.
    n_views : int, default=2
        The number of views of an image in a step. With more views each step takes
        longer and learns more.
    epochs : int or "auto", default="auto"
        Passes over the images. "auto" makes 20 to 200 passes, which see about 72,000
        images in all.
    max_minutes : float or None, default=None
        A budget for the training of the encoder, in minutes. A few steps are timed
        first. Then there are as many epochs as fit into the budget: at most `epochs`,
        or {MOST_EPOCHS_IN_BUDGET} with "auto". So the result depends on the speed of
        the machine, and two fits may differ. A fit that goes on from a `checkpoint` has
        as many epochs as it began with. None is no limit.
    batch_size : int, default=128
        The number of images in a step.
    optimizer : {"muon", "adamw", "sgd"}, default="muon"
        Muon [2]_ learns in few passes, with AdamW for biases and norms; AdamW; both
        with a one-cycle schedule. Or SGD with momentum 0.9, a warm-up and a cosine
        schedule, as in the papers, for hundreds of epochs.
    learning_rate : float or "auto", default="auto"
        The highest learning rate. "auto" is 1e-2 for Muon and 3e-3 for AdamW. For SGD
        it is 0.4 for batches of 512, and in proportion for other batches; 0.1 for
        `BYOL` and `SimSiam`, 0.06 for `MoCo` and `InstanceDiscrimination`, 0.02 for
        `VICReg`.
    weight_decay : float, default=1e-4
        The weight decay of the optimiser.
    temperature : float or "auto", default="auto"
        The divisor of the similarities. "auto" is 0.5 for grey images: small batches of
        simple images need a high one. It is 0.1 for coloured images, as in the SCAN
        paper for CIFAR and STL.
    projection_dim : int, default=64
        The size of the projections that are compared. The embedding is the output of
        the network before the projection.
    progressive_resizing : bool or "auto", default="auto"
        Whether the views of the first three quarters of the epochs have only three
        quarters of their side [3]_: such an epoch takes two thirds of the time. "auto"
        is for images of 32 pixels or more, if `backbone` is "auto"; other networks,
        such as transformers, may be made for images of one size, and compiled ones are
        compiled for each size. Training that a callback stops early may never have
        seen the whole size.
    compile : bool, default=False
        Whether to compile the network with `torch.compile`. This takes a minute, and
        pays for long training on a GPU.
    checkpoint : path, default=None
        A folder that keeps the training every {INTERVAL} seconds. After a kill, the
        same call goes on from there, and ends with the same weights. Each fit needs a
        folder of its own; delete it to begin anew.
    device : str or torch.device, default="auto"
        Where to train.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        The number format of the backbone; "auto" uses bf16 if the hardware supports it.
    memory : path or joblib.Memory, default=None
        A folder that saves embeddings, as for `ImageEncoder`.
    bad_images : {"raise", "skip"}, default="raise"
        What happens if images cannot be read. "raise": an error lists all of them.
        "skip": a warning; training does not use them, and their rows are NaN.
    max_pixels : int or None, default=89_478_485
        The most pixels of an image that is decoded, as for `ImageEncoder`.
    n_jobs : int, default=None
        The number of threads that read images. None or -1 means one per core.
    random_state : int, RandomState or None, default=None
        The seed of all random numbers.
    verbose : int, default=0
        Progress bars are shown if it is above zero.

    Attributes
    ----------
    {fitted}

    References
    ----------
    .. [1] T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
       Representations", ICML 2020, arXiv:2002.05709.
    .. [2] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
       2024, https://kellerjordan.github.io/posts/muon.
    .. [3] M. Tan, Q. V. Le, "EfficientNetV2: Smaller Models and Faster Training", ICML
       2021, arXiv:2104.00298, section 4.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import SimCLR
    >>> images = load_digits_images().images[:100]
    >>> SimCLR(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name: ClassVar[str] = "SimCLR"
    _sgd_rate: ClassVar[float] = 0.4

    _: KW_ONLY
    temperature: float | str = checked("auto", auto_or(TEMPERATURE))
    projection_dim: int = checked(64, PROJECTION_DIM)

    def _task(self, material: Material) -> Task:
        head = ProjectionHead(material.embed_dim, self.projection_dim)
        network = nn.Sequential(material.backbone, head)
        return Task(
            MultiView(network, self.n_views),
            ContrastiveLoss(self._choose_temperature(material.images.shape[1])),
            self._batches(material),
        )

    def _choose_temperature(self, n_channels: int) -> float:
        if not isinstance(self.temperature, str):
            return self.temperature
        return _GREY_TEMPERATURE if n_channels == 1 else _COLOR_TEMPERATURE
