"""How fast neighbours are found, in how much memory, and how many of the true ones.

    python examples/benchmarks/neighbors.py [exact|million|growth|fit|gpu] [--json F]

"exact" compares 50,000 samples with faiss and scikit-learn on the same threads;
"million" finds approximate neighbours of 1,000,000; "growth" measures 10,000 to
1,000,000; "fit" clusters 1,000,000 samples of a memory map; "gpu" searches as many as
ImageNet has, where there is CUDA. What measures memory runs in a process of its own.
Needs Linux. Without names: all but "gpu", which take an hour on two cores.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from benchmark_machine import describe_machine
from heads import resident_megabytes

from sklearn_scan.neighbors import mine_neighbors

LEAST_OF_FAISS, LEAST_OF_SCIKIT_LEARN = 0.9, 5
LEAST_RECALL, LEAST_OF_EXACT, MOST_OF_FEATURES = 0.95, 20, 2
MOST_GIGABYTES = 4
N_GROUPS, NOISE = 2000, 0.05
N_ROUNDS = 3  # of what is compared, in turn
SAMPLE = 1000  # samples whose true neighbours are found
METHODS = ("exact", "ivf_flat", "ivf_sq8")
SIZES = (10_000, 100_000, 1_000_000)
CHILD = "--child"


def make_groups(n_samples, n_features, *, n_classes=None, out=None, seed=0):
    """2,000 Gaussian groups at length one, with 5 % uniform noise, and their numbers.

    With `n_classes`, groups lie about the centres of as many classes, and the numbers
    are those of the classes.
    """
    rng = np.random.default_rng(seed)
    if out is None:
        out = np.empty((n_samples, n_features), np.float32)
    centers = rng.standard_normal((N_GROUPS, n_features), dtype=np.float32)
    classes = np.arange(N_GROUPS)
    if n_classes is not None:
        classes %= n_classes
        centers += rng.standard_normal((n_classes, n_features))[classes]
    groups = rng.integers(N_GROUPS, size=n_samples)
    for start in range(0, n_samples, 50_000):
        rows = slice(start, min(start + 50_000, n_samples))
        block = centers[groups[rows]]
        block += rng.standard_normal(block.shape, dtype=np.float32)
        is_noise = rng.random(len(block)) < NOISE
        block[is_noise] = rng.uniform(-1, 1, (is_noise.sum(), n_features))
        out[rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return out, classes[groups]


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def exact():
    """Compare 50,000 x 384 with faiss's IndexFlatIP, and with scikit-learn."""
    import faiss
    from sklearn.neighbors import NearestNeighbors

    X, _ = make_groups(50_000, 384)
    faiss.omp_set_num_threads(torch.get_num_threads())

    def bare_faiss():
        index = faiss.IndexFlatIP(384)
        index.add(X)
        return index.search(X, 21)

    def scikit_learn():
        search = NearestNeighbors(n_neighbors=20, metric="cosine", algorithm="brute")
        return search.fit(X).kneighbors()

    ways = {
        "faiss": bare_faiss,
        "exact": lambda: mine_neighbors(X, method="exact", device="cpu"),
        "flat": lambda: mine_neighbors(X, method="flat", device="cpu"),
    }
    seconds = {name: [] for name in ways}
    for _ in range(N_ROUNDS):
        for name, way in ways.items():
            taken, found = timed(way)
            seconds[name].append(taken)
            if name == "exact":
                graph = found
    median = {name: float(np.median(taken)) for name, taken in seconds.items()}
    of_faiss = {
        name: float(np.median(np.divide(seconds["faiss"], seconds[name])))
        for name in ("exact", "flat")
    }
    median["scikit-learn"], (distances, indices) = timed(scikit_learn)
    of_scikit_learn = median["scikit-learn"] / median["exact"]
    results = {
        "seconds": rounded(median),
        "speed over faiss": rounded(of_faiss),
        "speed over scikit-learn": round(of_scikit_learn, 2),
        **compare(graph, indices, 1 - distances),
    }
    assert min(of_faiss.values()) >= LEAST_OF_FAISS, results
    assert of_scikit_learn >= LEAST_OF_SCIKIT_LEARN, results
    assert results["other neighbours, more than 1e-6 apart"] == 0, results
    return results


def compare(graph, indices, similarities):
    """Return how many neighbours differ from others' beyond rounding."""
    differ = graph.indices != indices
    apart = np.abs(graph.similarities - similarities) > 1e-6
    return {
        "neighbours": int(differ.size),
        "in another place": int(differ.sum()),
        "other neighbours, more than 1e-6 apart": int((differ & apart).sum()),
    }


def million():
    """Find approximate neighbours of 1,000,000 x 128 in twice the features' memory."""
    results = in_child("mine", "ivf_sq8", 1_000_000)
    assert results["recall of others"] >= LEAST_RECALL, results
    assert results["speed over exact"] >= LEAST_OF_EXACT, results
    assert results["memory over features"] <= MOST_OF_FEATURES, results
    return results


def growth():
    """Measure time and memory of each method; a long exact search on a sample."""
    rows = [in_child("mine", m, n) for n in SIZES for m in METHODS]
    print(f"{'n':>9} {'method':>9} {'seconds':>9} {'MB beyond X':>12} {'recall':>7}")
    for row in rows:
        print(
            f"{row['n']:>9,} {row['method']:>9} {row['seconds']:>9.1f} "
            f"{row['MB beyond the features']:>12.0f} {row['recall of others']:>7.3f}"
        )
    return rows


