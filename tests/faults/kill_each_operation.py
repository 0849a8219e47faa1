"""Kill work before and after each of its file operations, and do it again.

    python tests/faults/kill_each_operation.py [--cases NAME ...] [--every N]

A child does the work of a case and ends hard at its n-th file operation, for n = 0, 1,
... until there is none left. Then another child does it again. What it makes must be
the same byte by byte, and nothing may be left behind.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: of one process, many

import torch
from disk_faults import around_operations
from kill_cases import CASES, keep_at_every_step, prepare
from kill_children import DONE, do, in_child

KILLED = 86


def do_and_die(case, folder, number, *, after):
    """Do the work of a case, and end at the file operation of this number."""
    counted = itertools.count()

    def live_or_die(_name, _arguments, do_it):
        is_last = next(counted) == number
        if is_last and not after:
            os._exit(KILLED)
        done = do_it()
        if is_last:
            os._exit(KILLED)
        return done

    warnings.simplefilter("ignore")
    with around_operations(live_or_die):
        CASES[case](folder)
    return DONE


def kill_each(case, *, every=1, offset=0):
    """Return how many kills there were, and of which numbers the end was wrong."""
    keep_at_every_step()
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch, "results.json")
        folder = Path(scratch, "work")
        folder.mkdir()
        status = in_child(lambda: do(case, folder, results))
        assert status == DONE, f"{case} fails when it is not killed"
        expected = json.loads(results.read_text())
    n_kills, wrong = 0, []
    for number in itertools.count(offset, every):
        statuses = set()
        for after in (False, True):
            with tempfile.TemporaryDirectory() as scratch:
                results, folder = Path(scratch, "results.json"), Path(scratch, "work")
                folder.mkdir()
                first = in_child(
                    lambda f=folder, n=number, a=after: do_and_die(case, f, n, after=a)
                )
                statuses.add(first)
                if first == DONE:
                    break
                n_kills += 1
                second = in_child(lambda f=folder, r=results: do(case, f, r))
                if (first, second) != (KILLED, DONE) or expected != json.loads(
                    results.read_text()
                ):
                    wrong.append((number, "after" if after else "before"))
        if DONE in statuses:
            return n_kills, wrong
    raise AssertionError


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--every", type=int, default=1, help="kill at each N-th only")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    prepare()
    any_wrong = False
    for case in asked.cases:
        start = time.monotonic()
        n_kills, wrong = kill_each(case, every=asked.every)
        print(
            f"{case}: killed {n_kills} times; {n_kills - len(wrong)} of {n_kills} end "
            f"as if nothing had happened ({time.monotonic() - start:.0f} s)",
            *[f"  wrong: {when} operation {number}" for number, when in wrong],
            sep="\n",
            flush=True,
        )
        any_wrong |= bool(wrong)
    sys.exit(any_wrong)


if __name__ == "__main__":
    main()
