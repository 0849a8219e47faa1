"""Files that are not read as others are; worker processes import this module."""

import os
import re
import signal
import time
from pathlib import Path

from sklearn_scan.images import PathSource


class FaultyPaths(PathSource):
    """Files of which the name says what happens when they are read."""

    def read(self, i, crop):
        path = Path(self.name(i))
        kind = path.stem.split()[0]
        if kind == "busy":  # Python's lock is held
            re.fullmatch("(a|a)*b", "a" * 64)
        if kind == "waiting":
            time.sleep(600)
        if kind == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "once":
            died = path.with_suffix(".died")
            if not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if kind == "faulty":
            raise MemoryError(path.name)
        if kind == "slow":
            time.sleep(0.5)
        return super().read(i, crop)

    def take(self, rows):
        part = FaultyPaths([self.name(row) for row in rows])
        part.max_pixels = self.max_pixels
        return part
