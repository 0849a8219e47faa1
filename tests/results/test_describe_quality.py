"""What is known of clusters without labels, in words."""

from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_scan import SCANClusterer, relabel
from sklearn_scan.model_selection import Quality
from sklearn_scan.results.quality import describe_quality
from sklearn_scan.results.relabeling import Edits


def describe(quality, n_images=100):
    """Return the values and the notes of the facts, by their names."""
    labels = np.zeros(n_images, dtype=int)
    facts = describe_quality(SimpleNamespace(quality_=quality, labels_=labels))
    return {name: (value, note) for name, value, note in facts}


@pytest.mark.parametrize(
    ("score", "word"),
    [
        (1.0, "clear"),
        (0.8, "clear"),
        (0.79, "partly mixed"),
        (0.6, "partly mixed"),
        (0.59, "mixed"),
        (0.0, "mixed"),
    ],
)
def test_a_word_for_the_score(score, word):
    facts = describe(Quality(score=score))
    assert facts == {"Groups": (word, f"label-free score {score:.2f} of 1")}


def test_what_is_measured_comes_before_what_is_expected():
    facts = describe(Quality(0.974, 0.9, 0.981, 0.925))
    assert list(facts) == ["Groups", "Neighbours agree", "Stable", "Expected right"]
    values = [value for value, _ in facts.values()]
    assert values == ["clear", "97%", "98%", "92%"]


@pytest.mark.parametrize(("n_images", "is_said"), [(2, True), (50, True), (51, False)])
def test_few_images_are_said(n_images, is_said):
    facts = describe(Quality(0.9, 0.9, 0.9, 0.9), n_images)
    assert ("Too few images" in facts) == is_said
    if is_said:
        assert list(facts)[-1] == "Too few images"
        assert facts["Too few images"][0] == str(n_images)


def test_images_that_are_left_out_do_not_count():
    labels = np.repeat([0, -1], [50, 10])
    clusterer = SimpleNamespace(quality_=Quality(score=0.9), labels_=labels)
    assert describe_quality(clusterer)[-1].value == "50"


def test_nothing_is_said_where_nothing_is_known():
    """Neither that so few images, of which nothing is said, say little."""
    assert describe(Quality(), n_images=10) == {}


def test_after_corrections():
    """The figures stay with new names, and go with the clusters they are of."""
    centers = 10 * np.random.default_rng(0).standard_normal((3, 5))
    X = np.repeat(centers, 20, axis=0)
    X += np.random.default_rng(1).standard_normal(X.shape)
    clusterer = SCANClusterer(3, n_heads=1, max_epochs=3, random_state=0).fit(X)
    known = describe_quality(clusterer)
    assert [fact.name for fact in known][:2] == ["Groups", "Neighbours agree"]
    named = relabel(clusterer, Edits(names={0: "a"}, left_out=[1]))
    assert describe_quality(named) == known
    assert describe_quality(relabel(clusterer, Edits(merged={0: 1}))) == []
    grown = relabel(clusterer, Edits(groups={3: "new"}, moved={0: 3}))
    assert describe_quality(grown) == []
