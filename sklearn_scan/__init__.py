"""Image clustering for scikit-learn: SCAN, TEMI, JULE and their parts.

Names are imported when they are first used, so that the command line starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn_scan.core.version import __version__

if TYPE_CHECKING:
    from sklearn_scan.clusterers.jule import JULEClusterer
    from sklearn_scan.clusterers.linkage import GraphDegreeLinkage
    from sklearn_scan.clusterers.scan import SCANClusterer
    from sklearn_scan.clusterers.temi import TEMIClusterer
    from sklearn_scan.encoders import ImageEncoder
    from sklearn_scan.pretext import BYOL, SimCLR, SimSiam, VICReg
    from sklearn_scan.results.persistence import load, save
    from sklearn_scan.results.relabeling import relabel

__all__ = [
    "BYOL",
    "GraphDegreeLinkage",
    "ImageEncoder",
    "JULEClusterer",
    "SCANClusterer",
    "SimCLR",
    "SimSiam",
    "TEMIClusterer",
    "VICReg",
    "__version__",
    "load",
    "relabel",
    "save",
]

_HOMES = {
    "BYOL": "sklearn_scan.pretext",
    "GraphDegreeLinkage": "sklearn_scan.clusterers.linkage",
    "ImageEncoder": "sklearn_scan.encoders",
    "JULEClusterer": "sklearn_scan.clusterers.jule",
    "SCANClusterer": "sklearn_scan.clusterers.scan",
    "SimCLR": "sklearn_scan.pretext",
    "SimSiam": "sklearn_scan.pretext",
    "TEMIClusterer": "sklearn_scan.clusterers.temi",
    "VICReg": "sklearn_scan.pretext",
    "load": "sklearn_scan.results.persistence",
    "relabel": "sklearn_scan.results.relabeling",
    "save": "sklearn_scan.results.persistence",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "load":  # which makes what is registered
        import_module("sklearn_scan.clusterers")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
