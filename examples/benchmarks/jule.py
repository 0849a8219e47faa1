"""Graph degree linkage and JULE beside other methods, on the pixels of small images.

Every method is given the same pixels and the number of classes, and none is tuned for a
set. Labels are looked at to judge the clusters, and for nothing else.

    python examples/benchmarks/jule.py
    python examples/benchmarks/jule.py --sets usps coil20 --methods JULE --seeds 1
    python examples/benchmarks/jule.py growth
    python examples/benchmarks/jule.py --quick

The images are those of SKLEARN_SCAN_DATA (default: ../shared/data from the project's
root); sets that are not there are left out. "growth" measures the time and the memory
of the linkage for more and more samples; it is part of a run that names neither sets
nor methods. Results are added to --json run by run: an interrupted run goes on where it
was, and --again replaces what is there. A Markdown file beside it, of the same name,
gets the tables between its markers. "--quick" takes few images of each set, and one
seed, to test the script.

The bars are in jule_tables.py. They are printed, and those that are missed are an
error.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmark_images import load_small_set
from benchmark_results import Results, measure
from benchmark_tables import rewrite
from frozen import hdbscan, k_means, linkage, scan, spectral, ward
from heads import resident_megabytes
from jule_tables import N_SEEDS, SETS, failed_bars, format_tables
from sklearn.datasets import make_blobs

from sklearn_scan import GraphDegreeLinkage, JULEClusterer
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.pretext import RawPixels

N_QUICK, QUICK_SIZES = 200, (1_000, 2_000)
SIZES, N_FEATURES = (10_000, 20_000, 40_000, 70_000), 64
JSON = Path(__file__).parents[2] / "docs" / "benchmarks" / "jule.json"


def jule(images, n_clusters, seed):
    return JULEClusterer(n_clusters, random_state=seed).fit_predict(images)


METHODS = {
    "k-means": k_means,
    "Ward": ward,
    "spectral": spectral,
    "HDBSCAN": hdbscan,
    "SCAN": scan,
    "linkage": linkage,
    "JULE": jule,
}
DETERMINISTIC = ("Ward", "HDBSCAN", "linkage")  # run once


def compare(results, arguments):
    """Fill in the runs that are missing, or all that are asked for."""
    for name in arguments.sets:
        try:
            data = load_small_set(name)
        except FileNotFoundError as error:
            print(f"{SETS[name]} is left out: there is no {error.filename}")
            continue
        if arguments.quick:
            data = data.subset(N_QUICK)
        compare_on(results, name, data, arguments)


def compare_on(results, name, data, arguments):
    """Cluster one set; JULE takes images, the others the pixels that it begins with."""
    pixels = RawPixels(random_state=0).fit_transform(data.images)
    results.content["sets"][name] = {
        "n_samples": len(pixels),
        "n_features": pixels.shape[1],
        "n_classes": data.n_classes,
    }
    for method in arguments.methods:
        X = data.images if method == "JULE" else pixels
        n_seeds = 1 if method in DETERMINISTIC else arguments.seeds
        run = partial(measure, METHODS[method], X, data.classes)
        results.fill(name, method, n_seeds, run, again=arguments.again)


def grow(results, arguments):
    """Measure the linkage for each number of samples, each in a process of its own."""
    rows = results.content["growth"]
    if arguments.again:
        rows.clear()
    for n_samples in QUICK_SIZES if arguments.quick else SIZES:
        if any(row["n"] == n_samples for row in rows):
            continue
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            rows.append(child.submit(measure_linkage, n_samples).result())
        results.write()
        print(f"growth: {rows[-1]}", flush=True)


def measure_linkage(n_samples):
    """Merge samples of ten normal groups; return the times and the peak of memory."""
    X, _ = make_blobs(
        n_samples, N_FEATURES, centers=10, cluster_std=10.0, random_state=0
    )
    X = X.astype("float32")
    start = time.perf_counter()
    graph = mine_neighbors(X, 20, metric="euclidean", method="exact")
    middle = time.perf_counter()
    GraphDegreeLinkage(10).fit(X, neighbors=graph)
    end = time.perf_counter()
    return {
        "n": n_samples,
        "d": N_FEATURES,
        "seconds of neighbours": round(middle - start, 2),
        "seconds of merging": round(end - middle, 2),
        "peak GB": round(resident_megabytes("VmHWM") / 1024, 3),
    }


def open_results(arguments):
    """Return what the JSON file has; of a tiny run nothing is kept."""
    file, is_quick = arguments.json, arguments.quick
    if file.is_file():
        if json.loads(file.read_text())["quick"]:
            file.unlink()
        elif is_quick:
            raise SystemExit(f"{file} has the figures of a whole run: pass --json.")
    return Results(file, {"quick": is_quick, "sets": {}, "results": {}, "growth": []})


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["growth"], help="measure only this")
    parser.add_argument("--sets", nargs="+", choices=SETS)
    parser.add_argument("--methods", nargs="+", choices=METHODS)
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="test the script")
    parser.add_argument("--json", type=Path, default=JSON)
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    arguments.grows = arguments.part or not (arguments.sets or arguments.methods)
    arguments.sets = arguments.sets or [*SETS]
    arguments.methods = arguments.methods or [*METHODS]
    if arguments.quick:
        arguments.seeds = 1
    return arguments


def main():
    arguments = parse_arguments()
    results = open_results(arguments)
    if not arguments.part:
        compare(results, arguments)
    if arguments.grows:
        grow(results, arguments)
    tables = format_tables(results.content, METHODS)
    print(tables)
    rewrite(arguments.json.with_suffix(".md"), tables, "jule.py")
    if failed := failed_bars(results.content):
        raise SystemExit("\n".join(["Bars that are not met:", *failed]))


if __name__ == "__main__":
    main()
