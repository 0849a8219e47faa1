"""Clusterers to report on, and a Python reference of what a report downloads."""

import csv
import io
import json

import numpy as np
from PIL import Image

from sklearn_scan import SCANClusterer
from sklearn_scan.results.label_table import COLUMNS, LabelTable

N_IMAGES = 24  # of the report that most tests look at


def make_clusterer(n_images=24, n_clusters=4, names=None, seed=0):
    """Cluster blobs far apart: images come in turn, 0, 1, 2, 3, 0, 1 ..."""
    rng = np.random.default_rng(seed)
    centers = 10 * rng.standard_normal((n_clusters, 6))
    blobs = np.arange(n_images) % n_clusters
    features = centers[blobs] + rng.standard_normal((n_images, 6))
    clusterer = SCANClusterer(
        n_clusters,
        n_neighbors=min(3, n_images - 1),
        n_heads=2,
        max_epochs=8,
        self_label_epochs=2,
        random_state=0,
    ).fit(features)
    if names is not None:
        clusterer.image_names_ = list(names)
    return clusterer


def make_images(n_images=24, side=16):
    """Images of one colour each, told apart at any size."""
    colors = np.random.default_rng(0).integers(0, 255, (n_images, 3), dtype=np.uint8)
    return np.broadcast_to(colors[:, None, None], (n_images, side, side, 3)).copy()


def write_images(folder, names):
    """Write an image for each name, of which some hold folders; return the paths."""
    paths = []
    for name, pixels in zip(names, make_images(len(names)), strict=True):
        path = f"{folder}/{name}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, "PNG")
        paths.append(path)
    return paths


def reference_csv(
    clusterer, *, names=None, merged=None, moved=None, groups=None, left_out=()
):
    """Return the bytes of labels.csv after edits, by clusters' numbers in the run."""
    table = LabelTable.of(clusterer)
    names, merged, moved = names or {}, merged or {}, moved or {}
    names = dict(enumerate(table.cluster_names)) | names | (groups or {})
    surviving = [c for c in names if c not in merged]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row, path in enumerate(table.paths):
        label, name = int(moved.get(row, table.labels[row])), table.names[row]
        if row in left_out:
            label, name = -1, "left out"
        if label >= 0:
            label = merged.get(label, label)
            name = names[label]
            label = surviving.index(label)
        writer.writerow([path, label, name, table.confidence_texts[row]])
    return file.getvalue().encode(errors="surrogateescape")


def reference_edits(clusterer, **changes):
    """Return what edits.json holds after edits."""
    groups = {"names": {}, "merged": {}, "moved": {}, "groups": {}, "left_out": []}
    edits = {"format": "sklearn-scan-edits", "version": 2}
    edits["run"] = LabelTable.of(clusterer).run
    return json.loads(json.dumps(edits | groups | changes))  # keys become texts


def members(clusterer, cluster):
    return np.flatnonzero(clusterer.labels_ == cluster)
