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
    become part of the model, also for new photos. Moved photos, new groups and photos
    that are left out change labels.csv; the model never predicts a new group.
    """
    folder = RunFolder(run).open()
    with folder.alone(), Console(folder.place(LOG), as_json=as_json) as console:
        clusterer, files = load_run(folder, quiet=as_json)
        changes = read_edits(edits, LabelTable.of(clusterer))
        changed = relabel(clusterer, changes)
        classes = read_truth(folder.truth, clusterer.image_names_ or [])
        replace_results(folder, changed, files, classes)
        result = {
            "n_named": len(changes.names),
            "n_merged": len(changes.merged),
            "n_moved": len(changes.moved),
            "n_new": len(changes.groups),
            "n_left_out": len(changes.left_out),
            "n_clusters": changed.n_clusters_,
        }
        console.say(result, f"{_describe(result)}, {run}")


def _describe(result: dict[str, int]) -> str:
    """Return the numbers of changes as a text; new kinds only where there are any."""
    parts = [
        f"{result['n_named']} named",
        f"{result['n_merged']} merged",
        f"{count(result['n_moved'], 'photo')} moved",
    ]
    if result["n_new"]:
        parts.append(count(result["n_new"], "new group"))
    if result["n_left_out"]:
        parts.append(f"{count(result['n_left_out'], 'photo')} left out")
    return f"{', '.join(parts)}: {count(result['n_clusters'], 'cluster')}"
