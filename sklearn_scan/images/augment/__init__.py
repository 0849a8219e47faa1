"""Random views of images, batched on the device, drawn anew for every image.

A view takes float images (b, c, h, w) in [0, 1], square or not, on any device and in
any memory format, to float views of the same shape in [0, 1]; it leaves the images
alone.
"""

from sklearn_scan.images.augment._strong_views import StrongViews, default_strong_views
from sklearn_scan.images.augment._views import ColorViews, GreyViews, default_views

__all__ = [
    "ColorViews",
    "GreyViews",
    "StrongViews",
    "default_strong_views",
    "default_views",
]
