"""Threads by themselves, beside one thread, with a busy neighbour and alone.

    python examples/benchmarks/threads.py [--demo] [--json threads.json]

Each run is a program of its own, with the threads that the library chooses or with
OMP_NUM_THREADS=1. The two take turns, so that other work of the computer slows both.
The neighbour is a process that computes without a pause. The bars, for the fastest of
each: with a neighbour at most 1.3 times the time of one thread; alone, no slower.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from benchmark_machine import describe_machine

HEADS = """
import time
import numpy as np
from sklearn_scan import SCANClusterer
generator = np.random.default_rng(0)
labels = generator.integers(20, size=4000)
X = generator.normal(size=(20, 256))[labels] * 0.5 + generator.normal(size=(4000, 256))
clusterer = SCANClusterer(20, random_state=0)
clusterer.fit(X[:200])  # loads what a first fit loads
start = time.perf_counter()
clusterer.fit(X)
print(time.perf_counter() - start)
"""
DEMO = """
import sys, time
sys.path.insert(0, "examples")
from demo import cluster_digits
start = time.perf_counter()
cluster_digits(0)
print(time.perf_counter() - start)
"""
MOST = {"with a neighbour": 1.3, "alone": 1.05}


@contextmanager
def busy_neighbour() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def seconds(code: str, *, one_thread: bool) -> float:
    """Return what a program that measures itself prints."""
    own = {"OMP_NUM_THREADS": "1"} if one_thread else {}
    others = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    printed = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", code], env=others | own
    )
    return float(printed.split()[-1])


def compare(code: str, n_runs: int) -> dict[str, dict[str, float]]:
    """Return the fastest of some runs, with a neighbour and alone."""
    results = {}
    for place, beside in {
        "with a neighbour": busy_neighbour,
        "alone": nullcontext,
    }.items():
        with beside():
            runs = [
                (seconds(code, one_thread=False), seconds(code, one_thread=True))
                for _ in range(n_runs)
            ]
        chosen, one = map(min, zip(*runs, strict=True))
        results[place] = {"chosen": chosen, "one": one, "ratio": chosen / one}
        print(f"{place}: {chosen:.1f} s, one thread {one:.1f} s, {chosen / one:.2f}")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", action="store_true", help="also `make demo`")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    codes = {"heads": HEADS} | ({"demo": DEMO} if given.demo else {})
    results = {}
    for name, code in codes.items():
        print(name)
        results[name] = compare(code, given.runs)
    if given.json:
        whole = {"machine": describe_machine(), "seconds": results}
        given.json.write_text(json.dumps(whole, indent=1) + "\n")
    for result in results.values():
        for place, most in MOST.items():
            assert result[place]["ratio"] <= most, (place, result[place])


if __name__ == "__main__":
    main()
