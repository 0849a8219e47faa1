"""Runs of clustering methods, and the JSON file that keeps their figures."""

import json
import time

import numpy as np
from benchmark_confidence import confidence_scores
from benchmark_machine import describe_machine

from sklearn_scan.core.labels import most_probable
from sklearn_scan.metrics import clustering_report


def measure(cluster, X, classes, seed):
    """Cluster once; return the scores, as shares, and the seconds.

    Parameters
    ----------
    cluster : callable
        From samples, the number of clusters and a seed to labels, or to the
        probability of each cluster, (n, n_clusters).
    X : array
        The samples.
    classes : ndarray of int64
        The class of each sample.
    seed : int
    """
    start = time.perf_counter()
    found = cluster(X, len(np.unique(classes)), seed)
    seconds = time.perf_counter() - start
    labels = found if found.ndim == 1 else most_probable(found)
    report = clustering_report(classes, labels)
    return {
        "accuracy": round(report.accuracy, 4),
        "nmi": round(report.nmi, 4),
        "ari": round(report.ari, 4),
        "n_clusters": len(report.clusters),
        "noise": round(report.n_unreadable / len(labels), 4),
        "seconds": round(seconds, 2),
        **(confidence_scores(classes, found) if found.ndim == 2 else {}),
    }


class Results:
    """The figures in a JSON file, which is written after every change.

    Parameters
    ----------
    file : Path
        It may exist, and then has to come from this machine and these versions.
    empty : dict
        What a new file has beside the machine.
    """

    def __init__(self, file, empty):
        self.file = file
        machine = describe_machine()
        self.content = {"machine": machine, **empty}
        if not file.is_file():
            return
        self.content = json.loads(file.read_text())
        if self.content["machine"] != machine:
            raise SystemExit(
                f"{file} has the figures of another machine, or of other versions: "
                f"{self.content['machine']}. This is {machine}."
            )

    def runs(self, name, method):
        """Return the runs of a method on a set, by seed."""
        return self.content["results"].setdefault(name, {}).setdefault(method, {})

    def fill(self, name, method, n_seeds, run, *, again=False):
        """Add the runs that are missing; replace all of them if asked to.

        Parameters
        ----------
        name, method : str
        n_seeds : int
            Seeds are numbered from 0.
        run : callable
            From a seed to the figures of a run.
        again : bool, default=False
        """
        runs = self.runs(name, method)
        if again:
            runs.clear()
        for seed in map(str, range(n_seeds)):  # JSON's keys are strings
            if seed in runs:
                continue
            runs[seed] = run(int(seed))
            self.write()
            print(f"{name}, {method}, seed {seed}: {runs[seed]}", flush=True)

    def write(self):
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.content, indent=1) + "\n")
