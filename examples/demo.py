"""Cluster 1,797 real handwritten digits without a download and without labels.

The images come with scikit-learn. Their labels are used only to print how good the
clusters are. There are fewer epochs than by default: this is to be fast.

    python examples/demo.py [--seed 0] [--picture demo-clusters.png]
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from sklearn_scan import SCANClusterer, SimCLR
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import ClusteringReport, clustering_report
from sklearn_scan.plotting import plot_clusters


class Step(NamedTuple):
    name: str
    report: ClusteringReport
    seconds: float


def cluster_digits(
    seed: int, *, verbose: int = 0
) -> tuple[SCANClusterer, np.ndarray, list[Step]]:
    """Return the fitted clusterer, the images, and the scores of each step."""
    digits = load_digits_images()
    images, y = digits.images, digits.target

    start = time.perf_counter()
    pixels = images.reshape(len(images), -1)
    k_means = KMeans(n_clusters=10, n_init=10, random_state=seed)
    on_pixels = clustering_report(y, k_means.fit_predict(pixels))
    steps = [Step("k-means on pixels", on_pixels, time.perf_counter() - start)]

    start = time.perf_counter()
    pretext = SimCLR(epochs=15, random_state=seed, verbose=verbose).fit(images)
    on_embedding = k_means.fit_predict(pretext.transform(images))
    report = clustering_report(y, on_embedding)
    steps.append(Step("k-means on the embedding", report, time.perf_counter() - start))

    start = time.perf_counter()
    clusterer = SCANClusterer(
        n_clusters=10,
        encoder=pretext.encoder_,
        finetune=True,  # train the backbone further
        max_epochs=8,
        self_label_epochs=8,
        random_state=seed,
        verbose=verbose,
    ).fit(images)
    report = clustering_report(y, clusterer.labels_, clusterer.probabilities_)
    steps.append(Step("SCAN, both stages", report, time.perf_counter() - start))
    return clusterer, images, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=Path("demo-clusters.png"))
    arguments = parser.parse_args()

    # where the clusters are good already, a further training of the backbone is undone
    warnings.filterwarnings("ignore", "Training the backbone left clusters")
    print("Clustering 1,797 handwritten digits as images, without labels.")
    clusterer, images, steps = cluster_digits(arguments.seed, verbose=1)
    print(f"\n{'':26}{'ACC':>7}{'NMI':>7}{'ARI':>7}{'time':>9}")
    for name, report, seconds in steps:
        scores = f"{report.accuracy:7.3f}{report.nmi:7.3f}{report.ari:7.3f}"
        print(f"{name:26}{scores}{seconds:7.1f} s")
    print("(the embedding's time includes the training of its encoder)")
    print()

    axes = plot_clusters(clusterer, images)
    axes.figure.savefig(arguments.picture, dpi=150, bbox_inches="tight")
    print(f"The clusters, as a picture: {arguments.picture}")


if __name__ == "__main__":
    main()
