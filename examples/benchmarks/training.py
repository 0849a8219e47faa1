"""How fast SimCLR trains on this CPU, beside the same loop in fp32, channels first.

Both train the same network on the same images with the same views; they run in turns,
and what is asserted is the ratio of the medians, where the CPU multiplies bf16 in tiles
(AMX). On a GPU, what is reported instead is the rate of a ResNet-18 on CIFAR-sized
images, and the share of the rate at which the GPU multiplies large bf16 matrices.

    python examples/benchmarks/training.py
"""

import time
from statistics import median

import numpy as np
import torch
from benchmark_machine import training_flops
from torch import nn

from sklearn_scan.core.device import resolve_device
from sklearn_scan.images.augment import ColorViews
from sklearn_scan.pretext import SimCLR
from sklearn_scan.pretext._networks import ProjectionHead, SmallConvNet
from sklearn_scan.training.objectives import ContrastiveLoss

N_IMAGES, SIZE, BATCH, N_ROUNDS = 1024, 32, 256, 5


def ours(images):
    settings = {"epochs": 1, "batch_size": BATCH, "optimizer": "adamw"}
    SimCLR(random_state=0, **settings).fit(images)


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


def on_gpu(device, n_images=50_000, epochs=3):
    """Print the images a second of SimCLR on a GPU, and the share of its bf16 peak."""
    shape = (n_images, SIZE, SIZE, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    seconds = []
    for n_epochs in (1, 1 + epochs):  # of the difference, what comes before is no part
        pretext = SimCLR("resnet18", epochs=n_epochs, batch_size=512, compile=True)
        start = time.perf_counter()
        pretext.set_params(device=device, optimizer="sgd").fit(images)
        seconds.append(time.perf_counter() - start)
    rate = epochs * n_images / (seconds[1] - seconds[0])
    flops = 2 * training_flops(pretext.encoder_.module_, SIZE)  # of two views
    share = rate * flops / matmul_rate(device)
    print(f"SimCLR, ResNet-18, {SIZE} px on {device}: {rate:.0f} images/s")
    print(f"{100 * share:.0f} % of the bf16 rate of large matrix products")


def matmul_rate(device, n=8192, repeats=20):
    """Return the floating-point operations a second of products of bf16 matrices."""
    matrix = torch.randn(n, n, dtype=torch.bfloat16, device=device)
    matrix @ matrix
    torch.get_device_module(device).synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        matrix @ matrix
    torch.get_device_module(device).synchronize()
    return repeats * 2 * n**3 / (time.perf_counter() - start)


def main():
    device = resolve_device("auto")
    if device.type == "cuda":
        on_gpu(device)
        return
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
