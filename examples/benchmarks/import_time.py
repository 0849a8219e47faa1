"""The time that importing `SCANClusterer` adds to `import torch, sklearn`.

    python examples/benchmarks/import_time.py

The bar: 0.3 s.
"""

import subprocess
import sys

MEASURE = """
import time, torch, sklearn
start = time.perf_counter()
from sklearn_scan import SCANClusterer
print(time.perf_counter() - start)
"""


def main() -> None:
    runs = [
        float(subprocess.check_output([sys.executable, "-c", MEASURE]))
        for _ in range(6)
    ][1:]  # the first reads the files from disk
    print(f"import SCANClusterer: {min(runs):.3f} s (best of {len(runs)})")
    assert min(runs) <= 0.3


if __name__ == "__main__":
    main()
