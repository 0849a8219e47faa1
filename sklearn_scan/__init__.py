"""Image clustering for scikit-learn: SCAN, TEMI and what they stand on."""

from sklearn_scan._scan import SCANClusterer
from sklearn_scan._temi import TEMIClusterer
from sklearn_scan.encoders import ImageEncoder
from sklearn_scan.pretext import SimCLR

__version__ = "0.1.0.dev0"

__all__ = ["ImageEncoder", "SCANClusterer", "SimCLR", "TEMIClusterer", "__version__"]
