"""Image clustering for scikit-learn: SCAN and what it stands on."""

from sklearn_scan._scan import SCANClusterer
from sklearn_scan.encoders import ImageEncoder
from sklearn_scan.pretext import SimCLR

__version__ = "0.1.0.dev0"

__all__ = ["ImageEncoder", "SCANClusterer", "SimCLR", "__version__"]