def mine(method, n_samples):
    """Measure one search, in this process."""
    from sklearn_scan.neighbors._exact import TorchSearch, exact_neighbors
    from sklearn_scan.neighbors._unit_vectors import UnitVectors

    n_samples = int(n_samples)
    mine_neighbors(np.eye(300, dtype=np.float32), method=method)  # loads libraries
    before = resident_megabytes("VmRSS")
    X = make_groups(n_samples, 128)[0]
    ctypes.CDLL(None).malloc_trim(0)  # what making them took is given back
    with_features = resident_megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that from here on
    asked = np.random.default_rng(1).permutation(n_samples)[:SAMPLE]
    vectors = UnitVectors(X, torch.device("cpu"))

    def search_sample():
        return exact_neighbors(vectors, asked, 20, TorchSearch())

    is_estimated = method == "exact" and n_samples > 200_000
    if is_estimated:
        peak, graph = None, None
    else:
        seconds, graph = timed(
            lambda: mine_neighbors(X, method=method, random_state=0, device="cpu")
        )
        peak = resident_megabytes("VmHWM")  # before the sample's true neighbours
    of_sample, (true, _) = timed(search_sample)
    exact_seconds = of_sample * n_samples / len(asked)
    if is_estimated:
        seconds, recall, reported = exact_seconds, 1.0, 1.0
        of_graph = (12 * 20 + 12 * 24) * n_samples / 2**20  # kept, and while it is made
        peak = resident_megabytes("VmHWM") + of_graph
    else:
        nearest = graph.similarities[asked] >= true[:, -1:].numpy() - 1e-6
        recall, reported = float(nearest.mean()), graph.recall_
    megabytes = X.nbytes / 2**20
    return {
        "n": n_samples,
        "d": X.shape[1],
        "method": method,
        "seconds": round(seconds, 2),
        "estimated": is_estimated,
        "seconds of an exact search, estimated": round(exact_seconds, 1),
        "speed over exact": round(exact_seconds / seconds, 1),
        "recall reported": round(reported, 4),
        "recall of others": round(recall, 4),
        "MB of features": round(megabytes),
        "MB beyond the features": round(peak - with_features),
        "memory over features": round((peak - before) / megabytes, 2),
    }


def fit():
    """Cluster 1,000,000 x 384 numbers of half precision that lie in a file."""
    with tempfile.TemporaryDirectory() as folder:
        results = in_child("fit_from_disk", folder, 1_000_000)
    assert results["peak GB"] <= MOST_GIGABYTES, results
    return results


def fit_from_disk(folder, n_samples):
    """Measure one fit, in this process."""
    from sklearn_scan import SCANClusterer
    from sklearn_scan.metrics import clustering_accuracy

    path, n_samples = Path(folder) / "features.npy", int(n_samples)
    X = np.lib.format.open_memmap(path, "w+", np.float16, (n_samples, 384))
    classes = make_groups(n_samples, 384, n_classes=20, out=X)[1]
    X = np.load(path, mmap_mode="r")
    ctypes.CDLL(None).malloc_trim(0)  # what making them took is given back
    clusterer = SCANClusterer(20, random_state=0, device="cpu", verbose=1)
    seconds, _ = timed(lambda: clusterer.fit(X))
    peak = resident_megabytes("VmHWM") / 1024
    return {
        "n": n_samples,
        "d": 384,
        "seconds": round(seconds),
        "seconds of stages": rounded(clusterer.stage_times_),
        "seconds beside them": round(seconds - sum(clusterer.stage_times_.values())),
        "peak GB": round(peak, 2),
        "neighbours by": clusterer.neighbors_.method,
        "recall": round(clusterer.neighbors_.recall_, 3),
        "ACC": round(clustering_accuracy(classes, clusterer.labels_), 4),
    }


def gpu():
    """Find exact neighbours of 1,281,167 x 768 on a GPU."""
    n_samples, n_features = 1_281_167, 768
    X = torch.randn(n_samples, n_features, device="cuda")
    mine_neighbors(X[:50_000], 50, method="exact")  # loads libraries
    seconds, _ = timed(lambda: mine_neighbors(X, 50, method="exact"))
    product = torch.empty(8192, 65_536, device="cuda")
    torch.mm(X[:8192], X[:65_536].T, out=product)
    torch.cuda.synchronize()

    def multiply():
        for _ in range(20):
            torch.mm(X[:8192], X[:65_536].T, out=product)
        torch.cuda.synchronize()

    of_products, _ = timed(multiply)
    peak = 20 * 2 * product.numel() * n_features / of_products
    rate = 2 * n_samples**2 * n_features / seconds
    return {
        "seconds": round(seconds, 1),
        "TFLOP/s": round(rate / 1e12, 1),
        "share of bare products' rate": round(rate / peak, 3),
    }


def in_child(function, *arguments):
    """Run a function of this file in a new process; return what it returns."""
    command = [sys.executable, __file__, CHILD, function, *map(str, arguments)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(printed)


def rounded(values):
    return {name: round(value, 2) for name, value in values.items()}


def main():
    benchmarks = {each.__name__: each for each in (exact, million, growth, fit, gpu)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", metavar="benchmark", default=[])
    parser.add_argument("--json", type=Path, help="where to add the results")
    arguments = parser.parse_args()
    chosen = arguments.benchmarks or [*benchmarks][:-1]
    if unknown := set(chosen) - set(benchmarks):
        parser.error(f"unknown: {sorted(unknown)}; known: {list(benchmarks)}")
    content = {}
    if arguments.json and arguments.json.exists():
        content = json.loads(arguments.json.read_text())
    for name in chosen:
        load = round(os.getloadavg()[0], 2)
        results = benchmarks[name]()
        print(name, json.dumps(results, indent=1), flush=True)
        machine = describe_machine() | {"load at start": load}
        content[name] = {"machine": machine, "results": results}
        if arguments.json:
            arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        print(json.dumps(globals()[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
