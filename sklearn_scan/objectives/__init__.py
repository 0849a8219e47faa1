"""Losses, one a file, behind one seam: `Objective`."""

from sklearn_scan.objectives._base import Objective
from sklearn_scan.objectives._contrastive_loss import ContrastiveLoss
from sklearn_scan.objectives._scan_loss import ScanLoss
from sklearn_scan.objectives._self_label_loss import SelfLabelLoss

__all__ = ["ContrastiveLoss", "Objective", "ScanLoss", "SelfLabelLoss"]
