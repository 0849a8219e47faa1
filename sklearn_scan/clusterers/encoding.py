"""From images to features in a fit: what is embedded is kept in its checkpoint."""

from __future__ import annotations

import warnings

from torch import nn

from sklearn_scan.clusterers.reading import Data, Reader
from sklearn_scan.clusterers.run import Run
from sklearn_scan.core.features import Features
from sklearn_scan.encoders import Embedded


def encode(reader: Reader, data: Data, run: Run) -> Embedded:
    """Return the features of a fit, by an encoder that is fitted first."""
    reader.fit(data, run.place("encoder"))
    if isinstance(data, Features):  # which the caller has
        return reader.embed(data)
    run.check_same("the network of the encoder", reader.weights)
    return run.remember_rows(
        "embedding", lambda folder: reader.embed(data, fit=True, folder=folder)
    )


def encode_by(backbone: nn.Module, reader: Reader, data: Data, run: Run) -> Features:
    """Return the features of the images of a fit by a backbone that was trained."""
    reader.take_trained(backbone)
    with warnings.catch_warnings():  # of unreadable images, a second time
        warnings.filterwarnings("ignore", ".* cannot be read", UserWarning)
        embedded = run.remember_rows(
            "trained-embedding", lambda folder: reader.embed(data, folder=folder)
        )
    return embedded.features
