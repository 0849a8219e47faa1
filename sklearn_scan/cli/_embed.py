"""`sklearn-scan embed`: the embedding of photos, for use elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from sklearn_scan.cli._console import Console
from sklearn_scan.cli._options import (
    EstimatorCommand,
    default_cache,
    make_encoder,
    merge_settings,
    read_value,
)
from sklearn_scan.cli._photos import list_photos
from sklearn_scan.encoders import resolve_encoder


@click.command("embed", cls=EstimatorCommand, clusterer=False)
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .npy file; the paths of its rows go to a .csv beside it.",
)
@click.option(
    "--encoder", type=read_value, metavar="NAME", help="As in `sklearn-scan fit`."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with a table [encoder].",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    photos: Sequence[str],
    output: Path,
    config: Path | None,
    overwrite: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write the embedding of PHOTOS: a row for each, of numbers alike for like photos.

    Rows of photos that cannot be read are NaN.
    """
    output = output.with_suffix(".npy")
    table = output.with_suffix(".csv")
    for file in (output, table):
        if file.exists() and not overwrite:
            raise ValueError(f"{str(file)!r} is there already: pass --overwrite.")
    settings = merge_settings(config, given)
    encoder = resolve_encoder(
        make_encoder(settings.get("encoder", "auto")),
        memory=default_cache(),
        bad_images="skip",
        random_state=0,
        verbose=0 if as_json else 1,
    )
    paths = list_photos(photos)
    with Console(quiet=as_json) as console:
        embedding = encoder.fit(paths).transform(paths)
        np.save(output, embedding)
        with table.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(["path"])
            writer.writerows([path] for path in paths)
        n_images, n_features = embedding.shape
        result = {
            "n_images": n_images,
            "n_features": n_features,
            "n_unreadable": len(encoder.bad_images_),
            "results": {"embedding": str(output), "paths": str(table)},
        }
        if as_json:
            console.say_json(result)
        else:
            console.say(
                f"{n_images:,} photos as {n_features:,} numbers each: {output}, and "
                f"their paths: {table}"
            )
