"""Cluster heads: from features to cluster logits, all heads in one module."""

from sklearn_scan.training.heads._axes import MOST_AXES, Subspaces
from sklearn_scan.training.heads._base import FeatureHeads, Heads
from sklearn_scan.training.heads._linear import ClusterHeads
from sklearn_scan.training.heads._merged import MergedClusters
from sklearn_scan.training.heads._mlp import ProjectionHeads
from sklearn_scan.training.heads._per_encoder import (
    SpaceHeads,
    SpaceScaler,
    center_embedding,
    center_spaces,
    join_heads,
    make_scaler,
    split_heads,
)
from sklearn_scan.training.heads._ridge import (
    count_rows,
    count_shares,
    fit_heads_to,
    label_all,
    linear_generalization,
    start_heads_at,
)
from sklearn_scan.training.heads._scaling import Directions, Standardize, is_constant

__all__ = [
    "MOST_AXES",
    "ClusterHeads",
    "Directions",
    "FeatureHeads",
    "Heads",
    "MergedClusters",
    "ProjectionHeads",
    "SpaceHeads",
    "SpaceScaler",
    "Standardize",
    "Subspaces",
    "center_embedding",
    "center_spaces",
    "count_rows",
    "count_shares",
    "fit_heads_to",
    "is_constant",
    "join_heads",
    "label_all",
    "linear_generalization",
    "make_scaler",
    "split_heads",
    "start_heads_at",
]
