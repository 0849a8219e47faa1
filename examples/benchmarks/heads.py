"""Speed and memory of training the heads, against a plain PyTorch loop.

50,000 features of 384 numbers in 10 groups; 10 heads, batch 512, 100 epochs. The plain
loop is what one would write by hand: a Dataset of (anchor, neighbour) pairs in a
DataLoader, one head after another. Both run in this process, in the same minute.

    python examples/benchmarks/heads.py

The bars: at least 50 times the plain loop's head-samples a second, at most 40 s on 2
cores, at most 300 MB beyond the features, and the groups found.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import make_blobs
from torch import nn
from torch.utils.data import DataLoader, Dataset

from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.neighbor_training import make_heads, train_heads
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.objectives import ScanLoss

N_SAMPLES, N_FEATURES, N_CLUSTERS, N_HEADS, BATCH_SIZE = 50_000, 384, 10, 10, 512


class NeighborPairs(Dataset):
    """The plain way: one sample and one random neighbour of it at a time."""

    def __init__(self, features: np.ndarray, neighbors: np.ndarray) -> None:
        self.features = features
        self.neighbors = neighbors

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        neighbor = np.random.choice(self.neighbors[i])  # noqa: NPY002 - as people do
        return (
            torch.from_numpy(self.features[i]),
            torch.from_numpy(self.features[neighbor]),
        )


def train_plainly(features: np.ndarray, neighbors: np.ndarray, n_epochs: int) -> None:
    """Train one head, as a script would."""
    loader = DataLoader(NeighborPairs(features, neighbors), BATCH_SIZE, shuffle=True)
    head = nn.Linear(N_FEATURES, N_CLUSTERS)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    for _ in range(n_epochs):
        for anchors, partners in loader:
            p, q = head(anchors).softmax(dim=1), head(partners).softmax(dim=1)
            mean = p.mean(dim=0)
            agreement = torch.log((p * q).sum(dim=1).clamp_min(1e-8)).mean()
            loss = -agreement + 5 * (mean * torch.log(mean + 1e-8)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def time_plainly(features: np.ndarray, neighbors: np.ndarray, n_epochs: int) -> float:
    """Return the seconds that the plain loop takes."""
    start = time.perf_counter()
    train_plainly(features, neighbors, n_epochs)
    return time.perf_counter() - start


def make_features(
    n_samples: int = N_SAMPLES, n_features: int = N_FEATURES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features in overlapping groups, neighbours of the same group, groups."""
    features, y = make_blobs(
        n_samples, n_features, centers=N_CLUSTERS, cluster_std=30.0, random_state=0
    )
    rng = np.random.default_rng(0)
    neighbors = np.empty((n_samples, 20), dtype=np.int64)
    for group in range(N_CLUSTERS):
        members = np.flatnonzero(y == group)
        neighbors[members] = rng.choice(members, (len(members), 20))
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return features.astype(np.float32), neighbors, y


def resident_megabytes(field: str) -> float:
    """Return the process's memory now, "VmRSS", or at its peak, "VmHWM" (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--plain-epochs", type=int, default=4)
    arguments = parser.parse_args()

    features, neighbors, y = make_features()
    graph = NeighborGraph(neighbors, np.ones(neighbors.shape, dtype=np.float32))
    tensor = torch.from_numpy(features)
    trunk = FeatureTrunk(tensor)

    def train(n_epochs):
        generator = torch.Generator().manual_seed(0)
        heads = make_heads(trunk, N_CLUSTERS, N_HEADS, generator)
        losses = train_heads(
            heads,
            trunk,
            graph,
            ScanLoss(),
            Schedule(n_epochs, BATCH_SIZE, 1e-3),
            Run(),
            generator=generator,
            label="SCAN",
        )
        return heads.select(int(losses.argmin()))

    train(n_epochs=1)  # the first call starts the threads
    # The plain loop runs before and after, since machines drift in speed.
    plain = time_plainly(features, neighbors, arguments.plain_epochs)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = resident_megabytes("VmRSS")
    start = time.perf_counter()
    best = train(n_epochs=arguments.epochs)
    ours = time.perf_counter() - start
    memory = resident_megabytes("VmHWM") - before
    plain += time_plainly(features, neighbors, arguments.plain_epochs)

    with torch.no_grad():
        labels = best(tensor)[0].argmax(dim=1)
    our_rate = N_SAMPLES * N_HEADS * arguments.epochs / ours
    plain_rate = 2 * N_SAMPLES * arguments.plain_epochs / plain
    result = {
        "seconds": round(ours, 2),
        "head_samples_per_second": round(our_rate),
        "plain_head_samples_per_second": round(plain_rate),
        "ratio": round(our_rate / plain_rate, 1),
        "megabytes_beyond_the_features": round(memory),
        "accuracy": round(clustering_accuracy(y, labels.numpy()), 4),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.processor() or platform.machine(),
    }
    print(json.dumps(result, indent=2))
    assert result["accuracy"] > 0.98, "the heads must find the groups"
    assert result["megabytes_beyond_the_features"] <= 300
    assert arguments.epochs != 100 or result["seconds"] <= 40
    assert result["ratio"] >= 50


if __name__ == "__main__":
    main()
