"""Strategies for whatever may come as X: features and images of every odd kind.

An example is a small recipe. It is what Hypothesis prints and makes smaller, and its
`build` makes X.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from hypothesis import strategies as st
from PIL import Image


@dataclass(frozen=True)
class Odd:
    """A recipe of X: numbers of a kind and a shape, of a type, in a container."""

    values: str
    shape: tuple[int, ...]
    dtype: str
    container: str
    seed: int = 0

    def build(self) -> Any:
        """Return X, the same at each call."""
        rng = np.random.default_rng(self.seed)
        with np.errstate(all="ignore"):
            array = VALUES[self.values](rng, self.shape)
            if self.dtype.startswith("u"):  # else small negatives become huge
                array = np.abs(array)
            array = array.astype(self.dtype)
        return CONTAINERS[self.container](array)

    @property
    def is_benign(self) -> bool:
        """Whether nothing is wrong with X, so that a fit must succeed."""
        if self.shape[0] < 2 or 0 in self.shape:
            return False
        if self.container not in BENIGN_CONTAINERS:
            return False
        if len(self.shape) == 2:
            overflows = self.values == "far" and self.dtype == "float16"
            return self.values in BENIGN_VALUES and not overflows
        return (
            self.values in {"pixels", "unit", "zeros"}
            and self.dtype in {"uint8", "float32", "float64", "bool"}
            and "tensor" not in self.container
            and (len(self.shape) == 3 or self.shape[3] in (1, 3, 4))
        )


def _with(value: float) -> Callable[..., np.ndarray]:
    """Return what makes numbers of which one is odd."""

    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        array = rng.normal(size=shape)
        if array.size:
            array.flat[rng.integers(array.size)] = value
        return array

    return make


def _duplicated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    distinct = rng.uniform(0, 200, size=(2, *shape[1:]))
    return distinct[rng.integers(2, size=shape[0])]


VALUES: dict[str, Callable[..., np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "pixels": lambda rng, shape: rng.integers(0, 256, size=shape).astype(float),
    "ranks": lambda rng, shape: rng.integers(-1, 9, size=shape).astype(float),
    "unit": lambda rng, shape: rng.uniform(size=shape),
    "zeros": lambda rng, shape: np.zeros(shape),
    "constant": lambda rng, shape: np.full(shape, 0.1),
    "duplicated": _duplicated,
    "large": lambda rng, shape: 1e15 * rng.normal(size=shape),
    "huge": lambda rng, shape: 1e38 * rng.uniform(-1, 1, size=shape),
    "denormal": lambda rng, shape: 1e-42 * rng.normal(size=shape),
    "tiny": lambda rng, shape: 1e-310 * rng.normal(size=shape),
    "far": lambda rng, shape: 1e6 + rng.normal(size=shape),
    "one huge": _with(3e38),
    "beyond float32": _with(1e300),
    "NaN": _with(np.nan),
    "infinity": _with(np.inf),
    "minus infinity": _with(-np.inf),
}
BENIGN_VALUES = {"normal", "pixels", "unit", "zeros", "constant", "duplicated", "far"}


def _rows(array: np.ndarray) -> np.ndarray:
    """Return the array with two dimensions."""
    return array.reshape(len(array), int(np.prod(array.shape[1:])))


def _memmap(array: np.ndarray) -> np.ndarray:
    folder = tempfile.mkdtemp()
    np.save(Path(folder, "x.npy"), array)
    mapped = np.load(Path(folder, "x.npy"), mmap_mode="r")
    # on Windows a file that is mapped cannot be deleted before
    weakref.finalize(mapped, shutil.rmtree, folder, ignore_errors=True)
    return mapped


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def _swapped(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder())


def _reversed(array: np.ndarray) -> np.ndarray:
    return array[::-1, ::-1]


class Subclass(np.ndarray):
    """An array by another name."""


class ArrayLike:
    """No array, but something that becomes one."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array.astype(dtype or self.array.dtype)


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _half(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    with np.errstate(all="ignore"):
        return _tensor(array.astype(np.float32)).to(dtype)


BENIGN_CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda array: array,
    "Fortran order": np.asfortranarray,
    "negative strides": _reversed,
    "every other": lambda array: np.repeat(array, 2, axis=0)[::2],
    "read-only": _read_only,
    "memmap": _memmap,
    "swapped bytes": _swapped,
    "swapped memmap": lambda array: _memmap(_swapped(array)),
    "subclass": lambda array: array.view(Subclass),
    "tensor": _tensor,
    "tensor with grad": lambda array: _half(array, torch.float32).requires_grad_(),
    "bfloat16 tensor": lambda array: _half(array, torch.bfloat16),
    "strided tensor": lambda array: _tensor(np.repeat(array, 2, axis=0))[::2],
}
CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = BENIGN_CONTAINERS | {
    "lists": lambda array: array.tolist(),
    "tuple of rows": lambda array: tuple(array),
    "rows": lambda array: list(array),
    "array-like": ArrayLike,
    "frame": lambda array: pd.DataFrame(_rows(array)),
    "frame of a gap": lambda array: pd.DataFrame(_rows(array)).convert_dtypes(),
    "objects": lambda array: array.astype(object),
    "strings": lambda array: array.astype(str),
    "complex": lambda array: array.astype(complex),
    "dates": lambda array: np.zeros(array.shape, "M8[s]"),
    "records": lambda array: np.zeros(len(array), [("a", float), ("b", int)]),
    "masked": lambda array: np.ma.masked_array(array, np.arange(array.size) % 3 == 0),
    "nothing masked": np.ma.masked_array,
    "sparse": lambda array: scipy.sparse.csr_array(_rows(array).astype(float)),
    "sparse matrix": lambda array: scipy.sparse.coo_matrix(_rows(array).astype(float)),
    "sparse tensor": lambda array: _half(array, torch.float32).to_sparse(),
    "meta tensor": lambda array: torch.empty(array.shape, device="meta"),
    "complex tensor": lambda array: _half(array, torch.complex64),
    "iterator": iter,
    "one row": lambda array: array[:1],
    "first row": lambda array: array[0] if len(array) else array,
    "number": lambda array: array.size,
    "mapping": lambda array: dict(enumerate(array)),
    "twice": lambda array: (array, array),
    "with a None": lambda array: [*array, None],
}

