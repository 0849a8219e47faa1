"""The way from X to labels: the clusterers, and the stages that they are made of."""

from sklearn_scan.clusterers.base import ImageClusterer
from sklearn_scan.clusterers.jule import JULEClusterer
from sklearn_scan.clusterers.linkage import GraphDegreeLinkage
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.scan import SCANClusterer
from sklearn_scan.clusterers.stages import Found, Guarded, Material, Stage
from sklearn_scan.clusterers.temi import TEMIClusterer
from sklearn_scan.results.registry import clusterer_classes, register_clusterer

__all__ = [
    "Found",
    "GraphDegreeLinkage",
    "Guarded",
    "ImageClusterer",
    "JULEClusterer",
    "Material",
    "Run",
    "SCANClusterer",
    "Stage",
    "TEMIClusterer",
    "clusterer_classes",
    "register_clusterer",
]
