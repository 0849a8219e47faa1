"""`sklearn-scan neighbors`: the photos most similar to a photo."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from sklearn_scan.cli._console import Console
from sklearn_scan.cli._photos import check_photo
from sklearn_scan.cli._results import load_run
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.core.features import center_blocks
from sklearn_scan.results.clustering import Clustering, features_of
from sklearn_scan.results.label_table import LabelTable


@click.command("neighbors")
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("photo", type=check_photo)
@click.option(
    "-n",
    "--n-neighbors",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="The number of photos.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str, photo: str, n_neighbors: int, as_json: bool) -> None:
    """List the photos of a RUN most similar to a PHOTO, of the run or not.

    Prints their similarity, cluster and path. Similarity is the cosine of two
    embeddings about the mean of the run: 1 is the same, 0 or less is not similar.
    """
    folder = RunFolder(run).open()
    with Console(as_json=as_json) as console:
        clusterer, files = load_run(folder, quiet=as_json)
        query = clusterer.transform([photo])
        if np.isnan(query).any():
            raise ValueError(f"{photo!r} cannot be read.")
        similarity = _similarities(clusterer, query)
        asked = os.path.realpath(photo)
        similarity[[os.path.realpath(file) == asked for file in files]] = -2
        rows = list(LabelTable.of(clusterer).rows())
        nearest = [
            (rows[i].path, rows[i].name, float(similarity[i]))
            for i in np.argsort(-similarity, kind="stable")[:n_neighbors]
            if similarity[i] >= -1
        ]
        console.say(
            [{"path": p, "name": name, "similarity": s} for p, name, s in nearest],
            *_as_table(nearest),
        )


def _as_table(nearest: Sequence[tuple[str, str, float]]) -> list[str]:
    """Return lines of similarity, cluster and path, under a heading."""
    width = max(len("cluster"), *(len(name) for _, name, _ in nearest))
    return [
        f"similarity  {'cluster':<{width}}  path",
        *(f"{cosine:10.2f}  {name:<{width}}  {path}" for path, name, cosine in nearest),
    ]


def _similarities(
    clusterer: Clustering, query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of each photo with the query, about the mean of the run."""
    features = features_of(clusterer)
    known = features.known().array
    embedding = torch.from_numpy(np.vstack([known, query]))
    unit = F.normalize(center_blocks(embedding, features.dims), dim=1)
    similarities = np.full(len(clusterer.labels_), -2, dtype=np.float32)
    similarities[features.readable] = (unit[:-1] @ unit[-1]).numpy()
    return similarities
