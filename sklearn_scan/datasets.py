"""Images of a folder, and small data sets for first steps."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.utils import Bunch, check_random_state

from sklearn_scan.core.file_kinds import (
    IMAGES,
    OTHERS,
    file_kind,
    is_image_name,
    way_on,
)
from sklearn_scan.core.folders import list_files, natural_key
from sklearn_scan.core.validation import check_count, check_real
from sklearn_scan.core.wording import Message, Setting

if TYPE_CHECKING:
    from sklearn_scan.core.random import RandomState

__all__ = ["count_skipped", "list_images", "load_digits_images", "make_shapes"]


class Listing(NamedTuple):
    """The images of a folder, and how many other files of each kind there are."""

    images: list[str]
    skipped: dict[str, int]


def list_images(folder: str | os.PathLike[str], *, recursive: bool = True) -> list[str]:
    """List the image files of a folder, a zip or a tar.

    Files are recognised by their extension, in either case. Hidden files and folders
    are left out, and links to folders are not followed.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder; or a .zip or .tar file, which need not be unpacked; or an address
        that fsspec reads, such as `s3://bucket/photos`.
    recursive : bool, default=True
        Whether to list the images of subfolders too.

    Returns
    -------
    paths : list of str
        In natural order: `img2.png` comes before `img10.png`. One in an archive is
        written as `photos.zip/cats/img2.png`, which encoders and clusterers read.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    NotADirectoryError
        If it is another file.
    ValueError
        If it holds no image, or is an archive that cannot be read.
    OSError
        If an address cannot be read.
    ImportError
        If the package that an address needs is not installed.

    See Also
    --------
    count_skipped : Counts the files that are left out.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_scan.datasets import list_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["img10.png", "img2.PNG", "notes.txt"]:
    ...         Path(folder, name).touch()
    ...     [Path(path).name for path in list_images(folder)]
    ['img2.PNG', 'img10.png']
    """
    return list_with_skipped(folder, recursive=recursive).images


def count_skipped(
    folder: str | os.PathLike[str], *, recursive: bool = True
) -> dict[str, int]:
    """Count the files of a folder that `list_images` leaves out, by extension.

    Hidden files and folders are not counted, and links to folders are not followed.

    Parameters
    ----------
    folder : str or os.PathLike
        As for `list_images`.
    recursive : bool, default=True
        Whether to count the files of subfolders too.

    Returns
    -------
    counts : dict of str to int
        The most frequent first. The keys are the extensions, in lower case, of files
        that may be taken for images: HEIC and raw photos, videos, drawings, documents
        and archives. All other files, such as texts, are counted under "other", which
        comes last.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError, OSError, ImportError
        As of `list_images`; but a folder without images is no error.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_scan.datasets import count_skipped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["1.jpg", "2.HEIC", "3.heic", "4.mp4", "notes.txt"]:
    ...         Path(folder, name).touch()
    ...     count_skipped(folder)
    {'.heic': 2, '.mp4': 1, 'other': 1}
    """
    return _sort_files(os.fspath(folder), recursive).skipped


def list_with_skipped(
    folder: str | os.PathLike[str], *, recursive: bool = True
) -> Listing:
    """Return what `list_images` and `count_skipped` do, by one look at the folder."""
    folder = os.fspath(folder)
    listing = _sort_files(folder, recursive)
    if not listing.images:
        raise ValueError(_no_images(folder, listing.skipped))
    return listing


def _sort_files(folder: str, recursive: bool) -> Listing:
    """Return the images of a folder in natural order, and its other files by kind."""
    files = list_files(folder, recursive=recursive)
    images = sorted(filter(is_image_name, files), key=natural_key)
    counts = Counter(file_kind(path) for path in files if not is_image_name(path))
    order = sorted(counts, key=lambda kind: (kind == OTHERS, -counts[kind], kind))
    return Listing(images, {kind: counts[kind] for kind in order})


def _no_images(folder: str, counts: Mapping[str, int]) -> Message:
    """Return what a folder without images holds, and what to do."""
    found = [kind for kind in counts if kind != OTHERS]
    if not found:
        return Message(
            "{} must hold images; got {!r}, where no file ends in one of {}.",
            *(Setting("folder"), folder, ", ".join(IMAGES)),
        )
    listed = " and ".join(_join(f"{counts[kind]} {kind}" for kind in found))
    way = way_on(found, in_folder=os.path.isdir(folder))
    return Message(
        "{} must hold images; got {!r}, which holds only {}: {}.",
        *(Setting("folder"), folder, listed, way),
    )


def _join(texts: Iterable[str]) -> list[str]:
    """Return all texts but the last as one, with commas, and the last."""
    *first, last = texts
    return [", ".join(first), last] if first else [last]


def load_digits_images() -> Bunch:
    """Load scikit-learn's handwritten digits as images.

    Returns
    -------
    digits : Bunch
        With `images`, ndarray of shape (1797, 8, 8), uint8 from 0 to 255, and
        `target`, ndarray of shape (1797,), the digit of each.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> load_digits_images().images.shape
    (1797, 8, 8)
    """
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Bunch(images=images, target=digits.target)


_Grid = npt.NDArray[np.float64]
# Whether a shape covers a point, at u to the right and v downwards of its centre, in
# radii.
_SHAPES: dict[str, Callable[[_Grid, _Grid], npt.NDArray[np.bool_]]] = {
    "circle": lambda u, v: u**2 + v**2 <= 1,
    "square": lambda u, v: np.maximum(abs(u), abs(v)) <= 0.85,
    "triangle": lambda u, v: (2 * abs(u) <= v + 1) & (v <= 0.8),
    "cross": lambda u, v: (
        (np.minimum(abs(u), abs(v)) <= 0.3) & (np.maximum(abs(u), abs(v)) <= 1)
    ),
    "ring": lambda u, v: abs(u**2 + v**2 - 0.7) <= 0.3,
    "bars": lambda u, v: (abs(u) <= 0.9) & (abs(abs(v) - 0.6) <= 0.3),
}


def make_shapes(
    n_samples: int = 100,
    n_classes: int = 4,
    *,
    image_size: int = 32,
    noise: float = 0.05,
    random_state: RandomState = None,
) -> Bunch:
    """Draw images of coloured shapes, one in each, of any place and size.

    Parameters
    ----------
    n_samples : int, default=100
        Number of images.
    n_classes : int, default=4
        Number of shapes, of circle, square, triangle, cross, ring and bars; all are
        equally frequent.
    image_size : int, default=32
        Height and width, in pixels.
    noise : float, default=0.05
        Standard deviation of the noise on each value, as a share of white.
    random_state : int, RandomState instance or None, default=None
        Seeds the random numbers.

    Returns
    -------
    shapes : Bunch
        With `images`, ndarray of shape (n_samples, image_size, image_size, 3), uint8;
        `target`, ndarray of shape (n_samples,), the shape of each; and
        `target_names`, the names of the shapes.

    Examples
    --------
    >>> from sklearn_scan.datasets import make_shapes
    >>> shapes = make_shapes(n_samples=6, n_classes=3, random_state=0)
    >>> shapes.images.shape, shapes.target_names
    ((6, 32, 32, 3), ['circle', 'square', 'triangle'])
    """
    check_count("n_samples", n_samples)
    if check_count("n_classes", n_classes) > len(_SHAPES):
        raise ValueError(f"n_classes must be at most {len(_SHAPES)}; got {n_classes}.")
    check_count("image_size", image_size)
    check_real("noise", noise, minimum=0)
    rng = check_random_state(random_state)
    names = list(_SHAPES)[:n_classes]
    target = rng.permutation(np.arange(n_samples) % n_classes)

    radius = rng.uniform(0.25, 0.45, size=(n_samples, 1, 1)) * image_size
    centre = rng.uniform(radius, image_size - radius, size=(2, n_samples, 1, 1))
    pixel = np.arange(image_size) + 0.5
    u = (pixel - centre[0]) / radius  # (n_samples, 1, image_size)
    v = (pixel[:, None] - centre[1]) / radius  # (n_samples, image_size, 1)
    painted = np.empty((n_samples, image_size, image_size, 1), dtype=bool)
    for label, name in enumerate(names):
        of_class = target == label
        painted[of_class, ..., 0] = _SHAPES[name](u[of_class], v[of_class])

    # light on dark, so that shapes of all colours can be seen
    light = rng.uniform(130, 255, size=(n_samples, 1, 1, 3))
    dark = rng.uniform(0, 90, size=(n_samples, 1, 1, 3))
    images = np.where(painted, light, dark)
    images += rng.normal(scale=255 * noise, size=images.shape)
    images = np.rint(images.clip(0, 255)).astype(np.uint8)
    return Bunch(images=images, target=target, target_names=names)
