"""A loop goes on from its state, in another process, as if nothing had come between."""

import io

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan import JULEClusterer, SCANClusterer, SimCLR
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.pretext._networks import (
    Bootstrap,
    LinearProjection,
    MomentumPair,
    NormalizedMLP,
    ProjectionHead,
)
from sklearn_scan.training.averaging import average_weights
from sklearn_scan.training.batches import (
    LabeledAndAll,
    MultiView,
    SingleViews,
    ViewPairs,
)
from sklearn_scan.training.heads import ClusterHeads
from sklearn_scan.training.loop import Loop, LoopCallback
from sklearn_scan.training.objectives import (
    ContrastiveLoss,
    FixMatchLoss,
    MemoryBankLoss,
    PrototypeLoss,
    QueueLoss,
    RotationLoss,
    ScanLoss,
    TemiLoss,
    WeightedTripletLoss,
)
from sklearn_scan.training.optimizers import OPTIMIZERS, make_optimizer

N_SAMPLES, N_EPOCHS, INTERRUPTED = 30, 6, 3
SAMPLES = torch.randn(N_SAMPLES, 5, generator=torch.Generator().manual_seed(0))
CPU = torch.device("cpu")


class Parts:
    """What the loops are made of, with weights and draws by a seed.

    The views and the dropout draw from torch's global state.
    """

    def __init__(self, seed):
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.body = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3)
        )

    def network(self):
        heads = ClusterHeads(8, n_clusters=3, n_heads=2, generator=self.generator)
        return nn.Sequential(self.body, heads)

    def pairs(self):
        return ViewPairs(
            SAMPLES,
            batch_size=8,
            generator=self.generator,
            partner_view=noisy,
            draw_partners=lambda: torch.randperm(N_SAMPLES, generator=self.generator),
        )

    def singles(self, view):
        return SingleViews(
            SAMPLES, batch_size=8, generator=self.generator, view=view, device=CPU
        )


def noisy(samples):
    return samples + 0.1 * torch.randn_like(samples)


class StudentAndTeacher(nn.Module):
    """The outputs of a network for two views, and those of its moving average."""

    def __init__(self, student, teacher):
        super().__init__()
        self.student = MultiView(student)
        self.teacher = MultiView(teacher)

    def forward(self, views):
        with torch.no_grad():
            teaching = self.teacher(views)
        return *self.student(views), *teaching


def optimize(module, name):
    """Return an optimizer and its schedule, for the steps of a whole run."""
    return make_optimizer(
        name,
        [p for p in module.parameters() if p.requires_grad],
        learning_rate=0.01,
        sgd_rate=0.01,
        weight_decay=1e-4,
        batch_size=8,
        n_epochs=N_EPOCHS,
        n_batches=4,
    )


def scan(parts, name):
    network = parts.network()
    return MultiView(network), ScanLoss(), parts.pairs(), optimize(network, name)


def temi(parts, name):
    student = parts.network()
    trained = optimize(student, name)
    module = StudentAndTeacher(student, average_weights(student, trained[0], 0.9))
    return module, TemiLoss(n_heads=2, n_clusters=3), parts.pairs(), trained


def contrastive(parts, name):
    network = nn.Sequential(parts.body, ProjectionHead(8, 4))
    module = MultiView(network)
    return module, ContrastiveLoss(), parts.pairs(), optimize(network, name)


def queue(parts, name):
    module = MomentumPair(parts.body, ProjectionHead(8, 4), momentum=0.9)
    objective = QueueLoss(4, queue_size=13, generator=parts.generator)
    return module, objective, parts.pairs(), optimize(module, name)


def memory_bank(parts, name):
    network = nn.Sequential(parts.body, LinearProjection(8, 4))
    objective = MemoryBankLoss(
        N_SAMPLES,
        4,
        n_negatives=7,
        temperature=0.1,
        momentum=0.5,
        generator=torch.Generator().manual_seed(parts.generator.initial_seed() + 1),
    )
    views = parts.singles(noisy)
    return MultiView(network, 1), objective, views, optimize(network, name)


def rotation(parts, name):
    network = nn.Sequential(parts.body, LinearProjection(8, 4))
    views = parts.singles(lambda x: torch.cat([x.roll(i, dims=1) for i in range(4)]))
    return MultiView(network, 4), RotationLoss(), views, optimize(network, name)


def triplets(parts, name):
    network = nn.Sequential(parts.body, LinearProjection(8, 4))
    labels = torch.randint(3, (N_SAMPLES,), generator=parts.generator)
    objective = WeightedTripletLoss(labels)
    return MultiView(network), objective, parts.pairs(), optimize(network, name)


