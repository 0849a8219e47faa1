"""Cluster heads: from features to cluster logits, all heads in one module."""

from sklearn_scan.training.heads._averaged import (
    AveragedHeads,
    join_heads,
    split_heads,
)
from sklearn_scan.training.heads._axes import MOST_AXES, PrincipalAxes
from sklearn_scan.training.heads._base import FeatureHeads, Heads
from sklearn_scan.training.heads._calibrated import CalibratedClusters, log_doubt
from sklearn_scan.training.heads._kernel_features import KernelFeatures
from sklearn_scan.training.heads._linear import ClusterHeads
from sklearn_scan.training.heads._logistic import logistic_head
from sklearn_scan.training.heads._merged import MergedClusters
from sklearn_scan.training.heads._ridge import (
    count_shares,
    fit_heads_to,
    label_all,
    linear_generalization,
    start_heads_at,
)
from sklearn_scan.training.heads._scaling import (
    BlockScaler,
    Directions,
    Scaler,
    Standardize,
    make_scaler,
)
from sklearn_scan.training.heads._unit_rows import UnitRows

__all__ = [
    "MOST_AXES",
    "AveragedHeads",
    "BlockScaler",
    "CalibratedClusters",
    "ClusterHeads",
    "Directions",
    "FeatureHeads",
    "Heads",
    "KernelFeatures",
    "MergedClusters",
    "PrincipalAxes",
    "Scaler",
    "Standardize",
    "UnitRows",
    "count_shares",
    "fit_heads_to",
    "join_heads",
    "label_all",
    "linear_generalization",
    "log_doubt",
    "logistic_head",
    "make_scaler",
    "split_heads",
    "start_heads_at",
]
