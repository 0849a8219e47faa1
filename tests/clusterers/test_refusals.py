"""Input and parameters that a fit refuses, by their names."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from sklearn_scan import (
    GraphDegreeLinkage,
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
)

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
SHORT = {"n_heads": 2, "max_epochs": 1, "self_label_epochs": 0, "n_neighbors": 3}


@pytest.mark.parametrize("seed", [-1, 2**32, "0", 0.5, [1.5]])
@pytest.mark.parametrize("kind", [SCANClusterer, GraphDegreeLinkage])
def test_a_seed_that_is_none_is_named(kind, seed):
    with pytest.raises(ValueError, match="random_state must be an integer from 0"):
        kind(2, random_state=seed).fit(X)


@pytest.mark.parametrize("weight", [1e39, 10**400])
def test_numbers_beyond_single_precision(weight):
    with pytest.raises(
        ValueError, match=r"entropy_weight must be (finite|at most 3\.4)"
    ):
        SCANClusterer(2, entropy_weight=weight).fit(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: 1e17 * X, "X must hold numbers of at most 1e"),
        (lambda X: torch.from_numpy(X).to_sparse(), "X must be dense; got a tensor of"),
        (lambda X: torch.from_numpy(X).to("meta"), "X must be dense; .* without val"),
        (lambda X: [*X, None], "X must hold features, one row a sample"),
        (lambda X: X.astype(complex), "X must hold features, .*Complex data not"),
    ],
)
def test_features_that_are_none(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SCANClusterer(2, **SHORT).fit(change(X))


@pytest.mark.filterwarnings("ignore:Cluster:sklearn.exceptions.ConvergenceWarning")
def test_numbers_of_every_type_are_taken():
    settings = SHORT | {"n_neighbors": np.uint8(3), "batch_size": np.uint8(8)}
    odd = TEMIClusterer(2, temperature=Fraction(1, 2), random_state=0, **settings)
    plain = TEMIClusterer(
        2, temperature=0.5, random_state=0, **SHORT | {"batch_size": 8}
    )
    np.testing.assert_array_equal(odd.fit(X).labels_, plain.fit(X).labels_)


@pytest.mark.parametrize("kind", [SCANClusterer, JULEClusterer])
def test_fixmatch_needs_a_backbone_that_is_trained(kind):
    message = r"self_labeling='fixmatch' .*pass images and finetune=True, or self_label"
    with pytest.raises(ValueError, match=message):
        kind(2, self_labeling="fixmatch").fit(X)


@pytest.mark.parametrize("kind", [SCANClusterer, JULEClusterer])
def test_a_self_labelling_that_there_is_not(kind):
    with pytest.raises(ValueError, match=r"self_labeling must be .*'fixmatch'"):
        kind(2, self_labeling="fixmach").fit(X)
