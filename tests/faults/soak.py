"""Many fits in one process, which must not grow: `python soak.py --rounds N`.

Each round fits, predicts, saves, loads and reports. The exit status is 1 if the memory
of the last tenth of the rounds is more than 5 % above that of the second tenth, or
if files, threads or processes are left.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import soak_rounds
import torch
from soak_rounds import Held

_MOST_GROWTH = 0.05


def growth(held: list[Held]) -> float:
    """Return the share by which the memory grew after the first tenth of the rounds."""
    tenth = max(len(held) // 10, 1)
    before = statistics.median(each.memory for each in held[tenth : 2 * tenth])
    after = statistics.median(each.memory for each in held[-tenth:])
    return after / before - 1


def left(held: list[Held]) -> dict[str, int]:
    """Return what the last round holds more than one after the first tenth does."""
    first, last = held[max(len(held) // 10, 1)], held[-1]
    return {
        name: getattr(last, name) - getattr(first, name)
        for name in ("files", "threads", "children")
        if getattr(last, name) > getattr(first, name)
    }


def main() -> int:
    """Run the rounds, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, metavar="N")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    held = soak_rounds.run(asked.rounds)
    for number in sorted({0, len(held) // 10, len(held) // 2, len(held) - 1}):
        each = held[number]
        print(
            f"round {number + 1:4}: {each.memory / 1e6:7.1f} MB, {each.files} files, "
            f"{each.threads} threads, {each.children} processes"
        )
    share, more = growth(held), left(held)
    print(f"memory: {share:+.1%} (at most +{_MOST_GROWTH:.0%}); left: {more or 'none'}")
    print(f"{asked.rounds} rounds in {time.monotonic() - start:.0f} s")
    return 1 if share > _MOST_GROWTH or more else 0


if __name__ == "__main__":
    sys.exit(main())
