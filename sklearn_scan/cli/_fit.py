"""`sklearn-scan fit`: from photos to a folder of results."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sklearn_scan.cli._backend import backend_options, workers
from sklearn_scan.cli._console import Console, count, on_ctrl_c
from sklearn_scan.cli._options import EstimatorCommand
from sklearn_scan.cli._parameters import default_settings
from sklearn_scan.cli._photos import (
    check_photos,
    describe_skipped,
    describe_truth,
    list_photos,
    read_truth,
    resolve_truth,
    truth_option,
)
from sklearn_scan.cli._results import LABELS, LOG, MODEL, PAGE, RESULTS, keep_results
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.cli._settings import Clusterer, make_estimator, merge_settings
from sklearn_scan.cli._start import seconds_since_start
from sklearn_scan.cli._summary import describe, summarize
from sklearn_scan.cli._values import AS_VALUE
from sklearn_scan.core.checkpoint import delete_checkpoint
from sklearn_scan.exceptions import CheckpointError
from sklearn_scan.report import write_report
from sklearn_scan.results.quality import describe_quality


@click.command("fit", cls=EstimatorCommand)
@click.argument("photos", nargs=-1, required=True, type=check_photos)
@click.option(
    "-k",
    "--n-clusters",
    **AS_VALUE,
    metavar="N|auto",
    help="How many clusters.  [default: 10]",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="The folder of results."
)
@click.option(
    "--method",
    **AS_VALUE,
    metavar="scan|temi|jule",
    help="How to cluster.  [default: scan]",
)
@click.option(
    "--encoder",
    **AS_VALUE,
    metavar="NAME",
    help="A pretrained network (`sklearn-scan encoders` lists some); or one that "
    "learns from the photos: learn, which chooses how, or SimCLR, MoCo, BYOL, "
    "SimSiam, VICReg, InstanceDiscrimination, RotNet; or RawPixels.  [default: a "
    "small DINOv2, and with jule RawPixels]",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file of these settings, with a table [encoder]; options overrule it.",
)
@truth_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier run's results.")
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    photos: Sequence[str],
    output: str,
    config: Path | None,
    truth: str | None,
    overwrite: bool,
    as_json: bool,
    backend: str | None,
    address: str | None,
    **given: object,
) -> None:
    """Cluster the PHOTOS: files, folders, .zip or .tar files, or patterns of them.

    The folder of results holds labels.csv (path, label, name, confidence), report.html
    (the page to look at), model/ (for `sklearn-scan predict`) and log.txt.

    A run that was stopped goes on if the same command is given again. Embeddings are
    kept for later runs (see `sklearn-scan cache`). Unreadable photos are
    left out. With `--bad-images raise` they are an error. Two runs with the same
    --random-state give the same clusters.

    Write values as in a TOML file or as JSON. `none` means no value: `--memory none`
    turns the cache off.
    """
    settings = default_settings(quiet=as_json) | merge_settings(config, given)
    clusterer = make_estimator(settings)
    listed = list_photos(photos)
    paths = listed.images
    if len(paths) < 2:
        raise ValueError("There is one photo, where at least two are needed.")
    classes = read_truth(truth, paths)
    folder = RunFolder(output)
    folder.prepare(RESULTS, overwrite=overwrite)
    with folder.alone(), Console(folder.place(LOG), as_json=as_json) as console:
        console.log(f"sklearn-scan {shlex.join(sys.argv[1:])}")
        for line in describe_truth(truth, classes):
            console.note(line)
        if clusterer.verbose:  # the first bar comes seconds later
            console.note(f"{count(len(paths), 'photo')} found. Loading the network ...")
        with on_ctrl_c(_how_to_go_on(clusterer)):
            with workers(backend, address, console):
                _fit(clusterer, paths, folder, overwrite=overwrite)
            keep_results(folder, clusterer, resolve_truth(truth))
        with on_ctrl_c(
            f"The clusters are kept: `sklearn-scan report {shlex.quote(output)}` "
            "writes the page."
        ):
            write_report(folder.place(PAGE), clusterer, paths, y=classes)
        delete_checkpoint(folder.checkpoint)
        console.log(repr(clusterer))
        for bad in clusterer.bad_images_:
            console.log(f"unreadable: {bad.path}: {bad.reason}")
        summary = summarize(clusterer, classes)
        summary["seconds"]["in all"] = seconds_since_start()
        summary["skipped"] = listed.skipped
        results = {name: str(folder.path / name) for name in RESULTS}
        width = max(map(len, results.values()))
        predict = f"sklearn-scan predict {folder.path} PHOTOS"
        console.say(
            summary | {"results": results},
            *describe(summary, describe_quality(clusterer)),
            *describe_skipped(listed.skipped),
            f"  {results[PAGE]:<{width}}  to look at, name, merge, move",
            f"  {results[LABELS]:<{width}}  path, label, name, confidence",
            f"  {results[MODEL]:<{width}}  for {predict}",
        )


def _fit(
    clusterer: Clusterer, paths: Sequence[str], folder: RunFolder, *, overwrite: bool
) -> None:
    """Fit a clusterer with a checkpoint in the folder of results, if it can have one.

    A run that was stopped goes on. With `overwrite`, one of other settings is deleted.
    """
    if not _has_checkpoint(clusterer):
        clusterer.fit(paths)
        return
    clusterer.checkpoint = folder.checkpoint
    try:
        clusterer.fit(paths)
    except CheckpointError:
        if not overwrite:
            raise
        delete_checkpoint(folder.checkpoint)
        clusterer.fit(paths)


def _has_checkpoint(clusterer: Clusterer) -> bool:
    return "checkpoint" in inspect.signature(type(clusterer)).parameters


def _how_to_go_on(clusterer: Clusterer) -> str:
    """Return what to do after a fit was stopped."""
    if _has_checkpoint(clusterer):
        return "What was done is kept, and the same command goes on from there."
    return "The same command begins anew."
