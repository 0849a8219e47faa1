"""The base class of encoders: images in, an embedding out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from torch import nn

from sklearn_scan.core.device import resolve_device, resolve_precision
from sklearn_scan.core.docs import DocLink
from sklearn_scan.core.features import Features
from sklearn_scan.core.validation import check_count, check_option, check_verbose
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.encoders.cache import cache_folder
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images import (
    POLICIES,
    ImageSource,
    as_image_source,
    resolve_workers,
)


class Embedded(NamedTuple):
    """The embedding of images, and which of them cannot be read.

    Attributes
    ----------
    features : Features
        A row for each image; NaN if it cannot be read.
    unreadable : list of UnreadableImage
        The images that cannot be read: (row, path, reason). The row is that in the
        source, even if only a part of the source was embedded.
    """

    features: Features
    unreadable: list[UnreadableImage]


class Trainable(NamedTuple):
    """A backbone that can be trained or used elsewhere, and its preprocessing.

    Attributes
    ----------
    module : nn.Module
        Takes normalised images (b, 3, h, w), returns features (b, embed_dim).
    preprocessing : Preprocessing
        How images are cropped, resized and normalised.
    """

    module: nn.Module
    preprocessing: Preprocessing


class Encoder(
    DocLink, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """The base class of encoders: scikit-learn transformers that embed images.

    A subclass writes `transform`, which takes images and returns an array; or `embed`,
    if it skips images that cannot be read. If it learns from the images, it writes
    `fit` too. Only `fit` sets attributes, so that threads can share a fitted encoder.

    Attributes
    ----------
    is_trainable : bool
        Whether the class has `for_training` and `with_trained`, and embeds with the
        network that they return.
    learns_from_images : bool
        Whether `fit` learns from the images.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import as_image_source
    >>> class MeanColor(Encoder):
    ...     def transform(self, X):
    ...         source = as_image_source(X)
    ...         rows = range(len(source))
    ...         return np.stack([source[row].mean(axis=(0, 1)) for row in rows])
    >>> MeanColor().transform(np.zeros((5, 8, 8, 3), dtype=np.uint8)).shape
    (5, 3)
    """

    is_trainable: ClassVar[bool] = False
    learns_from_images: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "transform" in own and "embed" not in own and cls.embed is not Encoder.embed:
            raise TypeError(
                f"{cls.__name__} must write embed, and not transform: its parent has "
                "embed, which clusterers call."
            )

    def fit(self, X: Any, y: Any = None) -> Self:
        """Return the encoder itself: by default, it does not learn.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        y : ignored
            Part of scikit-learn's interface.

        Returns
        -------
        self
        """
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
        """
        return self.embed(as_image_source(X)).features.array

    def embed(self, source: ImageSource, rows: slice | None = None) -> Embedded:
        """Embed the images of a source, and list those that cannot be read.

        By default, the features are what the subclass's `transform` returns, and no
        image is unreadable.

        Parameters
        ----------
        source : ImageSource
            The images.
        rows : slice, default=None
            The images to embed; None means all.

        Returns
        -------
        Embedded
            The features, a row for each image embedded, and the unreadable images.
        """
        if type(self).transform is Encoder.transform:
            raise NotImplementedError(
                f"{type(self).__name__} must write transform or embed."
            )
        part = source if rows is None else _Part(source, chosen_rows(source, rows))
        array = np.require(self.transform(part), np.float32, ["C", "W"])
        if array.ndim != 2 or len(array) != len(part) or array.shape[1] == 0:
            raise ValueError(
                f"{type(self).__name__}.transform must return an array "
                f"({len(part)}, embed_dim); got shape {array.shape}."
            )
        return Embedded(Features.of(array), [])

    def embed_with_folder(
        self,
        source: ImageSource,
        folder: Path,  # noqa: ARG002
    ) -> Embedded:
        """Embed all images of a source, for a fit with a checkpoint.

        An encoder that can keeps rows in the folder as they are made. After a kill, the
        same call goes on from there. By default, nothing is kept.

        Parameters
        ----------
        source : ImageSource
            The images.
        folder : Path
            A folder, which need not be there, in one that is.

        Returns
        -------
        Embedded
            With features in memory.
        """
        return self.embed(source)

    def fit_with_folder(self, X: Any, folder: Path) -> Self:  # noqa: ARG002
        """Fit the encoder for a fit with a checkpoint.

        An encoder that can keeps what it learns in the folder. After a kill, the same
        call goes on from there. By default, nothing is kept.

        Parameters
        ----------
        X : images
            As for `fit`.
        folder : Path
            A folder, which need not be there.

        Returns
        -------
        self
        """
        return self.fit(X)

    def pixel_limit(self, default: int | None) -> int | None:
        """Return the limit of pixels of the images to embed.

        Parameters
        ----------
        default : int or None
            The limit, if the encoder has no parameter `max_pixels`.

        Returns
        -------
        int or None
            None is no limit.
        """
        limit: int | None = self.get_params(deep=False).get("max_pixels", default)
        return limit

    def for_training(self) -> Trainable:
        """Return a copy of the fitted encoder's backbone, to train, and preprocessing.

        Training the copy does not change the encoder: `with_trained` returns one that
        uses it. For a subclass that is trainable.
        """
        raise NotImplementedError

    def with_trained(self, module: nn.Module) -> Self:
        """Return a copy of the fitted encoder that uses a trained backbone.

        For a subclass that is trainable.

        Parameters
        ----------
        module : nn.Module
            The backbone that `for_training` returned, trained. It is not copied, but
            moved to the CPU and set to evaluation mode.

        Returns
        -------
        Encoder
        """
        raise NotImplementedError

    def networks(self) -> list[Trainable]:
        """Return the fitted encoder's networks, for use elsewhere; usually it is one.

        Their outputs, side by side, are the embedding.

        Raises
        ------
        TypeError
            If the encoder is something else than networks.
        """
        raise TypeError(
            f"{type(self).__name__} does not say what its networks are: it needs a "
            "method `networks`, which returns a list of Trainable."
        )

    def check(self) -> None:
        """Raise if a parameter is wrong; called before any long work."""

    def __sklearn_is_fitted__(self) -> bool:
        return True


