"""The second stage, with a head whose confidence is known."""

import copy
import math
import warnings
from dataclasses import dataclass

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from stage_helpers import run_stage
from torch import nn

from sklearn_scan.clusterers.stages import Found, Guarded, SelfLabeling
from sklearn_scan.clusterers.stages.base import decide
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import ClusterHeads
from sklearn_scan.training.objectives import SelfLabelLoss

# Samples along a line: under `make_head` their logits differ by x. The neighbours of a
# sample are on its side of zero.
FEATURES = torch.linspace(-8, 8, 40)[:, None]
NEIGHBORS = mine_neighbors(FEATURES, 5)


def make_head(slope=1.0):
    head = ClusterHeads(1, n_clusters=2, n_heads=1, generator=torch.Generator())
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[slope], [0.0]]))
    return head


class Line(Trunk):
    """The samples on the line, with views and a body of one's own."""

    def __init__(self, strong_view=None, weak_view=None, body=None):
        self.samples = FEATURES
        self.body = body or nn.Identity()
        self.is_trained = body is not None
        self.device = FEATURES.device
        self.dims = (1,)
        self.strong_view = strong_view or torch.clone
        self.weak_view = weak_view or torch.clone

    def features(self):
        self.body.eval()
        with torch.no_grad():
            return self.body(self.samples)


def clusters(head):
    return head(FEATURES)[0].argmax(dim=1)


def confidences(head):
    return head(FEATURES)[0].softmax(dim=1).amax(dim=1).detach()


@dataclass
class Taught:
    """What came of a stage: whether it was kept, and how it went."""

    kept: bool
    lost: tuple[int, ...]
    history: list


def teach(head, trunk=None, neighbors=NEIGHBORS, **settings):
    """Run the stage guarded; `head` has the weights that come of it."""
    defaults = {"n_epochs": 10, "batch_size": 10, "learning_rate": 0.05, "seed": 0}
    defaults |= {"confidence_threshold": 0.99}
    trunk = trunk or Line()
    scores = torch.zeros(1)
    decisions = decide(head, trunk.features())
    found = Found(head, scores, scores, head, decisions)
    most_lost = 0.5 if trunk.is_trained else 0.005

    def guarded(**stage):
        return Guarded(SelfLabeling(**stage), most_lost)

    after, history = run_stage(
        guarded,
        trunk,
        neighbors,
        n_clusters=head.n_clusters,
        found=found,
        **defaults | settings,
    )
    head.load_state_dict(after.head.state_dict())
    return Taught(after.self_labeled, after.lost_clusters, history)


def state(*modules):
    return [copy.deepcopy(module.state_dict()) for module in modules]


