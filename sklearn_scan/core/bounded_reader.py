"""Files of which no more is asked for than they hold."""

from __future__ import annotations

import io
import os

_LARGE = 2**16


class BoundedReader(io.BufferedReader):
    """A file whose `read` takes memory for what is left of it, and no more.

    A damaged header may ask for any number of bytes, and Python's own reader makes a
    buffer of so many before it reads.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Read and return up to `size` bytes."""
        if size is not None and size > _LARGE:
            place = self.tell()
            left = self.seek(0, os.SEEK_END) - place
            self.seek(place)
            size = min(size, max(left, 0))
        return super().read(size)
