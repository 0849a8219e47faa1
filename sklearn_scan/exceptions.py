"""Errors to catch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "CheckpointError",
    "DeviceError",
    "DivergenceError",
    "HubUnavailableError",
    "ImageReadError",
    "ModelFileError",
    "OnnxExportError",
    "OutOfMemoryError",
    "UnreadableImage",
    "WorkerError",
]


class UnreadableImage(NamedTuple):
    """An image that cannot be read.

    Attributes
    ----------
    row : int
        The row of the image in X.
    path : str
        The path of its file; "X[row]" if it has none.
    reason : str
        Why it cannot be read.
    """

    row: int
    path: str
    reason: str


class ImageReadError(ValueError):
    """Images that cannot be read.

    Parameters
    ----------
    failures : iterable of UnreadableImage
        The images; the message shows the first ten.

    Attributes
    ----------
    failures : list of UnreadableImage
        The images, by row.

    Examples
    --------
    >>> from sklearn_scan.exceptions import ImageReadError, UnreadableImage
    >>> print(ImageReadError([UnreadableImage(7, "cat.jpg", "no such file")]))
    1 image cannot be read:
      cat.jpg: no such file
    """

    def __init__(self, failures: Iterable[UnreadableImage]) -> None:
        self.failures = sorted(UnreadableImage(*failure) for failure in failures)
        # the failures, not the message, are the argument, so that the error can be
        # pickled, as worker processes do
        super().__init__(self.failures)

    def __str__(self) -> str:
        n_failures = len(self.failures)
        plural = "s" * (n_failures > 1)
        lines = [f"{n_failures} image{plural} cannot be read:", *self.details()]
        return "\n".join(lines)

    def details(self, shown: int = 10) -> list[str]:
        """Return a line for each of the first failures, and one for the rest.

        Parameters
        ----------
        shown : int, default=10
            The number of failures with a line of their own.

        Returns
        -------
        list of str
        """
        lines = [f"  {_printable(f.path)}: {f.reason}" for f in self.failures[:shown]]
        if len(self.failures) > shown:
            lines.append(f"  and {len(self.failures) - shown} more")
        return lines


def _printable(path: str) -> str:
    """Return a path with bytes replaced that no encoding has, for a terminal."""
    return path.encode(errors="surrogatepass").decode(errors="replace")


class HubUnavailableError(RuntimeError):
    """Pretrained weights could be neither fetched nor found on this machine."""


class DivergenceError(RuntimeError):
    """The loss of a training stage is not finite."""


class ModelFileError(ValueError):
    """A saved model cannot be loaded: it is damaged, or of another version."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used: it is of other work, in use, or damaged."""


class OnnxExportError(RuntimeError):
    """A network has parts that ONNX does not express."""


class DeviceError(RuntimeError):
    """A GPU failed, or is gone."""


class OutOfMemoryError(RuntimeError, MemoryError):
    """The memory of a device or of the machine does not suffice."""


class WorkerError(RuntimeError):
    """Workers could not do a part of the work; all other parts are done."""
