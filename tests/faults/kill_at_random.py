"""Kill work at random times, 100 times in all, and do it again.

    python tests/faults/kill_at_random.py [--kills N] [--seed SEED] [--cases NAME ...]

A child does the work of a case, and is ended by SIGKILL at a time drawn from the
duration of the case, up to three times. Then the work is done without a kill. What it
makes must be the same byte by byte, and nothing may be left behind.
"""

import argparse
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: of one process, many

import torch
from kill_cases import CASES, keep_at_every_step, prepare
from kill_children import DONE, do, fork, in_child, wait_for

MOST_IN_A_ROW = 3


def finish(case, folder, results):
    """Do the work of a case to its end; return what it made, and its seconds."""
    start = time.monotonic()
    status = in_child(lambda: do(case, folder, results))
    made = json.loads(results.read_text()) if status == DONE else None
    return made, time.monotonic() - start


def kill(case, folder, results, seconds):
    """Do the work of a case, and kill it after some seconds; tell whether it lived."""
    child = fork(lambda: do(case, folder, results))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return wait_for(child) == -signal.SIGKILL


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    prepare()
    keep_at_every_step()
    draw, whole = random.Random(asked.seed), {}
    n_kills, n_works, wrong = 0, 0, []
    for case in itertools.cycle(asked.cases):
        if n_kills >= asked.kills:
            break
        with tempfile.TemporaryDirectory() as scratch:
            folder, results = Path(scratch, "work"), Path(scratch, "results.json")
            if case not in whole:
                (plain := Path(scratch, "whole")).mkdir()
                whole[case] = finish(case, plain, results)
            folder.mkdir()
            expected, seconds = whole[case]
            wanted = min(draw.randint(1, MOST_IN_A_ROW), asked.kills - n_kills)
            for _ in range(wanted):
                n_kills += kill(case, folder, results, draw.uniform(0, seconds))
            found, _ = finish(case, folder, results)
            n_works += 1
            if found is None or found != expected:
                wrong.append(case)
                print(f"wrong: {case}", flush=True)
    print(
        f"killed {n_kills} times (seed {asked.seed}); {n_works - len(wrong)} of "
        f"{n_works} works end as if nothing had happened"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
