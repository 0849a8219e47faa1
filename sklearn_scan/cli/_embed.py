"""`sklearn-scan embed`: the embedding of photos as an array."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import click
import numpy as np

from sklearn_scan.cli._backend import backend_options, workers
from sklearn_scan.cli._console import Console
from sklearn_scan.cli._options import EstimatorCommand
from sklearn_scan.cli._parameters import SHARED, default_settings, list_words
from sklearn_scan.cli._photos import check_photos, describe_skipped, list_photos
from sklearn_scan.cli._results import check_place
from sklearn_scan.cli._settings import (
    Settings,
    make_auto_encoder,
    make_encoder,
    merge_settings,
)
from sklearn_scan.cli._values import AS_VALUE
from sklearn_scan.core.files import durable_file
from sklearn_scan.encoders import limit_of, resolve_encoder
from sklearn_scan.images import MAX_PIXELS, as_image_source


@click.command("embed", cls=EstimatorCommand, clusterer=False)
@click.argument("photos", nargs=-1, required=True, type=check_photos)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .npy file; the paths of its rows go to a .csv beside it.",
)
@click.option("--encoder", **AS_VALUE, metavar="NAME", help="As in `sklearn-scan fit`.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with a table [encoder], such as one for `fit`.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    photos: Sequence[str],
    output: Path,
    config: Path | None,
    overwrite: bool,
    as_json: bool,
    backend: str | None,
    address: str | None,
    **given: object,
) -> None:
    """Write the embedding of PHOTOS: a row of numbers each, close for similar photos.

    Rows of photos that cannot be read are NaN.
    """
    if output.suffix != ".npy":
        output = output.with_name(f"{output.name}.npy")
    table = output.with_suffix(".csv")
    for place in (output, table):
        check_place(place, overwrite=overwrite)
    settings = default_settings(quiet=as_json) | merge_settings(config, given)
    shared = {name: value for name, value in settings.items() if name in SHARED}
    encoder = resolve_encoder(_encoder(settings), **shared)
    listed = list_photos(photos)
    paths = listed.images
    with Console(as_json=as_json) as console:
        unused = [n for n in settings if n not in {*SHARED, "encoder", "method"}]
        if unused:
            console.note(f"embed clusters nothing, and ignores {list_words(unused)}.")
        for line in describe_skipped(listed.skipped):
            console.note(line)
        limit = limit_of(encoder, settings.get("max_pixels", MAX_PIXELS))
        source = as_image_source(paths, max_pixels=limit)
        with workers(backend, address, console):
            embedded = encoder.fit(source).embed(source)
        embedding = embedded.features.array
        with (  # neither file takes its place before both are complete
            durable_file(output) as file,
            durable_file(table) as rows,
            TextIOWrapper(rows, "utf-8", "surrogateescape", newline="") as text,
        ):
            np.save(file, embedding)
            csv.writer(text).writerows([["path"], *([path] for path in paths)])
        n_images, n_features = embedding.shape
        result = {
            "n_images": n_images,
            "n_features": n_features,
            "n_unreadable": len(embedded.unreadable),
            "skipped": listed.skipped,
            "results": {"embedding": str(output), "paths": str(table)},
        }
        console.say(
            result,
            f"{n_images:,} photos as {n_features:,} numbers each: {output}, and their "
            f"paths: {table}",
        )


def _encoder(settings: Settings) -> object:
    """Return the encoder that `fit` has with these settings."""
    encoder = make_encoder(settings.get("encoder", "auto"))
    return make_auto_encoder(settings.get("method")) if encoder == "auto" else encoder
