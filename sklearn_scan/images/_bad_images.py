"""Images that cannot be read: an error, or a gap and a warning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sklearn_scan.core.warn import warn
from sklearn_scan.exceptions import ImageReadError, UnreadableImage

POLICIES = ("raise", "skip")


T = TypeVar("T")


def try_each(
    read: Callable[[int], T], rows: Iterable[int]
) -> list[T | UnreadableImage]:
    """Return the result of `read` for each row, or why the image cannot be read."""
    results: list[T | UnreadableImage] = []
    for row in rows:
        try:
            results.append(read(row))
        except ImageReadError as error:
            results += error.failures
    return results


class BadImages:
    """The images of one pass that cannot be read, and the policy for them.

    Parameters
    ----------
    policy : {"raise", "skip"}
        Whether the pass ends in an error that lists them all, or goes on without them.
    """

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._by_row: dict[int, UnreadableImage] = {}

    @property
    def found(self) -> list[UnreadableImage]:
        """The images, by row."""
        return [self._by_row[i] for i in sorted(self._by_row)]

    @property
    def lost(self) -> bool:
        """Whether the pass ends in an error, and goes on only to name all images."""
        return self.raises and bool(self._by_row)

    @property
    def raises(self) -> bool:
        """Whether a single image that cannot be read is an error."""
        return self._policy == "raise"

    def __contains__(self, row: int) -> bool:
        return row in self._by_row

    def __getitem__(self, row: int) -> UnreadableImage:
        return self._by_row[row]

    def add(self, failures: Iterable[UnreadableImage]) -> None:
        """Add failures; the first of an image counts."""
        for failure in failures:
            self._by_row.setdefault(failure.row, failure)

    def raise_or_warn(self, n_images: int) -> None:
        """Raise or warn, at the end of a pass over `n_images` images.

        Raises
        ------
        ImageReadError
            If an image could not be read under "raise", or none could under "skip".

        Warns
        -----
        UserWarning
            With their number, under "skip".
        """
        if not self._by_row:
            return
        error = ImageReadError(self.found)
        if self.raises or len(self._by_row) == n_images:
            raise error
        n_bad = len(self._by_row)
        lines = [f"{n_bad} of {n_images} images cannot be read, and left out:"]
        warn("\n".join(lines + error.details(3)), UserWarning)
