"""Heads from partitions: where they start, what they are trained by and scored by."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_blobs
from stage_helpers import run_stage

from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.first_heads import FirstHeads
from sklearn_scan.clusterers.stages.starts import Starts
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import score_heads
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import count_shares, label_all
from sklearn_scan.training.objectives import ScanLoss


def prepared(X, n_neighbors=8):
    X = torch.tensor(np.asarray(X), dtype=torch.float32)
    X = X - X.mean(dim=0)
    return X / X.std(), mine_neighbors(X, n_neighbors)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return *prepared(X[:400]), y[:400]


def draw_partitions(features, neighbors, n_clusters, most, seed):
    starts = Starts.drawn(FeatureTrunk(features), neighbors, n_clusters, seed)
    return starts.best_partitions(most, seed, Run())[0]


def train(features, neighbors, **settings):
    defaults = {
        "n_clusters": 10,
        "n_heads": 6,
        "entropy_weights": (1.0, 0.3),
        "n_pairs": 8,
        "n_epochs": 4,
        "batch_size": 100,
        "learning_rate": 1e-2,
        "seed": 0,
    }
    trunk = FeatureTrunk(features)
    return run_stage(FirstHeads, trunk, neighbors, **defaults | settings)


SEED = Run(0).seed("cluster")  # that the stage draws its partitions by
STILL = {"n_epochs": 1, "learning_rate": 1e-9}  # the heads that training starts with


def test_partitions_are_numbered_by_size(digits):
    features, neighbors, _ = digits
    drawn = draw_partitions(features, neighbors, 10, 5, seed=0)
    assert drawn.shape == (5, 400)
    sizes = count_shares(drawn, 10)
    assert (sizes.diff(dim=1) <= 0).all()
    assert (sizes > 0).all()


def test_heads_start_from_partitions(digits):
    features, neighbors, _ = digits
    drawn = draw_partitions(features, neighbors, 10, 3, seed=SEED)
    trained, _ = train(features, neighbors, **STILL)
    labels = label_all(trained.heads, features)
    # both weights of the spread follow the same three partitions
    torch.testing.assert_close(labels[:3], labels[3:])
    agreement = (labels[:3] == drawn).float().mean(dim=1)
    assert (agreement > 0.85).all()


def test_training_lowers_the_loss_of_every_head(digits):
    features, neighbors, _ = digits
    before, after = (train(features, neighbors, **how)[0] for how in (STILL, {}))
    assert (after.losses < before.losses).all()


def test_a_smaller_weight_leaves_sizes_less_alike(digits):
    features, neighbors, _ = digits
    trained, _ = train(features, neighbors, entropy_weights=(20.0, 0.1), n_epochs=10)
    shares = count_shares(label_all(trained.heads, features), 10)
    largest = shares.max(dim=1).values
    assert (largest[:3] < largest[3:]).all()


@pytest.mark.parametrize("n_heads", [1, 2, 5])
def test_any_number_of_heads(n_heads, digits):
    features, neighbors, _ = digits
    trained, _ = train(features, neighbors, n_heads=n_heads, **STILL)
    assert trained.heads.n_heads == n_heads
    assert trained.losses.shape == trained.scores.shape == (n_heads,)


def test_scores_are_those_of_the_heads(digits):
    features, neighbors, _ = digits
    trained, _ = train(features, neighbors)
    expected = score_heads(trained.heads, features, neighbors)
    torch.testing.assert_close(trained.scores, expected, rtol=0, atol=0.01)
    assert trained.best_head == trained.scores.argmax()


def test_heads_on_many_features_see_all_of_them(digits):
    features, neighbors, y = digits
    generator = torch.Generator().manual_seed(0)
    wide = features @ torch.linalg.qr(torch.randn(300, 64, generator=generator))[0].T
    trained, _ = train(wide, neighbors, n_epochs=10)
    assert trained.heads(wide).shape == (6, 400, 10)
    labels = label_all(trained.heads, wide)[trained.best_head]
    assert clustering_accuracy(y, labels.numpy()) > 0.75


def test_losses_are_at_each_heads_own_weight(digits):
    features, neighbors, _ = digits
    trained, _ = train(features, neighbors)
    weights = torch.tensor([1.0, 1.0, 1.0, 0.3, 0.3, 0.3])
    logits = trained.heads(features)
    terms = [
        ScanLoss(weights)(logits, logits[:, column])
        for column in torch.from_numpy(neighbors.indices).T
    ]
    mean = torch.stack([sum(each.values()) for each in terms]).mean(dim=0)
    # over some of the neighbours, and over all of them
    torch.testing.assert_close(trained.losses, mean.detach(), rtol=0, atol=0.05)


def test_auto_prior_keeps_the_sizes_of_the_start():
    X, _ = make_blobs([120, 40, 20], 8, cluster_std=4.0, random_state=0)
    features, neighbors = prepared(X)
    strong = {"n_clusters": 3, "n_heads": 3, "entropy_weights": (20.0,)}
    strong |= {"n_epochs": 30}
    own, _ = train(features, neighbors, prior="auto", **strong)
    shares = count_shares(label_all(own.heads, features), 3)
    starts = count_shares(draw_partitions(features, neighbors, 3, 3, seed=SEED), 3)
    torch.testing.assert_close(shares, starts, rtol=0, atol=0.05)


def test_a_prior_of_empty_clusters_stays_finite():
    """Of partitions that find fewer groups than there are clusters."""
    features, neighbors = prepared(np.repeat(np.eye(3), 20, axis=0))
    settings = {"n_clusters": 5, "n_heads": 3, "entropy_weights": (5.0,)}
    trained, _ = train(features, neighbors, prior="auto", **settings)
    assert trained.losses.isfinite().all()
    assert trained.heads(features).isfinite().all()


def test_equal_seeds_give_equal_heads_and_others_do_not(digits):
    features, neighbors, _ = digits
    first, again, other = (train(features, neighbors, seed=s)[0] for s in (1, 1, 2))
    assert torch.equal(first.heads(features), again.heads(features))
    assert torch.equal(first.losses, again.losses)
    assert torch.equal(first.scores, again.scores)
    assert not torch.equal(first.losses, other.losses)


def test_history_names_the_stage(digits):
    features, neighbors, _ = digits
    _, history = train(features, neighbors, label="first heads")
    assert [record["stage"] for record in history] == ["first heads"] * 4
