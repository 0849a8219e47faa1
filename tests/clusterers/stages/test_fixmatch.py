"""FixMatch as a stage: what it learns from, and what comes of it."""

import copy
import math

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from stage_helpers import run_stage
from torch import nn
from torch.nn import functional as F

from sklearn_scan.clusterers.defaults import LABELED_EPOCHS
from sklearn_scan.clusterers.stages import FixMatch, Found
from sklearn_scan.clusterers.stages.base import decide
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.training.batches import LabeledAndAll
from sklearn_scan.training.heads import ClusterHeads

# Samples along a line: under `make_head` their logits differ by x.
FEATURES = torch.linspace(-8, 8, 40)[:, None]


def make_head(slope=1.0, bias=0.0):
    head = ClusterHeads(1, n_clusters=2, n_heads=1, generator=torch.Generator())
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[slope], [0.0]]))
        head.bias.copy_(torch.tensor([bias, 0.0]))
    return head


class Line(Trunk):
    """The samples on the line, and a body that is trained."""

    is_trained = True

    def __init__(self, moved_view=torch.clone, strong_view=torch.clone, body=None):
        self.samples = FEATURES
        self.body = body or nn.Identity()
        self.device = FEATURES.device
        self.dims = (1,)
        self.moved_view = moved_view
        self.strong_view = strong_view

    def features(self):
        self.body.eval()
        with torch.no_grad():
            return self.body(self.samples)


def teach(head, trunk=None, **settings):
    """Return what the stage finds, and the history."""
    defaults = {"n_epochs": 5, "batch_size": 10, "learning_rate": 0.05, "seed": 0}
    defaults |= {"confidence_threshold": 0.9}
    trunk, scores = trunk or Line(), torch.zeros(1)
    found = Found(head, scores, scores, head, decide(head, trunk.features()))
    return run_stage(
        FixMatch,
        trunk,
        None,
        n_clusters=head.n_clusters,
        found=found,
        **defaults | settings,
    )


def clusters(head):
    return head(FEATURES)[0].argmax(dim=1)


def test_it_grows_surer_of_the_same_clusters():
    head = make_head(0.5)
    found, history = teach(head)
    assert found.self_labeled
    assert torch.equal(clusters(found.head), clusters(head))
    n_confident = [record["n_confident"] for record in history]
    assert n_confident[-1] > (head(FEATURES)[0].softmax(1).amax(1) > 0.9).sum()
    assert n_confident[-1] == (found.decisions.confidence > 0.9).sum()
    assert {record["stage"] for record in history} == {"self-labelling"}
    assert len({record["n_labeled"] for record in history}) == 1
    assert history[-1]["loss"] < history[0]["loss"]
    assert torch.equal(head.weight, make_head(0.5).weight)  # a copy is trained


def test_labels_stay_for_a_few_epochs():
    # The body turns the line round after the labels are chosen; these turn it back.
    class Turning(nn.Module):
        def forward(self, x):
            return -x if self.training else x

    found, history = teach(
        make_head(),
        Line(body=Turning()),
        n_epochs=LABELED_EPOCHS,
        learning_rate=1.0,
        confidence_threshold=0.9995,
    )
    assert history[-1]["labeled"] < 0.5 * history[0]["labeled"]
    turned = found.head(-FEATURES)[0].argmax(dim=1)
    assert (turned != clusters(make_head())).sum() <= 2


def test_samples_are_labelled_again_every_few_epochs(monkeypatch):
    taken = []
    relabel = LabeledAndAll.relabel
    monkeypatch.setattr(
        LabeledAndAll,
        "relabel",
        lambda batches, labels: (taken.append(labels), relabel(batches, labels)),
    )
    _, history = teach(make_head(0.5), n_epochs=3 * LABELED_EPOCHS)
    assert len(taken) == 3  # at first, and not after the last epoch
    counts = [int((labels >= 0).sum()) for labels in taken]
    assert [record["n_labeled"] for record in history[::LABELED_EPOCHS]] == counts
    assert counts[-1] > counts[0]  # the surer it is


