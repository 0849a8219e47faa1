"""Errors and warnings in the words of the command line."""

from __future__ import annotations

from sklearn_scan.core.wording import Advice, Message, Part, Setting
from sklearn_scan.exceptions import ImageReadError

_ADVICE = {
    "weights": "--encoder NAME --encoder-checkpoint FILE",
    "checkpoint": "--encoder-checkpoint FILE",
    "samples": "photos",
    "names": "`sklearn-scan encoders '*vit*'`",
    "pretrained": "`sklearn-scan encoders '*'`",
    "table": 'table, such as \'{"pad_type": "same"}\'',
    "memory": "a path or none",
    "begin anew": "pass --overwrite to begin anew",
    "trainable": "a pretrained network, or one that learns from the photos,",
    "reason": "it is damaged, or of another format.",
    "offline": (
        "Two ways on: weights on disk, by --encoder NAME --encoder-checkpoint FILE; or "
        "an encoder that learns from the photos themselves, by --encoder SimCLR (it "
        "needs 1,000 photos or more, and on everyday photos is much worse than a "
        "pretrained network)."
    ),
}


_CHOICES = {"method": "--method", "pretext": "--encoder", "folder": "PHOTOS"}


def explain(error: Warning | Exception, *, of_encoder: bool = False) -> str:
    """Return the message of an error or a warning, with options for parameters.

    Parameters
    ----------
    error : Warning or Exception
        What was raised, or warned of.
    of_encoder : bool, default=False
        Whether an encoder raised it: its parameters come first.
    """
    if isinstance(error, ImageReadError):
        return _explain_images(error, of_encoder=of_encoder)
    message = error.args[0] if error.args else None
    if not isinstance(message, Message):
        return str(error) or type(error).__name__
    return _reword(message, of_encoder=of_encoder)


def _explain_images(error: ImageReadError, *, of_encoder: bool) -> str:
    reworded = [
        failure._replace(reason=_reword(failure.reason, of_encoder=of_encoder))
        for failure in error.failures
    ]
    return str(ImageReadError(reworded))


def _reword(text: str, *, of_encoder: bool) -> str:
    if not isinstance(text, Message):
        return text
    return text.reworded(lambda part: _word(part, of_encoder=of_encoder))


def _word(part: Part, *, of_encoder: bool) -> str:
    # here, since they import PyTorch, which most errors come after
    from sklearn_scan.cli._values import write_value

    if isinstance(part, Advice):
        return _ADVICE.get(part.topic, part.python)
    if not isinstance(part, Setting):
        is_text = isinstance(part.value, str)
        return repr(part.value) if is_text else write_value(part.value)
    option = _option(part.name, of_encoder=of_encoder or part.of_encoder)
    return f"{option} {_quote(write_value(part.value))}" if part.has_value else option


def _option(name: str, *, of_encoder: bool) -> str:
    """Return the option of a parameter; another name stays as it is."""
    from sklearn_scan.cli._parameters import clusterer_parameters, encoder_parameters

    if name in _CHOICES:
        return _CHOICES[name]
    tables = [clusterer_parameters(), encoder_parameters()]
    for table in reversed(tables) if of_encoder else tables:
        if name in table:
            return table[name].option
    return name


def _quote(text: str) -> str:
    """Return a value as a shell takes it."""
    return f"'{text}'" if any(c in text for c in " {}[]\"*'") else text
