"""The SimCLR pretext: two views of an image are alike."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import nn

from sklearn_scan.core.validation import checked
from sklearn_scan.pretext._base import Material, Task
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._networks import ProjectionHead
from sklearn_scan.pretext._views import PROJECTION_DIM, TEMPERATURE, ViewPretext
from sklearn_scan.training.batches import MultiView
from sklearn_scan.training.objectives import ContrastiveLoss


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
    epochs : int or "auto", default="auto"
        Passes over the images. "auto" makes 20 to 200 passes, which see about 72,000
        images in all.
    batch_size : int, default=256
        The number of images in a step.
    optimizer : {"adamw", "sgd"}, default="adamw"
        AdamW with a one-cycle schedule, which is better for short training; or SGD with
        momentum 0.9 and a cosine schedule, as in the papers, for hundreds of epochs.
    learning_rate : float or "auto", default="auto"
        The highest learning rate. "auto" is 3e-3 for AdamW. For SGD it is as in the
        papers: 0.4 for batches of 512, and in proportion for other batches; 0.06 for
        `MoCo` and `InstanceDiscrimination`.
    weight_decay : float, default=1e-4
        The weight decay of the optimiser.
    temperature : float, default=0.5
        The divisor of the similarities. Small batches of simple images need a high one;
        the SCAN paper uses 0.1 for CIFAR and STL with batches of 512.
    projection_dim : int, default=64
        The size of the projections that are compared. The embedding is the output of
        the network before the projection.
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
    temperature: float = checked(0.5, TEMPERATURE)
    projection_dim: int = checked(64, PROJECTION_DIM)

    def _task(self, material: Material) -> Task:
        head = ProjectionHead(material.embed_dim, self.projection_dim)
        pairs = self._view_pairs(material)
        module = MultiView(nn.Sequential(material.backbone, head))
        return Task(module, ContrastiveLoss(self.temperature), pairs)
