"""SCAN from nothing, beside k-means on pixels, on three sets of small grey images.

No pretrained weights and no labels: a pretext learns from the images, then the backbone
and the cluster heads together. Labels are used to print how good the clusters are.

    python examples/benchmarks/scratch.py [usps|mnist_test|coil20 ...] [--seeds 1]
"""

import argparse
import time

import numpy as np
from benchmark_images import load_small_set
from sklearn.cluster import KMeans

from sklearn_scan import SCANClusterer, SimCLR
from sklearn_scan.metrics import clustering_report

# The points of accuracy by which SCAN has to be better than k-means.
BARS = {"usps": 20, "mnist_test": 20, "coil20": 8}
MINUTES = 10


def cluster(name, seed):
    """Return the accuracies of k-means and of SCAN, in percent, and SCAN's seconds."""
    data = load_small_set(name)
    pixels = data.images.reshape(len(data.images), -1)
    k_means = KMeans(data.n_classes, n_init=10, random_state=seed).fit_predict(pixels)
    start = time.perf_counter()
    clusterer = SCANClusterer(
        data.n_classes, encoder=SimCLR(), random_state=seed, verbose=1
    ).fit(data.images)
    seconds = time.perf_counter() - start
    reports = [clustering_report(data.classes, x) for x in (k_means, clusterer.labels_)]
    for method, report in zip(("k-means", "SCAN"), reports, strict=True):
        scores = f"{report.accuracy:.3f} {report.nmi:.3f} {report.ari:.3f}"
        print(f"{name}, seed {seed}, {method:8} ACC NMI ARI {scores}")
    stages = ", ".join(f"{k} {v:.0f}" for k, v in clusterer.stage_times_.items())
    print(f"{seconds:.0f} s ({stages}); kept: {clusterer.self_labeled_}")
    return *(100 * report.accuracy for report in reports), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(BARS))
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.sets:
        rows = np.array([cluster(name, seed) for seed in range(arguments.seeds)])
        k_means, scan, _ = rows.mean(axis=0)
        print(f"{name}: k-means {k_means:.1f}, SCAN {scan:.1f}, +{scan - k_means:.1f}")
        assert scan - k_means >= BARS[name], (k_means, scan)
        assert rows[:, 2].max() <= 60 * MINUTES, rows[:, 2]


if __name__ == "__main__":
    main()
