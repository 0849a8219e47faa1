"""What a checkpoint costs, and how much work a kill costs.

    python examples/benchmarks/checkpoint.py [--epochs N] [--json FILE]

Fits SCAN with SimCLR on the digits of scikit-learn, with a checkpoint, for some
minutes. The share of the time in which states are written is measured within the fit,
since two fits differ by more. Then the same fit is killed after a third of its time,
twice, and goes on. The steps of training that it makes more than the fit without a kill
are the work that was repeated.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmark_machine import describe_machine

MOST_COST = 0.03  # share of the time
MOST_REPEATED = 30.0  # seconds


def fit(folder: str, epochs: int, results: str) -> None:
    """Fit, and write how long it took and how long states took, to a file.

    For each step of training a byte is added to another file, also if it is killed.
    """
    from sklearn_scan import SCANClusterer, SimCLR
    from sklearn_scan.core.checkpoint import Checkpoint
    from sklearn_scan.datasets import load_digits_images
    from sklearn_scan.training.loop import Loop

    spent, put, step = [0.0], Checkpoint.put, Loop.step
    steps = open(f"{folder}.steps", "ab", buffering=0)  # noqa: SIM115 - to the end

    def counted_step(*args: object) -> object:
        steps.write(b".")
        return step(*args)

    def timed_put(*args: object, **kwargs: object) -> None:
        start = time.perf_counter()
        put(*args, **kwargs)
        spent.append(time.perf_counter() - start)

    Checkpoint.put, Loop.step = timed_put, counted_step
    digits = load_digits_images()
    start = time.perf_counter()
    clusterer = SCANClusterer(
        10, encoder=SimCLR(epochs=epochs), random_state=0, checkpoint=folder
    ).fit(digits.images)
    seconds = time.perf_counter() - start
    result = {
        "seconds": seconds,
        "states": len(spent) - 1,
        "seconds_of_states": sum(spent),
        "accuracy": clusterer.score(digits.images, digits.target),
    }
    Path(results).write_text(json.dumps(result))


def run(folder: str, epochs: int, results: str, most: float | None = None) -> None:
    """Fit in a process, which is killed after some seconds."""
    process = multiprocessing.get_context("spawn").Process(
        target=fit, args=(folder, epochs, results)
    )
    process.start()
    process.join(most)
    if process.is_alive():
        process.kill()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = str(Path(scratch, "results.json"))
        whole, killed = (str(Path(scratch, name)) for name in ("whole", "killed"))
        run(whole, asked.epochs, results)
        of_whole = json.loads(Path(results).read_text())
        for most in (of_whole["seconds"] / 3, of_whole["seconds"] / 3, None):
            run(killed, asked.epochs, results, most)
        of_killed = json.loads(Path(results).read_text())
        steps, more = (os.path.getsize(f"{each}.steps") for each in (whole, killed))
    figures = {
        "machine": describe_machine(),
        "seconds": of_whole["seconds"],
        "states": of_whole["states"],
        "share_of_states": of_whole["seconds_of_states"] / of_whole["seconds"],
        "steps": steps,
        "repeated_per_kill": (more - steps) / 2 * of_whole["seconds"] / steps,
        "accuracy": [of_whole["accuracy"], of_killed["accuracy"]],
    }
    print(json.dumps(figures, indent=1))
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    is_met = figures["share_of_states"] <= MOST_COST
    is_met &= figures["repeated_per_kill"] <= MOST_REPEATED
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
