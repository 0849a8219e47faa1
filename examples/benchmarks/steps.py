"""What a step of SimCLR costs on a CPU, beside a loop that one would write by hand.

The loop by hand trains the same network, in bf16 where the CPU has it and with channels
last, on the same views: ours, in both. They take turns. On one thread, and in seconds
of the processor: other work on the machine does not count in them.

    python examples/benchmarks/steps.py [--batch 256] [--side 32]

The bars: at least 0.95 times the steps a second; views in at most 15 % of a step.
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

from sklearn_scan import SimCLR
from sklearn_scan.core.device import autocast, kept_heap, resolve_precision
from sklearn_scan.encoders import Preprocessing
from sklearn_scan.images.augment import ColorViews
from sklearn_scan.pretext._network_encoder import TrainingImages
from sklearn_scan.pretext._networks import ProjectionHead, SmallConvNet

CPU = torch.device("cpu")
LEAST_RATIO, MOST_OF_VIEWS = 0.95, 0.15
TEMPERATURE = 0.5
MEAN, STD = 0.5, 0.25


class Ours:
    """Steps of the package's loop."""

    name = "ours"

    def __init__(self, images, network, batch_size):
        pretext = SimCLR(batch_size=batch_size, temperature=TEMPERATURE)
        preprocessing = Preprocessing(images.shape[-1], (MEAN,) * 3, (STD,) * 3)
        training = TrainingImages(images, preprocessing, float_range=None)
        self.loop = pretext._make_loop(  # noqa: SLF001 - steps, without a fit
            network, training, n_epochs=20, device=CPU, seed=0
        )
        self.loop.module.train()

    def batches(self):
        return iter(self.loop.batches)

    def step(self, batch):
        self.loop.step(batch)


class ByHand:
    """The same steps, written down."""

    name = "by hand"

    def __init__(self, images, network, batch_size):
        self.images = images
        self.batch_size = batch_size
        head = ProjectionHead(network.embed_dim, 64)
        self.network = nn.Sequential(network, head).train()
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 3e-3)
        self.precision = autocast(CPU, resolve_precision("auto", CPU))
        self.augment = ColorViews()

    def batches(self):
        for rows in torch.randperm(len(self.images)).split(self.batch_size):
            images = self.images[rows].float() / 255
            views = (self.augment(torch.cat([images, images])) - MEAN) / STD
            yield views.contiguous(memory_format=torch.channels_last)

    def step(self, views):
        with self.precision:
            projections = self.network(views)[0]
        rows = F.normalize(projections.float(), dim=1)
        logits = rows @ rows.T / TEMPERATURE
        logits.fill_diagonal_(-torch.inf)
        partners = torch.arange(len(rows)).roll(len(rows) // 2)
        loss = F.cross_entropy(logits, partners)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


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
    network = SmallConvNet(arguments.side)
    trainers = [
        kind(torch.from_numpy(pixels), copy.deepcopy(network), arguments.batch)
        for kind in (Ours, ByHand)
    ]
    steps = {trainer.name: [] for trainer in trainers}
    with kept_heap():  # for both: fits have it
        for turn in range(arguments.turns + 1):
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
            f"{name:8} {1 / step:6.2f} steps/s, {1000 * step:5.0f} ms, "
            f"of which views {100 * views / step:.1f} %"
        )
    step, views = medians["ours"]
    ratio, of_views = medians["by hand"][0] / step, views / step
    print(f"ours / by hand: {ratio:.2f}; convolutions: {100 * convolutions:.0f} %")
    assert ratio >= LEAST_RATIO, ratio
    assert of_views <= MOST_OF_VIEWS, of_views


if __name__ == "__main__":
    main()
