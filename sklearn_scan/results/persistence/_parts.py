"""Parts of a model, such as heads and graphs, as plain data and back."""

from __future__ import annotations

from typing import Any

from sklearn_scan.core.plain_data import Plain
from sklearn_scan.results.persistence._own import OwnParts
from sklearn_scan.results.persistence._packing import Packer
from sklearn_scan.results.persistence._unpacking import Unpacker


def pack_parts(value: Any) -> Plain:
    """Return plain data for modules, records, arrays and tensors of known classes.

    Parameters
    ----------
    value : object
        A value that a saved model may hold, or a list, tuple or dict of such.

    Returns
    -------
    dict
        JSON values and tensors.

    Raises
    ------
    TypeError
        If it holds a value that has no place in a saved model.

    Examples
    --------
    >>> import numpy as np
    >>> packed = pack_parts({"labels": np.array([1, 0])})
    >>> unpack_parts(packed)["labels"]
    array([1, 0])
    """
    packer = Packer()
    return {"parts": packer(value, ("parts",)), "tensors": packer.tensors}


def unpack_parts(plain: Plain) -> Any:
    """Return what was packed.

    Parameters
    ----------
    plain : dict
        What `pack_parts` has returned.

    Returns
    -------
    object
        An equal value, which shares no memory with `plain`.

    Examples
    --------
    >>> unpack_parts(pack_parts((1, "a")))
    (1, 'a')
    """
    unpacker = Unpacker(plain["tensors"], OwnParts(None), same_libraries=True)
    return unpacker(plain["parts"], ("parts",))
