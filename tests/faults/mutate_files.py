"""Damaged and crafted files: each is refused with a reason, or read right.

Run as a script, it opens 1,000 of them, of all kinds, and prints the counts:
``python tests/faults/mutate_files.py [--number N] [--seed SEED] [KIND ...]``.

A child process opens them, with 1 GB of memory more than its imports take. A file that
takes more than 5 seconds of its time, that ends the process, that raises an error other
than those of its kind, or one that says nothing, is a violation.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from mutations import craft, damage

_SPARE = 2**30  # bytes of memory
_MOST_SECONDS = 5.0  # of the processor
_LONGEST_WAIT = 120.0  # by the clock, on a machine that is busy


class Child:
    """The process that opens the files; another one where it has ended."""

    def __init__(self) -> None:
        self._process = self._start()

    @staticmethod
    def _start() -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, __file__, "--child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert process.stdout.readline() == "ready\n"
        return process

    def open(self, kind: str, path: Path) -> str:
        """Return what becomes of a file."""
        self._process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = ""
            if selector.select(_LONGEST_WAIT):
                line = self._process.stdout.readline()
        if line:
            outcome, seconds = json.loads(line)
            if seconds > _MOST_SECONDS:
                return f"wrong: took {seconds:.1f} s"
            return outcome
        self.end()
        code = self._process.returncode
        self._process = self._start()
        return f"wrong: the process ended with {code}, or was ended after a long wait"

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def be_child() -> None:
    """Open the files that come by standard input, and answer."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the package prints is no answer
    from mutated_kinds import KINDS

    warnings.simplefilter("ignore")
    for kind in KINDS.values():  # imports and caches, before memory is bounded
        with tempfile.TemporaryDirectory() as folder:
            kind.make(Path(folder))
            kind.open(Path(folder, kind.name))
    _bound_memory()
    answers.write("ready\n")
    for line in sys.stdin:
        name, path = json.loads(line)
        start = time.process_time()
        outcome = judge(KINDS[name], Path(path))
        answers.write(json.dumps([outcome, time.process_time() - start]) + "\n")


def _bound_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + _SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def judge(kind, path: Path) -> str:
    """Open a file, and return in words what became of it."""
    try:
        kind.open(path)
    except kind.errors as error:
        return f"refused: {error}" if str(error) else f"wrong: {error!r} says nothing"
    except BaseException:
        return f"wrong: {traceback.format_exc()}"
    return "right"


def mutate(kind, folder: Path, rng: random.Random) -> None:
    """Change a file of a sound folder, or what its document says."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = rng.choice(files)
    if kind.sign is None:
        if rng.random() < 0.03:
            file.unlink()
        else:
            file.write_bytes(damage(file.read_bytes(), rng))
        return
    if file.suffix != ".json" and rng.random() < 0.5:
        file.write_bytes(damage(file.read_bytes(), rng))
    else:
        (file,) = folder.glob("*.json")
        file.write_text(json.dumps(craft(json.loads(file.read_bytes()), rng)))
    kind.sign(folder)


def run(names: list[str], number: int, seed: int) -> tuple[Counter, list[str]]:
    """Open files of these kinds, in turn; return the counts and what is wrong."""
    from mutated_kinds import KINDS

    counts, wrong = Counter(), []
    child = Child()
    with tempfile.TemporaryDirectory() as workplace:
        sound = {name: Path(workplace, name) for name in names}
        for name, folder in sound.items():
            folder.mkdir()
            KINDS[name].make(folder)
        for i in range(number):
            name = names[i % len(names)]
            folder = Path(shutil.copytree(sound[name], Path(workplace, "mutated")))
            mutate(KINDS[name], folder, random.Random(f"{seed} {i}"))
            outcome = child.open(name, folder / KINDS[name].name)
            counts[name, outcome.partition(":")[0]] += 1
            if outcome.startswith("wrong"):
                wrong.append(f"number {i}, {name}: {outcome}")
            shutil.rmtree(folder)
    child.end()
    return counts, wrong


def main(arguments: list[str]) -> int:
    """Run the harness; print the counts, the seed and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("kinds", nargs="*")
    options = parser.parse_args(arguments)
    if options.child:
        be_child()
        return 0
    from mutated_kinds import KINDS

    counts, wrong = run(options.kinds or list(KINDS), options.number, options.seed)
    for (name, outcome), n in sorted(counts.items()):
        print(f"{name}: {n} {outcome}")
    print(*wrong[:20], sep="\n")
    n_right = options.number - len(wrong)
    print(f"seed {options.seed}: {n_right} of {options.number} refused or right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
