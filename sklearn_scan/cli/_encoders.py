"""`sklearn-scan encoders`: the encoders of photos."""

from __future__ import annotations

import click
import timm

from sklearn_scan.cli._console import Console
from sklearn_scan.cli._parameters import encoder_kinds
from sklearn_scan.core.validation import did_you_mean
from sklearn_scan.encoders import RECOMMENDED, RecommendedEncoder


@click.command("encoders")
@click.argument("pattern", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(pattern: str | None, as_json: bool) -> None:
    """List encoders for --encoder.

    Without a PATTERN, the recommended ones; with a PATTERN, such as dinov2, all
    pretrained models of timm whose names have it in them. A pattern with * or ?, such
    as 'vit_*dinov2*', is that of the whole name.
    """
    with Console(as_json=as_json) as console:
        if pattern is not None:
            names = _find_models(pattern)
            console.say(names, *names)
            return
        console.say(
            [each._asdict() for each in RECOMMENDED],
            "Pretrained on everyday photos, from fast to good:",
            _line("name", "features", "pooling", "licence", "published"),
            *map(_describe, RECOMMENDED),
            "  (DINOv2 models are meant with --encoder-input-size 224)",
            "Learning from the photos themselves, from nothing:",
            f"  {', '.join(encoder_kinds())}",
        )


def _find_models(pattern: str) -> list[str]:
    """Return the names of the pretrained models of timm that a pattern fits."""
    is_whole = any(character in pattern for character in "*?[")
    names: list[str] = timm.list_pretrained(pattern if is_whole else f"*{pattern}*")
    if not names:
        near = "" if is_whole else did_you_mean(pattern, timm.list_pretrained())
        raise ValueError(f"No pretrained model of timm fits {pattern!r}.{near}")
    return names


def _describe(encoder: RecommendedEncoder) -> str:
    """Return the line of an encoder."""
    name, n_features, pooling, licence, published, _ = encoder
    default = "; the default" if encoder.is_default else ""
    return _line(name, f"{n_features:,}", pooling, licence, published + default)


def _line(
    name: str, n_features: str, pooling: str, licence: str, published: str
) -> str:
    return f"  {name:37}  {n_features:>8}  {pooling:22}  {licence:10}  {published}"
