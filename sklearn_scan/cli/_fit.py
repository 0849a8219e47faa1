"""`sklearn-scan fit`: from photos to a folder of results."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from sklearn_scan.cli._console import Console, on_ctrl_c
from sklearn_scan.cli._options import (
    AS_TOML,
    Clusterer,
    EstimatorCommand,
    default_settings,
    make_estimator,
    merge_settings,
)
from sklearn_scan.cli._photos import (
    list_photos,
    read_truth,
    resolve_truth,
    truth_option,
)
from sklearn_scan.cli._results import LABELS, LOG, MODEL, PAGE, RESULTS, keep_results
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.cli._summary import describe, summarize
from sklearn_scan.pretext import NetworkEncoder
from sklearn_scan.report import write_report


@click.command("fit", cls=EstimatorCommand)
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "-k",
    "--n-clusters",
    **AS_TOML,
    metavar="N|auto",
    help="How many clusters.  [default: 10]",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="The folder of results."
)
@click.option("--method", **AS_TOML, metavar="scan|temi|jule", help="[default: scan]")
@click.option(
    "--encoder",
    **AS_TOML,
    metavar="NAME",
    help="A timm model, or a pretext that learns from the photos: SimCLR, MoCo, "
    "InstanceDiscrimination, RotNet; or RawPixels.  [default: a small DINOv2, and of "
    "jule RawPixels]",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file of these settings, with a table [encoder]; options overrule it.",
)
@truth_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier run's results.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    photos: Sequence[str],
    output: str,
    config: Path | None,
    truth: str | None,
    overwrite: bool,
    as_json: bool,
    **given: object,
) -> None:
    """Cluster the PHOTOS, files or folders of them.

    The folder of results holds labels.csv (path, label, name, confidence), report.html
    (the page to look at), model/ (for `sklearn-scan predict`) and log.txt.

    Embeddings are kept for later runs (--memory; see `sklearn-scan cache`). Photos that
    cannot be read are left out, or with --bad-images raise an error. Two runs with one
    --random-state, by default 0, are equal. Values are written as in TOML, and none is
    Python's None: --memory none keeps no embeddings.
    """
    start = time.perf_counter()
    settings = default_settings(quiet=as_json) | merge_settings(config, given)
    clusterer = make_estimator(settings)
    paths = list_photos(photos)
    if len(paths) < 2:
        raise ValueError("There is one photo, where at least two are needed.")
    classes = read_truth(truth, paths)
    folder = RunFolder(output)
    folder.prepare(RESULTS, overwrite=overwrite)
    with folder.alone(), Console(folder.place(LOG), as_json=as_json) as console:
        console.log(f"sklearn-scan {shlex.join(sys.argv[1:])}")
        with on_ctrl_c(_how_to_go_on(clusterer)):
            clusterer.fit(paths)
            keep_results(folder, clusterer, resolve_truth(truth))
        with on_ctrl_c(
            f"The clusters are kept: `sklearn-scan report {shlex.quote(output)}` "
            "writes the page."
        ):
            write_report(folder.place(PAGE), clusterer, paths, y=classes)
        console.log(repr(clusterer))
        for bad in clusterer.bad_images_:
            console.log(f"unreadable: {bad.path}: {bad.reason}")
        summary = summarize(clusterer, classes)
        summary["seconds"]["in all"] = round(time.perf_counter() - start, 2)
        results = {name: str(folder.path / name) for name in RESULTS}
        width = max(map(len, results.values()))
        predict = f"sklearn-scan predict {folder.path} PHOTOS"
        console.say(
            summary | {"results": results},
            *describe(summary),
            f"  {results[PAGE]:<{width}}  to look at, name, merge, move",
            f"  {results[LABELS]:<{width}}  path, label, name, confidence",
            f"  {results[MODEL]:<{width}}  for {predict}",
        )


def _how_to_go_on(clusterer: Clusterer) -> str:
    """Return what to do after a fit was stopped."""
    encoder = clusterer.encoder
    if encoder == "auto":
        encoder = clusterer.make_auto_encoder()
    encoders = encoder if isinstance(encoder, list) else [encoder]
    if any(isinstance(each, NetworkEncoder) for each in encoders):
        return "The same command begins anew: what an encoder has learnt is not kept."
    if clusterer.memory is None:
        return "The same command begins anew: without --memory nothing is kept."
    return "What was embedded is kept, and the same command goes on from there."
