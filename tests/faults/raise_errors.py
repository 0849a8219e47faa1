"""Errors of a disk at any operation of a write: an error, and all is as before.

Run as a script, it goes through all of them and prints how many end well:
``python tests/faults/raise_errors.py [CASE ...]``.

The n-th operation fails, for each n and each error. Then the write raises an OSError or
another error of this package, or the operation was one that only tidied up; the old
state is read, or the new one if it was complete; nothing is left beside it that was not
there before, but for rows of an embedding to go on with; and the same write succeeds
when the disk is well again.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
import tempfile
import traceback
from pathlib import Path

from disk_cases import CASES, Case
from disk_faults import fail_at

ERRORS = ("ENOSPC", "EIO", "EROFS", "EMFILE", "ENOMEM")
_TIDYING = ("remove", "remove_folder", "remove_empty_folder")


def check_error(
    case: Case, folder: Path, number: int, code: int, *, there: bool
) -> bool | None:
    """Raise an AssertionError unless an error ends well; None if there is none to come.

    Where the operation only tidied up, what it left goes with the next write.
    """
    if there:
        case.write(folder, 0)
    before = case.names(folder)
    error = OSError(code, os.strerror(code))
    reached, raised = fail_at(number, error, lambda: case.write(folder, 1))
    if reached is None:
        return None
    found = case.read(folder)
    if raised is None:
        assert reached in _TIDYING, f"{reached} failed, and nothing was raised"
        assert found == 1, f"read {found}"
    else:
        assert isinstance(raised, OSError), repr(raised)
        # the new one, if it was the sync of the folder that failed at last
        states = {0, 1} if there else {None, 1}
        assert found in (states if reached == "sync" else states - {1}), f"read {found}"
        if found != 1:
            names = set(case.names(folder))
            assert names in ({*before}, {*before, *case.kept}), names
    case.write(folder, 1)
    assert case.read(folder) == 1
    clean = Path(tempfile.mkdtemp(dir=folder.parent))
    case.write(clean, 1)
    assert case.names(folder) == case.names(clean), case.names(folder)
    return True


def run_case(case: Case, workplace: Path, error: str, *, there: bool) -> list[str]:
    """Fail at each operation; return what is wrong, or "" where all is well."""
    results = []
    for number in itertools.count():
        folder = Path(tempfile.mkdtemp(dir=workplace), "state")
        folder.mkdir()
        try:
            code = getattr(errno, error)
            if check_error(case, folder, number, code, there=there) is None:
                break
            results.append("")
        except Exception:
            results.append(f"{error} at operation {number}: {traceback.format_exc()}")
    return results


def main(names: list[str]) -> int:
    """Run the cases; print the counts and what is wrong."""
    all_results = []
    for name, there in itertools.product(names or CASES, (False, True)):
        results = []
        for error in ERRORS:
            with tempfile.TemporaryDirectory() as workplace:
                results += run_case(CASES[name], Path(workplace), error, there=there)
        print(f"{name}, {'over an old one' if there else 'new'}: ", end="")
        print(f"{results.count('')} of {len(results)} errors end well")
        all_results += results
    wrong = [result for result in all_results if result]
    print(*wrong[:10], sep="\n")
    print(f"{len(all_results) - len(wrong)} of {len(all_results)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
