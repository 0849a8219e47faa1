"""Strategies for whatever may come as a parameter."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from sklearn_scan import (
    GraphDegreeLinkage,
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
)

# Settings with which a fit is over in a tenth of a second.
_SHORT = {"max_epochs": 1, "self_label_epochs": 0, "batch_size": 16}
SMALL: dict[type, dict[str, Any]] = {
    SCANClusterer: {"n_heads": 2, **_SHORT},
    TEMIClusterer: {"n_heads": 2, **_SHORT},
    JULEClusterer: _SHORT,
    GraphDegreeLinkage: {},
}
clusterer_types = st.sampled_from(list(SMALL))


def small(kind: type, **parameters: Any) -> Any:
    """Return a clusterer whose fit is short."""
    common = {"n_neighbors": 3, "device": "cpu", "random_state": 0}
    return kind(**{"n_clusters": 2, **common, **SMALL[kind], **parameters})


class Unequal:
    """An object that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Unequal()"


_THINGS: list[Any] = [
    "auto",
    "exact",
    "cpu",
    "",
    b"auto",
    2 + 0j,
    Fraction(1, 2),
    Decimal("0.5"),
    np.float32(0.5),
    np.int64(2),
    np.uint8(2),
    np.bool_(True),
    np.str_("auto"),
    np.array(2),
    np.array([1, 2]),
    np.array("auto"),
    torch.tensor(2),
    torch.tensor([0.5, 0.5]),
    torch.device("meta"),
    np.random.RandomState(0),
    np.random.default_rng(0),
    [],
    [0.5, 0.5],
    (2,),
    {"auto": 1},
    {2},
    int,
    object(),
    Unequal(),
    Path("auto"),
    Ellipsis,
    NotImplemented,
    -1,
    -(10**30),
    1e-300,
]
things = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.floats(0, 1),
    st.text(max_size=6),
    st.sampled_from(_THINGS),
)
# What a larger value makes longer, and nothing else.
_COSTS = {"max_epochs", "self_label_epochs", "n_heads"}
_large = st.sampled_from([100, 10**9, 10**30, np.int64(2**62), float("1e308")])


@st.composite
def settings_of_one(draw: st.DrawFn) -> tuple[type, str, Any]:
    """Return a clusterer, one of its parameters and anything at all as its value."""
    kind = draw(clusterer_types)
    name = draw(st.sampled_from(sorted(kind().get_params(deep=False))))
    values = things if name in _COSTS else st.one_of(things, things, things, _large)
    return kind, name, draw(values)


_labels = st.one_of(
    st.integers(-2, 3),
    st.booleans(),
    st.text(max_size=2),
    st.none(),
    st.sampled_from([2**70, b"a", (1,), [1], 1.0, np.int64(1), np.nan]),
)
labels = st.one_of(
    st.lists(st.integers(-1, 3), min_size=4, max_size=4),
    st.lists(st.integers(-1, 3), max_size=5).map(np.array),
    st.lists(_labels, max_size=5),
    st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=2), max_size=5),
    things,
)
