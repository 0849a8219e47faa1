"""Several encoders as one: their embeddings side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from sklearn_scan.core.features import Features
from sklearn_scan.encoders._base import Embedded, Encoder, Trainable, check_embedding
from sklearn_scan.images import ImageSource, as_image_source


class EncoderList(Encoder):
    """Embed images with several encoders, and put their embeddings side by side.

    Parameters
    ----------
    encoders : list of Encoder
        Each embeds all images. They are not trained together with the heads.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_scan.encoders import ImageEncoder
    >>> from sklearn_scan.images import ArraySource
    >>> def pool(size):
    ...     backbone = nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten())
    ...     return ImageEncoder(backbone, input_size=32)
    >>> images = np.zeros((5, 32, 32, 3), dtype=np.uint8)
    >>> encoder = EncoderList([pool(1), pool(2)]).fit(images)
    >>> encoder.transform(images).shape
    (5, 15)
    >>> encoder.embed(ArraySource(images)).features.dims
    (3, 12)
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = encoders

    def check(self) -> None:
        """Raise if a parameter of an encoder is wrong; the error says of which."""
        for i, encoder in enumerate(self.encoders):
            with naming(i):
                encoder.check()

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit each encoder.

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
        return self._fit_each(X, lambda encoder, _, source: encoder.fit(source))

    def fit_with_folder(self, X: Any, folder: Path) -> Self:
        """Fit each encoder; each keeps what it learns in a folder of its own."""
        return self._fit_each(
            X,
            lambda encoder, i, source: encoder.fit_with_folder(
                source, folder.with_name(f"{folder.name}-{i}")
            ),
        )

    def _fit_each(
        self, X: Any, fit: Callable[[Encoder, int, ImageSource], object]
    ) -> Self:
        source = as_image_source(X)
        for i, encoder in enumerate(self.encoders):
            with naming(i):
                fit(encoder, i, source)
        return self

    def embed(self, source: ImageSource, rows: slice | None = None) -> Embedded:
        """Embed the images of a source with each encoder.

        Parameters
        ----------
        source : ImageSource
            The images.
        rows : slice, default=None
            Which of them to embed; None is all.

        Returns
        -------
        Embedded
            The encoders' embeddings side by side, in their order. An image that one of
            them cannot read is unreadable, and its whole row is NaN.

        Raises
        ------
        ImageReadError
            If an encoder cannot read images, and does not skip them.
        ValueError
            If an encoder returns NaN or infinity.
        """
        return self._join(lambda encoder, _: encoder.embed(source, rows))

    def embed_with_folder(self, source: ImageSource, folder: Path) -> Embedded:
        """Embed all images; each encoder keeps rows in a folder of its own."""
        return self._join(
            lambda encoder, i: encoder.embed_with_folder(
                source, folder.with_name(f"{folder.name}-{i}")
            )
        )

    def _join(self, embed: Callable[[Encoder, int], Embedded]) -> Embedded:
        """Return the embeddings by each encoder side by side."""
        parts = []
        for i, encoder in enumerate(self.encoders):
            with naming(i):
                parts.append(embed(encoder, i))
                check_embedding(parts[-1])
        array = np.concatenate([part.features.array for part in parts], axis=1)
        array[np.isnan(array).any(axis=1)] = np.nan
        dims = tuple(chain.from_iterable(part.features.dims for part in parts))
        by_row = {bad.row: bad for part in parts for bad in part.unreadable}
        unreadable = [by_row[row] for row in sorted(by_row)]
        return Embedded(Features.of(array, dims), unreadable)

    def pixel_limit(self, default: int | None) -> int | None:
        """Return the largest of the encoders' limits; None if one has none."""
        limits = [encoder.pixel_limit(default) for encoder in self.encoders]
        known = [limit for limit in limits if limit is not None]
        return max(known) if len(known) == len(limits) else None

    def networks(self) -> list[Trainable]:
        """Return the networks of all encoders, in their order."""
        return [network for each in self.encoders for network in each.networks()]

    def __sklearn_is_fitted__(self) -> bool:
        return all(encoder.__sklearn_is_fitted__() for encoder in self.encoders)

    @property
    def _n_features_out(self) -> int:
        """The width of the embedding, for scikit-learn."""
        return sum(len(encoder.get_feature_names_out()) for encoder in self.encoders)


@contextmanager
def naming(i: int) -> Iterator[None]:
    """Add to an error in the block which encoder of the list it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about encoder[{i}].")
        raise
