"""The results of a run: all of one clustering, whenever the command is stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sklearn_scan import load, save
from sklearn_scan.cli._parameters import shows_progress
from sklearn_scan.cli._photos import find_files
from sklearn_scan.cli._run_folder import RunFolder, find_model
from sklearn_scan.core import disk
from sklearn_scan.core.files import durable_path
from sklearn_scan.encoders import Encoder, EncoderList, ImageEncoder
from sklearn_scan.pretext import EncoderMaker
from sklearn_scan.report import write_report
from sklearn_scan.results.clustering import Clustering
from sklearn_scan.results.label_table import LabelTable

LABELS, MODEL, PAGE, LOG = "labels.csv", "model", "report.html", "log.txt"
RESULTS = (LABELS, MODEL, PAGE, LOG)


def load_run(folder: RunFolder, *, quiet: bool) -> tuple[Clustering, list[str]]:
    """Return the clusterer of a run, and the paths of its photos."""
    clusterer = load_model(folder.path, quiet=quiet)
    return clusterer, find_files(clusterer.image_names_, folder.working_folder)


def load_model(path: str | os.PathLike[str], *, quiet: bool) -> Clustering:
    """Return a clusterer that shows progress as this command does, not as its fit."""
    if find_model(path) != Path(path):  # a run, and not a model alone
        RunFolder(path).check_finished()
    clusterer: Clustering = load(find_model(path))
    clusterer.verbose = int(shows_progress(quiet=quiet))
    for encoder in _encoders_in(clusterer.encoder_):
        encoder.set_params(verbose=clusterer.verbose)
    return clusterer


def _encoders_in(encoder: Encoder | None) -> Iterator[ImageEncoder]:
    """Yield the encoders of images that an encoder is made of."""
    if isinstance(encoder, EncoderList):
        for each in encoder.encoders:
            yield from _encoders_in(each)
    elif isinstance(encoder, EncoderMaker):
        yield encoder.encoder_
    elif isinstance(encoder, ImageEncoder):
        yield encoder


def keep_results(folder: RunFolder, clusterer: Clustering, truth: str | None) -> None:
    """Write the model and the labels; the page of what was there before goes."""
    folder.begin_results()
    save(clusterer, folder.place(MODEL), overwrite=True)
    LabelTable.of(clusterer).write_csv(folder.place(LABELS))
    if PAGE in folder.made:
        disk.remove(folder.path / PAGE)
    folder.finish(truth)


def replace_results(
    folder: RunFolder,
    clusterer: Clustering,
    files: Sequence[str],
    classes: Sequence[str] | None,
) -> None:
    """Put a changed clustering in the place of the one that was there.

    The page comes first, aside: if it cannot be made, all stays as it was.
    """
    with durable_path(folder.path / PAGE) as page:
        write_report(page, clusterer, files, y=classes)
        save(clusterer, folder.place(MODEL), overwrite=True)
        LabelTable.of(clusterer).write_csv(folder.place(LABELS))
        folder.note([PAGE])


def check_place(file: Path, *, overwrite: bool) -> None:
    """Raise, before the long work, if a file cannot be written or replaced."""
    if file.exists() and not overwrite:
        raise ValueError(f"{str(file)!r} is there already: pass --overwrite.")
    if not os.access(file.parent, os.W_OK):
        raise ValueError(f"{str(file.parent)!r} is no folder that can be written to.")
