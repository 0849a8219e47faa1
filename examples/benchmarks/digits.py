"""Quality and time of the demo over three seeds.

    python examples/benchmarks/digits.py

The bar: accuracy 0.95 as the mean of seeds 0, 1 and 2, each run within 60 s on 2 cores.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo import cluster_digits


def main() -> None:
    accuracy, seconds = {}, []
    for seed in (0, 1, 2):
        start = time.perf_counter()
        _, _, steps = cluster_digits(seed)
        seconds.append(round(time.perf_counter() - start, 1))
        for step in steps:
            accuracy.setdefault(step.name, []).append(round(step.report.accuracy, 4))
    result = {
        "accuracy": accuracy,
        "mean": {name: round(np.mean(values), 4) for name, values in accuracy.items()},
        "seconds": seconds,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result, indent=2))
    assert result["mean"]["SCAN, both stages"] >= 0.95
    assert max(seconds) <= 60


if __name__ == "__main__":
    main()