def bootstrap(parts, name):
    module = Bootstrap(
        parts.body,
        NormalizedMLP(8, 6, 4),
        NormalizedMLP(4, 6, 4),
        decay=lambda n_updates: n_updates / (1 + n_updates),
        noise=0.1,
    )
    objective = PrototypeLoss(N_SAMPLES, 3, weight=0.5)
    objective.labels = torch.randint(3, (N_SAMPLES,), generator=parts.generator)
    return module, objective, parts.pairs(), optimize(module, name)


class LabeledAndViews(nn.Module):
    """The outputs of a network for two labelled samples, and two views of others."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, views):
        n_others = (len(views) - 2) // 2
        return self.network(views).split([2, n_others, n_others], dim=1)


def fixmatch(parts, name):
    network = parts.network()
    labels = torch.arange(N_SAMPLES) % 4 - 1
    batches = LabeledAndAll(
        SAMPLES, labels, 8, 2, generator=parts.generator, second_view=noisy
    )
    objective = FixMatchLoss(labels, threshold=0.4)
    return LabeledAndViews(network), objective, batches, optimize(network, name)


METHODS = [
    *(scan, temi, contrastive, queue, memory_bank, rotation, triplets, bootstrap),
    fixmatch,
]


class StopAt(LoopCallback):
    """Stops after so many epochs, which it counts itself."""

    def __init__(self, n_epochs):
        self.n_left = n_epochs

    def after_epoch(self, loop, record):
        self.n_left -= 1
        record["n_left"] = self.n_left
        return self.n_left == 0

    def state_dict(self):
        return {"n_left": self.n_left}

    def load_state_dict(self, state):
        self.n_left = state["n_left"]


def make_loop(method, optimizer="adamw", seed=0, callbacks=()):
    module, objective, batches, (optimizer, scheduler) = method(Parts(seed), optimizer)
    return Loop(
        module, objective, batches, optimizer, scheduler=scheduler, callbacks=callbacks
    )


def through_a_file(state):
    """Return a state as it is read back from a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_equal(found, expected, at="state"):
    """Compare nested states bit for bit."""
    assert type(found) is type(expected), at
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), at
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), at
        for key, value in expected.items():
            assert_equal(found[key], value, f"{at}[{key!r}]")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), at
        for i, pair in enumerate(zip(found, expected, strict=True)):
            assert_equal(*pair, f"{at}[{i}]")
    else:
        assert found == expected, at


def assert_resumes(make, n_epochs=N_EPOCHS, interrupted=INTERRUPTED):
    """Check that a loop of another seed goes on as the first; return it."""
    whole = make(seed=0)
    whole.run(n_epochs)
    expected = through_a_file(whole.state_dict())
    half = make(seed=0)
    half.run(interrupted)
    state = through_a_file(half.state_dict())
    half.run(n_epochs)  # leaves the state alone
    resumed = make(seed=1)
    resumed.load_state_dict(state)
    resumed.run(n_epochs)
    assert_equal(resumed.state_dict(), expected)
    assert_equal(half.state_dict(), expected)
    return resumed


@pytest.mark.parametrize("optimizer", OPTIMIZERS)  # one-cycle, and cosine
@pytest.mark.parametrize("method", METHODS)
def test_it_goes_on_as_if_nothing_had_come_between(method, optimizer):
    def make(seed):
        return make_loop(method, optimizer, seed)

    resumed = assert_resumes(make)
    assert [record["epoch"] for record in resumed.history] == list(range(1, 7))
    # all that a seed draws matters: else there were nothing to bring back
    other = make(seed=1)
    assert other.run(N_EPOCHS) != resumed.history


class StateAt(LoopCallback):
    """Takes the state of a loop after so many steps."""

    def __init__(self, n_steps):
        self.n_left = n_steps

    def after_step(self, loop):
        self.n_left -= 1
        if self.n_left == 0:
            self.state = through_a_file(loop.state_dict())


@pytest.mark.parametrize("n_steps", [1, 2, 4, 9])  # the 4th ends an epoch
@pytest.mark.parametrize("method", METHODS)
def test_it_goes_on_from_amid_an_epoch(method, n_steps):
    taken = StateAt(n_steps)
    whole = make_loop(method, callbacks=[taken])
    whole.run(N_EPOCHS)
    resumed = make_loop(method, seed=1, callbacks=[LoopCallback()])
    resumed.load_state_dict(taken.state)
    resumed.run(N_EPOCHS)
    assert_equal(resumed.state_dict(), through_a_file(whole.state_dict()))


