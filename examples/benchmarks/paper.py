"""The tables of the SCAN paper, ours beside the published figures.

Trains on the train split and evaluates on the test split, stage by stage, with several
seeds. Every stage is kept in a folder, so a run that was interrupted goes on where it
was, and rows share what they have in common. The full protocol takes hours on a GPU:

    python examples/benchmarks/paper.py --dataset cifar10

--quick is half of CIFAR-10's classes, 8,000 of their images, a small network and few
epochs, for two CPU cores; it asserts that the rows stand in the paper's order. --h200
is the full set and network, in what should be half an hour on a large GPU. All options
may be given one by one:

    python examples/benchmarks/paper.py --subset 5000 --epochs 30 --backbone auto
"""

import argparse
import copy
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import torch
from benchmark_images import load_split
from benchmark_machine import describe_machine
from benchmark_stages import Stages, claim
from sklearn.cluster import KMeans

from sklearn_scan import SCANClusterer
from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Found, Material, SelfLabeling
from sklearn_scan.clusterers.trunks import BackboneTrunk
from sklearn_scan.core.device import resolve_device, resolve_precision
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.images.augment import ColorViews, StrongViews
from sklearn_scan.metrics import clustering_report, majority_mapping
from sklearn_scan.pretext import InstanceDiscrimination, MoCo, RotNet, SimCLR

PRETEXTS = {
    "SimCLR": SimCLR,
    "MoCo": MoCo,
    "NCE": InstanceDiscrimination,
    "RotNet": RotNet,
}
VIEWS = {"SimCLR": ColorViews, "strong": StrongViews}
DATASETS = ("cifar10", "cifar100-20", "stl10")


@dataclass(frozen=True)
class Protocol:
    """The settings of a run; by default the paper's for CIFAR, with two of ours.

    The heads of the first stage begin with what they learnt on the features as they
    are, unless K = 0. RotNet makes four views an image where the others make two, and
    runs for half the epochs.
    """

    dataset: str = "cifar10"
    classes: int | None = None
    subset: int | None = None
    backbone: str = "resnet18"
    image_size: int = 32
    projection_dim: int = 128
    n_heads: int = 1
    epochs: int = 500
    scan_epochs: int = 100
    self_label_epochs: int = 200
    optimizer: str = "sgd"
    batch_size: int = 512
    scan_batch_size: int = 128
    self_label_batch_size: int = 1000
    learning_rate: float = 1e-4
    self_label_learning_rate: float = 1e-4
    temperature: float = 0.1
    confidence_threshold: float = 0.99
    ema_decay: float | None = None
    compile: bool = False


QUICK = {
    "classes": 5,
    "subset": 8000,
    "backbone": "auto",
    "projection_dim": 64,
    "n_heads": 10,
    "epochs": 20,
    "scan_epochs": 8,
    "self_label_epochs": 15,
    "ema_decay": 0.99,
    "optimizer": "adamw",
    "batch_size": 256,
    "self_label_batch_size": 256,
    "learning_rate": 1e-3,
    "self_label_learning_rate": 3e-4,
    "temperature": 0.2,
    "confidence_threshold": 0.9,
}
H200 = {"epochs": 400, "scan_epochs": 50, "self_label_epochs": 50, "compile": True}


