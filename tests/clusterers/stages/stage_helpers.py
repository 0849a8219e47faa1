"""Stages run on their own, outside a fit."""

from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Material


def run_stage(make, trunk, graph, *, n_clusters, found=None, seed=0, **settings):
    """Return what a stage finds, and the history.

    `make` is the stage's class; `n_epochs`, `batch_size` and `learning_rate` are its
    schedule, and all other settings its parameters.
    """
    schedule = Schedule(*(settings.pop(name) for name in Schedule._fields))
    run = Run(seed)
    stage = make(schedule=schedule, **settings)
    return stage.run(Material(trunk, graph, n_clusters), found, run), run.history