_FLOATS = ["float64", "float32", "float16"]
_INTEGERS = ["uint8", "int64", "int8", "uint16", "uint64", "bool"]
_containers = st.one_of(
    st.sampled_from(sorted(BENIGN_CONTAINERS)), st.sampled_from(sorted(CONTAINERS))
)
_values = st.one_of(
    st.sampled_from(sorted(BENIGN_VALUES)), st.sampled_from(sorted(VALUES))
)
_seeds = st.integers(0, 99)
_n_samples = st.one_of(st.integers(0, 3), st.integers(4, 24))

features = st.builds(
    Odd,
    _values,
    st.tuples(_n_samples, st.integers(0, 6)),
    st.sampled_from([*_FLOATS, *_INTEGERS]),
    _containers,
    _seeds,
)
_sides = st.integers(0, 9)
images = st.builds(
    Odd,
    st.one_of(st.sampled_from(["pixels", "unit", "zeros"]), _values),
    st.one_of(
        st.tuples(_n_samples, _sides, _sides),
        st.tuples(_n_samples, _sides, _sides, st.integers(0, 5)),
    ),
    st.sampled_from(["uint8", "uint8", *_FLOATS, *_INTEGERS]),
    _containers,
    _seeds,
)
neighbors = st.builds(
    Odd,
    st.one_of(st.sampled_from(["ranks", "ranks", "unit", "zeros"]), _values),
    st.tuples(st.sampled_from([8, 8, 8, 7]), st.sampled_from([1, 2, 8, 0])),
    st.sampled_from(["int64", "int64", *_FLOATS, *_INTEGERS]),
    _containers,
    _seeds,
)

_MODES = ["L", "RGB", "RGBA", "P", "1", "I;16", "CMYK", "F", "LA", "I", "YCbCr", "HSV"]


@dataclass(frozen=True)
class Pictures:
    """A recipe of a list of PIL images: the mode and the size of each."""

    each: tuple[tuple[str, int, int], ...]

    def build(self) -> list[Image.Image]:
        """Return the images, the same at each call."""
        return [
            Image.new(mode, (width, height), i % 2)
            for i, (mode, width, height) in enumerate(self.each)
        ]

    @property
    def is_benign(self) -> bool:
        """Whether nothing is wrong with X, so that a fit must succeed."""
        return False


pictures = st.builds(
    Pictures,
    st.lists(
        st.tuples(st.sampled_from(_MODES), st.integers(0, 20), st.integers(0, 20)),
        max_size=12,
    ).map(tuple),
)
