"""Fits in several threads, and in a forked child, give what they give alone."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sklearn_scan import SCANClusterer, SimCLR
from sklearn_scan.core.random import isolated_rng, make_generator
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.training.batches import MultiView, ViewPairs
from sklearn_scan.training.heads import ClusterHeads
from sklearn_scan.training.loop import Loop, LoopCallback
from sklearn_scan.training.objectives import ScanLoss

IMAGES = load_digits_images().images[:60]
FEATURES = IMAGES.reshape(60, -1).astype(np.float32)


def fit_on_images(seed):
    encoder = SimCLR(epochs=1, random_state=seed)
    clusterer = SCANClusterer(3, encoder=encoder, max_epochs=1, random_state=seed)
    return clusterer.fit(IMAGES)


# of so few images in an epoch
merged = pytest.mark.filterwarnings("ignore:Training the backbone left clusters")


@merged
def test_pretexts_in_two_threads_give_what_they_give_one_after_the_other():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    alone = [fit_on_images(seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(fit_on_images, (0, 1)))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(alone, together, strict=True):
        assert one.history_ == other.history_
        np.testing.assert_array_equal(one.embedding_, other.embedding_)
        np.testing.assert_array_equal(one.probabilities_, other.probabilities_)
    assert not np.array_equal(alone[0].embedding_, alone[1].embedding_)


def fit_on_features():
    return SCANClusterer(3, max_epochs=1, random_state=0).fit(FEATURES)


def test_fits_on_features_do_not_wait_for_one_that_draws_views():
    with ThreadPoolExecutor(1) as pool, isolated_rng(0):
        fitted = pool.submit(fit_on_features).result(timeout=60)
    np.testing.assert_array_equal(fitted.labels_, fit_on_features().labels_)


@merged
def test_a_fit_in_a_block_of_the_same_thread_does_not_wait():
    with isolated_rng(0):
        fitted = fit_on_images(0)
    assert len(fitted.labels_) == len(IMAGES)


class StopsOnce(LoopCallback):
    """Stops a loop once a future is done."""

    def __init__(self, future):
        self.future = future

    def after_epoch(self, loop, record):
        return self.future.done()


def build_a_network():
    with isolated_rng(0):
        return torch.nn.Linear(2, 2).weight


def test_who_builds_a_network_does_not_wait_for_the_end_of_a_fit():
    heads = ClusterHeads(4, n_clusters=3, n_heads=2, generator=make_generator(0))
    pairs = ViewPairs(torch.eye(4), batch_size=2, generator=make_generator(0))
    optimizer = torch.optim.Adam(heads.parameters())
    with ThreadPoolExecutor(1) as pool, isolated_rng(1):
        building = pool.submit(build_a_network)
        callbacks = [StopsOnce(building)]
        loop = Loop(MultiView(heads), ScanLoss(), pairs, optimizer, callbacks=callbacks)
        loop.run(100_000)
    assert loop.is_stopped
    assert torch.equal(building.result(), build_a_network())


# In a process of its own, which has two threads, where the tests here have one. It
# kills its child, should that wait for ever.
IN_A_CHILD = """
import multiprocessing, sys
import numpy as np
from sklearn.cluster import KMeans
from sklearn_scan import GraphDegreeLinkage, SCANClusterer
from sklearn_scan.core import threads
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.pretext import RawPixels

threads._Monitor.free = lambda self: 2  # on a busy machine too
images = load_digits_images().images[:200]
features = images.reshape(200, -1).astype(np.float32)

def compute(clusterer):
    encoder = RawPixels("jule", memory=sys.argv[1], n_jobs=2, verbose=1)
    embedding = encoder.fit(images).transform(images)
    fitted = SCANClusterer(10, max_epochs=1, random_state=0, verbose=1).fit(embedding)
    return (
        clusterer.predict(features),
        clusterer.transform(features).argmax(axis=1),
        fitted.labels_,
        fitted.predict(embedding),
        GraphDegreeLinkage(10).fit(features).labels_,
        KMeans(10, n_init=1, random_state=0).fit(features).labels_,
        mine_neighbors(features, 3, method="ivf_flat", random_state=0).indices[:, 0],
    )

if __name__ == "__main__":
    clusterer = SCANClusterer(10, max_epochs=1, random_state=0).fit(features)
    expected = compute(clusterer)
    pipe, end = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=lambda: end.send(compute(clusterer)), daemon=True
    )
    child.start()
    if not pipe.poll(100):
        child.kill()
        sys.exit("The child waits for ever.")
    found = pipe.recv()
    print(*(int((one != other).sum()) for one, other in zip(expected, found)))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
def test_a_forked_child_computes_what_its_parent_does(tmp_path):
    code = tmp_path / "fork.py"
    code.write_text(IN_A_CHILD)
    done = subprocess.run(
        [sys.executable, code, tmp_path / "cache"],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        timeout=200,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["0"] * 7, done.stderr
