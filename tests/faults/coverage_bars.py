"""The bars of coverage: `coverage_bars.py`, after tests that coverage.py measured.

At least 95 % of the package's lines are run. Where a fault may cost a user's data, each
line is run and each branch taken. The exit status is 1 below a bar.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import coverage

_LEAST_LINES = 0.95
_WHOLE = (  # folders and files, by the start of their names
    "sklearn_scan/core/asides",
    "sklearn_scan/core/checkpoint",
    "sklearn_scan/core/disk",
    "sklearn_scan/core/documents",
    "sklearn_scan/core/files",
    "sklearn_scan/core/locks",
    "sklearn_scan/core/plain_data",
    "sklearn_scan/encoders/_embedding_array",
    "sklearn_scan/encoders/cache/",
    "sklearn_scan/results/persistence/",
    "sklearn_scan/training/checkpoints",
)


def main() -> int:
    """Print what is below the bars, and return the exit status."""
    report = read_report()
    totals = report["totals"]
    share = totals["covered_lines"] / totals["num_statements"]
    print(f"Coverage: {share:.1%} of the lines (at least {_LEAST_LINES:.0%}).")
    gaps = {name: find_gaps(each) for name, each in report["files"].items()}
    gaps = {name: text for name, text in gaps.items() if text and is_whole(name)}
    for name, text in gaps.items():
        print(f"{name}: {text}")
    print(f"{len(gaps)} files that must be run whole are not.")
    return 1 if share < _LEAST_LINES or gaps else 0


def read_report() -> dict[str, Any]:
    """Return the report of the data in the current folder."""
    measured = coverage.Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "coverage.json")
        measured.json_report(outfile=str(file))
        report: dict[str, Any] = json.loads(file.read_text())
    return report


def is_whole(name: str) -> bool:
    """Return whether each line of a file must be run, and each branch taken."""
    return any(start in name.replace("\\", "/") for start in _WHOLE)


def find_gaps(file: dict[str, Any]) -> str:
    """Return the lines that were not run and the branches not taken, as text."""
    parts = []
    if file["missing_lines"]:
        parts.append("lines " + ", ".join(map(str, file["missing_lines"])))
    if file["missing_branches"]:
        ends = [f"{a}->{b}" for a, b in file["missing_branches"]]
        parts.append("branches " + ", ".join(ends))
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
