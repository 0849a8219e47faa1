"""The first stage on groups that anyone can tell apart."""

from dataclasses import dataclass

import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan.clusterers.defaults import (
    Schedule,
    finetuning_schedule,
    self_labeling_schedule,
    suggest_learning_rate,
)
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Found
from sklearn_scan.clusterers.stages.neighbor_training import (
    make_adam,
    make_heads,
    train_heads,
)
from sklearn_scan.clusterers.trunks import BackboneTrunk, FeatureTrunk
from sklearn_scan.encoders import Preprocessing
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import ClusterHeads, Heads, Standardize
from sklearn_scan.training.objectives import PairObjective, ScanLoss

CENTERS = [[10, 0, 0, 0], [0, 10, 0, 0], [0, 0, 10, 0], [0, 0, 0, 10]]


@pytest.fixture(scope="module")
def blobs():
    samples, labels = make_blobs(n_samples=160, centers=CENTERS, random_state=0)
    samples = torch.tensor(samples, dtype=torch.float32)
    features = Standardize.from_features(samples)(samples)
    return features, mine_neighbors(features, 8), labels


@dataclass
class Trained:
    """Heads, with the loss of each, and how they were trained."""

    heads: Heads
    losses: torch.Tensor
    history: list

    @property
    def best_head(self):
        return int(self.losses.argmin())


def train_new(trunk, graph, objective, *, n_clusters, n_heads, seed, heads=None, **how):
    """Train heads, by default new ones."""
    run = Run()
    generator = torch.Generator().manual_seed(seed)
    starts_good = heads is not None
    if heads is None:
        heads = make_heads(trunk, n_clusters, n_heads, generator)
    losses = train_heads(
        heads,
        trunk,
        graph,
        objective,
        Schedule(**how),
        run,
        generator=generator,
        label="SCAN",
        starts_good=starts_good,
    )
    return Trained(heads, losses, run.history)


def train(blobs, seed=0, n_epochs=3, **settings):
    features, neighbors, _ = blobs
    defaults = {"n_clusters": 4, "n_heads": 3, "batch_size": 40, "learning_rate": 0.05}
    return train_new(
        FeatureTrunk(features),
        neighbors,
        ScanLoss(),
        n_epochs=n_epochs,
        seed=seed,
        **(defaults | settings),
    )


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs, n_epochs=30)


