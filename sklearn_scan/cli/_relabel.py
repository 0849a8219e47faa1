"""`sklearn-scan relabel`: the corrections of a report, applied."""

from __future__ import annotations

import click

from sklearn_scan import relabel
from sklearn_scan.cli._console import Console, count
from sklearn_scan.cli._photos import read_truth
from sklearn_scan.cli._results import LOG, load_run, replace_results
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.relabeling import read_edits


@click.command("relabel")
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("edits", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(run: str, edits: str, as_json: bool) -> None:
    """Apply EDITS, downloaded from the report of a RUN, to all its results.

    EDITS is the report's edits.json, or its labels.csv. Names and merged clusters
    become part of the model, also for new photos; moved photos change labels.csv.
    """
    folder = RunFolder(run).open()
    with folder.alone(), Console(folder.place(LOG), as_json=as_json) as console:
        clusterer, files = load_run(folder)
        changes = read_edits(edits, LabelTable.of(clusterer))
        changed = relabel(clusterer, changes)
        classes = read_truth(folder.truth, clusterer.image_names_ or [])
        replace_results(folder, changed, files, classes)
        result = {
            "n_named": len(changes.names),
            "n_merged": len(changes.merged),
            "n_moved": len(changes.moved),
            "n_clusters": changed.n_clusters_,
        }
        named, merged, moved, n_clusters = result.values()
        console.say(
            result,
            f"{named} named, {merged} merged, {count(moved, 'photo')} moved: "
            f"{n_clusters} clusters, {run}",
        )
