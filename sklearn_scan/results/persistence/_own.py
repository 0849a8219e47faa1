"""The networks and encoders of the user's own code, which are given to `load`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

from sklearn.base import clone
from torch import nn

from sklearn_scan.encoders import Encoder, ImageEncoder
from sklearn_scan.pretext import NetworkEncoder
from sklearn_scan.results.persistence._known import Entry

OwnPart = nn.Module | Callable[..., nn.Module] | Encoder | None


class OwnPartError(ValueError):
    """What a user gives to `load` is missing, or is not what was saved."""


class OwnParts:
    """The user's own networks and encoders, which a saved model has no code for."""

    def __init__(self, given: OwnPart | Sequence[OwnPart]) -> None:
        self._given = given  # of several encoders a list: None for those not the user's
        self.is_used = given is None

    def function(self, entry: Entry) -> Callable[..., nn.Module]:
        """Return what makes the network of an entry."""
        given: OwnPart | str = self._find(entry)
        if isinstance(given, ImageEncoder) and not isinstance(given.model, str):
            given = given.model
        elif isinstance(given, NetworkEncoder):
            given = given.backbone
        if isinstance(given, nn.Module):
            return partial(copy.deepcopy, given)
        if isinstance(given, Encoder) or not callable(given):
            raise OwnPartError(_expected(entry, given))
        return given

    def network(self, entry: Entry, settings: Entry) -> nn.Module:
        """Return a network of an entry, with any weights."""
        make = self.function(entry)
        try:
            module = make(**settings)
        except Exception as error:  # of code that we do not know
            raise OwnPartError(
                f"The function given as encoder, called with {settings}, raised "
                f"{error!r}."
            ) from error
        if not isinstance(module, nn.Module):
            raise OwnPartError(
                "The function given as encoder must return an nn.Module; it returned "
                f"{type(module).__name__}."
            )
        return module

    def encoder(self, entry: Entry, *, fitted: bool) -> Encoder:
        """Return the encoder of an entry, a new one where it is a parameter."""
        given = self._find(entry)
        if not isinstance(given, Encoder):
            raise OwnPartError(_expected(entry, given))
        return given if fitted else clone(given)

    def _find(self, entry: Entry) -> OwnPart:
        given, number = self._given, entry["encoder"]
        if isinstance(given, Sequence) and not isinstance(given, str):
            given = given[number or 0] if (number or 0) < len(given) else None
        elif number is not None and given is not None:
            raise OwnPartError(
                "The model has several encoders: pass encoder= as a list, with one for "
                "each and None where a network is not your own."
            )
        if given is None:
            raise OwnPartError(_missing(entry))
        self.is_used = True
        return given


def _missing(entry: Entry) -> str:
    number = entry["encoder"]
    which = "" if number is None else f" (number {number} of the list)"
    if entry.get("what") == "encoder":
        hint = "its code is not in the file. Pass it, fitted"
    else:
        hint = (
            "its weights are in the file, and its code is not. Pass the network, with "
            "any weights, or a function that makes it"
        )
    return (
        f"The encoder{which} of this model is of your own making, "
        f"{entry['class']!r}: {hint}: load(path, encoder=...)."
    )


def _expected(entry: Entry, given: object) -> str:
    what = "an nn.Module or a function that makes one"
    if entry.get("what") == "encoder":
        what = "a fitted Encoder"
    return (
        f"encoder must be {what}, in the place of {entry['class']!r}; got "
        f"{type(given).__name__}."
    )
