"""The tests with the oldest versions allowed: `oldest_versions.py FOLDER [TESTS ...]`.

Each dependency of pyproject.toml is installed in the lowest version that it names, into
a virtual environment in FOLDER that is made once. Then pytest runs TESTS there, by
default those of the rooms that the others stand on.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_TESTS = [f"tests/{room}" for room in ("core", "metrics", "training", "results")]
_LOWEST = re.compile(r"^([\w-]+)(\[[\w,]+\])?>=([\w.]+)$")
# Of the extras for tests: torchvision's version must be that of torch, which is the
# oldest here, and torchcodec goes with newer ones only.
_PAIRED, _LEFT_OUT = {"torchvision"}, {"torchcodec"}


def main() -> int:
    """Make the environment, run the tests, and return their exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tests", nargs="*", default=_TESTS)
    asked = parser.parse_args()
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    python = make_environment(asked.folder, requirements(project))
    # old libraries use what is deprecated in the new ones below them
    options = ["-q", "-m", "not slow", "-W", "ignore::DeprecationWarning"]
    command = [python, "-m", "pytest", *options, *asked.tests]
    return subprocess.run(command, cwd=_ROOT).returncode


def requirements(project: dict[str, Any]) -> list[str]:
    """Return the dependencies in their lowest versions, and what tests need."""
    extras = project["optional-dependencies"]
    pinned = [pin(each) for each in project["dependencies"]]
    for each in (*extras["test"], *extras["onnx"]):
        name = re.split(r"[\[>=]", each)[0]
        if name not in {project["name"], *_LEFT_OUT}:
            pinned.append(pin(each) if name in _PAIRED else each)
    return pinned


def pin(requirement: str) -> str:
    """Return a requirement of the lowest version that it allows.

    >>> pin("numpy>=2.0")
    'numpy==2.0'
    """
    lowest = _LOWEST.match(requirement)
    if lowest is None:
        raise ValueError(f"{requirement!r} has no lowest version: write name>=version.")
    name, extra, version = lowest.groups()
    return f"{name}{extra or ''}=={version}"


def make_environment(folder: Path, pinned: list[str]) -> Path:
    """Return the Python of an environment with what is pinned, made if it is not."""
    bin_folder = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python, wanted = bin_folder / "python", hashlib.sha256(repr(pinned).encode())
    mark = folder / f"made-{wanted.hexdigest()[:16]}"
    if not mark.exists():
        print("Making the environment of the oldest versions: a few minutes.")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *pinned], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--no-deps", "-e", _ROOT], check=True
        )
        mark.touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
