"""Choosing without labels: the score of settings, and the number of clusters.

    python examples/benchmarks/selection.py FOLDER [--json FILE] [--part score|number]

FOLDER has a file for each set, such as usps.npz, with features X (n, d) and classes y:
trashnet, imagenette, cifar10 and coil20 as MobileNetV2 features, usps, digits and mnist
as pixels: what frozen.py keeps in its --features. Classes are looked at only to judge
what was chosen without them.

The bars: over 20 settings, the rank correlation of score(X) with accuracy is at least
0.7 on three of four sets, and the setting of the highest score is within a point of the
best one on each; the number of clusters is within 20 % of that of classes on at least
five of eight sets.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterSampler

from sklearn_scan import SCANClusterer
from sklearn_scan.model_selection import estimate_n_clusters

SCORED = ("coil20", "imagenette", "trashnet", "usps")
COUNTED = ("trashnet", "imagenette", "cifar10", "coil20", "usps", "digits", "mnist")
# What a user may try, good and bad: near the defaults, settings hardly differ.
SETTINGS = {
    "entropy_weight": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0],
    "n_neighbors": [2, 5, 20, 50, 200],
    "learning_rate": [1e-3, 1e-2, 1e-1],
    "max_epochs": [5, 20, 60],
    "n_heads": [1, 3, 10],
    "self_label_epochs": [0, "auto"],
    "random_state": list(range(20)),
}
N_SETTINGS = 20


def load(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / f"{name}.npz") as arrays:
        return arrays["X"], arrays["y"]


def thin_out(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep all of the first class, fewer of each next, and a tenth of the last."""
    rng = np.random.default_rng(0)
    shares = np.geomspace(1, 0.1, len(np.unique(y)))
    kept = [
        rng.permutation(np.flatnonzero(y == c))[: round(share * np.sum(y == c))]
        for c, share in zip(np.unique(y), shares, strict=True)
    ]
    rows = np.concatenate(kept)
    return X[rows], y[rows]


def judge_score(X: np.ndarray, y: np.ndarray) -> dict:
    accuracies, scores, seconds = [], [], []
    for setting in ParameterSampler(SETTINGS, N_SETTINGS, random_state=0):
        clusterer = SCANClusterer(n_clusters=len(np.unique(y)), **setting).fit(X)
        accuracies.append(clusterer.score(X, y))
        start = time.perf_counter()
        scores.append(clusterer.score(X))
        seconds.append(time.perf_counter() - start)
    picked = accuracies[int(np.argmax(scores))]
    return {
        "rank_correlation": round(float(spearmanr(scores, accuracies)[0]), 3),
        "picked": round(picked, 4),
        "best": round(max(accuracies), 4),
        "median": round(float(np.median(accuracies)), 4),
        "worst": round(min(accuracies), 4),
        "seconds_a_score": round(float(np.median(seconds)), 2),
    }


def judge_number(X: np.ndarray, y: np.ndarray) -> dict:
    start = time.perf_counter()
    numbers = [
        estimate_n_clusters(X, random_state=seed).n_clusters for seed in (0, 1, 2)
    ]
    return {
        "n_classes": len(np.unique(y)),
        "n_samples": len(X),
        "n_clusters": numbers,
        "seconds": round((time.perf_counter() - start) / 3, 1),
    }


def is_near(result: dict) -> bool:
    errors = np.abs(np.array(result["n_clusters"]) / result["n_classes"] - 1)
    return bool(errors.max() <= 0.2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=["score", "number"])
    arguments = parser.parse_args()
    # of clusters that stay empty, as they do in some of the settings
    warnings.simplefilter("ignore", ConvergenceWarning)
    result: dict = {}
    if arguments.part != "number":
        result["score"] = {}
        for name in SCORED:
            result["score"][name] = judge_score(*load(arguments.folder, name))
            print(name, result["score"][name], flush=True)
    if arguments.part != "score":
        result["number"] = {}
        for name in (*COUNTED, "imagenette, imbalanced"):
            X, y = load(arguments.folder, name.split(",")[0])
            X, y = (X, y) if name in COUNTED else thin_out(X, y)
            result["number"][name] = judge_number(X, y)
            print(name, result["number"][name], flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if "score" in result:
        correlations = [r["rank_correlation"] for r in result["score"].values()]
        assert sum(c >= 0.7 for c in correlations) >= 3
        assert all(r["best"] - r["picked"] <= 0.01 for r in result["score"].values())
    if "number" in result:
        assert sum(is_near(r) for r in result["number"].values()) >= 5


if __name__ == "__main__":
    main()
