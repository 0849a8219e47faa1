"""The way from X to labels: the clusterers, and the stages that they are made of."""

from sklearn_scan.clusterers.scan import SCANClusterer
from sklearn_scan.clusterers.temi import TEMIClusterer

__all__ = ["SCANClusterer", "TEMIClusterer"]
