"""The parameters and fitted attributes of every clusterer, for the parts of a fit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin

from sklearn_scan.core.random import RandomState
from sklearn_scan.core.validation import (
    auto_or,
    check_folder,
    check_seed,
    checked,
    count,
    option,
    real,
)
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.images import MAX_PIXELS
from sklearn_scan.model_selection import Quality
from sklearn_scan.neighbors import METHODS
from sklearn_scan.results.clustering import Clustering


class Fitted(Clustering):
    """What `fit` sets, beside what others see; `SCANClusterer` has the docs."""

    head_losses_: NDArray[np.float32]
    head_scores_: NDArray[np.float32]
    best_head_: int
    n_features_in_: int
    input_kind_: str
    float_range_: float | None
    quality_: Quality = Quality()  # in models saved before there was one


@dataclass(eq=False, repr=False)  # scikit-learn has its own
class ReadingParameters(BaseEstimator):
    """The parameters of what reads X and finds neighbours, with their checks."""

    n_clusters: int | str | None = checked(10, auto_or(count()))
    _: KW_ONLY
    encoder: Any = "auto"
    n_neighbors: int = checked(20, count(0))
    neighbor_method: str = checked("auto", option(METHODS))
    device: str | torch.device = "auto"
    precision: str = "auto"
    memory: str | Path | joblib.Memory | None = None
    bad_images: str = "raise"
    max_pixels: int | None = MAX_PIXELS
    n_jobs: int | None = None
    random_state: RandomState = checked(None, check_seed)
    verbose: int = 0

    def make_auto_encoder(self) -> Any:
        """Return what embeds images where `encoder` is "auto"."""
        return "auto"

    def _forget_fit(self) -> None:
        """Be unfitted until this fit succeeds: after a failed one nothing is mixed."""
        for attribute in ("labels_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(attribute, None)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")


@dataclass(eq=False, repr=False)
class Parameters(Fitted, CallbackSupportMixin, ReadingParameters):
    """The parameters of a clusterer in stages, and its fitted attributes."""

    # What to try where clusters stay empty.
    empty_hint: ClassVar[str] = Message("a smaller {}", Setting("n_clusters"))

    n_clusters: int | str = checked(10, auto_or(count()))
    _: KW_ONLY
    confidence_threshold: float = checked(0.99, real(0, 1, "left"))
    checkpoint: str | Path | None = checked(None, check_folder)
