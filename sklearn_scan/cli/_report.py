"""`sklearn-scan report`: the page of a run, written again."""

from __future__ import annotations

import click

from sklearn_scan.cli._console import Console, count
from sklearn_scan.cli._photos import describe_truth, read_truth, truth_option
from sklearn_scan.cli._results import PAGE, load_run
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.cli._summary import summarize
from sklearn_scan.report import write_report
from sklearn_scan.results.embedding_map import MAP_METHODS


@click.command("report")
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@truth_option
@click.option(
    "--projection",
    type=click.Choice(MAP_METHODS),
    default="tsne",
    show_default=True,
    help="The method of the map.",
)
@click.option("--title", help="The heading of the page.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    run: str, truth: str | None, projection: str, title: str | None, as_json: bool
) -> None:
    """Write the report.html of a RUN, a folder that `fit` made, again."""
    folder = RunFolder(run).open()
    with folder.alone(), Console(as_json=as_json) as console:
        clusterer, files = load_run(folder, quiet=as_json)
        classes = read_truth(truth or folder.truth, clusterer.image_names_ or [])
        for line in describe_truth(truth or folder.truth, classes):
            console.note(line)
        page = folder.place(PAGE)
        write_report(
            page, clusterer, files, y=classes, projection=projection, title=title
        )
        result = summarize(clusterer, classes) | {"results": {PAGE: str(page)}}
        console.say(result, f"{count(len(files), 'photo')}: {page}")
