"""A disk that fails, or a process that dies, at the n-th operation."""

from collections.abc import Callable
from contextlib import contextmanager

from sklearn_scan.core import disk

# The operations of the seam, by name; the first arguments are paths, but of `write`.
OPERATIONS = (
    "begin", "copy", "create", "link", "make_folder", "make_folders", "remove",
    "remove_empty_folder", "remove_folder", "replace", "set_mode", "sync", "sync_all",
    "write", "write_by_name",
)  # fmt: skip


class Death(BaseException):
    """The process was killed: nothing it does afterwards reaches the disk."""


@contextmanager
def around_operations(around: Callable):
    """Call `around(name, arguments, do)` in the place of each operation."""

    def stand_in(name, original):
        def operation(*arguments):
            return around(name, arguments, lambda: original(*arguments))

        return operation

    originals = {name: getattr(disk, name) for name in OPERATIONS}
    for name, original in originals.items():
        setattr(disk, name, stand_in(name, original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(disk, name, original)


def die_at(number: int, action: Callable, *, done: bool = False) -> bool:
    """Do an action, and die before or after the operation of this number, from 0.

    Tell whether it has as many operations.
    """
    names = []

    def live_or_die(name, arguments, do):
        names.append(name)
        if len(names) <= number:
            return do()
        if len(names) == number + 1 and done:
            file = do()
            if name == "begin":
                file.close()
        raise Death

    with around_operations(live_or_die):
        try:
            action()
        except Death:
            return True
    return False


def fail_at(
    number: int, error: OSError, action: Callable
) -> tuple[str | None, Exception | None]:
    """Do an action whose operation of this number, from 0, fails.

    Return the name of the operation, None if there are fewer, and what was raised.
    """
    names = []

    def fail_or_do(name, arguments, do):
        names.append(name)
        if len(names) == number + 1:
            raise error
        return do()

    with around_operations(fail_or_do):
        try:
            action()
        except Exception as raised:
            return (names[number] if number < len(names) else None), raised
    return (names[number] if number < len(names) else None), None
