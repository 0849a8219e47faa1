"""An encoder that is a network of its own, made for the images that it is fitted to."""

from __future__ import annotations

from abc import ABC
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from sklearn_scan.core.validation import auto_or, checked, count, option
from sklearn_scan.encoders import ImageEncoder, Preprocessing
from sklearn_scan.images import ImageSource, as_image_source
from sklearn_scan.pretext._backbones import STEMS, Backbone, check_backbone
from sklearn_scan.pretext._encoder_maker import EncoderMaker
from sklearn_scan.pretext._images import automatic_size, measure, read_images


class TrainingImages(NamedTuple):
    """What `fit` reads.

    Attributes
    ----------
    images : Tensor of uint8, shape (n, c, size, size)
        The readable images, with c = 1 where all are grey.
    preprocessing : Preprocessing
        How they are normalised: by their own statistics.
    float_range : float or None
        The white of float images; another batch must be read on this scale.
    """

    images: Tensor
    preprocessing: Preprocessing
    float_range: float | None


# With eq and repr, scikit-learn's own would be lost.
@dataclass(eq=False, repr=False)
class NetworkEncoder(EncoderMaker, ABC):
    """The base class of encoders that make a network for the images in `fit`.

    A subclass writes `fit`, which sets `encoder_` and `_float_range`.
    """

    backbone: Backbone = "auto"
    _: KW_ONLY
    image_size: int | str = checked("auto", auto_or(count()))
    stem: str = checked("auto", option(STEMS))

    def check(self) -> None:
        """Raise if a parameter is wrong, before any long work; see `EncoderMaker`."""
        check_backbone(self.backbone)
        super().check()

    def _read(self, X: Any) -> TrainingImages:
        """Read the images to make the network for, at the size that it takes."""
        source = as_image_source(X, max_pixels=self.max_pixels)
        size = self._choose_size(source)
        images = read_images(source, size, self.bad_images, self.n_jobs)
        return TrainingImages(images, measure(images, size), source.float_range)

    def _choose_size(self, source: ImageSource) -> int:
        if not isinstance(self.image_size, str):
            return int(self.image_size)
        return automatic_size(source)

    def _as_encoder(
        self, backbone: nn.Module, preprocessing: Preprocessing
    ) -> ImageEncoder:
        """Return the encoder that uses a trained backbone."""
        return ImageEncoder(
            backbone.cpu(),
            # all of it: a timm network would be for images prepared in its own way
            input_size=preprocessing.input_size,
            crop_pct=preprocessing.crop_pct,
            interpolation=preprocessing.interpolation,
            mean=preprocessing.mean,
            std=preprocessing.std,
            device=self.device,
            precision=self.precision,
            memory=self.memory,
            bad_images=self.bad_images,
            max_pixels=self.max_pixels,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        ).fit()