class Study:
    """The stages of one seed, each trained once and kept.

    Parameters
    ----------
    protocol : Protocol
    seed : int
    folder : Path
        Where the stages are kept; of one protocol only.
    """

    def __init__(self, protocol, seed, folder):
        self.protocol = protocol
        self.seed = seed
        self._stages = Stages(folder / f"seed-{seed}", f"seed {seed}")
        self.train, self.test = (
            load_split(protocol.dataset, split, folder).first_classes(protocol.classes)
            for split in ("train", "test")
        )
        self.train = self.train.subset(protocol.subset, seed)

    @property
    def seconds(self):
        """The seconds of each stage."""
        return self._stages.seconds

    def pretext(self, name):
        def fit():
            p = self.protocol
            settings = {}
            if name == "SimCLR":
                settings = {
                    "temperature": p.temperature,
                    "projection_dim": p.projection_dim,
                }
            return PRETEXTS[name](
                p.backbone,
                image_size=p.image_size,
                stem="small",
                # of which RotNet makes four views an image, where others make two
                epochs=max(p.epochs // 2, 1) if name == "RotNet" else p.epochs,
                batch_size=p.batch_size,
                optimizer=p.optimizer,
                compile=p.compile,
                progressive_resizing=False,
                random_state=self.seed,
                verbose=1,
                **settings,
            ).fit(self.train.images)

        return self._stages.keep(f"pretext-{name}", fit)

    def k_means(self, pretext):
        """Return the labels of the test split, by k-means on the embedding."""
        encoder = self.pretext(pretext)
        train, test = map(encoder.transform, (self.train.images, self.test.images))
        center = train.mean(axis=0)
        train, test = (_unit(rows - center) for rows in (train, test))
        k_means = KMeans(self.train.n_classes, n_init=10, random_state=self.seed)
        return k_means.fit(train).predict(test)

    def clusterer(self, pretext="SimCLR", views="strong", n_neighbors=20, times=1):
        """Return the clusterer after the first stage."""

        def fit():
            p = self.protocol
            return SCANClusterer(
                times * self.train.n_classes,
                encoder=self.pretext(pretext).encoder_,
                finetune=True,
                strong_views=VIEWS[views](),
                n_neighbors=n_neighbors,
                n_heads=p.n_heads,
                max_epochs=p.scan_epochs,
                self_label_epochs=0,
                batch_size=p.scan_batch_size,
                learning_rate=p.learning_rate,
                random_state=self.seed,
                verbose=1,
            ).fit(self.train.images)

        name = f"scan-{pretext}-{views}-k{n_neighbors}-x{times}"
        return self._stages.keep(name, fit)

    def scan(self, **stage):
        """Return the labels of the test split after the first stage."""
        return self.clusterer(**stage).predict(self.test.images)

    def self_labeled(self, *, label_views="strong", threshold=None, **stage):
        """Return the labels of the test split after the second stage."""
        threshold = threshold or self.protocol.confidence_threshold

        def fit():
            clusterer = copy.deepcopy(self.clusterer(**stage))
            self._self_label(clusterer, VIEWS[label_views](), threshold)
            return clusterer

        name = "".join(f"-{key}={value}" for key, value in sorted(stage.items()))
        kept = self._stages.keep(f"self-label-{label_views}-{threshold}{name}", fit)
        return kept.predict(self.test.images)

    def _self_label(self, clusterer, views, threshold):
        """Run the second stage on a clusterer that has been through the first."""
        p = self.protocol
        scaler, head = clusterer.module_[:2]  # without the calibration
        module, preprocessing = clusterer.encoder_.for_training()
        device = resolve_device("auto")
        images = torch.from_numpy(self.train.images).permute(0, 3, 1, 2)
        if images.shape[2] != preprocessing.input_size:
            images = _resize(self.train.images, preprocessing.crop)
        trunk = BackboneTrunk(
            images,
            module,
            scaler,
            preprocessing,
            augment=views,
            device=device,
            dtype=resolve_precision("auto", device),
        )
        head = head.to(device)
        one = torch.zeros(1)
        found = Found.best_of(head, one, one, trunk.features())
        schedule = Schedule(
            p.self_label_epochs, p.self_label_batch_size, p.self_label_learning_rate
        )
        # The paper's stage, `self_labeling="confident"`, with one threshold for all
        # clusters; what comes out is kept, since the stage is not guarded.
        stage = SelfLabeling(threshold, schedule, ema_decay=p.ema_decay)
        material = Material(trunk, None, head.n_clusters)
        with isolated_rng(self.seed, device):  # of which the views draw
            found = stage.run(material, found, Run(self.seed, verbose=1))
        clusterer.module_ = torch.nn.Sequential(scaler, found.head).cpu().eval()
        clusterer.encoder_ = clusterer.encoder_.with_trained(module)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def _resize(images, crop):
    return torch.from_numpy(np.stack([crop(image) for image in images])).permute(
        0, 3, 1, 2
    )


class Row(NamedTuple):
    """A row of the paper, and the accuracies published for it, in percent."""

    table: str
    name: str
    labels: Callable[[Study], np.ndarray]
    published: dict[str, float] = {}  # noqa: RUF012 - never altered
    majority: bool = False


ROWS = [
    Row(
        "components",
        "k-means on SimCLR",
        lambda s: s.k_means("SimCLR"),
        {"cifar10": 65.9, "cifar100-20": 39.5, "stl10": 65.8},
    ),
    Row(
        "components",
        "SCAN, SimCLR's views",
        lambda s: s.scan(views="SimCLR"),
        {"cifar10": 78.7},
    ),
    Row(
        "components",
        "SCAN, strong views",
        lambda s: s.scan(),
        {"cifar10": 81.8, "cifar100-20": 42.2, "stl10": 75.5},
    ),
    Row(
        "components",
        "self-labelling, SimCLR's views",
        lambda s: s.self_labeled(label_views="SimCLR", views="SimCLR"),
        {"cifar10": 10.0},
    ),
    Row(
        "components",
        "self-labelling, strong views after SimCLR's",
        lambda s: s.self_labeled(views="SimCLR"),
    ),
    Row(
        "components",
        "self-labelling, strong views",
        lambda s: s.self_labeled(),
        {"cifar10": 87.6, "cifar100-20": 45.9, "stl10": 76.7},
    ),
    Row(
        "components",
        "over-clustered twice",
        lambda s: s.self_labeled(times=2),
        {"cifar10": 86.2, "cifar100-20": 55.1, "stl10": 76.8},
        majority=True,
    ),
    Row(
        "pretexts", "RotNet, k-means", lambda s: s.k_means("RotNet"), {"cifar10": 27.1}
    ),
    Row("pretexts", "NCE, k-means", lambda s: s.k_means("NCE"), {"cifar10": 52.0}),
    Row("pretexts", "MoCo, k-means", lambda s: s.k_means("MoCo")),
    *[
        Row(
            "pretexts",
            f"{name}, all stages",
            lambda s, name=name: s.self_labeled(pretext=name),
            published,
        )
        for name, published in [
            ("RotNet", {"cifar10": 74.3}),
            ("NCE", {"cifar10": 83.5}),
            ("MoCo", {}),
        ]
    ],
    *[
        Row(
            "neighbours",
            f"SCAN, K = {k}",
            lambda s, k=k: s.scan(n_neighbors=k),
            published,
        )
        for k, published in [(0, {"cifar10": 56.3}), (5, {"cifar10": 79.3}), (50, {})]
    ],
    *[
        Row(
            "thresholds",
            f"self-labelling, above {threshold}",
            lambda s, t=threshold: s.self_labeled(threshold=t),
        )
        for threshold in (0.7, 0.8, 0.9, 0.95)
    ],
]
QUICK_ROWS = [
    "k-means on SimCLR",
    "SCAN, strong views",
    "self-labelling, strong views",
    "SCAN, K = 0",
    "RotNet, k-means",
    "NCE, k-means",
]


def evaluate(row, study):
    """Return the scores of a row on the test split."""
    y, labels = study.test.classes, row.labels(study)
    if row.majority:
        mapping = majority_mapping(y, labels)
        labels = np.array([mapping[label] for label in labels])
    report = clustering_report(y, labels)
    return {"accuracy": report.accuracy, "nmi": report.nmi, "ari": report.ari}


def print_table(results, dataset):
    """Print the mean and deviation of each row over the seeds, beside the paper's."""
    print(f"\n{'':36}{'ACC':>13}{'NMI':>7}{'ARI':>7}{'paper':>8}")
    for row in ROWS:
        scores = [result for result in results if result["row"] == row.name]
        if not scores:
            continue
        mean, deviation = (
            {
                key: 100 * f([s[key] for s in scores])
                for key in ("accuracy", "nmi", "ari")
            }
            for f in (np.mean, np.std)
        )
        published = row.published.get(dataset)
        print(
            f"{row.name:36}{mean['accuracy']:7.1f} ±{deviation['accuracy']:4.1f}"
            f"{mean['nmi']:7.1f}{mean['ari']:7.1f}"
            f"{'' if published is None else published:>8}"
        )


def check_order(results):
    """Assert that the rows stand in the paper's order, as means over the seeds."""
    by_row = defaultdict(list)
    for result in results:
        by_row[result["row"]].append(result["accuracy"])
    mean = {row: np.mean(values) for row, values in by_row.items()}
    k_means, scan, self_labeled, no_neighbors, rotnet, nce = map(mean.get, QUICK_ROWS)
    assert k_means < scan < self_labeled, (k_means, scan, self_labeled)
    assert no_neighbors < scan - 0.03, (no_neighbors, scan)
    assert rotnet < min(k_means, nce), (rotnet, nce, k_means)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many; default 3")
    parser.add_argument("--rows", nargs="*", help="words in the names of rows to run")
    parser.add_argument("--folder", type=Path, help="where the stages are kept")
    parser.add_argument("--json", type=Path, help="where to write the results")
    presets = parser.add_mutually_exclusive_group()
    presets.add_argument("--quick", action="store_true")
    presets.add_argument("--h200", action="store_true")
    for name, default in asdict(Protocol()).items():
        kinds = {"classes": int, "subset": int, "ema_decay": float}
        kind = kinds.get(name, type(default))
        option = f"--{name.replace('_', '-')}"
        if kind is bool:
            parser.add_argument(option, action="store_true", default=None)
        else:
            choices = DATASETS if name == "dataset" else None
            parser.add_argument(
                option, type=kind, choices=choices, help=f"default {default}"
            )
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    settings = QUICK if arguments.quick else H200 if arguments.h200 else {}
    given = {key: getattr(arguments, key) for key in asdict(Protocol())}
    given = {key: value for key, value in given.items() if value is not None}
    protocol = Protocol(**(settings | given))
    folder = arguments.folder or Path(f"paper-{joblib.hash(asdict(protocol))[:8]}")
    claim(folder, asdict(protocol), "protocol")
    rows = ROWS
    if arguments.quick:
        rows = [row for row in ROWS if row.name in QUICK_ROWS]
    if arguments.rows:
        rows = [row for row in rows if any(word in row.name for word in arguments.rows)]
    if not rows:
        raise SystemExit(f"No row has one of the words {arguments.rows}.")

    results, seconds = [], {}
    for seed in range(arguments.seeds):
        study = Study(protocol, seed, folder)
        for row in rows:
            scores = evaluate(row, study)
            results.append(
                {"table": row.table, "row": row.name, "seed": seed, **scores}
            )
            print(f"seed {seed}, {row.name}: ACC {100 * scores['accuracy']:.1f}")
            seconds[f"seed {seed}"] = study.seconds
            _write(
                arguments.json or folder / "results.json", protocol, results, seconds
            )
    print_table(results, protocol.dataset)
    total = sum(sum(stages.values()) for stages in seconds.values())
    print(f"{total:.0f} s of training in all; stages kept in {folder}")
    if arguments.quick and not arguments.rows:
        check_order(results)


def _write(file, protocol, results, seconds):
    content = {
        "protocol": asdict(protocol),
        "machine": describe_machine(),
        "results": results,
        "seconds": seconds,
    }
    file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
