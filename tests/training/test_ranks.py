"""Training by two processes: the loss curve of one, within rounding."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

# Each process runs it whole. It prints the histories of what was trained.
PROGRAM = """
import json, os, sys
import numpy as np
import torch
from torch import distributed

torch.set_num_threads(1)
if "RANK" in os.environ:
    distributed.init_process_group("gloo")

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR, TEMIClusterer
from sklearn_scan.pretext import BYOL, MoCo
from sklearn_scan.pretext._networks import SmallConvNet
from sklearn_scan.datasets import make_shapes

images = make_shapes(90, 3, image_size=16, random_state=0).images
settings = {"device": "cpu", "precision": "fp32", "random_state": 0}
long = settings | {"epochs": 3, "batch_size": 32, "image_size": 16}
if "CHECKPOINT" in os.environ:
    settings["checkpoint"] = os.environ["CHECKPOINT"]

def scan(**more):
    torch.manual_seed(0)
    encoder = ImageEncoder(SmallConvNet(16), input_size=16).fit()
    few = {"max_epochs": 2, "self_label_epochs": 2, "batch_size": 30}
    few |= {"confidence_threshold": 0.4}
    clusterer = SCANClusterer(3, encoder=encoder, finetune=True, **settings, **few)
    return clusterer.set_params(**more).fit(images)

def temi():
    features = images.reshape(len(images), -1).astype("f4")[:, ::16]
    return TEMIClusterer(3, max_epochs=3, **settings).fit(features)

MAKE = {
    "SimCLR": lambda: SimCLR(**long).fit(images),
    "BYOL": lambda: BYOL(**long).fit(images),
    "MoCo": lambda: MoCo(**long).fit(images),
    "TEMI": temi,
    "SCAN, FixMatch": scan,
    "SCAN, confident": lambda: scan(self_labeling="confident"),
}
fitted = {name: MAKE[name]() for name in sys.argv[1:]}
for model in fitted.values():
    for encoder in [getattr(model, "encoder_", None)]:
        for part in encoder.module_.modules() if encoder is not None else []:
            assert not part._forward_hooks, "a hook is left"
            assert "Gathered" not in type(part).__name__, "a norm is left"
told = {
    name: {
        "history": [each["loss"] for each in model.history_],
        "labels": getattr(model, "labels_", np.zeros(0)).tolist(),
    }
    for name, model in fitted.items()
}
with open(os.environ["TOLD"] + os.environ.get("RANK", ""), "w") as file:
    json.dump(told, file)
"""
NAMES = ["SimCLR", "BYOL", "MoCo", "TEMI", "SCAN, FixMatch", "SCAN, confident"]


def environment(folder, **more):
    paths = os.pathsep.join(sys.path)
    known = {"PYTHONPATH": paths, "TOLD": str(folder / "told"), "OMP_NUM_THREADS": "1"}
    return os.environ | known | more


def run_two(program, *arguments, folder, expect=(0, 0), **more):
    """Run a program in two processes, as torchrun does; return what each told."""
    rendezvous = f"file://{folder / 'rendezvous'}"
    program = program.replace(
        'init_process_group("gloo")',
        f'init_process_group("gloo", {rendezvous!r}, rank=int(os.environ["RANK"]), '
        "world_size=2)",
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=environment(folder, RANK=str(rank), **more),
        )
        for rank in range(2)
    ]
    codes = tuple(process.wait(timeout=240) for process in processes)
    (folder / "rendezvous").unlink(missing_ok=True)
    assert codes == expect
    files = [folder / f"told{rank}" for rank in range(2)]
    return [json.loads(file.read_text()) for file in files]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Return what one process tells, and what each of two tells."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-c", PROGRAM, *NAMES]
    subprocess.run(command, env=environment(folder), check=True, timeout=240)
    alone = json.loads((folder / "told").read_text())
    return alone, *run_two(PROGRAM, *NAMES, folder=folder)


@pytest.mark.parametrize("name", NAMES)
def test_the_losses_are_those_of_one_process(told, name):
    alone, first, second = (each[name] for each in told)
    assert len(alone["history"]) >= 3
    # rounding errors grow from step to step
    assert first["history"][0] == pytest.approx(alone["history"][0], rel=1e-4)
    assert_allclose(first["history"], alone["history"], rtol=0.01)
    assert first["history"] == second["history"]
    assert first["labels"] == second["labels"]
    # a sample between two clusters may fall to the other
    differing = np.not_equal(first["labels"], alone["labels"])
    assert differing.sum() <= 0.1 * len(differing)


@pytest.mark.slow
def test_a_fit_goes_on_from_the_checkpoint_of_the_first(tmp_path):
    folder = str(tmp_path / "checkpoint")
    # where the loop is asked for its second epoch of self-labelling, all end
    stop = """
from sklearn_scan.training.loop import Loop

def stop(loop, add=Loop._add_epoch):
    if loop.stage == "self-labelling" and loop.history:
        os._exit(7)
    add(loop)

Loop._add_epoch = stop
"""
    stopped = PROGRAM.replace("MAKE = {", stop + "MAKE = {")
    name = "SCAN, FixMatch"
    expected = run_two(PROGRAM, name, folder=tmp_path)
    run_two(stopped, name, folder=tmp_path, expect=(7, 7), CHECKPOINT=folder)
    found = run_two(PROGRAM, name, folder=tmp_path, CHECKPOINT=folder)
    assert found == expected
