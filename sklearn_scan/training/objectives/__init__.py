"""Losses, one a file, each an `Objective`."""

from sklearn_scan.training.objectives._base import (
    Gradients,
    Objective,
    Outputs,
    PairObjective,
    Terms,
    join_views,
)
from sklearn_scan.training.objectives._contrastive_loss import ContrastiveLoss
from sklearn_scan.training.objectives._fixmatch_loss import FixMatchLoss
from sklearn_scan.training.objectives._memory_bank_loss import MemoryBankLoss
from sklearn_scan.training.objectives._prediction_loss import PredictionLoss
from sklearn_scan.training.objectives._prototype_loss import PrototypeLoss
from sklearn_scan.training.objectives._queue_loss import QueueLoss
from sklearn_scan.training.objectives._rotation_loss import RotationLoss
from sklearn_scan.training.objectives._scan_loss import ScanLoss
from sklearn_scan.training.objectives._self_label_loss import SelfLabelLoss
from sklearn_scan.training.objectives._temi_loss import TemiLoss
from sklearn_scan.training.objectives._vicreg_loss import VICRegLoss
from sklearn_scan.training.objectives._weighted_triplet_loss import WeightedTripletLoss

__all__ = [
    "ContrastiveLoss",
    "FixMatchLoss",
    "Gradients",
    "MemoryBankLoss",
    "Objective",
    "Outputs",
    "PairObjective",
    "PredictionLoss",
    "PrototypeLoss",
    "QueueLoss",
    "RotationLoss",
    "ScanLoss",
    "SelfLabelLoss",
    "TemiLoss",
    "Terms",
    "VICRegLoss",
    "WeightedTripletLoss",
    "join_views",
]
