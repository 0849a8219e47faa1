"""A fit tells what makes its clusters mean less than they seem to."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan import GraphDegreeLinkage, SCANClusterer
from sklearn_scan.clusterers.doubts import warn_of_doubts
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.neighbors import mine_neighbors

DIGITS = load_digits_images().images[:120].reshape(120, -1).astype(np.float32)


def scan():
    return SCANClusterer(3, max_epochs=1, self_label_epochs=0, random_state=0)


def linkage():
    return GraphDegreeLinkage(3)


both = pytest.mark.parametrize("make", [scan, linkage])


def copies(n_copied):
    """Return digits, some of which are there twice."""
    return np.r_[DIGITS, DIGITS[:n_copied]]


def nearly_the_same(spread):
    """Return float32 features whose spread is so many steps of their numbers."""
    noise = np.random.default_rng(0).normal(size=(120, 8))
    return (1 + spread * 2.0**-23 * noise).astype(np.float32)


def doubts(make, X, **given):
    """Return the warnings of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make().fit(X, **given)
    assert {each.category for each in caught} <= {ConvergenceWarning}
    return [str(each.message) for each in caught]


@both
def test_digits_raise_no_doubt(make):
    assert doubts(make, DIGITS) == []


@both
def test_copies_are_told_from_half_of_the_samples_on(make):
    assert doubts(make, copies(30)) == []  # 40 % of 150
    (message,) = doubts(make, copies(90))  # 86 % of 210
    assert message.startswith("86% of the samples have an exact copy")


def test_answers_and_categories_are_alike_by_chance():
    rng = np.random.default_rng(0)
    answers = rng.random((400, 8)) < np.array([0.1, 0.9])[rng.integers(0, 2, (400, 1))]
    assert doubts(scan, answers.astype(float)) == []
    assert doubts(scan, np.eye(12)[rng.integers(0, 12, 400)]) == []


@both
def test_samples_that_are_all_alike_are_told_as_copies(make):
    found = doubts(make, np.full((50, 4), 0.5))
    assert any(each.startswith("100% of the samples have an exact") for each in found)


@both
def test_scaled_samples_are_no_copies(make):
    assert not any("copy" in each for each in doubts(make, np.r_[DIGITS, 2 * DIGITS]))


@both
def test_samples_that_differ_by_rounding_are_told(make):
    assert doubts(make, nearly_the_same(300)) == []
    (message,) = doubts(make, nearly_the_same(3))
    assert message.startswith("The samples are nearly the same")
    assert "Subtract their mean" in message


@pytest.mark.parametrize(
    ("first", "is_told"), [(8_000_000, False), (10_000_000.5, False), (2**25, True)]
)
def test_whole_numbers_that_single_precision_holds_are_not_told(first, is_told):
    numbers = first + np.random.default_rng(0).integers(0, 10, (120, 5))
    found = doubts(linkage, numbers)
    assert any("nearly the same" in each for each in found) == is_told


def test_the_look_at_wide_samples_is_short(monkeypatch):
    shapes = []
    look = "sklearn_scan.clusterers.doubts._warn_of_rounding"
    monkeypatch.setattr(look, lambda some: shapes.append(tuple(some.shape)))
    for width in (8, 2**12, 2**17):
        warn_of_doubts(torch.zeros(1).expand(5000, width), None)
    assert shapes == [(4096, 8), (512, 2**12), (64, 2**17)]


def test_a_large_constant_feature_is_no_doubt():
    X = np.c_[DIGITS, np.full(len(DIGITS), 1e7)]
    assert doubts(scan, X) == []


@both
def test_neighbours_of_low_recall_are_told(make):
    graph = mine_neighbors(DIGITS, 20, center=True)
    assert doubts(make, DIGITS, neighbors=graph) == []
    assert doubts(make, DIGITS, neighbors=replace(graph, recall_=None)) == []
    (message,) = doubts(make, DIGITS, neighbors=replace(graph, recall_=0.4))
    assert message.startswith("Only 40% of the neighbours are the nearest")


def test_random_numbers_are_told():
    noise = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    (message,) = doubts(scan, noise)
    assert message.startswith("The samples hardly fall into clusters")
    assert doubts(scan, noise[:100]) == []  # of so few, scores say little
