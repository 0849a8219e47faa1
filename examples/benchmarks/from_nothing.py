"""Clusters of images from nothing: a pretext, SCAN, self-labelling, and their scores.

No pretrained weights and no labels: labels are used to print how good the clusters are.

    python examples/benchmarks/from_nothing.py usps cifar10-5 --seeds 0 1 2

Two protocols: "train -> test" learns from the training split and is scored on the test
split, as in the SCAN paper; "train + test" learns from all images and is scored on
them, as in most other papers, and for sets without splits. Stages are kept in a folder,
and each fit has a checkpoint in it: the same call goes on where it was killed. (The
seconds of a stage are then those since.)

--h200 is CIFAR-10 with a ResNet-18, within some minutes of a large GPU:

    python examples/benchmarks/from_nothing.py --h200 --folder kept --json h200.json

It needs no faiss. With --scale 200 it is the same run at 1/200 of its images and
minutes, which takes under two minutes on a CPU.
"""

import argparse
import functools
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from inspect import isabstract, isclass
from pathlib import Path
from statistics import fmean, median, pstdev

import joblib
import numpy as np
from benchmark_images import Images, load_splits
from benchmark_machine import bf16_peak, describe_machine, training_flops
from benchmark_published import PUBLISHED, SPLIT, WHOLE
from benchmark_stages import Stages, claim
from sklearn.cluster import KMeans

from sklearn_scan import SCANClusterer, pretext
from sklearn_scan.core.device import resolve_device
from sklearn_scan.metrics import clustering_report

