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

The bars, over the eight sets other than mnist: SCAN on defaults is 6 points of
accuracy better than k-means on the mean, nowhere more than 0.5 worse, better than every
other method on the mean, and deviates over seeds by at most 1.0 on each set; TEMI is 4
points better than k-means. SCAN fits 10,000 x 1,280 features in 20 s on two cores, and
50,000 x 384 in 40 s.
"""

import argparse
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from benchmark_features import SETS, Features, load_features
from benchmark_results import Results, measure
from benchmark_tables import rewrite
from frozen_tables import N_SEEDS, failed_bars, failed_speeds, format_tables
from heads import make_features
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from sklearn_scan import SCANClusterer, TEMIClusterer
from sklearn_scan.metrics import neighbor_purity
from sklearn_scan.neighbors import mine_neighbors

N_DIMENSIONS = 50  # to which densities are reduced
N_SPEED_FITS = 3


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


def scan_first_stage(X, n_clusters, seed):
    clusterer = SCANClusterer(n_clusters, self_label_epochs=0, random_state=seed)
    return clusterer.fit_predict(X)


def scan(X, n_clusters, seed):
    return SCANClusterer(n_clusters, random_state=seed).fit_predict(X)


def temi(X, n_clusters, seed):
    return TEMIClusterer(n_clusters, random_state=seed).fit_predict(X)


METHODS = {
    "k-means": k_means,
    "Gaussian mixture": gaussian_mixture,
    "Ward": ward,
    "spectral": spectral,
    "HDBSCAN": hdbscan,
    "SCAN first stage": scan_first_stage,
    "SCAN": scan,
    "TEMI": temi,
}
DETERMINISTIC = ("Ward", "HDBSCAN")  # run once


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


def compare(results, arguments):
    """Fill in the runs that are missing, or all that are asked for."""
    for name in arguments.sets:
        try:
            features = load_features(name, arguments.features)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}")
            continue
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
    """Fit SCAN as it comes to sets of the sizes that have a bar."""
    try:
        photos = load_features("cifar10", arguments.features)
    except FileNotFoundError:
        X, _, y = make_features(10_000, 1280)
        photos = Features(X, y)
    X, _, y = make_features()
    for features in (photos, Features(X, y)):
        size = f"{len(features.X):,} x {features.X.shape[1]:,}"
        fits = [run("SCAN", features, seed) for seed in range(N_SPEED_FITS)]
        results.content["speed"][size] = {
            key: median(fit[key] for fit in fits) for key in ("seconds", "accuracy")
        }
        results.write()
        print(f"{size}: {fits}", flush=True)


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
        failed = failed_bars(results.content["results"], METHODS)
    tables = format_tables(results.content, METHODS)
    print(tables)
    rewrite(arguments.json.with_suffix(".md"), tables, "frozen.py")
    if failed:
        raise SystemExit("\n".join(["Bars that are not met:", *failed]))


if __name__ == "__main__":
    main()
