"""Random views of images, in batches on the device, drawn for each image.

Views map float images (b, c, h, w) in [0, 1], square or not, on any device and in any
memory format, to float images of the same shape in [0, 1]. They do not change the
images.
"""

from sklearn_scan.images.augment._strong_views import StrongViews, default_strong_views
from sklearn_scan.images.augment._views import ColorViews, GreyViews, default_views
from sklearn_scan.images.augment._weak_views import WeakViews, default_weak_views

__all__ = [
    "ColorViews",
    "GreyViews",
    "StrongViews",
    "WeakViews",
    "default_strong_views",
    "default_views",
    "default_weak_views",
]