def assert_same(states, others):
    for one, other in zip(states, others, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.equal(value, other[name]), name


# -- what is learnt ------------------------------------------------------------------


def test_confidence_rises_and_clusters_stay():
    head = make_head()
    before = copy.deepcopy(head)
    taught = teach(head)
    assert taught.kept
    assert taught.lost == ()
    assert (confidences(head) > confidences(before)).all()
    assert torch.equal(clusters(head), clusters(before))
    assert taught.history[-1]["loss"] < taught.history[0]["loss"]
    assert {entry["stage"] for entry in taught.history} == {"self-labelling"}


def test_the_number_of_confident_samples_is_in_the_history():
    head = make_head()
    taught = teach(head, n_epochs=3)
    assert len(taught.history) == 3
    n_confident = int((confidences(head) > 0.99).sum())
    assert taught.history[-1]["n_confident"] == n_confident


def test_a_trunk_that_learns_along_is_trained():
    body, head = nn.Linear(1, 1), make_head()
    with torch.no_grad():
        body.weight.fill_(1.0)
        body.bias.fill_(0.0)
    teach(head, Line(body=body))
    assert (body.weight != 1).all()
    assert (head.weight != make_head().weight).any()


class Tagged(nn.Module):
    """Keeps its inputs and whether its outputs have a gradient; adds nothing."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        if self.training:
            self.seen.append((x.clone(), torch.is_grad_enabled()))
        return self.scale * x


def test_the_weak_view_labels_without_gradient_and_the_strong_one_learns():
    body = Tagged()
    trunk = Line(strong_view=lambda x: x + 1000, weak_view=lambda x: x - 0.5, body=body)
    teach(make_head(), trunk, neighbors=None, n_epochs=2)
    weak, strong = (
        torch.cat([x for x, with_grad in body.seen if with_grad is grad])
        for grad in (False, True)
    )
    twice = FEATURES.repeat_interleave(2, dim=0)
    torch.testing.assert_close(weak.sort(dim=0).values, twice - 0.5)
    torch.testing.assert_close(strong.sort(dim=0).values, twice + 1000)


def test_the_loss_is_that_of_the_strong_view_to_the_weak_views_labels():
    # The strong view turns the line round, so that each label is a surprise.
    trunk = Line(strong_view=torch.neg)
    taught = teach(
        make_head(), trunk, None, n_epochs=1, batch_size=40, learning_rate=1e-9
    )
    logits = FEATURES[FEATURES.abs() > math.log(99)].abs()
    expected = (logits + torch.log1p((-logits).exp())).mean().item()
    assert taught.history[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_one_seed_gives_the_same_head_to_the_bit():
    heads = [make_head() for _ in range(3)]
    for head, seed in zip(heads, (1, 1, 2), strict=True):
        teach(head, seed=seed)
    first, again, other = (head.weight for head in heads)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# -- when it ends --------------------------------------------------------------------


def test_training_ends_when_confident_samples_no_longer_grow_in_number():
    # nothing moves: ten epochs bring nothing new
    taught = teach(make_head(), n_epochs=40, learning_rate=1e-9)
    n_confident = [entry["n_confident"] for entry in taught.history]
    assert len(n_confident) == 10
    assert len(set(n_confident)) == 1


def test_training_goes_on_while_confident_samples_grow_in_number():
    taught = teach(make_head(0.6), n_epochs=40, learning_rate=0.02)
    n_confident = [entry["n_confident"] for entry in taught.history]
    n_epochs = len(n_confident)
    assert n_epochs > 11
    if n_epochs < 40:
        assert max(n_confident[:-10]) == max(n_confident)
        assert n_confident[-11] > max(n_confident[:-11])


# -- when nothing is learnt ----------------------------------------------------------


def test_without_a_confident_sample_at_the_outset_nothing_changes():
    body = nn.BatchNorm1d(1).eval()
    head = make_head(slope=0.01)
    before = state(head, body)
    with pytest.warns(ConvergenceWarning, match=r"a probability above 0\.99"):
        taught = teach(head, Line(body=body), ema_decay=0.9)
    assert not taught.kept
    assert taught.history == []
    assert taught.lost == ()
    assert_same(state(head, body), before)


def test_warning_names_the_highest_confidence():
    head = make_head()
    highest = f"{confidences(head).max():.3f}"
    with pytest.warns(ConvergenceWarning, match=f"the highest is {highest}"):
        teach(head, confidence_threshold=0.9999)


def test_a_batch_without_a_confident_sample_is_no_event():
    # Only the two samples at the ends are confident, in batches of one.
    head = make_head()
    threshold = confidences(head).sort().values[-3].item()
    taught = teach(
        head,
        batch_size=1,
        n_epochs=2,
        learning_rate=1e-3,
        confidence_threshold=threshold,
    )
    assert taught.kept
    assert taught.history[0]["loss"] > 0
    assert all(math.isfinite(entry["loss"]) for entry in taught.history)
    assert head.weight.isfinite().all()


def test_a_stage_that_parts_neighbors_is_undone():
    # Views moved along the line move the border between the clusters off its place.
    body, head = nn.BatchNorm1d(1, affine=False).eval(), make_head(8.0)
    before = state(head, body)
    trunk = Line(strong_view=lambda x: x + 6, body=body)
    taught = teach(head, trunk, n_epochs=40, learning_rate=0.3, ema_decay=0.5)
    assert not taught.kept
    assert taught.lost == ()
    assert len(taught.history) >= 10
    assert_same(state(head, body), before)


def test_without_neighbors_the_stage_is_kept_in_any_case():
    head = make_head()
    trunk = Line(strong_view=lambda x: x + 6)
    taught = teach(head, trunk, None, n_epochs=40, learning_rate=0.3)
    assert taught.kept
    assert not torch.equal(clusters(head), clusters(make_head()))


def test_clusters_without_a_confident_sample_at_the_end_are_lost():
    # Cluster 1, on the left of -4, has members that are never confident.
    head = make_head()
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0], [0.0]]))
        head.bias.copy_(torch.tensor([4.0, 0.0]))
    assert clusters(head).unique().tolist() == [0, 1]
    taught = teach(head, n_epochs=1, learning_rate=1e-9, confidence_threshold=0.985)
    assert taught.kept
    assert taught.lost == (1,)


def test_a_cluster_that_was_empty_before_is_not_lost():
    head = ClusterHeads(1, n_clusters=3, n_heads=1, generator=torch.Generator())
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0], [-100.0], [-1.0]]))
        head.bias.copy_(torch.tensor([0.0, -1e4, 0.0]))
    taught = teach(head)
    assert taught.kept
    assert taught.lost == ()


# -- the moving average --------------------------------------------------------------


def test_the_moving_average_of_weights_and_batch_norms_is_what_stays():
    decay, steps = 0.8, []

    class Noting(nn.Module):
        """A batch norm that notes the weights and statistics after each step."""

        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1)
            self.norm.running_var.fill_(20.0)

        def forward(self, x):
            return self.norm(x)

    body, head = Noting(), make_head(9.0)
    before = copy.deepcopy(body).eval()
    plain_body, plain_head = copy.deepcopy(body), copy.deepcopy(head)

    # the same training without an average, seen after each step
    from torch.optim import Adam

    class Spy(Adam):
        def step(self, closure=None):
            super().step(closure)
            weights = [p.detach().clone() for p in self.param_groups[0]["params"]]
            statistics = [
                b.clone() for b in plain_body.buffers() if b.is_floating_point()
            ]
            steps.append(weights + statistics)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.optim.Adam", Spy)
        teach(plain_head, Line(body=plain_body), None, n_epochs=3)
    assert len(steps) == 12
    expected = steps[0]
    for step in steps[1:]:
        pairs = zip(expected, step, strict=True)
        expected = [decay * mean + (1 - decay) * new for mean, new in pairs]
    teach(head, Line(body=body), None, n_epochs=3, ema_decay=decay)
    averaged = [*head.parameters(), *body.parameters()]
    averaged += [body.norm.running_mean, body.norm.running_var]
    for mean, got in zip(expected, averaged, strict=True):
        torch.testing.assert_close(got.detach(), mean)
    assert not torch.equal(head.weight, plain_head.weight)
    assert not torch.equal(body.norm.running_mean, before.norm.running_mean)
    assert not torch.equal(body.norm.running_mean, plain_body.norm.running_mean)


@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_divergence_leaves_the_last_good_weights(ema_decay):
    passes = []

    def breaking(x):
        passes.append(len(x))
        return x * (torch.nan if len(passes) > 2 * 4 else 1)

    head, shorter = make_head(), make_head()
    with pytest.warns(ConvergenceWarning, match="epoch 3 of the self-labelling stage"):
        taught = teach(head, Line(strong_view=breaking), ema_decay=ema_decay)
    teach(shorter, n_epochs=2, ema_decay=ema_decay)
    assert taught.kept
    assert len(taught.history) == 2
    assert torch.equal(head.weight, shorter.weight)


def test_a_decay_of_zero_is_no_average():
    averaged, plain = make_head(), make_head()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        teach(averaged, ema_decay=0.0)
    teach(plain)
    torch.testing.assert_close(averaged.weight, plain.weight)


# -- a share of each cluster that teaches in any case ----------------------------------


def labels_taught(head, monkeypatch, **settings):
    """Return the thresholds of the clusters in the first epoch."""
    seen = []
    terms = SelfLabelLoss.terms

    def watch(self, anchor, partner):
        seen.append(self.threshold.clone())
        return terms(self, anchor, partner)

    monkeypatch.setattr(SelfLabelLoss, "terms", watch)
    teach(head, n_epochs=1, batch_size=40, **settings)
    return seen[0]


def shifted_head():
    """Return a head of which the second cluster is sure of nothing."""
    head = make_head()
    with torch.no_grad():
        head.bias.copy_(torch.tensor([6.0, 0.0]))
    return head


def test_the_more_confident_share_of_each_cluster_teaches(monkeypatch):
    thresholds = labels_taught(shifted_head(), monkeypatch, least_share=0.5)
    confidence, labels = shifted_head()(FEATURES)[0].softmax(dim=1).max(dim=1)
    unsure = confidence[labels == 1].detach()
    assert unsure.max() < 0.99
    assert thresholds[0] == pytest.approx(0.99)
    assert thresholds[1] == pytest.approx(unsure.median().item(), rel=0.1)
    assert (unsure > thresholds[1]).sum() == 3  # of five: the median and what is above


def test_a_cluster_of_one_sample_teaches(monkeypatch):
    head = shifted_head()
    with torch.no_grad():
        head.bias.copy_(torch.tensor([7.8, 0.0]))
    alone = clusters(head) == 1
    assert alone.sum() == 1
    confidence = confidences(head)[alone]
    thresholds = labels_taught(head, monkeypatch, least_share=0.5)
    assert 0.5 < thresholds[1] < confidence.item() < 0.99


def test_without_a_share_one_threshold_holds_for_all(monkeypatch):
    thresholds = labels_taught(shifted_head(), monkeypatch)
    assert thresholds.tolist() == pytest.approx([0.99, 0.99])
