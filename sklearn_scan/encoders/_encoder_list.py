"""The encoder made of encoders: their embeddings side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.encoders._base import Encoder, Trainable, check_embedding, embed
from sklearn_scan.images import as_image_source

__all__ = ["EncoderList", "naming"]


class EncoderList(Encoder):
    """Embed images with several encoders, and put what they give side by side.

    Parameters
    ----------
    encoders : list of Encoder
        Each sees all images, in turn. None of them is trained along with heads.

    Attributes
    ----------
    embedding_dims_ : tuple of int
        The size of each encoder's embedding, after `transform`.
    bad_images_ : list of UnreadableImage
        The images that one of them could not read, which have no embedding at all.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_scan.encoders import ImageEncoder
    >>> def pool(size):
    ...     backbone = nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten())
    ...     return ImageEncoder(backbone, input_size=32)
    >>> encoder = EncoderList([pool(1), pool(2)])
    >>> encoder.transform(np.zeros((5, 32, 32, 3), dtype=np.uint8)).shape
    (5, 15)
    >>> encoder.embedding_dims_
    (3, 12)
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = encoders

    def check(self) -> None:
        """Raise if a parameter of one of them is wrong; the error says of which."""
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
            Here for scikit-learn's sake.

        Returns
        -------
        self
        """
        source = as_image_source(X)
        for i, encoder in enumerate(self.encoders):
            with naming(i):
                encoder.fit(source)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.

        Returns
        -------
        ndarray of float32, shape (n, sum of the sizes)
            The encoders' embeddings, in their order.

        Raises
        ------
        ImageReadError
            If an encoder cannot read images, and does not skip them.
        ValueError
            If an encoder returns NaN or infinity.
        """
        source = as_image_source(X)
        spaces = []
        for i, encoder in enumerate(self.encoders):
            with naming(i):
                spaces.append(embed(encoder, source))
                check_embedding(spaces[-1], len(encoder.bad_images_))
        self.embedding_dims_ = tuple(space.shape[1] for space in spaces)
        self._n_features_out = sum(self.embedding_dims_)
        by_row = {bad.row: bad for each in self.encoders for bad in each.bad_images_}
        self.bad_images_ = [by_row[row] for row in sorted(by_row)]
        embedding = np.concatenate(spaces, axis=1)
        embedding[list(by_row)] = np.nan
        return embedding

    def networks(self) -> list[Trainable]:
        """Return the networks of all encoders, in their order."""
        return [network for each in self.encoders for network in each.networks()]


@contextmanager
def naming(i: int) -> Iterator[None]:
    """Add to an error in the block which encoder of the list it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about encoder[{i}].")
        raise
