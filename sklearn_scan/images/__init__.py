"""What to read: arrays, files, PIL images and datasets, all as RGB uint8 images.

The rest of the package sees an `ImageSource` and nothing else.
"""

from sklearn_scan.images._dispatch import as_image_source, is_image_input
from sklearn_scan.images._pixels import BACKGROUND
from sklearn_scan.images._sources import (
    ArraySource,
    DatasetSource,
    ImageSource,
    PathSource,
    PILSource,
)

__all__ = [
    "BACKGROUND",
    "ArraySource",
    "DatasetSource",
    "ImageSource",
    "PILSource",
    "PathSource",
    "as_image_source",
    "is_image_input",
]