def test_an_epoch_that_is_gone_on_with_may_diverge():
    class Spoiler(LoopCallback):
        def after_step(self, loop):
            if len(loop.history) == 1 and loop.state_dict()["epoch"]["n_steps"] == 3:
                next(loop.module.parameters()).data.fill_(torch.nan)

    taken = StateAt(6)
    whole = make_loop(scan, callbacks=[taken, Spoiler()])
    with pytest.warns(ConvergenceWarning, match="epoch 2 of the training stage"):
        whole.run(N_EPOCHS)
    resumed = make_loop(scan, seed=1, callbacks=[LoopCallback(), Spoiler()])
    resumed.load_state_dict(taken.state)
    with pytest.warns(ConvergenceWarning, match="weights of epoch 1"):
        resumed.run(N_EPOCHS)
    for part in ("module", "history", "is_stopped"):
        assert_equal(resumed.state_dict()[part], whole.state_dict()[part])


@pytest.mark.parametrize("stop_at", [2, 3, 5])
@pytest.mark.parametrize("method", METHODS)
def test_a_callback_stops_where_it_would_have(method, stop_at):
    def make(seed):
        return make_loop(method, seed=seed, callbacks=[StopAt(stop_at)])

    resumed = assert_resumes(make)
    assert resumed.is_stopped
    assert [record["n_left"] for record in resumed.history] == [*range(stop_at)][::-1]


def test_a_state_may_be_loaded_twice():
    half = make_loop(scan)
    half.run(INTERRUPTED)
    state = through_a_file(half.state_dict())
    first, second = (make_loop(scan, seed=seed) for seed in (1, 2))
    for loop in (first, second):
        loop.load_state_dict(state)
        loop.run(N_EPOCHS)
    assert_equal(first.state_dict(), second.state_dict())


# -- loops as the clusterers make them -------------------------------------------------


class Caught(Exception):  # noqa: N818
    """A loop that would have run."""

    def __init__(self, loop):
        super().__init__()
        self.loop = loop


def catch_loop(fit, stage, monkeypatch):
    """Return the loop that a stage of a fit would have run."""
    run = Loop.run

    def watch(self, n_epochs):
        if self.stage == stage:
            raise Caught(self)
        return run(self, n_epochs)

    with monkeypatch.context() as patched:
        patched.setattr(Loop, "run", watch)
        with pytest.raises(Caught) as caught:
            fit()
    return caught.value.loop


def drop_net():
    """Return a small network with what is random and what has statistics."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def self_labeling(clusterer, X, monkeypatch, **settings):
    """Return what makes the loop of the second stage, by a seed."""

    def make(seed):
        fit = clusterer(random_state=seed, ema_decay=0.9, **settings).fit
        loop = catch_loop(lambda: fit(X), "self-labelling", monkeypatch)
        torch.manual_seed(seed)
        return loop

    return make


def test_self_labeling_counts_its_patience_from_before(monkeypatch):
    X = load_digits().data[:200]
    settings = {
        "n_heads": 2,
        "max_epochs": 10,
        "self_label_epochs": 100,
        "confidence_threshold": 0.9,
        "learning_rate": 0.1,
        "batch_size": 64,
    }
    make = self_labeling(SCANClusterer, X, monkeypatch, **settings)
    n_epochs = len(make(seed=0).run(100))
    for interrupted in (n_epochs - 3, n_epochs):
        resumed = assert_resumes(make, n_epochs=100, interrupted=interrupted)
        assert len(resumed.history) == n_epochs < 100
        assert resumed.is_stopped


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["confident", "fixmatch"])
def test_self_labeling_of_a_backbone_keeps_its_average_and_its_teachers(
    kind, monkeypatch
):
    images = load_digits_images().images[:40]
    settings = {
        "n_clusters": 4,
        "n_heads": 2,
        "max_epochs": 2,
        "learning_rate": 0.01,
        "confidence_threshold": 0.99,
        "batch_size": 16,
        "self_labeling": kind,
    }

    def clusterer(random_state, **others):
        encoder = SimCLR(drop_net, epochs=1, random_state=random_state)
        return SCANClusterer(encoder=encoder, random_state=random_state, **others)

    make = self_labeling(clusterer, images, monkeypatch, **settings)
    teaching = {"confident": "threshold", "fixmatch": "labels"}[kind]
    assert len(getattr(make(seed=1).objective, teaching).unique()) > 1
    resumed = assert_resumes(make)
    assert len(resumed.history) == N_EPOCHS
    names = resumed.state_dict()["module"]
    assert any("average" in name and "running_mean" in name for name in names)


def test_a_period_of_jule_goes_on_with_the_mates_it_would_have_drawn(monkeypatch):
    X = load_digits().data[:120]

    def make(seed):
        clusterer = JULEClusterer(10, max_epochs=N_EPOCHS, random_state=seed)
        return catch_loop(lambda: clusterer.fit(X), "JULE", monkeypatch)

    resumed = assert_resumes(make)
    assert len(resumed.history) == N_EPOCHS
    assert make(seed=1).run(N_EPOCHS) != resumed.history
