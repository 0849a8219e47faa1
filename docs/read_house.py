"""The rooms of the package, their floors and their imports, read from the sources."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

PACKAGE = "sklearn_scan"
ROOT = Path(__file__).resolve().parents[1]


class House(NamedTuple):
    """The rooms of the package, and which uses which."""

    floors: list[list[str]]  # from the top floor to the ground
    arrows: set[tuple[str, str]]
    parts: dict[str, list[str]]  # the rooms within a room
    summaries: dict[str, str]  # the first line of a room's docstring

    @property
    def rooms(self) -> list[str]:
        return [*chain.from_iterable(self.floors)]

    def users(self, room: str) -> list[str]:
        """Return the rooms that import from a room."""
        return [user for user in self.rooms if (user, room) in self.arrows]

    def floor_of(self, room: str) -> int:
        """Return the number of a room's floor, counted from the top."""
        return next(i for i, rooms in enumerate(self.floors) if room in rooms)


def read_house(root: Path = ROOT) -> House:
    """Return the house as the sources in a folder have it.

    Raises
    ------
    ValueError
        If an arrow does not point to a lower floor (every circle has such an arrow), or
        if the rooms are not those of the import layers.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    floors = [[room.strip() for room in layer.split("|")] for layer in layers]
    sources = defaultdict(list)
    for file in sorted((root / PACKAGE).rglob("*.py")):
        room = file.relative_to(root / PACKAGE).with_suffix("").parts[0]
        sources[room].append(file)
    del sources["__init__"]  # public names, each imported when it is asked for
    if set(sources) != set(chain.from_iterable(floors)):
        raise ValueError(
            f"The import layers must name the rooms {sorted(sources)}; got {floors}."
        )
    arrows = {
        (room, used)
        for room, files in sources.items()
        for used in chain.from_iterable(map(_rooms_imported, files))
        if used in sources and used != room
    }
    parts = {
        room: [file.parent.name for file in files if _is_part(file, root / PACKAGE)]
        for room, files in sources.items()
    }
    summaries = {
        room: _first_line(min(files, key=_depth)) for room, files in sources.items()
    }
    house = House(floors, arrows, parts, summaries)
    wrong = [f"{a} -> {b}" for a, b in arrows if house.floor_of(a) >= house.floor_of(b)]
    if wrong:
        raise ValueError(f"Arrows must point to a lower floor; got {sorted(wrong)}.")
    return house


def _is_part(file: Path, package: Path) -> bool:
    return file.name == "__init__.py" and file.parent.parent.parent == package


def _depth(file: Path) -> tuple[int, bool]:
    return len(file.parts), file.name != "__init__.py"


def _first_line(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


def _rooms_imported(file: Path) -> Iterator[str]:
    for node in _run(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            modules = [f"{PACKAGE}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            if package == PACKAGE and rest:
                yield rest.split(".")[0]


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but for those that only type checkers read."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield from _run(child)
