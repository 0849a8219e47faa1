"""scikit-learn's callbacks follow a fit: its parts, its stages and their epochs."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_scan import (
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
    load,
    save,
)
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.model_selection import ShuffledKFold

QUICK = {"random_state": 0, "max_epochs": 3, "self_label_epochs": 2}
SCAN = SCANClusterer(n_heads=3, **QUICK)
TEMI = TEMIClusterer(n_heads=2, confidence_threshold=0.5, **QUICK)
JULE = JULEClusterer(unrolling_rate=0.99, confidence_threshold=0.5, **QUICK)  # once
RAND = "adjusted_rand_score"
each_method = pytest.mark.parametrize(
    "clusterer", [SCAN, TEMI, JULE], ids=["SCAN", "TEMI", "JULE"]
)


class Recorder:
    """Notes every task that ends, and what a clusterer fitted so far predicts."""

    def __init__(self, stop=()):
        self.ended = []
        self.begun = []
        self.fitted = {}
        self.stop = stop

    def setup(self, estimator, context):
        self.ended.append("setup")

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(path_of(context))

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        path = path_of(context)
        self.ended.append(path)
        if fitted_estimator is not None:
            self.fitted[path, context.task_id] = fitted_estimator.score(X, y)
        return path in self.stop


def path_of(context):
    names = []
    while context is not None:
        names.append(context.task_name)
        context = context.parent
    return "/".join(reversed(names))


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


@each_method
def test_parts_stages_and_epochs_are_tasks(clusterer, digits):
    recorder = Recorder()
    clone(clusterer).set_callbacks(recorder).fit(*digits)
    assert recorder.ended == [
        "setup", "fit/encode", "fit/mine", *["fit/cluster/epoch"] * 3, "fit/cluster",
        *["fit/self_label/epoch"] * 2, "fit/self_label", "fit/calibrate",
        "fit", "teardown",
    ]  # fmt: skip
    assert sorted(recorder.begun) == sorted(recorder.ended[1:-1])


@each_method
def test_callbacks_change_nothing(clusterer, digits):
    plain = clone(clusterer).fit(*digits)
    watched = clone(clusterer).set_callbacks(Recorder(), ScoringMonitor(scoring=RAND))
    watched.fit(*digits)
    np.testing.assert_array_equal(watched.probabilities_, plain.probabilities_)
    assert watched.history_ == plain.history_


@each_method
def test_what_is_found_so_far_can_be_scored(clusterer, digits):
    recorder = Recorder()
    fitted = clone(clusterer).set_callbacks(recorder).fit(*digits)
    scores = recorder.fitted
    assert scores["fit", 0] == fitted.score(*digits)
    assert scores["fit/self_label", 3] == pytest.approx(scores["fit", 0], abs=0.05)
    assert scores["fit/self_label/epoch", 1] > 0.4
    assert ("fit/cluster/epoch", 0) in scores or clusterer is not SCAN


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_trained_backbone_is_scored_as_it_is(digits):
    images = load_digits_images().images[:100]
    recorder = Recorder()
    clusterer = SCANClusterer(3, encoder=SimCLR(epochs=1), n_heads=2, **QUICK)
    clusterer.set_callbacks(recorder).fit(images, digits[1][:100])
    assert clusterer.encoder_ is not None
    stages = [path for path, _ in recorder.fitted]
    # the heads on features, and the backbone with the best of them
    assert stages.count("fit/cluster") == 2
    assert recorder.fitted["fit", 0] == clusterer.score(images, digits[1][:100])


def test_a_callback_stops_a_stage(digits):
    recorder = Recorder(stop=["fit/cluster/epoch"])
    fitted = clone(SCAN).set_callbacks(recorder).fit(*digits)
    stages = [record["stage"] for record in fitted.history_]
    assert stages == ["SCAN", "self-labelling", "self-labelling"]


def test_a_callback_stops_all_periods(digits):
    recorder = Recorder(stop=["fit/cluster/epoch"])
    clusterer = JULEClusterer(10, max_epochs=2, unrolling_rate=0.5, random_state=0)
    fitted = clusterer.set_callbacks(recorder).fit(*digits)
    assert len(fitted.history_) == 1
    assert recorder.ended.count("fit/cluster/epoch") == 1
    assert recorder.fitted["fit", 0] == fitted.score(*digits) > 0.5


def test_the_monitor_has_scores_of_epochs_and_stages(digits):
    monitor = ScoringMonitor(scoring=RAND)
    fitted = clone(SCAN).set_callbacks(monitor).fit(*digits)
    rows = monitor.get_logs().data
    scored = {row["task_name"] for row in rows if RAND in row}
    assert {"fit", "cluster", "self_label", "epoch"} <= scored
    (whole,) = [row[RAND] for row in rows if row["task_name"] == "fit"]
    assert whole == adjusted_rand_score(digits[1], fitted.labels_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_bar_and_the_monitor_in_a_grid_search(digits, capsys):
    pytest.importorskip("rich")
    monitor = ScoringMonitor(scoring=RAND)
    search = GridSearchCV(
        clone(SCAN).set_callbacks(monitor),
        {"n_clusters": [7, 8]},
        cv=ShuffledKFold(2, random_state=0),
    )
    search.set_callbacks(ProgressBar()).fit(*digits)
    names = {row["task_name"] for row in monitor.get_logs().data}
    assert {"cluster", "epoch"} <= names
    assert "cluster" in capsys.readouterr().out


def test_the_bar_shows_the_stages(digits, capsys):
    pytest.importorskip("rich")
    make_pipeline(StandardScaler(), clone(SCAN)).fit(digits[0])  # as ever
    clone(SCAN).set_callbacks(ProgressBar()).fit(digits[0])
    shown = capsys.readouterr().out
    assert "SCANClusterer - fit" in shown
    assert "cluster" in shown
    assert "self_label" in shown


@pytest.mark.filterwarnings("error")
def test_a_saved_model_has_no_callbacks(digits, tmp_path):
    watched = clone(SCAN).set_callbacks(ScoringMonitor(scoring=RAND))
    save(watched.fit(*digits), tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(digits[0]), watched.labels_)
    assert not hasattr(loaded, "_skl_callbacks")