def test_each_kind_of_view_goes_its_way():
    seen = {True: [], False: []}

    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            if self.training:
                seen[torch.is_grad_enabled()].append(x.flatten())
            return self.scale * x

    trunk = Line(lambda x: x + 100, lambda x: x + 1000, Noting())
    teach(make_head(), trunk, n_epochs=2)
    learning, guessing = (torch.cat(seen[with_grad]) for with_grad in (True, False))
    is_strong = learning > 500
    twice = FEATURES.flatten().repeat_interleave(2)
    torch.testing.assert_close(guessing.sort().values, twice + 100)
    torch.testing.assert_close(learning[is_strong].sort().values, twice + 1000)
    labeled = learning[~is_strong] - 100
    assert len(labeled) == 2 * 4 * math.ceil(10 / 7)  # of four batches of ten
    assert (labeled > 0).sum() == len(labeled) / 2  # both clusters equally often
    assert labeled.abs().max() <= 8


def test_clusters_that_are_sure_of_nothing_have_teachers():
    head = make_head(bias=6.0)  # of the second cluster, nothing is above .9
    decisions = decide(head, FEATURES)
    assert decisions.confidence[decisions.labels == 1].max() < 0.9
    found, history = teach(head, n_epochs=1)
    assert history[0]["n_labeled"] > 0
    assert clusters(found.head).sum() >= clusters(head).sum()


def test_one_seed_gives_the_same_head_to_the_bit():
    first, again, other = (teach(make_head(), seed=seed)[0].head for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_the_moving_average_is_what_stays():
    plain, _ = teach(make_head(0.5))
    averaged, _ = teach(make_head(0.5), ema_decay=0.9)
    start = make_head(0.5).weight
    moved = [(found.head.weight - start).norm() for found in (averaged, plain)]
    assert 0 < moved[0] < moved[1]


def test_without_a_confident_sample_nothing_is_learnt():
    head = make_head(0.01)
    with pytest.warns(ConvergenceWarning, match=r"a probability above 0\.9,"):
        found, history = teach(head)
    assert not found.self_labeled
    assert found.head is head
    assert history == []


def test_divergence_leaves_the_last_good_weights():
    passes = []

    def breaking(x):
        passes.append(len(x))
        return x * (torch.nan if len(passes) > 2 * 4 else 1)

    with pytest.warns(ConvergenceWarning, match="epoch 3 of the self-labelling stage"):
        found, history = teach(make_head(), Line(strong_view=breaking))
    shorter, _ = teach(make_head(), n_epochs=2)
    assert len(history) == 2
    assert torch.equal(found.head.weight, shorter.head.weight)


# -- on images -------------------------------------------------------------------------


class Digits(Trunk):
    """Digits of 64 pixels, and a small network."""

    is_trained = True
    dims = (32,)

    def __init__(self, images):
        self.samples = images
        self.device = images.device
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32)
        )
        generator = torch.Generator().manual_seed(0)

        def strong(images):
            kept = torch.rand(images.shape, generator=generator) > 0.2
            return images * kept

        self.strong_view = strong

    def features(self):
        self.body.eval()
        with torch.no_grad():
            return self.body(self.samples)


def learn(trunk, head, labels, n_steps=60):
    """Train trunk and head on labels."""
    weights = [*trunk.body.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, 3e-3)
    trunk.body.train()
    for _ in range(n_steps):
        optimizer.zero_grad()
        F.cross_entropy(head(trunk.body(trunk.samples))[0], labels).backward()
        optimizer.step()


def test_it_mends_a_head_that_learnt_wrong_labels():
    images, classes = map(torch.from_numpy, load_digits(return_X_y=True))
    images = images.float() / 16
    generator = torch.Generator().manual_seed(0)
    is_wrong = torch.rand(len(classes), generator=generator) < 0.3
    # Wrong ones are those of the next digit, which no mean over samples reveals.
    noisy = torch.where(is_wrong, (classes + 1) % 10, classes)
    trunk = Digits(images)
    head = ClusterHeads(32, n_clusters=10, n_heads=1, generator=generator)
    learn(trunk, head, noisy)
    before = decide(head, trunk.features()).labels.eq(classes).float().mean()
    assert 0.7 < before < 0.96
    found, _ = teach(
        copy.deepcopy(head),
        trunk,
        n_epochs=10,
        batch_size=128,
        learning_rate=1e-3,
        confidence_threshold=0.9,
    )
    after = found.decisions.labels.eq(classes).float().mean()
    assert after > before + 0.01
