"""What clusters are got from frozen features, by SCAN, by TEMI and by others.

Every method is given the same features and the number of classes, and none is tuned
for a set. Labels are looked at to judge the clusters, and for nothing else.

    python examples/benchmarks/frozen.py [--sets NAME ...] [--methods NAME ...]
    python examples/benchmarks/frozen.py speed

Features are made from the images of SKLEARN_SCAN_DATA (default: ../shared/data from the
project's root, with ../shared/weights beside it) and kept in --features, as NAME.npz.
Results are added to --json fit by fit: an interrupted run goes on where it was, and
--again replaces what is there. A Markdown file beside it, of the same name, gets the
tables between its markers.

The bars are in frozen_bars.py; those that are missed are an error. "speed" times SCAN
and TEMI on defaults, and measures the memory beyond the features.
"""

import argparse
from functools import partial
from pathlib import Path
from statistics import median
from turtle import turtle

import numpy as np
from benchmark_features import SETS, Features, load_features
from benchmark_results import Results, measure
from benchmark_tables import rewrite
from frozen_bars import N_SEEDS, failed_bars, failed_speeds
from frozen_tables import format_tables
from heads import make_features, resident_megabytes
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from sklearn_scan import GraphDegreeLinkage, SCANClusterer, TEMIClusterer
from sklearn_scan.metrics import neighbor_purity
from sklearn_scan.neighbors import mine_neighbors

N_DIMENSIONS = 50  # to which densities are reduced
N_SPEED_FITS = 3
SPEED_SETS = {"cifar10": ["SCAN"], "clip-pets": ["SCAN", "TEMI"]}
SPEED_KEYS = ("seconds", "megabytes", "accuracy")


def reduce(X):
    """The leading principal components, of which the mean variance is one."""
    leading = PCA(N_DIMENSIONS, svd_solver="covariance_eigh").fit_transform(X)
    return leading / np.sqrt(leading.var(axis=0).mean())


def k_means(X, n_clusters, seed):
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(X)


def gaussian_mixture(X, n_clusters, seed):
    method = GaussianMixture(n_clusters, n_init=5, reg_covar=0.1, random_state=seed)
    return method.fit_predict(reduce(X))


def ward(X, n_clusters, _seed):
    return AgglomerativeClustering(n_clusters).fit_predict(X)


def spectral(X, n_clusters, seed):
    return SpectralClustering(
        n_clusters, affinity="nearest_neighbors", n_neighbors=20, random_state=seed
    ).fit_predict(X)


def hdbscan(X, _n_clusters, _seed):
    """Density-based: it finds the number of clusters itself, and -1 is noise."""
    size = max(5, len(X) // 100)
    method = HDBSCAN(min_cluster_size=size, min_samples=1, copy=True)
    return method.fit_predict(reduce(X))


def linkage(X, n_clusters, _seed):
    return GraphDegreeLinkage(n_clusters).fit_predict(X)


def scan(X, n_clusters, seed):
    return SCANClusterer(n_clusters, random_state=seed).fit(X).probabilities_


def temi(X, n_clusters, seed):
    return TEMIClusterer(n_clusters, random_state=seed).fit(X).probabilities_


METHODS = {
    "k-means": k_means,
    "Gaussian mixture": gaussian_mixture,
    "Ward": ward,
    "spectral": spectral,
    "HDBSCAN": hdbscan,
    "linkage": linkage,
    "TURTLE": turtle,
    "SCAN": scan,
    "TEMI": temi,
}
DETERMINISTIC = ("Ward", "HDBSCAN", "linkage")  # run once


def describe(features):
    """What the clusters are looked for in."""
    neighbors = mine_neighbors(features.X, n_neighbors=20).indices
    sizes = np.unique(features.y, return_counts=True)[1]
    return {
        "n_samples": len(features.X),
        "n_features": features.X.shape[1],
        "class_sizes": sizes.tolist(),
        "neighbor_purity": round(neighbor_purity(neighbors, features.y), 4),
    }


def run(method, features, seed):
    """Cluster once; return the scores, as shares, and the seconds."""
    return measure(METHODS[method], features.X, features.y, seed)


def load_available(names, folder):
    """Yield the name and the features of each set that is on this disk."""
    for name in names:
        try:
            yield name, load_features(name, folder)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}")


def compare(results, arguments):
    """Fill in the runs that are missing, or all that are asked for."""
    for name, features in load_available(arguments.sets, arguments.features):
        results.content["sets"][name] = describe(features)
        for method in arguments.methods:
            n_seeds = 1 if method in DETERMINISTIC else arguments.seeds
            results.fill(
                name,
                method,
                n_seeds,
                partial(run, method, features),
                again=arguments.again,
            )


def time_defaults(results, arguments):
    """Fit SCAN as it comes to sets of the sizes that have a bar, and TEMI to one."""
    for name, features in load_available(SPEED_SETS, arguments.features):
        time_methods(results, features, SPEED_SETS[name])
    X, _, y = make_features()
    for features in (Features(X, y), make_many_groups()):
        time_methods(results, features, ["SCAN"])


def make_many_groups():
    X, y = make_blobs(20_000, 384, centers=1_000, cluster_std=10, random_state=0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return Features(X.astype(np.float32), y)


def time_methods(results, features, methods):
    """Note the median figures of a few fits, in which methods take turns."""
    n_samples, n_features = features.X.shape
    size = f"{n_samples:,} x {n_features:,}, {features.n_classes:,}"
    seeds = range(N_SPEED_FITS)
    fits = [{m: run_watched(m, features, seed) for m in methods} for seed in seeds]
    results.content["speed"][size] = {
        method: {key: median(fit[method][key] for fit in fits) for key in SPEED_KEYS}
        for method in methods
    }
    results.write()
    print(f"{size}: {fits}", flush=True)


def run_watched(method, features, seed):
    """Cluster once, and measure the memory beyond the features too (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = resident_megabytes("VmRSS")
    figures = run(method, features, seed)
    return figures | {"megabytes": round(resident_megabytes("VmHWM") - before)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "part", nargs="?", choices=["tables", "speed"], default="tables"
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument("--features", type=Path, default=Path("frozen/features"))
    parser.add_argument("--json", type=Path, default=Path("frozen/results.json"))
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    results = Results(arguments.json, {"sets": {}, "results": {}, "speed": {}})
    if arguments.part == "speed":
        time_defaults(results, arguments)
        failed = failed_speeds(results.content["speed"])
    else:
        compare(results, arguments)
        failed = failed_bars(results.content)
    tables = format_tables(results.content, METHODS)
    print(tables)
    rewrite(arguments.json.with_suffix(".md"), tables, "frozen.py")
    if failed:
        raise SystemExit("\n".join(["Bars that are not met:", *failed]))


if __name__ == "__main__":
    main()
