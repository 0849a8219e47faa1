"""Mutations of the code that tests must notice: `mutate_code.py [ROOM ...]`.

In a random draw of places, a comparison, a sum, a constant, a condition or a returned
value is changed, one at a time, and the tests of the room run. A change that they all
pass has survived, and is printed. The exit status is 1 if less than 80 % are noticed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_ROOT = Path(__file__).parents[2]
_LEAST_NOTICED = 0.8
_ROOMS = {  # and the tests that run on each change of a room
    "metrics": ["tests/metrics"],
    "neighbors": ["tests/neighbors"],
    "training/objectives": ["tests/training/objectives"],
    "results/persistence": [
        "tests/results/test_persistence.py",
        "tests/results/test_persistence_edges.py",
    ],
}
_COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Add, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


class Mutant(NamedTuple):
    """One change of a file."""

    file: Path
    number: int  # of the place, in the order of the tree
    line: int
    change: str


def main() -> int:
    """Draw mutants, run the tests on each, print the figures by room."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", default=list(_ROOMS), metavar="ROOM")
    parser.add_argument("--mutants", type=int, default=40, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    asked = parser.parse_args()
    _load_libraries()
    total: Counter[str] = Counter()
    for room in asked.rooms:
        mutants = draw(room, asked.mutants, asked.seed)
        seconds = _time_without(room)
        counts = Counter(_judge(each, room, seconds) for each in mutants)
        print(f"{room}: {dict(counts)} of {len(mutants)}", flush=True)
        total += counts
    noticed = 1 - total["survived"] / max(sum(total.values()), 1)
    print(f"seed {asked.seed}: {noticed:.0%} noticed (at least {_LEAST_NOTICED:.0%})")
    return 1 if noticed < _LEAST_NOTICED else 0


def draw(room: str, n_mutants: int, seed: int) -> list[Mutant]:
    """Return a random draw of the changes of a room's files."""
    files = sorted((_ROOT / "sklearn_scan" / room).rglob("*.py"))
    mutants = [each for file in files for each in list_mutants(file)]
    return random.Random(seed).sample(mutants, min(n_mutants, len(mutants)))


def list_mutants(file: Path) -> Iterator[Mutant]:
    """Yield the changes of a file."""
    for number, node in enumerate(_places(ast.parse(file.read_text()))):
        before = ast.unparse(node)
        after = ast.unparse(mutate(copy.deepcopy(node)))
        yield Mutant(file, number, node.lineno, f"{before} -> {after}")


def _places(tree: ast.AST) -> list[Any]:
    """Return the nodes that can be changed, in order; none of messages or types."""
    if isinstance(tree, ast.Raise | ast.JoinedStr | ast.Assert) or _is_strict(tree):
        return []
    found = [tree] if _can_change(tree) else []
    for name, field in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for each in field if isinstance(field, list) else [field]:
            if isinstance(each, ast.AST):
                found += _places(each)
    return found


def _is_strict(node: ast.AST) -> bool:
    """Tell whether a node is `strict=True`, which guards what never happens."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _can_change(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in _COMPARISONS
    if isinstance(node, ast.BinOp):
        return type(node.op) in _OPERATORS
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool | int | float)
    if isinstance(node, ast.Return):
        return node.value is not None
    return isinstance(node, ast.BoolOp | ast.If | ast.IfExp)


def mutate(node: Any) -> Any:
    """Change a node, and return it."""
    if isinstance(node, ast.Compare):
        node.ops[0] = _COMPARISONS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = _OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Constant):
        flips = isinstance(node.value, bool)
        node.value = not node.value if flips else node.value + 1
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)
    else:
        node.test = ast.UnaryOp(ast.Not(), node.test)
    return node


def _load_libraries() -> None:
    """Import what all tests need, so that each run begins at once."""
    sys.path.insert(0, str(_ROOT))
    os.environ.setdefault("SCIPY_ARRAY_API", "1")
    import pytest  # noqa: F401
    import sklearn.model_selection  # noqa: F401
    import timm
    import torch

    assert timm is not None
    torch.set_num_threads(1)


def _time_without(room: str) -> float:
    """Return the most seconds that tests may take, from those without a change."""
    start = time.monotonic()
    if _run_apart(None, room, 3600.0) != 0:
        raise SystemExit(f"The tests of {room} fail without a change.")
    return 30 + 4 * (time.monotonic() - start)


def _judge(mutant: Mutant, room: str, seconds: float) -> str:
    """Run the tests of a room on a mutant, and return what became of it."""
    status = _run_apart(mutant, room, seconds)
    if status != 0:
        return "ran too long" if status is None else "noticed"
    place = mutant.file.relative_to(_ROOT)
    print(f"survived: {place}:{mutant.line}: {mutant.change}", flush=True)
    return "survived"


def _run_apart(mutant: Mutant | None, room: str, seconds: float) -> int | None:
    """Return the exit status of the tests in a new process; None if time is up."""
    child = os.fork()
    if child == 0:
        os.setsid()
        _run_tests(mutant, _ROOMS[room])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.05)
    else:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None
    return os.waitstatus_to_exitcode(status)


def _run_tests(mutant: Mutant | None, tests: list[str]) -> None:
    """Exit with 0 if all tests pass, on the mutant if there is one."""
    import pytest

    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "-p", "no:xdist"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # as it is imported
    os.chdir(_ROOT)
    os._exit(int(pytest.main([*options, *tests])))


class _Finder:
    """Finds the module of a mutant, and loads it changed."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec of the module if it is the mutant's."""
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin != str(self._mutant.file):
            return None
        spec.loader.get_code = lambda _: self._compile()  # type: ignore[union-attr]
        return spec

    def _compile(self) -> Any:
        tree = ast.parse(self._mutant.file.read_text())
        mutate(_places(tree)[self._mutant.number])
        return compile(ast.fix_missing_locations(tree), self._mutant.file, "exec")


if __name__ == "__main__":
    sys.exit(main())
