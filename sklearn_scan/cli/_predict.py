"""`sklearn-scan predict`: labels for new photos."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sklearn_scan.cli._backend import backend_options, workers
from sklearn_scan.cli._console import Console, count
from sklearn_scan.cli._photos import check_photos, describe_skipped, list_photos
from sklearn_scan.cli._results import check_place, load_model
from sklearn_scan.results.label_table import LabelTable


@click.command("predict")
@click.argument("model", type=click.Path(exists=True, file_okay=False))
@click.argument("photos", nargs=-1, required=True, type=check_photos)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to write: .csv, or .parquet (with pyarrow).",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of CSV.")
def command(
    model: str,
    photos: Sequence[str],
    output: Path | None,
    overwrite: bool,
    as_json: bool,
    backend: str | None,
    address: str | None,
) -> None:
    """Label PHOTOS with a MODEL: a folder that `fit` made, or the model in it.

    Prints path, label, name and confidence of each, as CSV. A photo that cannot be read
    has the label -1, or is an error if it was one in the fit. If none can be read, the
    exit code is 1.
    """
    if output is not None:
        check_place(output, overwrite=overwrite)
    listed = list_photos(photos)
    paths = listed.images
    with Console(as_json=as_json) as console:
        for line in describe_skipped(listed.skipped):
            console.note(line)
        clusterer = load_model(model, quiet=as_json)
        with workers(backend, address, console):
            table = LabelTable.predicted(clusterer, paths)
        if output is not None:
            table.write(output)
        if output is None and not as_json:
            table.write_to(sys.stdout, line_end="\n")
        else:
            text = f"{count(len(paths), 'photo')} labelled: {output}"
            console.say(table.records(), text)
    if (table.labels < 0).all():
        raise ValueError(f"No photo of {len(paths)} could be read.")
