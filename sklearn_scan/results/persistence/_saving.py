"""Saving: a fitted estimator as a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.version import __version__
from sklearn_scan.core.warn import warn
from sklearn_scan.encoders import EncoderList, ImageEncoder, WeightsOrigin
from sklearn_scan.encoders.cache import fingerprint
from sklearn_scan.results.persistence._folder import write_folder
from sklearn_scan.results.persistence._known import (
    Entry,
    estimator_classes,
    first_place,
)
from sklearn_scan.results.persistence._packing import NotStorableError, Packer
from sklearn_scan.results.persistence._unpacking import library_versions

__all__ = ["save"]


def save(
    estimator: BaseEstimator, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Save a fitted estimator as a folder that suffices by itself.

    The folder holds JSON and safetensors: parameters, what `fit` has set, the weights
    of the heads and of the encoder. Its `model.json` begins with where the weights of
    the encoder come from, their licence, as timm states it, and their fingerprint. It
    is written durably: what was there before stays until the new one is complete.

    Parameters
    ----------
    estimator : SCANClusterer, TEMIClusterer, ImageEncoder or pretext
        Fitted.
    path : path
        A folder, which is made, with those above it.
    overwrite : bool, default=False
        Whether a saved model that is there may be replaced. Nothing else ever is, and
        other files in its folder stay.

    Raises
    ------
    TypeError
        If the estimator is of a class of your own, or holds a module that is.
    NotFittedError
        If it is not fitted.
    FileExistsError
        If something else is at `path`, or a saved model without `overwrite`.

    Warns
    -----
    UserWarning
        If a parameter cannot be stored, such as a function: it will have its default
        in the model that is loaded, which matters if it is fitted again. (So does
        `memory`, without a warning: a cache is of the machine, and not of the model.)

    See Also
    --------
    load : Its inverse.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer, load, save
    >>> X = load_digits().data[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(clusterer, Path(folder, "digits"))
    ...     loaded = load(Path(folder, "digits"))
    >>> bool((loaded.predict_proba(X) == clusterer.predict_proba(X)).all())
    True
    """
    name = type(estimator).__name__
    known = estimator_classes()
    if known.get(name) is not type(estimator):
        raise TypeError(
            f"save knows {', '.join(sorted(known))}; got {name}. joblib.dump may "
            "save it."
        )
    check_is_fitted(estimator)
    packer = Packer()
    try:
        packed = packer(estimator, first_place(type(estimator)))
    except NotStorableError as reason:
        raise TypeError(f"{name} cannot be saved, because of {reason}.") from reason
    for gap in packer.left_out:
        warn(gap, UserWarning)
    content = {
        "sklearn_scan": __version__,
        "made_with": library_versions(),
        "encoders": list(_describe_encoders(estimator)),
        "estimator": packed,
        "left_out": packer.left_out,
    }
    write_folder(Path(path), content, packer.tensors, overwrite=overwrite)


def _describe_encoders(encoder: object) -> Iterator[Entry]:
    """Yield what people may want to know of each fitted encoder of images."""
    if isinstance(encoder, ImageEncoder):
        # an encoder of an earlier version may not know where its weights come from
        origin: WeightsOrigin | None = getattr(encoder, "weights_origin_", None)
        known = {} if origin is None else origin._asdict()
        yield {**known, "fingerprint": fingerprint(encoder.module_)}
    elif isinstance(encoder, EncoderList):
        for each in encoder.encoders:
            yield from _describe_encoders(each)
    elif isinstance(encoder, BaseEstimator):  # a clusterer or a pretext, say
        yield from _describe_encoders(getattr(encoder, "encoder_", None))
