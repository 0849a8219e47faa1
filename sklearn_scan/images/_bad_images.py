"""Images that cannot be read: an error, or a warning and rows of NaN."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Message
from sklearn_scan.exceptions import ImageReadError, UnreadableImage

POLICIES = ("raise", "skip")

T = TypeVar("T")


def try_each(
    read: Callable[[int], T], rows: Iterable[int]
) -> list[T | UnreadableImage]:
    """Read each row; return the results, or why an image cannot be read."""
    results: list[T | UnreadableImage] = []
    for row in rows:
        try:
            results.append(read(row))
        except ImageReadError as error:
            results += error.failures
    return results


class BadImages:
    """The images that cannot be read, collected during one pass over all images.

    Parameters
    ----------
    policy : {"raise", "skip"}
        Whether the pass ends with an error that lists them all, or skips them.
    """

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._by_row: dict[int, UnreadableImage] = {}

    @property
    def found(self) -> list[UnreadableImage]:
        """The images, by row, with reasons in plain text, which can be kept."""
        return [
            failure._replace(reason=str(failure.reason))
            for _, failure in sorted(self._by_row.items())
        ]

    @property
    def lost(self) -> bool:
        """Whether the pass will end with an error, and only looks for more of them."""
        return self.raises and bool(self._by_row)

    @property
    def raises(self) -> bool:
        """Whether the policy is "raise"."""
        return self._policy == "raise"

    def __contains__(self, row: int) -> bool:
        return row in self._by_row

    def __getitem__(self, row: int) -> UnreadableImage:
        return self._by_row[row]

    def add(self, failures: Iterable[UnreadableImage]) -> None:
        """Add images; of two entries for one image, the first is kept."""
        for failure in failures:
            self._by_row.setdefault(failure.row, failure)

    def raise_or_warn(self, n_images: int) -> None:
        """Raise or warn, at the end of a pass over `n_images` images.

        Raises
        ------
        ImageReadError
            If the policy is "raise" and an image cannot be read, or if none can.

        Warns
        -----
        UserWarning
            With their number, if the policy is "skip".
        """
        if not self._by_row:
            return
        error = ImageReadError(self._by_row.values())
        if self.raises or len(self._by_row) == n_images:
            raise error
        n_bad = len(self._by_row)
        first = f"{n_bad} of {n_images} images cannot be read, and left out:"
        lines = [first, *_worded(error, 3)]
        warn(Message("\n".join(["{}"] * len(lines)), *lines), UserWarning)


def _worded(error: ImageReadError, shown: int) -> list[str]:
    """Return the details of an error, of which the reasons know their settings."""
    lines = error.details(shown)
    reasons = [failure.reason for failure in error.failures[:shown]]
    named = [
        Message("{}{}", line.removesuffix(reason), reason)
        for line, reason in zip(lines, reasons, strict=False)
    ]
    return named + lines[len(named) :]
