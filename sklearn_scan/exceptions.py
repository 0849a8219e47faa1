"""Errors of their own kind, for callers that want to catch them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["DivergenceError", "HubUnavailableError", "ImageReadError"]

_SHOWN = 10


class ImageReadError(ValueError):
    """Image files that cannot be read.

    Parameters
    ----------
    failures : iterable of (path, reason)
        Every file that could not be read, and why. The message shows the first ten.

    Attributes
    ----------
    failures : list of (str, str)
        All of them.

    Examples
    --------
    >>> from sklearn_scan.exceptions import ImageReadError
    >>> print(ImageReadError([("cat.jpg", "no such file")]))
    1 image file cannot be read:
      cat.jpg: no such file
    """

    def __init__(self, failures: Iterable[tuple[str, str]]) -> None:
        self.failures = [(path, reason) for path, reason in failures]
        # The failures, not the message, are the argument: so the error survives
        # the pickling that brings it home from a worker process.
        super().__init__(self.failures)

    def __str__(self) -> str:
        n_failures = len(self.failures)
        lines = [f"{n_failures} image file{'s' * (n_failures > 1)} cannot be read:"]
        lines += [f"  {path}: {reason}" for path, reason in self.failures[:_SHOWN]]
        if n_failures > _SHOWN:
            lines.append(f"  and {n_failures - _SHOWN} more (all are in .failures)")
        return "\n".join(lines)

    @classmethod
    def merge(cls, errors: Iterable[ImageReadError]) -> ImageReadError:
        """One error out of several, for callers that decode many images.

        Parameters
        ----------
        errors : iterable of ImageReadError
            What went wrong, in the order to report it.

        Returns
        -------
        error : ImageReadError
            Holds the failures of all of them.
        """
        return cls(failure for error in errors for failure in error.failures)


class HubUnavailableError(RuntimeError):
    """Pretrained weights could not be fetched, nor found on this machine."""


class DivergenceError(RuntimeError):
    """The loss of a training stage is no longer finite."""
