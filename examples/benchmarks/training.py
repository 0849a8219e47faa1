"""How fast SimCLR trains on this CPU, beside the same loop in fp32, channels first.

Both train the same network on the same images with the same views; they run in turns,
and what is asserted is the ratio of the medians, where the CPU multiplies bf16 in tiles
(AMX).

    python examples/benchmarks/training.py
"""

import time
from statistics import median

import numpy as np
import torch
from torch import nn

from sklearn_scan.augment import ColorViews
from sklearn_scan.objectives import ContrastiveLoss
from sklearn_scan.pretext import SimCLR
from sklearn_scan.pretext._networks import ProjectionHead, SmallConvNet

N_IMAGES, SIZE, BATCH, N_ROUNDS = 1024, 32, 256, 5


def ours(images):
    SimCLR(epochs=1, batch_size=BATCH, random_state=0).fit(images)


def plain(images):
    """Train as one would write it down: fp32, channels first."""
    data = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    backbone = SmallConvNet(SIZE)
    network = nn.Sequential(backbone, ProjectionHead(backbone.embed_dim, 64)).train()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    views, loss = ColorViews(), ContrastiveLoss(0.5)
    for rows in torch.randperm(len(data)).split(BATCH):
        batch = data[rows].float() / 255
        pairs = torch.cat([views(batch), views(batch)]).sub(0.5).div(0.25)
        anchors, partners = network(pairs).chunk(2, dim=1)
        optimizer.zero_grad()
        loss(anchors, partners)["contrastive"].sum().backward()
        optimizer.step()


def main():
    shape = (N_IMAGES, SIZE, SIZE, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    seconds = {ours: [], plain: []}
    for turn in range(N_ROUNDS + 1):
        for train in seconds:
            start = time.perf_counter()
            train(images)
            if turn:  # the first one warms up
                seconds[train].append(time.perf_counter() - start)
    rates = {train: N_IMAGES / median(times) for train, times in seconds.items()}
    ratio = rates[ours] / rates[plain]
    print(
        f"SimCLR at {SIZE} px: {rates[ours]:.0f} images/s, plain loop "
        f"{rates[plain]:.0f} images/s, {ratio:.1f}x"
    )
    if torch.cpu.get_capabilities().get("amx_bf16"):
        assert ratio >= 3, ratio
    else:
        print("(no AMX here: the bar of 3x is for CPUs that have it)")


if __name__ == "__main__":
    main()
