"""The kinds of items that a list of images holds."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
from PIL import Image

from sklearn_scan.core.file_kinds import is_image_name
from sklearn_scan.core.urls import is_url
from sklearn_scan.images._file_sources import is_content
from sklearn_scan.images._sources import image_part

Kind = Literal["path", "encoded image", "PIL image", "array", "tensor", "tuple"]


def item_kind(item: object) -> Kind | None:
    """Return the kind of an item; None for what is no image."""
    import torch  # here, so that importing this module stays quick

    if isinstance(item, str | os.PathLike):
        return "path"
    if isinstance(item, Image.Image):
        return "PIL image"
    if isinstance(item, np.ndarray):
        return "array"
    if isinstance(item, torch.Tensor):
        return "tensor"
    if isinstance(item, tuple):
        return "tuple"
    return "encoded image" if is_content(item) else None


def is_image(item: Any, n_dims: int = 2) -> bool:
    """Tell whether an item is an image: of arrays, those of `n_dims` or more."""
    kind = item_kind(item)
    if kind in ("array", "tensor"):
        return len(item.shape) >= n_dims
    return kind in ("path", "PIL image", "encoded image")


def looks_like_image(item: Any) -> bool:
    """Tell whether an item is surely an image: of strings, those that name one."""
    if isinstance(item, str):
        return is_image_name(item) or is_url(item)
    return is_image(image_part(item))
