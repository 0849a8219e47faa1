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

    With no arguments it suits itself to the images: the network and the working size
    to their size, the epochs to their number, the views to whether they are grey. On
    two CPU cores, 1,797 images of 8 pixels take half a minute, and 500 images of 32
    pixels or more about 7 minutes; `epochs` and `image_size` trade time for quality.

    Parameters
    ----------
    backbone : "auto", str or callable, default="auto"
        The name of a timm model, which is trained from nothing; or a function that
        makes a new module from images (b, 3, h, w) to features (b, embed_dim). "auto"
        is a small convolutional network; the SCAN paper trains "resnet18".
    image_size : int or "auto", default="auto"
        The side of the images trained on, in pixels. "auto" takes the shorter side of
        the first image, from 8 to 32.
    stem : {"auto", "small", "standard"}, default="auto"
        The first layers of a timm model. "small" keeps the resolution, by a first
        convolution of 3 x 3 and stride 1 and, up to 32 pixels, no max-pooling (in a
        transformer, by 8 x 8 patches); "auto" takes it for images up to 64 pixels.
    views : callable or "auto", default="auto"
        From a batch of images, float (b, c, h, w) in [0, 1] with c = 1 where all are
        grey, to a random view of each. "auto" takes `GreyViews` for grey images and
        `ColorViews` for coloured ones. What draws from torch's global state is
        seeded by `random_state`.
    epochs : int or "auto", default="auto"
        Passes over the images. "auto" looks at 72,000 images in 20 to 200 passes.
    batch_size : int, default=256
        Images a step.
    optimizer : {"adamw", "sgd"}, default="adamw"
        AdamW on a one-cycle schedule, the better for short training; or the papers'
        SGD with momentum 0.9 and a cosine schedule, for hundreds of epochs.
    learning_rate : float or "auto", default="auto"
        The peak. "auto" is 3e-3 for AdamW and, for SGD, what the papers have: 0.4 at
        batches of 512, in proportion to them; 0.06 for `MoCo` and
        `InstanceDiscrimination`.
    weight_decay : float, default=1e-4
        The optimiser's.
    temperature : float, default=0.5
        Divides the similarities. Small batches of simple images want a high one; the
        SCAN paper takes 0.1 for CIFAR and STL at batch 512.
    projection_dim : int, default=64
        The size of the projections that are contrasted. The embedding is what comes
        before the projection.
    compile : bool, default=False
        Whether `torch.compile` makes the network's code: a minute's work, which long
        training on a GPU repays.
    device : str or torch.device, default="auto"
        Where to train.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        The backbone's number format; "auto" takes bf16 where the hardware has it.
    memory : path or joblib.Memory, default=None
        A folder that keeps embeddings, as for `ImageEncoder`. The training itself is
        not kept.
    bad_images : {"raise", "skip"}, default="raise"
        What to do about images that cannot be read: raise an error that lists all of
        them, or warn and learn without them and leave NaN in their rows.
    n_jobs : int, default=None
        Threads that read images; None or -1 takes one per core.
    random_state : int, RandomState or None, default=None
        Seeds everything drawn.
    verbose : int, default=0
        Above zero, shows progress bars.

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
