"""What a step of SimCLR and of BYOL costs on a CPU, beside loops written by hand.

A loop by hand trains the same networks with AdamW, in bf16 where the CPU has it and
with channels last, on the same views: ours, in both. They take turns. On one thread,
and in seconds of the processor: other work on the machine does not count in them.

    python examples/benchmarks/steps.py [--batch 256] [--side 32]

The bars: at least as many steps a second; views in at most 15 % of a step.
"""

import argparse
import copy
import os
import time
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from sklearn_scan import pretext
from sklearn_scan.core.device import autocast, kept_heap, resolve_precision
from sklearn_scan.encoders import Preprocessing
from sklearn_scan.images.augment import ColorViews
from sklearn_scan.pretext._network_encoder import TrainingImages
from sklearn_scan.pretext._networks import SmallConvNet

CPU = torch.device("cpu")
LEAST_RATIO, MOST_OF_VIEWS = 1.0, 0.15
TEMPERATURE = 0.5
EPOCHS = 20
MEAN, STD = 0.5, 0.25


class Ours:
    """Steps of the package's loop."""

    name = "ours"

    def __init__(self, task, images, network, batch_size):
        chosen = {"temperature": TEMPERATURE} if task == "SimCLR" else {}
        chosen |= {"batch_size": batch_size, "optimizer": "adamw"}
        preprocessing = Preprocessing(images.shape[-1], (MEAN,) * 3, (STD,) * 3)
        training = TrainingImages(images, preprocessing, float_range=None)
        self.loop = getattr(pretext, task)(**chosen)._make_loop(  # noqa: SLF001 - steps
            network, training, EPOCHS, device=CPU, seed=0
        )
        self.loop.module.train()

    def batches(self):
        return iter(self.loop.batches)

    def step(self, batch):
        self.loop.step(batch)


class ByHand:
    """The same steps, written down; a subclass writes the loss."""

    name = "by hand"

    def __init__(self, images, network, batch_size):
        self.images = images
        self.batch_size = batch_size
        self.network = self.make(network).train()
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 3e-3, fused=True)
        self.precision = autocast(CPU, resolve_precision("auto", CPU))
        self.augment = ColorViews()

    def batches(self):
        for rows in torch.randperm(len(self.images)).split(self.batch_size):
            images = self.images[rows].float() / 255
            views = (self.augment(torch.cat([images, images])) - MEAN) / STD
            yield views.contiguous(memory_format=torch.channels_last)

    def step(self, views):
        loss = self.loss(views)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class SimCLRByHand(ByHand):
    def make(self, network):
        dim = network.embed_dim
        head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 64))
        return nn.Sequential(network, head)

    def loss(self, views):
        with self.precision:
            projections = self.network(views)
        rows = F.normalize(projections.float(), dim=1)
        logits = rows @ rows.T / TEMPERATURE
        logits.fill_diagonal_(-torch.inf)
        partners = torch.arange(len(rows)).roll(len(rows) // 2)
        return F.cross_entropy(logits, partners)


class BYOLByHand(ByHand):
    n_hidden, n_out, decay = 512, 128, 0.99

    def make(self, network):
        online = nn.Sequential(network, self.head(network.embed_dim))
        self.target = copy.deepcopy(online).requires_grad_(requires_grad=False)
        self.target.to(memory_format=torch.channels_last)
        return nn.Sequential(online, self.head(self.n_out))

    def head(self, n_in):
        return nn.Sequential(
            nn.Linear(n_in, self.n_hidden, bias=False),
            nn.BatchNorm1d(self.n_hidden),
            nn.ReLU(),
            nn.Linear(self.n_hidden, self.n_out),
        )

    def loss(self, views):
        with self.precision:
            predictions = self.network(views)
            with torch.no_grad():
                targets = self.target(views)
        swapped = targets.float().roll(len(views) // 2, 0)
        return 2 - 2 * F.cosine_similarity(predictions.float(), swapped).mean()

    @torch.no_grad()
    def step(self, views):
        with torch.enable_grad():
            super().step(views)
        owns, others = ([*each.parameters()] for each in (self.target, self.network[0]))
        torch._foreach_lerp_(owns, others, 1 - self.decay)


BY_HAND = {"SimCLR": SimCLRByHand, "BYOL": BYOLByHand}


def take_turn(trainer):
    """Train for a pass; return the seconds of each step, and those of its views."""
    seconds, batches = [], trainer.batches()
    while True:
        start = time.process_time()
        batch = next(batches, None)
        if batch is None:
            return seconds
        viewed = time.process_time()
        trainer.step(batch)
        seconds.append((time.process_time() - start, viewed - start))


def share_of_convolutions(trainer):
    """Return the share of the time of operators that convolutions take."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        take_turn(trainer)
    seconds = {row.key: row.self_cpu_time_total for row in profiler.key_averages()}
    convolutions = sum(each for name, each in seconds.items() if "conv" in name)
    return convolutions / sum(seconds.values())


def compare(task, images, batch_size, n_turns):
    """Print the steps of one pretext; return our part of the loop by hand's speed."""
    network = SmallConvNet(images.shape[-1])
    trainers = [
        Ours(task, images, copy.deepcopy(network), batch_size),
        BY_HAND[task](images, copy.deepcopy(network), batch_size),
    ]
    steps = {trainer.name: [] for trainer in trainers}
    with kept_heap():  # for both: fits have it
        for turn in range(n_turns + 1):
            for trainer in trainers:
                seconds = take_turn(trainer)
                steps[trainer.name] += seconds if turn else []  # the first warms up
        convolutions = share_of_convolutions(trainers[0])
    medians = {
        name: [median(each) for each in zip(*seconds, strict=True)]
        for name, seconds in steps.items()
    }
    for name, (step, views) in medians.items():
        print(
            f"{task}, {name:8} {1 / step:6.2f} steps/s, {1000 * step:5.0f} ms, "
            f"of which views {100 * views / step:.1f} %"
        )
    step, views = medians["ours"]
    ratio = medians["by hand"][0] / step
    print(
        f"{task}, ours / by hand: {ratio:.2f}; convolutions: {100 * convolutions:.0f} %"
    )
    return ratio, views / step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--turns", type=int, default=8)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    shape = (2 * arguments.batch, 3, arguments.side, arguments.side)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    images = torch.from_numpy(pixels)
    found = {
        task: compare(task, images, arguments.batch, arguments.turns)
        for task in BY_HAND
    }
    for task, (ratio, of_views) in found.items():
        assert round(ratio, 2) >= LEAST_RATIO, (task, ratio)
        assert of_views <= MOST_OF_VIEWS, (task, of_views)


if __name__ == "__main__":
    main()
