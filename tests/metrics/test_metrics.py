"""Metrics against brute force, against scikit-learn, and on the edges."""

import pickle
from dataclasses import FrozenInstanceError
from itertools import permutations
from textwrap import dedent

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    confusion_matrix,
    normalized_mutual_info_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import GridSearchCV

from sklearn_scan.metrics import (
    clustering_accuracy,
    clustering_accuracy_scorer,
    clustering_report,
    majority_accuracy,
    majority_mapping,
    match_clusters,
    neighbor_purity,
    top_k_accuracy,
)

LABEL_METRICS = [
    clustering_accuracy,
    clustering_report,
    majority_accuracy,
    majority_mapping,
    match_clusters,
]


def random_labels(seed, n_classes, n_clusters, n_samples=24):
    """Random classes and clusters, a few images of which were not readable."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(n_classes, size=n_samples)
    y_pred = rng.integers(n_clusters, size=n_samples)
    y_pred[rng.random(n_samples) < 0.1] = -1
    return y_true, y_pred


def random_proba(seed, n_samples, n_clusters):
    return np.random.default_rng(seed).dirichlet(np.ones(n_clusters), size=n_samples)


def brute_force_accuracy(y_true, y_pred):
    """Try every way to give each class one cluster of its own, or none."""
    classes = sorted(set(y_true.tolist()))
    clusters = sorted(set(y_pred.tolist()) - {-1}) + [None] * len(classes)
    best = 0
    for chosen in permutations(clusters, len(classes)):
        cluster_of = dict(zip(classes, chosen, strict=True))
        right = 0
        for truth, cluster in zip(y_true.tolist(), y_pred.tolist(), strict=True):
            right += cluster_of[truth] == cluster
        best = max(best, right)
    return best / len(y_true)


def looped_top_k_accuracy(y_true, proba, k):
    class_of = match_clusters(y_true, proba.argmax(axis=1))
    right = 0
    for truth, row in zip(y_true.tolist(), proba.tolist(), strict=True):
        by_probability = sorted(range(len(row)), key=lambda c: (-row[c], c))
        right += truth in [class_of.get(c) for c in by_probability[:k]]
    return right / len(y_true)


# Hungarian accuracy and matching


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n_classes", "n_clusters"),
    [(1, 1), (1, 4), (4, 1), (3, 3), (4, 4), (2, 5), (4, 2)],
)
def test_accuracy_is_the_best_over_all_permutations(n_classes, n_clusters, seed):
    y_true, y_pred = random_labels(seed, n_classes, n_clusters)
    expected = brute_force_accuracy(y_true, y_pred)
    assert clustering_accuracy(y_true, y_pred) == pytest.approx(expected)


@pytest.mark.parametrize(("n_classes", "n_clusters"), [(3, 3), (2, 5), (5, 2)])
def test_match_clusters_is_one_to_one_and_earns_the_accuracy(n_classes, n_clusters):
    y_true, y_pred = random_labels(0, n_classes, n_clusters)
    class_of = match_clusters(y_true, y_pred)
    assert -1 not in class_of
    assert len(set(class_of.values())) == len(class_of) == min(n_classes, n_clusters)
    mapped = [class_of.get(cluster, -1) for cluster in y_pred]
    assert accuracy_score(y_true, mapped) == clustering_accuracy(y_true, y_pred)


@pytest.mark.parametrize("metric", [clustering_accuracy, majority_accuracy])
@pytest.mark.parametrize(
    "names",
    [
        np.array([7, -5, 100, 3]),
        np.array(["d", "b", "a", "c"]),
        np.array(["d", "b", "a", "c"], dtype=object),
        np.array([7, 5, 100, 3], dtype=object),
        np.array([7, 5, 100, 3], dtype=np.uint8),
        np.array([0.5, 2.0, -3.0, 1.0]),
    ],
    ids=["int", "str", "object str", "object int", "uint8", "float"],
)
def test_accuracy_does_not_depend_on_names(metric, names):
    y_true, y_pred = random_labels(0, n_classes=4, n_clusters=4)
    y_pred[y_pred == -1] = 0
    expected = metric(y_true, y_pred)
    assert 0 < expected < 1
    assert metric(names[y_true], y_pred) == expected
    assert metric(y_true, names[y_pred]) == expected


def test_permuted_classes_are_a_perfect_clustering():
    y_true = np.repeat([0, 1, 2], 4)
    y_pred = np.array([2, 0, 1])[y_true]
    assert clustering_accuracy(y_true, y_pred) == 1.0
    assert match_clusters(y_true, y_pred) == {2: 0, 0: 1, 1: 2}


def test_accuracy_returns_a_float():
    assert type(clustering_accuracy([0, 1], [0, 1])) is float
    assert type(majority_accuracy([0, 1], [0, 1])) is float
    assert type(top_k_accuracy([0, 1], np.eye(2))) is float
    assert type(neighbor_purity([[1], [0]], [0, 1])) is float


def test_one_cluster_gets_the_largest_class():
    assert clustering_accuracy(["a", "a", "a", "b"], [5, 5, 5, 5]) == 0.75
    assert match_clusters(["a", "a", "a", "b"], [5, 5, 5, 5]) == {5: "a"}


def test_one_class_gets_the_largest_cluster():
    assert clustering_accuracy([1, 1, 1, 1], [0, 0, 0, 1]) == 0.75
    assert match_clusters([1, 1, 1, 1], [0, 0, 0, 1]) == {0: 1}


@pytest.mark.parametrize("unreadable", [-1, -1.0])
def test_unreadable_images_are_wrong_even_as_the_largest_group(unreadable):
    y_true = ["a", "a", "a", "b"]
    y_pred = [unreadable, unreadable, 0, 1]
    assert clustering_accuracy(y_true, y_pred) == 0.5
    assert majority_accuracy(y_true, y_pred) == 0.5
    assert match_clusters(y_true, y_pred) == {0: "a", 1: "b"}
    assert majority_mapping(y_true, y_pred) == {0: "a", 1: "b"}


def test_nothing_readable():
    y_true, y_pred = ["a", "b"], [-1, -1]
    assert clustering_accuracy(y_true, y_pred) == 0
    assert majority_accuracy(y_true, y_pred) == 0
    assert match_clusters(y_true, y_pred) == {}
    assert majority_mapping(y_true, y_pred) == {}


def test_class_minus_one_is_a_class():
    assert clustering_accuracy([-1, -1, 2], [0, 0, 1]) == 1.0


def test_cluster_and_class_without_a_shared_sample_are_not_matched():
    # Cluster 1 holds only class "a", which cluster 0 fits better; "b" stays alone.
    assert match_clusters(["a", "a", "a", "b"], [0, 0, 1, 0]) == {0: "a"}


# Majority


@pytest.mark.parametrize("seed", range(5))
def test_majority_against_a_loop(seed):
    y_true, y_pred = random_labels(seed, n_classes=3, n_clusters=6)
    class_of, right = {}, 0
    for cluster in sorted(set(y_pred.tolist()) - {-1}):
        members = y_true[y_pred == cluster].tolist()
        class_of[cluster] = max(sorted(set(members)), key=members.count)
        right += members.count(class_of[cluster])
    assert majority_mapping(y_true, y_pred) == class_of
    assert majority_accuracy(y_true, y_pred) == pytest.approx(right / len(y_true))
    assert majority_accuracy(y_true, y_pred) > clustering_accuracy(y_true, y_pred)


def test_majority_tie_goes_to_the_first_class():
    assert majority_mapping(["b", "a"], [0, 0]) == {0: "a"}


# Top-k


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize(("n_classes", "n_clusters"), [(3, 3), (6, 6), (2, 5), (5, 2)])
def test_top_k_against_a_loop(n_classes, n_clusters, k):
    y_true, _ = random_labels(0, n_classes, n_clusters)
    # One decimal makes many probabilities equal, so this tests ties as well.
    proba = random_proba(1, len(y_true), n_clusters).round(1)
    expected = looped_top_k_accuracy(y_true, proba, k)
    assert top_k_accuracy(y_true, proba, k=k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_of_a_permuted_classifier_is_that_of_scikit_learn(k):
    y_true = np.repeat(np.arange(4), 50)
    proba = random_proba(0, 200, 4) + 0.1 * np.eye(4)[y_true]
    order = np.array([2, 0, 3, 1])
    assert match_clusters(y_true, proba.argmax(axis=1)) == {0: 0, 1: 1, 2: 2, 3: 3}
    expected = top_k_accuracy_score(y_true, proba, k=k)
    assert 0 < expected < 1
    assert top_k_accuracy(y_true, proba, k=k) == pytest.approx(expected)
    assert top_k_accuracy(y_true, proba[:, order], k=k) == pytest.approx(expected)


@pytest.mark.parametrize("n_clusters", [1, 3, 8])
def test_top_1_is_the_clustering_accuracy(n_clusters):
    y_true, _ = random_labels(0, 4, n_clusters)
    proba = random_proba(0, len(y_true), n_clusters).round(1)
    expected = clustering_accuracy(y_true, proba.argmax(axis=1))
    assert top_k_accuracy(y_true, proba, k=1) == pytest.approx(expected)


def test_top_k_defaults_to_five():
    y_true = np.repeat(np.arange(8), 2)
    proba = np.eye(8)[y_true]
    proba[0] = [0.1, 0.3, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0]  # its class comes fifth
    assert top_k_accuracy(y_true, proba) == 1.0
    assert top_k_accuracy(y_true, proba, k=4) == 15 / 16


def test_uniform_probabilities_earn_one_class_only():
    y_true = np.repeat(np.arange(4), 5)
    assert top_k_accuracy(y_true, np.full((20, 4), 0.25), k=3) == 0.25


def test_a_surplus_cluster_takes_a_place_but_stands_for_no_class():
    y_true = ["a", "a", "a", "b", "b", "b"]
    proba = np.eye(3)[[0, 0, 2, 1, 1, 1]]
    proba[2] = [0.1, 0.3, 0.6]  # an "a" in cluster 2, which is matched to no class
    assert top_k_accuracy(y_true, proba, k=2) == pytest.approx(5 / 6)
    assert top_k_accuracy(y_true, proba, k=3) == 1.0


def test_top_k_counts_rows_with_nan_as_wrong():
    proba = np.eye(2)[[0, 0, 1, 1]]
    proba[0] = np.nan
    for k in (1, 2, 5):
        assert top_k_accuracy(["a", "a", "b", "b"], proba, k=k) == 0.75


# Report


def test_report_agrees_with_the_single_metrics():
    y_true, labels = random_labels(0, n_classes=3, n_clusters=3)
    proba = random_proba(0, len(y_true), 7)
    report = clustering_report(y_true, labels, proba)
    assert report.accuracy == clustering_accuracy(y_true, labels)
    assert report.nmi == normalized_mutual_info_score(y_true, labels)
    assert report.ari == adjusted_rand_score(y_true, labels)
    assert report.top_5 == top_k_accuracy(y_true, proba, k=5)
    assert clustering_report(y_true, labels).top_5 is None


@pytest.mark.parametrize(
    ("n_classes", "n_clusters"), [(1, 1), (1, 4), (4, 1), (3, 3), (2, 5), (5, 2)]
)
@pytest.mark.parametrize("seed", range(3))
def test_report_confusion_is_in_matched_order(n_classes, n_clusters, seed):
    y_true, labels = random_labels(seed, n_classes, n_clusters)
    report = clustering_report(y_true, labels)

    assert sorted(report.classes) == sorted(set(y_true))
    assert sorted(report.clusters) == sorted(set(labels) - {-1})
    for i, name in enumerate(report.classes):
        for j, cluster in enumerate(report.clusters):
            shared = np.sum((y_true == name) & (labels == cluster))
            assert report.confusion[i, j] == shared
    np.testing.assert_array_equal(
        report.class_sizes, [np.sum(y_true == name) for name in report.classes]
    )
    np.testing.assert_array_equal(
        report.cluster_sizes, [np.sum(labels == cluster) for cluster in report.clusters]
    )
    assert report.n_unreadable == np.sum(labels == -1)

    pairs = zip(report.clusters.tolist(), report.classes.tolist(), strict=False)
    assert dict(pairs) == match_clusters(y_true, labels)
    assert np.trace(report.confusion) / len(y_true) == report.accuracy


def test_report_confusion_is_that_of_scikit_learn():
    y_true = np.repeat([0, 1, 2], 10)
    y_pred = y_true.copy()
    y_pred[::7] = 1
    report = clustering_report(y_true, np.array([2, 0, 1])[y_pred])
    np.testing.assert_array_equal(report.clusters, [2, 0, 1])
    np.testing.assert_array_equal(report.confusion, confusion_matrix(y_true, y_pred))


def test_report_puts_an_unmatched_class_last():
    report = clustering_report(["a", "b", "b", "b", "c"], [0, 0, 0, 0, 1])
    assert report.classes.tolist() == ["b", "c", "a"]
    assert report.clusters.tolist() == [0, 1]
    assert report.confusion.tolist() == [[3, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("dtype", [str, object])
def test_report_of_strings(dtype):
    y_true = np.array(["cat", "cat", "dog"], dtype=dtype)
    report = clustering_report(y_true, np.array(["x", "x", "y"], dtype=dtype))
    assert (report.accuracy, report.nmi, report.ari) == (1.0, 1.0, 1.0)
    assert report.clusters.tolist() == ["x", "y"]


def test_report_prints_matched_unmatched_surplus_and_unreadable():
    y_true = ["cat"] * 4 + ["dog"] * 3 + ["owl"] * 2 + ["elk"]
    labels = [10, 10, 10, 2, 3, 3, 10, 3, -1, 3]
    proba = np.full((10, 11), 1 / 11)
    expected = """\
    class  images  cluster  size  precision  recall
      cat       4       10     4      0.750   0.750
      dog       3        3     4      0.500   0.667
      elk       1        -     -          -   0.000
      owl       2        -     -          -   0.000
        -       -        2     1          -       -

    accuracy 0.500 · top-5 0.400 · NMI 0.517 · ARI 0.160 · 10 images · 1 unreadable
    """
    assert f"{clustering_report(y_true, labels, proba)}\n" == dedent(expected)


def test_report_prints_no_more_than_it_knows():
    text = str(clustering_report([0, 1], [0, 1]))
    assert "top-5" not in text
    assert "unreadable" not in text
    assert "-" not in text


def test_report_with_nothing_readable():
    report = clustering_report(["a", "b"], [-1, -1])
    assert (report.accuracy, report.n_unreadable) == (0.0, 2)
    assert report.confusion.shape == (2, 0)
    assert str(report).endswith("2 images · 2 unreadable")


def test_report_is_frozen():
    report = clustering_report([0, 1], [0, 1])
    with pytest.raises(FrozenInstanceError):
        report.accuracy = 0.0


# Neighbors


def test_neighbor_purity_against_a_loop():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b", "c"])[rng.integers(3, size=30)]
    neighbors = rng.integers(30, size=(30, 4))
    shares = [np.mean([y[j] == y[i] for j in neighbors[i]]) for i in range(30)]
    assert 0 < np.mean(shares) < 1
    assert neighbor_purity(neighbors, y) == pytest.approx(np.mean(shares))


@pytest.mark.parametrize(("y", "purity"), [([0, 0, 0], 1.0), ([0, 1, 2], 0.0)])
def test_neighbor_purity_of_one_class_and_of_singletons(y, purity):
    assert neighbor_purity([[1, 2], [0, 2], [0, 1]], y) == purity


# Scorer


def test_scorer_in_grid_search():
    X, y = make_blobs(
        90, centers=[[0, 0], [9, 0], [0, 9]], cluster_std=0.5, random_state=0
    )
    names = np.array(["ant", "bee", "cow"])[y]
    everything = np.arange(len(X))
    search = GridSearchCV(
        KMeans(n_init=3, random_state=0),
        {"n_clusters": [2, 3, 6]},
        scoring=clustering_accuracy_scorer,
        cv=[(everything, everything)],
        error_score="raise",
    ).fit(X, names)
    expected = [
        clustering_accuracy(names, KMeans(k, n_init=3, random_state=0).fit_predict(X))
        for k in (2, 3, 6)
    ]
    assert search.best_params_ == {"n_clusters": 3}
    assert search.best_score_ == 1.0
    assert search.cv_results_["mean_test_score"].tolist() == expected


def test_scorer_can_travel_to_a_worker():
    X = np.array([[0.0], [0.1], [5.0], [5.1]])
    scorer = pickle.loads(pickle.dumps(clustering_accuracy_scorer))
    kmeans = KMeans(2, n_init=1, random_state=0).fit(X)
    assert scorer(kmeans, X, ["a", "a", "b", "a"]) == 0.75


# Errors


@pytest.mark.parametrize("metric", LABEL_METRICS)
def test_unequal_lengths(metric):
    with pytest.raises(
        ValueError,
        match=r"(y_pred|labels) must have as many labels as y_true, 3; got 2\.",
    ):
        metric([0, 1, 1], [0, 1])


@pytest.mark.parametrize("metric", LABEL_METRICS)
@pytest.mark.parametrize(
    ("y", "shape"), [([[0, 1], [1, 0]], r"\(2, 2\)"), ([], r"\(0,\)"), (None, r"\(\)")]
)
def test_labels_of_the_wrong_shape(metric, y, shape):
    message = rf" must be a 1-D array of at least one label; .* shape {shape}\."
    with pytest.raises(ValueError, match="y_true" + message):
        metric(y, [0, 1])
    with pytest.raises(ValueError, match="(y_pred|labels)" + message):
        metric([0, 1], y)


@pytest.mark.parametrize("y", [[0.0, np.nan], ["a", None], [np.nan, "a"]])
def test_missing_labels(y):
    y = np.array(y, dtype=object if "a" in y else float)
    message = " must have a label for each sample; got NaN or None among them"
    with pytest.raises(ValueError, match="y_true" + message):
        clustering_accuracy(y, [0, 1])
    with pytest.raises(ValueError, match="y_pred" + message):
        clustering_accuracy([0, 1], y)


def test_errors_use_the_name_of_the_parameter():
    with pytest.raises(ValueError, match=r"^labels must"):
        clustering_report([0, 1], [0])
    with pytest.raises(ValueError, match=r"^y_pred must"):
        clustering_accuracy([0, 1], [0])
    with pytest.raises(ValueError, match=r"^y must"):
        neighbor_purity([[0]], [])
    with pytest.raises(ValueError, match=r"^y_true must"):
        top_k_accuracy([], [[1.0]])


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 0), (2, 2, 1)])
def test_proba_of_the_wrong_shape(shape):
    proba = np.ones(shape)
    message = r"proba must have the shape \(n_samples=2, n_clusters\); got .* shape "
    with pytest.raises(ValueError, match=message):
        top_k_accuracy([0, 1], proba)
    with pytest.raises(ValueError, match=message):
        clustering_report([0, 1], [0, 1], proba)


def test_k_out_of_range():
    with pytest.raises(ValueError, match="k must be at least 1; got 0"):
        top_k_accuracy([0, 1], np.eye(2), k=0)
    with pytest.raises(TypeError, match="k must be an integer"):
        top_k_accuracy([0, 1], np.eye(2), k=1.5)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (2, 0)])
def test_neighbors_of_the_wrong_shape(shape):
    message = r"neighbors must have the shape \(n_samples=2, n_neighbors\); got "
    with pytest.raises(ValueError, match=message):
        neighbor_purity(np.zeros(shape, dtype=int), [0, 1])


def test_neighbors_that_are_no_indices():
    with pytest.raises(ValueError, match="integer indices; got the type float64"):
        neighbor_purity([[1.0], [0.0]], [0, 1])
    with pytest.raises(ValueError, match="indices from 0 to 1; got -1 to 0"):
        neighbor_purity([[-1], [0]], [0, 1])
    with pytest.raises(ValueError, match="indices from 0 to 1; got 0 to 2"):
        neighbor_purity([[2], [0]], [0, 1])