class _Part(ImageSource):
    """Some images of a source, under the names that they have there."""

    def __init__(self, source: ImageSource, rows: range) -> None:
        self._source = source
        self._rows = rows
        self.float_range = source.float_range
        self.thread_safe = source.thread_safe

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> NDArray[np.uint8]:
        return self._source[self._rows[i]]

    def name(self, i: int) -> str:
        return self._source.name(self._rows[i])


def chosen_rows(source: ImageSource, rows: slice | None) -> range:
    """Return which images of a source are to be embedded.

    Parameters
    ----------
    source : ImageSource
        The images.
    rows : slice or None
        As `Encoder.embed` gets it; None names all.

    Returns
    -------
    range

    Raises
    ------
    ValueError
        If it names no image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import as_image_source
    >>> chosen_rows(as_image_source(np.zeros((5, 8, 8))), slice(2, None))
    range(2, 5)
    """
    chosen = range(len(source))[slice(None) if rows is None else rows]
    if not chosen:
        raise ValueError(
            f"rows must name at least one of the {len(source)} images; got {rows}."
        )
    return chosen


def check_embedding(embedded: Embedded) -> None:
    """Raise if rows are not finite, other than those of unreadable images.

    Parameters
    ----------
    embedded : Embedded
        What an encoder returned.

    Raises
    ------
    ValueError
        With their number.
    """
    array, unreadable = embedded.features.array, embedded.unreadable
    n_unusable = int((~np.isfinite(array).all(axis=1)).sum()) - len(unreadable)
    if n_unusable:
        raise ValueError(
            Message(
                "The encoder returned NaN or infinity for {} of {} images. Check its "
                "weights, and try {}.",
                *(n_unusable, len(array), Setting("precision", "fp32")),
            )
        )


def check_settings(estimator: BaseEstimator) -> None:
    """Check the parameters that clusterers, encoders and pretexts share.

    Parameters
    ----------
    estimator : BaseEstimator
        With the parameters below.

    Raises
    ------
    TypeError, ValueError
        If `device`, `precision`, `n_jobs`, `memory`, `bad_images`, `max_pixels` or
        `verbose` is wrong.
    """
    resolve_precision(estimator.precision, resolve_device(estimator.device))
    resolve_workers(estimator.n_jobs)
    cache_folder(estimator.memory)
    check_option("bad_images", estimator.bad_images, POLICIES)
    if estimator.max_pixels is not None:
        check_count("max_pixels", estimator.max_pixels)
    check_verbose(estimator.verbose)
