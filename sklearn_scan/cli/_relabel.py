"""`sklearn-scan relabel`: the corrections of a report, applied."""

from __future__ import annotations

import click

from sklearn_scan import load, relabel
from sklearn_scan.cli._console import Console, count
from sklearn_scan.cli._photos import find_files, read_truth
from sklearn_scan.cli._results import LOG, replace_results
from sklearn_scan.cli._run_folder import RunFolder, find_model
from sklearn_scan.results.clustering import Clustering
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
    with folder.alone(), Console(folder.place(LOG), quiet=as_json) as console:
        clusterer: Clustering = load(find_model(run))
        changes = read_edits(edits, LabelTable.of(clusterer))
        changed = relabel(clusterer, changes)
        files = find_files(clusterer.image_names_, folder.working_folder)
        classes = read_truth(folder.truth, clusterer.image_names_ or [])
        replace_results(folder, changed, files, classes)
        n_changed = {
            "n_named": len(changes.names),
            "n_merged": len(changes.merged),
            "n_moved": len(changes.moved),
        }
        if as_json:
            console.say_json(n_changed | {"n_clusters": changed.n_clusters_})
            return
        named, merged, moved = n_changed.values()
        console.say(
            f"{named} named, {merged} merged, {count(moved, 'photo')} moved: "
            f"{changed.n_clusters_} clusters, {run}"
        )
