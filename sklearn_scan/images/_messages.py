"""Parts of the messages about inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sized

from sklearn_scan.core.wording import Message

_MOST_NAMED = 8


def check_not_empty(X: Sized) -> None:
    """Raise if there are no images."""
    if len(X) == 0:
        raise ValueError("Found X with 0 sample(s); at least one image is required.")


def quote_some(names: Iterable[object]) -> str:
    """Return the first few names in quotes."""
    quoted = [repr(name) for name in names]
    more = len(quoted) - _MOST_NAMED
    return ", ".join(quoted[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def call_for_columns(names: Iterable[object]) -> str:
    """Return the advice to pass one of some columns of X."""
    calls = [f"X[{name!r}]" for name in names][:_MOST_NAMED]
    return f"pass {' or '.join(calls)}"


def explain(error: Exception) -> str:
    """Return in a few words why an image cannot be read."""
    message = error.args[0] if error.args else None
    # as text, it would no longer know the settings that it names
    if isinstance(message, Message):
        return message
    return str(error) or type(error).__name__