SETS = ("digits", "usps", "mnist_test", "coil20", "cifar10", "cifar10-5")
LEARN = "learn"  # the pretext that encoder="learn" chooses
PRETEXTS = {
    name: each
    for name, each in vars(pretext).items()
    if isclass(each) and issubclass(each, pretext.Pretext) and not isabstract(each)
}
METHODS = ("k-means on the embedding", "SCAN", "SCAN + self-labelling")
SCORES = ("accuracy", "nmi", "ari")


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Parameters
    ----------
    pretext : str
        The class of the pretext, or "learn".
    of_pretext, of_scan : dict
        Parameters that are not the package's own.
    minutes : float or None
        The time for all stages; None trains for the epochs of the parameters.
    subset : int or None
        How many images to learn from; None is all.
    test_subset : int or None
        How many images of a test split to score.
    """

    pretext: str = LEARN
    of_pretext: dict = field(default_factory=dict)
    of_scan: dict = field(default_factory=dict)
    minutes: float | None = None
    subset: int | None = None
    test_subset: int | None = None


# The SCAN paper's, but for a compiled network; it is 500 epochs there. Batches of 500,
# not 512, are all alike, so that they are compiled for one size.
H200 = {
    "backbone": "resnet18",
    "stem": "small",
    "image_size": 32,
    "optimizer": "sgd",
    "batch_size": 500,
}
H200_SIMCLR = {"temperature": 0.1, "projection_dim": 128}
H200_SCAN = {"batch_size": 512}
H200_MINUTES = 12
# Of the minutes for all stages; the rest is for reading, compiling and scoring.
SHARES = {"pretext": 0.6, "SCAN": 0.12, "SCAN + self-labelling": 0.12}
# An epoch of these stages takes so many of the pretext's: their networks are not
# compiled, and embed all images after each.
STAGE_COST = 2.0


class Watch:
    """A callback that does nothing unless a subclass writes it."""

    def setup(self, *_, **__):
        """Begin to watch a fit."""

    def teardown(self, *_, **__):
        """Watch no more."""

    def on_fit_task_begin(self, *_):
        """Note that a part of the fit begins."""

    def on_fit_task_end(self, *_):
        """Note that it ends."""


class EpochClock(Watch):
    """A callback that notes the seconds of each epoch of a pretext."""

    def __init__(self):
        self.seconds = []

    def on_fit_task_begin(self, *_):
        self._start = time.perf_counter()

    def on_fit_task_end(self, _, context):
        if context.task_name == "epoch":
            self.seconds.append(time.perf_counter() - self._start)


class StageLabels(Watch):
    """A callback that notes the labels of sets of images after each stage of SCAN."""

    def __init__(self, **sets):
        self.labels = {name: {} for name in sets}
        self._sets = sets

    def on_fit_task_end(self, _, context, *, fitted_estimator):
        if context.task_name in ("cluster", "self_label"):
            for name, images in self._sets.items():
                self.labels[name][context.task_name] = fitted_estimator.predict(images)


class Study:
    """The stages of one set, protocol and seed, each trained once and kept.

    Parameters
    ----------
    settings : Settings
    learning, scored : Images
        What is learnt from, and what is scored.
    seed : int
    stages : Stages
    """

    def __init__(self, settings, learning, scored, seed, stages):
        self.settings = settings
        self.learning = learning
        self.scored = scored
        self.seed = seed
        self.stages = stages

    def pretext(self):
        """Return the trained encoder, and the seconds of its epochs."""
        epochs = self._plan()["pretext"]
        return self.stages.keep("pretext", lambda: self._fit_pretext(epochs))

    def _fit_pretext(self, epochs, checkpoint="pretext-checkpoint"):
        settings, clock = self.settings, EpochClock()
        parameters = settings.of_pretext | (
            {} if epochs is None else {"epochs": epochs}
        )
        fitted = self._new_pretext().set_params(
            **parameters,
            random_state=self.seed,
            verbose=1,
            checkpoint=self.stages.folder / checkpoint,
        )
        fitted.set_callbacks(clock).fit(self.learning.images)
        return fitted.encoder_, clock.seconds

    def _new_pretext(self):
        if self.settings.pretext != LEARN:
            return getattr(pretext, self.settings.pretext)()
        n_images, *sides = self.learning.images.shape[:3]
        is_grey = self.learning.images.ndim == 3
        device = resolve_device("auto")
        return pretext.choose_pretext(n_images, min(sides), is_grey, device.type)

    def _plan(self):
        """Return the epochs of each stage that fit into the minutes; None is as set."""
        minutes = self.settings.minutes
        if minutes is None:
            return dict.fromkeys(SHARES)
        seconds = self._trial()
        of_epoch = dict.fromkeys(SHARES, STAGE_COST * seconds[-1])
        of_epoch["pretext"] = seconds[-1]
        return {
            stage: max(1, int(60 * minutes * share / of_epoch[stage]))
            for stage, share in SHARES.items()
        }

    def _trial(self):
        """Return the seconds of two epochs, of which the first compiles the network."""
        _, seconds = self.stages.keep(
            "trial", lambda: self._fit_pretext(2, "trial-checkpoint")
        )
        return seconds

    def k_means(self):
        """Return the labels of k-means on the embedding, about its mean."""
        encoder, _ = self.pretext()

        def fit():
            learning, scored = (
                encoder.transform(data.images) for data in (self.learning, self.scored)
            )
            center = learning.mean(axis=0)
            learning, scored = (_unit(rows - center) for rows in (learning, scored))
            k_means = KMeans(self.learning.n_classes, n_init=10, random_state=self.seed)
            return k_means.fit(learning).predict(scored)

        return self.stages.keep("k-means", fit)

    def clusters(self):
        """Return the labels of both sets after each stage of SCAN, and the seconds."""
        encoder, _ = self.pretext()
        plan = self._plan()
        epochs = {
            "max_epochs": plan["SCAN"],
            "self_label_epochs": plan["SCAN + self-labelling"],
        }
        epochs = {name: n for name, n in epochs.items() if n is not None}

        def fit():
            watch = StageLabels(
                scored=self.scored.images, learning=self.learning.images
            )
            clusterer = SCANClusterer(
                self.learning.n_classes,
                encoder=encoder,
                finetune=True,
                random_state=self.seed,
                verbose=1,
                checkpoint=self.stages.folder / "clusters-checkpoint",
                **self.settings.of_scan | epochs,
            )
            clusterer.set_callbacks(watch).fit(self.learning.images)
            return watch.labels, clusterer.stage_times_

        return self.stages.keep("clusters", fit)

    def results(self):
        """Return the scores of each method, as shares."""
        labels, _ = self.clusters()
        found = [self.k_means(), *labels["scored"].values()]
        return _score(METHODS, self.scored.classes, found)

    def training_results(self):
        """Return the scores of SCAN on the images that were learnt from."""
        labels, _ = self.clusters()
        return _score(METHODS[1:], self.learning.classes, labels["learning"].values())

    def seconds(self):
        """Return the seconds of each stage."""
        _, parts = self.clusters()
        return {
            "pretext": round(self.stages.seconds["pretext"], 1),
            **{f"SCAN, {name}": round(each, 1) for name, each in parts.items()},
        }

    def speed(self):
        """Return the images a second of the pretext, and the share of the peak.

        None without an epoch that was not the first in its process.
        """
        encoder, seconds = self.pretext()
        seconds = seconds[1:]
        if not seconds and self.settings.minutes is not None:
            seconds = self._trial()[1:]
        if not seconds:
            return None
        rate = len(self.learning.images) / median(seconds)
        flops = 2 * training_flops(encoder.module_, encoder.preprocessing_.input_size)
        peak = bf16_peak()
        return {
            "images_a_second": round(rate),
            "share_of_bf16_peak": peak and round(rate * flops / peak, 3),
        }


def _score(methods, classes, labels):
    reports = (clustering_report(classes, each) for each in labels)
    return {
        method: {score: round(getattr(report, score), 4) for score in SCORES}
        for method, report in zip(methods, reports, strict=True)
    }


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


@functools.cache
def _load(name, folder):
    return load_splits(name, folder)


def protocols_of(name, folder):
    """Return the protocols that a set has the splits for."""
    return [WHOLE] if len(_load(name, folder)) == 1 else [SPLIT, WHOLE]


def divide(name, protocol, settings, seed, folder):
    """Return the images to learn from, and those to score."""
    splits = _load(name, folder)
    if protocol == SPLIT:
        train, test = splits
        return (
            train.subset(settings.subset, seed),
            test.subset(settings.test_subset, seed),
        )
    whole = Images(*(np.concatenate(parts) for parts in zip(*splits, strict=True)))
    whole = whole.subset(settings.subset, seed)
    return whole, whole


def run(name, protocol, seed, settings, folder):
    """Train and score once; return the figures."""
    learning, scored = divide(name, protocol, settings, seed, folder)
    folder = folder / name / protocol.replace(" ", "") / f"seed-{seed}"
    stages = Stages(folder, f"{name}, {protocol}, seed {seed}")
    study = Study(settings, learning, scored, seed, stages)
    return {
        "set": name,
        "protocol": protocol,
        "seed": seed,
        "images": [len(learning.images), len(scored.images)],
        "scores": study.results(),
        "training_scores": study.training_results(),
        "seconds": study.seconds(),
        "speed": study.speed(),
    }


def print_tables(runs):
    """Print mean and deviation of the seeds, beside published figures."""
    groups = defaultdict(list)
    for run in runs:
        groups[run["set"], run["protocol"]].append(run)
    for (name, protocol), of_set in groups.items():
        print(f"\n{name}, {protocol}; seeds: {len(of_set)}")
        print(f"{'':28}{'ACC':>13}{'NMI':>13}{'ARI':>13}")
        for method in METHODS:
            cells = [
                [100 * run["scores"][method][score] for run in of_set]
                for score in SCORES
            ]
            print(f"{method:28}" + "".join(map(_spread, cells)))
        for row in PUBLISHED:
            if row.data == name and row.protocol in (protocol, None):
                cells = [f"{'' if x is None else x:>7}      " for x in row[3:6]]
                asked = "" if row.protocol else " (protocol not known)"
                print(f"{row.method:28}{''.join(cells)} {row.source}{asked}")
        for stage in of_set[0]["seconds"]:
            print(f"{stage}: {fmean(run['seconds'][stage] for run in of_set):.0f} s")


def _spread(values):
    return f"{fmean(values):7.1f} ±{pstdev(values):4.1f}"


def h200_settings(pretext, minutes, scale):
    """Return the settings of a run on a large GPU, or of the same at a small scale."""
    is_gpu = resolve_device("auto").type == "cuda"
    of_pretext = H200 | {"compile": is_gpu}
    if pretext == "SimCLR":
        of_pretext |= H200_SIMCLR
    return Settings(
        pretext,
        of_pretext,
        H200_SCAN,
        minutes=minutes / scale,
        subset=None if scale == 1 else 50_000 // scale,
        test_subset=None if scale == 1 else 10_000 // scale,
    )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--protocols", nargs="*", choices=[SPLIT, WHOLE])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--subset", type=int, help="how many images to learn from")
    parser.add_argument(
        "--pretext", "--encoder", choices=(LEARN, *PRETEXTS), default=LEARN
    )
    parser.add_argument("--folder", type=Path, help="where the stages are kept")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--h200", action="store_true")
    parser.add_argument(
        "--minutes", type=float, help="to fill with all stages; 12 for --h200"
    )
    parser.add_argument("--scale", type=int, default=1, help="divides --h200")
    arguments = parser.parse_args()
    if unknown := set(arguments.sets) - set(SETS):
        parser.error(f"unknown sets {sorted(unknown)}: the sets are {', '.join(SETS)}")
    return arguments


def main():
    arguments = parse_arguments()
    minutes, protocols = arguments.minutes, arguments.protocols
    if arguments.h200 or arguments.scale > 1:
        minutes = H200_MINUTES if minutes is None else minutes
        settings = h200_settings(arguments.pretext, minutes, arguments.scale)
        names, protocols = arguments.sets or ["cifar10"], protocols or [SPLIT]
    else:
        settings = Settings(arguments.pretext, minutes=minutes, subset=arguments.subset)
        names = arguments.sets or list(SETS[:4])
    folder = arguments.folder
    if folder is None:
        folder = Path(f"from-nothing-{joblib.hash(asdict(settings))[:8]}")
    claim(folder, asdict(settings))
    runs = []
    for name in names:
        for protocol in protocols_of(name, folder):
            if protocols is not None and protocol not in protocols:
                continue
            for seed in arguments.seeds:
                runs.append(run(name, protocol, seed, settings, folder))
                print(json.dumps(runs[-1]), flush=True)
                _write(arguments.json or folder / "results.json", settings, runs)
    print_tables(runs)


def _write(file, settings, runs):
    content = {
        "machine": describe_machine(),
        "settings": asdict(settings),
        "runs": runs,
    }
    file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
