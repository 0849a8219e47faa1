"""The output of a command: results, warnings and the log."""

from __future__ import annotations

import json
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from sklearn_scan.cli._wording import explain


class Console(AbstractContextManager["Console"]):
    """Prints results, and warnings as one line each, and writes both to a log file."""

    def __init__(self, log: Path | None = None, *, as_json: bool = False) -> None:
        self._path = log
        self._as_json = as_json  # then warnings go to the log only
        self._catcher = warnings.catch_warnings()

    def __enter__(self) -> Self:
        self._catcher.__enter__()
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.showwarning = self._warn
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._catcher.__exit__(kind, error, trace)
        if error is None:
            return
        if isinstance(error, Exception):
            self.log("".join(traceback.format_exception(error)))
        else:
            self.log(f"ended by {type(error).__name__}")

    def say(self, result: object, *lines: str) -> None:
        """Print the result: as JSON, or in lines of text."""
        for line in [json.dumps(result, indent=1)] if self._as_json else lines:
            click.echo(line)
            self.log(line)

    def note(self, line: str) -> None:
        """Print a remark beside the result, unless JSON is asked for."""
        if not self._as_json:
            click.echo(line, err=True)
        self.log(line)

    def log(self, line: str) -> None:
        """Write a line to the log file, with the time."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def _warn(self, message: Warning | str, *_args: object, **_kwargs: object) -> None:
        text = explain(message) if isinstance(message, Warning) else message
        if not self._as_json:
            print(f"Warning: {text}", file=sys.stderr)
        self.log(f"warning: {text}")


@contextmanager
def on_ctrl_c(note: str) -> Iterator[None]:
    """Add a note to a Ctrl-C in the block, which says how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(note)
        raise


def count(number: int, what: str) -> str:
    """Return a number of things in words, as "1,200 photos"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
