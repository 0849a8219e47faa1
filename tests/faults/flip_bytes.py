"""Each byte of a model's and of a graph's files, flipped and missing: it is noticed.

Run as a script, it goes through all bytes and prints how many were noticed:
``python tests/faults/flip_bytes.py``. Changes of a document that mean the same, as of
white space, are told apart.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from mutated_kinds import KINDS

from sklearn_scan.exceptions import ModelFileError


def changes(content: bytes):
    """Yield the content with each byte changed, and with each missing."""
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        yield bytes(flipped)
        yield content[:place] + content[place + 1 :]


def judge(kind, folder: Path, file: Path, sound: bytes) -> str:
    """Return what becomes of a folder of which one file is changed."""
    try:
        kind.open(folder)
    except ModelFileError:
        return "noticed"
    content = file.read_bytes()
    same = file.suffix == ".json" and json.loads(content) == json.loads(sound)
    return "of the same meaning" if same or content == sound else "NOT NOTICED"


def main() -> int:
    """Go through all bytes, and print the counts."""
    counts = Counter()
    for name in ("model", "graph"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            KINDS[name].make(folder)
            for file in sorted(folder.iterdir()):
                sound = file.read_bytes()
                for content in changes(sound):
                    file.write_bytes(content)
                    counts[judge(KINDS[name], folder, file, sound)] += 1
                file.write_bytes(sound)
    print(f"{counts.total()} changes: {dict(counts)}")
    return 1 if counts["NOT NOTICED"] else 0


if __name__ == "__main__":
    sys.exit(main())