def test_separated_groups_are_found(blobs, trained):
    features, _, labels = blobs
    clusters = trained.heads(features)[trained.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_training_lowers_the_loss(trained):
    losses = [entry["loss"] for entry in trained.history]
    assert len(losses) == 30
    assert losses[-1] < losses[0]
    assert {entry["stage"] for entry in trained.history} == {"SCAN"}


def test_losses_are_those_of_the_trained_heads(blobs, trained):
    features, neighbors, _ = blobs
    logits = trained.heads(features)
    columns = torch.from_numpy(neighbors.indices).T
    terms = [ScanLoss()(logits, logits[:, column]) for column in columns]
    expected = torch.stack([sum(term.values()) for term in terms]).mean(dim=0)
    # over some of the neighbours, and over all of them
    torch.testing.assert_close(trained.losses, expected.detach(), rtol=0, atol=0.05)


def test_the_head_of_the_highest_score_is_found(blobs, trained):
    scores = torch.tensor([2.0, 3.0, -1.0])
    found = Found.best_of(trained.heads, trained.losses, scores, blobs[0])
    assert found.best_head == 1
    logits = trained.heads(blobs[0]).detach()
    torch.testing.assert_close(found.head(blobs[0])[0].detach(), logits[1])
    assert torch.equal(found.decisions.labels, logits[1].argmax(dim=1))
    best = found.best_heads(2)(blobs[0]).detach()
    torch.testing.assert_close(best, logits[[1, 0]])


def test_one_seed_gives_the_same_heads_to_the_bit(blobs):
    first = train(blobs, seed=1)
    torch.manual_seed(99)  # the global state has no say
    again = train(blobs, seed=1)
    assert torch.equal(first.heads.weight, again.heads.weight)
    assert torch.equal(first.heads.bias, again.heads.bias)
    assert torch.equal(first.losses, again.losses)
    assert first.history == again.history


def test_another_seed_gives_other_heads(blobs):
    first, other = train(blobs, seed=1), train(blobs, seed=2)
    assert not torch.equal(first.heads.weight, other.heads.weight)


def test_heads_differ_from_each_other(trained):
    weights = trained.heads.weight.unflatten(0, (3, 4))
    assert not torch.allclose(weights[0], weights[1])


def test_given_heads_are_trained_further(blobs, trained):
    features, _, labels = blobs
    generator = torch.Generator().manual_seed(5)
    heads = ClusterHeads(4, 4, 3, generator=generator)
    heads.load_state_dict(trained.heads.state_dict())
    further = train(blobs, heads=heads, n_epochs=1, learning_rate=1e-9)
    assert further.heads is heads
    assert_allclose(further.heads.weight.detach(), trained.heads.weight.detach())
    assert further.history[0]["loss"] < trained.history[0]["loss"]
    clusters = heads(features)[further.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


# -- with a backbone that learns along ---------------------------------------------

COLORS = torch.tensor([[200, 40, 40], [40, 200, 40], [40, 40, 200]])


@pytest.fixture(scope="module")
def images():
    """48 noisy images of three colours, and which."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat(16)
    noise = torch.randint(-40, 40, (48, 3, 4, 4), generator=generator)
    return (COLORS[labels][:, :, None, None] + noise).to(torch.uint8), labels


def brighten(images):
    """Return views whose brightness is drawn anew."""
    return images * (0.8 + 0.4 * torch.rand(len(images), 1, 1, 1))


def make_trunk(images, augment=brighten):
    """Return a trunk of a linear network with a batch norm."""
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6)
    ).eval()
    preprocessing = Preprocessing(4, (0.5,) * 3, (0.25,) * 3)
    with torch.no_grad():
        features = backbone(preprocessing.view()(images))
    return BackboneTrunk(
        images,
        backbone,
        Standardize.from_features(features),
        preprocessing,
        augment=augment,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def train_trunk(trunk, objective=None, **settings):
    graph = mine_neighbors(trunk.features(), 5)
    defaults = {
        "graph": graph,
        "n_clusters": 3,
        "n_heads": 2,
        "n_epochs": 6,
        "batch_size": 16,
        "learning_rate": 0.01,
        "seed": 0,
    }
    return train_new(trunk, objective=objective or ScanLoss(), **defaults | settings)


def clusters_of(trunk, trained):
    logits = trained.heads(trunk.features())[trained.best_head]
    return logits.argmax(dim=1).numpy()


def test_a_trained_backbone_finds_groups_and_moves(images):
    trunk = make_trunk(images[0])
    before = trunk.body[0][2].weight.clone()
    trained = train_trunk(trunk, n_epochs=25)
    assert clustering_accuracy(images[1].numpy(), clusters_of(trunk, trained)) == 1
    assert not torch.allclose(trunk.body[0][2].weight, before, atol=1e-3)
    assert trained.history[-1]["lowest_loss"] < trained.history[0]["lowest_loss"]


def test_views_of_an_image_agree_where_there_are_no_neighbors(images):
    pairs = []

    class Watch(ScanLoss):
        def gradient(self, outputs, targets):
            pairs.append(outputs)
            return super().gradient(outputs, targets)

    plain = make_trunk(images[0], augment=torch.clone)
    train_trunk(plain, Watch(), graph=None, n_epochs=1)
    # of one image, unaugmented: only the batch's statistics are shared
    assert all(torch.allclose(a, p, atol=1e-5) for a, p in pairs)
    pairs.clear()
    train_trunk(plain, Watch(), n_epochs=1)
    assert not any(torch.allclose(a, p, atol=1e-5) for a, p in pairs)
    augmented = make_trunk(images[0])
    trained = train_trunk(augmented, graph=None, n_epochs=25)
    assert clustering_accuracy(images[1].numpy(), clusters_of(augmented, trained)) == 1


class FirstLower(PairObjective):
    """A loss that every epoch of training makes worse: it trains the opposite."""

    def terms(self, anchor, partner):
        return {"distance": (anchor - partner).square().mean(dim=(1, 2))}

    def gradient(self, outputs, targets):
        terms, gradients = super().gradient(outputs, targets)
        return terms, tuple(-each for each in gradients)


def test_the_epoch_of_the_lowest_loss_is_kept(images):
    kept, one_epoch = make_trunk(images[0]), make_trunk(images[0])
    torch.manual_seed(0)  # of the views
    trained = train_trunk(kept, FirstLower(), learning_rate=0.1)
    torch.manual_seed(0)
    first = train_trunk(one_epoch, FirstLower(), learning_rate=0.1, n_epochs=1)
    lowest = [entry["lowest_loss"] for entry in trained.history]
    assert len(lowest) == 6
    assert min(lowest) == lowest[0] < lowest[-1]
    assert trained.losses.min().item() == lowest[0]
    assert torch.equal(trained.heads.weight, first.heads.weight)
    for name, value in one_epoch.body.state_dict().items():
        assert torch.equal(kept.body.state_dict()[name], value), name


def test_divergence_leaves_the_epoch_of_the_lowest_loss(images):
    class Broken(ScanLoss):
        n_calls = 0

        def gradient(self, outputs, targets):
            self.n_calls += 1
            factor = torch.nan if self.n_calls > 6 else 1  # 3 batches an epoch
            broken = tuple(factor * each for each in outputs)
            return super().gradient(broken, targets)

    trunk = make_trunk(images[0])
    with pytest.warns(ConvergenceWarning, match="epoch 3 of the SCAN stage"):
        trained = train_trunk(trunk, Broken())
    assert len(trained.history) == 2
    lowest = min(entry["lowest_loss"] for entry in trained.history)
    assert trained.losses.min().item() == lowest
    assert trunk.features().isfinite().all()


def test_losses_are_compared_on_plain_images(images):
    """The loss of an epoch is that of augmented views, its lowest loss is not."""
    trunk = make_trunk(images[0], augment=torch.zeros_like)
    trained = train_trunk(
        trunk, ScanLoss(entropy_weight=0.0), n_epochs=1, learning_rate=1e-9
    )
    (record,) = trained.history
    # the batch norm makes zeros of images that are all black
    p = trained.heads(trunk.body[1](torch.zeros(1, 6))).softmax(dim=2)
    of_black = -p.square().sum(dim=2).log().mean().item()
    assert record["loss"] == pytest.approx(of_black, abs=1e-4)
    graph = mine_neighbors(trunk.features(), 5)
    q = trained.heads(trunk.features()).softmax(dim=2).detach()
    agreement = torch.stack(
        [
            (q * q[:, column]).sum(2).log()
            for column in torch.from_numpy(graph.indices).T
        ]
    )
    lowest = -agreement.mean(dim=(0, 2)).max().item()
    # over some of the neighbours, and over all of them
    assert record["lowest_loss"] == pytest.approx(lowest, rel=0.02)
    assert abs(lowest - of_black) > 0.1


def test_one_seed_gives_the_same_backbone_to_the_bit(images):
    trunks = [make_trunk(images[0]) for _ in range(3)]
    for trunk, seed in zip(trunks, (1, 1, 2), strict=True):
        torch.manual_seed(0)  # of the views
        train_trunk(trunk, seed=seed, n_epochs=1)
    first, again, other = (trunk.body[0][2].weight for trunk in trunks)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_adam_decays_the_weights_of_backbones_only(images):
    trunk = make_trunk(images[0])
    trunk.body[0][2].weight.requires_grad_(False)
    heads = ClusterHeads(6, 3, 2, generator=torch.Generator())
    (with_backbone,) = make_adam(trunk, heads, 0.5).param_groups
    assert with_backbone["weight_decay"] == 1e-4
    assert len(with_backbone["params"]) == 2 + 3
    (alone,) = make_adam(FeatureTrunk(torch.zeros(4, 6)), heads, 0.5).param_groups
    assert alone["weight_decay"] == 0
    assert alone["lr"] == 0.5
    assert len(alone["params"]) == 2


# -- the learning rate -------------------------------------------------------------


@pytest.mark.parametrize(
    ("few", "many"), [((10, 100), (10, 1000)), ((10, 100), (100, 100))]
)
def test_more_steps_or_features_need_no_higher_rate(few, many):
    assert 0.1 >= suggest_learning_rate(*few) > suggest_learning_rate(*many) >= 3e-4


@pytest.mark.parametrize(("size", "rate"), [((1, 1), 0.1), ((10**4, 10**4), 3e-4)])
def test_suggested_rates_have_bounds(size, rate):
    assert suggest_learning_rate(*size) == rate


@pytest.mark.parametrize(
    ("n_images", "n_epochs"), [(100, 100), (1000, 36), (10_000, 20), (10**6, 20)]
)
def test_passes_over_images(n_images, n_epochs):
    """Of both stages that train a backbone."""
    assert finetuning_schedule(n_images).n_epochs == n_epochs
    schedule = self_labeling_schedule(n_images, trains_backbone=True)
    assert schedule.n_epochs == n_epochs
