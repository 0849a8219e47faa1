"""What a saved model may be made of: the classes that `load` makes, and no others."""

from __future__ import annotations

from typing import Any

from torch import nn

from sklearn_scan.encoders import (
    Encoder,
    EncoderList,
    ImageEncoder,
    Preprocessing,
    TimmRecipe,
    WeightsOrigin,
)
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images.augment import ColorViews, GreyViews, StrongViews, WeakViews
from sklearn_scan.model_selection import ClusterNumberCurve, Quality
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    LearnedEncoder,
    MoCo,
    PretextRecipe,
    RawPixels,
    RotNet,
    SimCLR,
    SimSiam,
    VICReg,
)
from sklearn_scan.results.registry import clusterer_classes
from sklearn_scan.training.heads import (
    AveragedHeads,
    BlockScaler,
    CalibratedClusters,
    ClusterHeads,
    Directions,
    KernelFeatures,
    MergedClusters,
    Standardize,
    UnitRows,
)


def _by_name(*classes: type) -> dict[str, type[Any]]:
    return {each.__name__: each for each in classes}


# Stored by parameters and what `fit` has set, as clusterers are.
_ENCODERS = _by_name(
    ImageEncoder,
    EncoderList,
    SimCLR,
    MoCo,
    BYOL,
    SimSiam,
    VICReg,
    InstanceDiscrimination,
    RotNet,
    RawPixels,
    LearnedEncoder,
)


def estimator_classes() -> dict[str, type[Any]]:
    """Return the classes of estimators, by name."""
    return _by_name(*clusterer_classes.values()) | _ENCODERS


# Stored by the arguments that make them, which are their fields.
RECORDS = _by_name(
    NeighborGraph,
    ClusterNumberCurve,
    Quality,
    Preprocessing,
    UnreadableImage,
    GreyViews,
    ColorViews,
    StrongViews,
    WeakViews,
    TimmRecipe,
    PretextRecipe,
    WeightsOrigin,
)

# Stored by attributes, weights and parts.
MODULES = _by_name(
    nn.Sequential,
    nn.ModuleList,
    nn.Linear,
    UnitRows,
    Standardize,
    Directions,
    KernelFeatures,
    BlockScaler,
    CalibratedClusters,
    ClusterHeads,
    AveragedHeads,
    MergedClusters,
)

# Where an encoder or its network stands, as a parameter or a fitted attribute: there
# the user's own may be.
NETWORK_PLACES = frozenset(
    {"encoder", "encoder_", "encoders", "model", "module_", "backbone"}
)

MODULE_STATE = frozenset(vars(nn.Module()))

Place = tuple[str | int, ...]
Entry = dict[str, Any]  # a JSON object, whose values are checked where they are used
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def dotted(place: Place) -> str:
    """Return where a value stands in an estimator, such as "encoder_.module_"."""
    return ".".join(map(str, place))


def is_network_place(place: Place) -> bool:
    """Tell whether an encoder or its network stands here."""
    names = [name for name in place if isinstance(name, str)]
    # that of a clusterer are its heads
    return bool(names) and names[-1] in NETWORK_PLACES and place != ("module_",)


def first_place(kind: type) -> Place:
    """Return where an estimator that is saved stands."""
    return ("encoder_",) if issubclass(kind, Encoder) else ()


def encoder_number(place: Place) -> int | None:
    """Return which of several encoders this is a part of; None where it is the one."""
    return next((step for step in place if isinstance(step, int)), None)
