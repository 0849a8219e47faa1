"""All that changes the disk goes through `core/disk.py`: no module works around it."""

import ast
from functools import cache
from pathlib import Path

import sklearn_scan

ROOT = Path(sklearn_scan.__file__).parent
CHANGES = {
    "chmod", "copy2", "copyfile", "copytree", "fsync", "hardlink_to", "link_to",
    "makedirs", "mkdir", "mkdtemp", "mkstemp", "move", "removedirs", "rmdir", "rmtree",
    "symlink", "symlink_to", "touch", "truncate", "unlink", "utime", "write_bytes",
    "write_text", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile",
}  # fmt: skip
OF_OS = {"link", "remove", "rename", "renames", "replace"}  # texts have some of these
# The log, to which lines are added, and the room for a file that is mapped.
OPENED = {"cli/_console.py", "encoders/_embedding_array.py"}


@cache
def modules():
    """Return the calls of each module, by its name."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name != "core/disk.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            found.append((name, calls))
    return found


def called(call):
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        return owner, function.attr
    return "", getattr(function, "id", "")


def test_the_disk_is_changed_by_one_module_alone():
    around = [
        f"{name}:{call.lineno} {owner}.{function}"
        for name, calls in modules()
        for call in calls
        for owner, function in [called(call)]
        if owner != "disk"
        and (function in CHANGES or (owner == "os" and function in OF_OS))
    ]
    assert around == []


def test_files_are_opened_for_writing_by_one_module_alone():
    around = [
        name
        for name, calls in modules()
        for call in calls
        if called(call)[1] in ("open", "fdopen")
        and any(
            isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and set(each.value) & set("wax+")
            and set(each.value) <= set("rwaxbt+")
            for each in [*call.args, *(keyword.value for keyword in call.keywords)]
        )
    ]
    assert set(around) <= OPENED


def test_no_name_of_a_file_is_made_of_the_process_alone():
    """Two machines that share a folder have processes of the same number."""
    calls = [called(call)[1] for _, calls in modules() for call in calls]
    assert "getpid" not in calls
