"""Messages that name settings: in Python's words, or in those of another front end.

An error says what to change. A caller in Python is told `precision='fp32'`, and a user
of the command `--precision fp32`. So a message keeps the settings that it names, and a
front end words them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

_NO_VALUE: Any = object()


@dataclass(frozen=True)
class Setting:
    """A parameter, or a parameter and its value."""

    name: str
    value: Any = _NO_VALUE
    of_encoder: bool = False  # where clusterers have one of the same name

    @property
    def has_value(self) -> bool:
        """Whether the message names a value too."""
        return self.value is not _NO_VALUE

    def __str__(self) -> str:
        return f"{self.name}={_represent(self.value)}" if self.has_value else self.name


@dataclass(frozen=True)
class Value:
    """A value of a parameter."""

    value: Any

    def __str__(self) -> str:
        return _represent(self.value)


def _represent(value: Any) -> str:
    """Return a value as Python writes it, without NumPy's name of its type."""
    return repr(value.item() if isinstance(value, np.generic) else value)


@dataclass(frozen=True)
class Advice:
    """What to do; front ends other than Python know it by its topic."""

    topic: str
    python: str

    def __str__(self) -> str:
        return self.python


Part = Setting | Value | Advice


class Message(str):
    """A text in Python's words, which knows the parts that another front end rewords.

    Parameters
    ----------
    template : str
        As for `str.format`, with a place for each part.
    *parts : Setting, Value, Advice or object
        Other objects are the same in all words.

    Examples
    --------
    >>> message = Message("Try {}, not {}.", Setting("finetune", False), "this")
    >>> print(message)
    Try finetune=False, not this.
    >>> message.reworded(lambda part: f"--{part.name} off")
    'Try --finetune off, not this.'
    """

    template: str
    parts: tuple[Any, ...]

    def __new__(cls, template: str, *parts: Any) -> Self:
        """Return the text in Python's words, with its parts."""
        text = super().__new__(cls, template.format(*parts))
        text.template, text.parts = template, parts
        return text

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.template, *self.parts)

    def reworded(self, word: Callable[[Part], str]) -> str:
        """Return the text with each setting, value and advice in other words."""

        def render(part: Any) -> Any:
            if isinstance(part, Message):
                return part.reworded(word)
            return word(part) if isinstance(part, Part) else part

        return self.template.format(*map(render, self.parts))
