"""Fits with any input and any parameter: `python any_input.py --examples N --seed S`.

Each of the cases gets N examples, and one that breaks a promise is made smaller and
printed. The exit status is 1 then.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

import input_cases
import torch


def main() -> int:
    """Search each case, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--case", choices=list(input_cases.CASES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    failed = [
        case
        for case in ([asked.case] if asked.case else input_cases.CASES)
        if not _holds(case, asked, counts)
    ]
    for what, number in sorted(counts.items()):
        print(f"{number:6} {what}")
    print(f"seed {asked.seed}; cases that broke a promise: {failed or 'none'}")
    return 1 if failed else 0


def _holds(case: str, asked: argparse.Namespace, counts: Counter[str]) -> bool:
    """Search one case, and print the smallest example that breaks a promise."""
    start = time.monotonic()
    try:
        with input_cases.in_empty_folder():
            input_cases.search(case, asked.examples, counts, asked.seed)
    except Exception:
        traceback.print_exc(limit=-4)
        return False
    finally:
        print(f"{case}: {time.monotonic() - start:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
