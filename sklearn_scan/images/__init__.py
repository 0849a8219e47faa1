"""Images from arrays, files, archives, PIL images and datasets, all as RGB uint8.

The rest of the package sees an `ImageSource` and nothing else.
"""

from sklearn_scan.images._bad_images import POLICIES, BadImages, try_each
from sklearn_scan.images._crop import INTERPOLATIONS, SquareCrop
from sklearn_scan.images._dispatch import as_image_source, is_image_input
from sklearn_scan.images._file_sources import ContentSource, FileSource, PathSource
from sklearn_scan.images._files import decoder_name, decoder_settings, open_path
from sklearn_scan.images._hugging_face import HuggingFaceSource
from sklearn_scan.images._limits import MAX_PIXELS
from sklearn_scan.images._loading import load_batches, load_pixels, resolve_workers
from sklearn_scan.images._manifest import ManifestSource
from sklearn_scan.images._pixels import BACKGROUND
from sklearn_scan.images._refusals import check_no_folder as check_no_folder
from sklearn_scan.images._sources import (
    ArraySource,
    DatasetSource,
    ImageSource,
    PILSource,
)
from sklearn_scan.images._web_dataset import WebDatasetSource

__all__ = [
    "BACKGROUND",
    "INTERPOLATIONS",
    "MAX_PIXELS",
    "POLICIES",
    "ArraySource",
    "BadImages",
    "ContentSource",
    "DatasetSource",
    "FileSource",
    "HuggingFaceSource",
    "ImageSource",
    "ManifestSource",
    "PILSource",
    "PathSource",
    "SquareCrop",
    "WebDatasetSource",
    "as_image_source",
    "decoder_name",
    "decoder_settings",
    "is_image_input",
    "load_batches",
    "load_pixels",
    "open_path",
    "resolve_workers",
    "try_each",
]
