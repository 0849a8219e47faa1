"""The `checkpoint` of clusterers and pretexts: what goes on, and what is refused."""

import errno
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch import nn

from sklearn_scan import (
    ImageEncoder,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
    load,
    save,
)
from sklearn_scan.clusterers.kept import EMBEDDED
from sklearn_scan.core import disk
from sklearn_scan.core.checkpoint import Checkpoint
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.encoders import Encoder
from sklearn_scan.exceptions import CheckpointError
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RotNet,
    SimSiam,
    VICReg,
)
from sklearn_scan.training import checkpoints
from sklearn_scan.training.loop import Loop

X = load_digits().data[:80].astype(np.float32)
IMAGES = load_digits_images().images[:40]
QUICK = {"n_heads": 2, "max_epochs": 2, "self_label_epochs": 0, "learning_rate": 0.01}


def scan(folder, **settings):
    return SCANClusterer(4, **QUICK | {"random_state": 0} | settings, checkpoint=folder)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoint"


@pytest.fixture
def stopped(folder, stop_training):
    """The checkpoint of a fit that was stopped in its training."""
    stop_training(lambda: scan(folder).fit(X))
    return folder


def count_steps(fit, monkeypatch):
    """Fit, and return the number of steps of training."""
    step, n_steps = Loop.step, []

    def count(loop, batch):
        n_steps.append(1)
        return step(loop, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Loop, "step", count)
        fit()
    return len(n_steps)


def assert_same_fit(found, expected):
    assert_array_equal(found.labels_, expected.labels_)
    assert_array_equal(found.probabilities_, expected.probabilities_)
    assert found.history_ == expected.history_
    for of_found, of_expected in zip(
        found.module_.state_dict().values(),
        expected.module_.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(of_found, of_expected)


def test_a_stopped_fit_goes_on_and_ends_as_one_without(stopped, monkeypatch):
    expected = scan(None)
    n_steps = count_steps(lambda: expected.fit(X), monkeypatch)
    found = scan(stopped)
    assert count_steps(lambda: found.fit(X), monkeypatch) == n_steps - 1
    assert_same_fit(found, expected)


def test_a_finished_fit_is_there_again(folder, monkeypatch):
    first = scan(folder).fit(X)
    again = scan(folder)
    assert count_steps(lambda: again.fit(X), monkeypatch) == 0
    assert_same_fit(again, first)
    assert again.quality_ == first.quality_


@pytest.mark.parametrize("stop_at", [2, 3])
@pytest.mark.parametrize(
    "pretext",
    [
        *(SimCLR, MoCo, BYOL, SimSiam, VICReg, InstanceDiscrimination, RotNet),
        partial(BYOL, noise=0.01, prototype_weight=0.1, n_views=3),
    ],
)
def test_a_stopped_pretext_goes_on(pretext, stop_at, folder, stop_training):
    def make(checkpoint):
        settings = {"epochs": 2, "batch_size": 20, "random_state": 0}
        return pretext(drop_net, checkpoint=checkpoint, **settings)

    expected = make(None).fit(IMAGES)
    stop_training(lambda: make(folder).fit(IMAGES), stop_at)
    found = make(folder).fit(IMAGES)
    assert found.history_ == expected.history_
    assert_array_equal(found.transform(IMAGES), expected.transform(IMAGES))
    with pytest.raises(CheckpointError, match="epochs was 2, and is 3"):
        make(folder).set_params(epochs=3).fit(IMAGES)


def drop_net():
    """Return a network that draws from torch's global state."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten()
    )


class Epochs:
    """A callback that notes the numbers of the epochs that end."""

    def __init__(self):
        self.numbers = []

    def setup(self, estimator, context):
        pass

    teardown = setup

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.numbers.append(context.task_id)


def test_callbacks_hear_of_the_epochs_that_are_left_by_their_numbers(
    folder, stop_training
):
    settings = {"epochs": 4, "batch_size": 20, "random_state": 0, "checkpoint": folder}
    stopped = SimCLR(drop_net, **settings).set_callbacks(Epochs())
    stop_training(lambda: stopped.fit(IMAGES), stop_at=4)  # two an epoch
    epochs = Epochs()
    SimCLR(drop_net, **settings).set_callbacks(epochs).fit(IMAGES)
    assert epochs.numbers == [1, 2, 3]


def test_several_pretexts_of_a_fit_are_kept_apart(folder, stop_training):
    def make(checkpoint):
        encoders = [SimCLR(drop_net, epochs=1), RotNet(drop_net, epochs=1)]
        return scan(checkpoint, encoder=encoders)

    expected = make(None).fit(IMAGES)
    stop_training(lambda: make(folder).fit(IMAGES), stop_at=3)
    assert_same_fit(make(folder).fit(IMAGES), expected)


def test_a_pretext_keeps_its_own_folder(tmp_path):
    own = tmp_path / "own"
    encoder = SimCLR(drop_net, epochs=1, checkpoint=own)
    scan(tmp_path / "fit", encoder=encoder, finetune=False).fit(IMAGES)
    assert (own / "checkpoint.json").exists()


class Means(Encoder):
    """An encoder of one's own, which keeps nothing."""

    n_calls = 0

    def transform(self, X):
        Means.n_calls += 1
        return np.stack([X[i].mean(axis=2).ravel() for i in range(len(X))])


def test_an_encoder_of_ones_own_goes_on_from_its_embedding(folder, stop_training):
    expected = scan(None, encoder=Means()).fit(IMAGES)
    stop_training(lambda: scan(folder, encoder=Means()).fit(IMAGES))
    Means.n_calls = 0
    assert_same_fit(scan(folder, encoder=Means()).fit(IMAGES), expected)
    assert Means.n_calls == 0


def test_random_seeds_are_kept(folder, stop_training):
    make = lambda: scan(folder, random_state=None)  # noqa: E731
    stop_training(lambda: make().fit(X))
    first, again = make().fit(X), make().fit(X)
    assert_same_fit(again, first)


def test_a_generator_begins_where_it_began(folder, stop_training):
    make = lambda seed: scan(folder, random_state=np.random.RandomState(seed))  # noqa: E731
    stop_training(lambda: make(3).fit(X))
    with pytest.raises(CheckpointError, match="random_state is not the same"):
        make(4).fit(X)
    assert_same_fit(make(3).fit(X), scan(None, random_state=3).fit(X))


@pytest.mark.parametrize(
    ("settings", "data", "difference"),
    [
        ({"n_neighbors": 7}, X, "n_neighbors was 20, and is 7"),
        ({"n_neighbors": np.int64(7)}, X, "n_neighbors was 20, and is 7"),
        ({"random_state": 1}, X, "random_state is not the same"),
        ({}, X[:-1], "X is not the same"),
        ({}, X + 1e-3, "X is not the same"),
        ({}, (X, X), "X is not the same"),
        ({"learning_rate": 0.02, "n_heads": 4}, X, r"n_heads was 2, and is 4"),
        ({"cluster_prior": [0.1, 0.2, 0.3, 0.4]}, X, "cluster_prior is not the same"),
    ],
)
def test_another_fit_is_refused(settings, data, difference, stopped):
    clusterer = scan(stopped, **settings)
    with pytest.raises(CheckpointError, match=difference):
        clusterer.fit(data)
    assert not hasattr(clusterer, "labels_")
    scan(stopped).fit(X)


def test_another_method_is_refused(stopped):
    with pytest.raises(CheckpointError, match="class was SCANClusterer, and is TEMI"):
        TEMIClusterer(4, n_heads=2, max_epochs=1, checkpoint=stopped).fit(X)


def test_other_versions_are_refused(stopped, monkeypatch):
    monkeypatch.setattr("sklearn_scan.encoders._facts.version", lambda _: "99")
    with pytest.raises(CheckpointError, match=r"torch was .*, and is 99"):
        scan(stopped).fit(X)


def test_a_number_of_numpy_is_that_number(stopped):
    scan(stopped, n_neighbors=np.int64(20)).fit(X)


def test_what_changes_no_result_may_change(stopped, tmp_path):
    scan(stopped, n_jobs=2, memory=tmp_path / "cache", device="cpu").fit(X)


def test_given_neighbors_are_compared(folder, stop_training):
    graph = mine_neighbors(X, 5)
    stop_training(lambda: scan(folder).fit(X, neighbors=graph))
    with pytest.raises(CheckpointError, match="neighbors is not the same"):
        scan(folder).fit(X, neighbors=mine_neighbors(X, 6))
    with pytest.raises(CheckpointError, match="neighbors is not the same"):
        scan(folder).fit(X)
    scan(folder).fit(X, neighbors=graph)


def test_other_images_are_refused(folder, tmp_path):
    from PIL import Image

    paths = []
    for i, image in enumerate(IMAGES):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.uint8(image)).save(paths[-1])
    scan(folder, encoder=Means()).fit(paths)
    Image.fromarray(np.uint8(IMAGES[3])).resize((9, 9)).save(paths[0])
    with pytest.raises(CheckpointError, match="the set of images is not the same"):
        scan(folder, encoder=Means()).fit(paths)


def test_other_weights_of_the_encoder_are_refused(folder, tmp_path):
    """Those of a file of weights, which has been replaced."""
    weights = tmp_path / "weights.pt"

    def encoder(seed):
        torch.manual_seed(seed)
        torch.save(drop_net().state_dict(), weights)
        return ImageEncoder(drop_net, checkpoint=str(weights), input_size=8)

    scan(folder, encoder=encoder(0)).fit(IMAGES)
    with pytest.raises(
        CheckpointError, match="the network of the encoder is not the same"
    ):
        scan(folder, encoder=encoder(1)).fit(IMAGES)
    scan(folder, encoder=encoder(0)).fit(IMAGES)


def test_unreadable_images_are_warned_of_again(folder, tmp_path):
    from PIL import Image

    paths = []
    for i, image in enumerate(IMAGES):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.uint8(image)).save(paths[-1])
    paths[7].write_text("no image")
    encoder = ImageEncoder(nn.Flatten(), input_size=8)
    settings = {"encoder": encoder, "bad_images": "skip"}
    for _ in range(2):
        clusterer = scan(folder, **settings)
        with pytest.warns(UserWarning, match="1 of 40 images cannot be read"):
            clusterer.fit(paths)
        assert [bad.row for bad in clusterer.bad_images_] == [7]
        assert clusterer.labels_[7] == -1


def test_warnings_are_given_again(folder):
    def fit():
        with pytest.warns() as told:
            scan(folder, self_label_epochs=1).set_params(n_clusters="auto").fit(noise)
        return sorted(str(each.message) for each in told)

    noise = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    first = fit()
    assert first
    assert fit() == first


def test_a_fit_that_did_nothing_yet_takes_other_settings(folder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Means, "transform", None)
        with pytest.raises(TypeError):
            scan(folder, encoder=Means()).fit(IMAGES)
    scan(folder, n_neighbors=7, encoder=Means()).fit(IMAGES)
    with pytest.raises(CheckpointError, match="n_neighbors was 7, and is 20"):
        scan(folder, encoder=Means()).fit(IMAGES)


def test_one_of_another_kind_is_refused_without_a_seed_too(folder):
    SimCLR(drop_net, epochs=1, checkpoint=folder).fit(IMAGES)
    with pytest.raises(CheckpointError, match="class was SimCLR, and is SCANClusterer"):
        scan(folder, random_state=None).fit(X)


def test_the_fitted_encoder_has_no_folder_of_the_fit(folder):
    fitted = scan(folder, encoder=SimCLR(drop_net, epochs=1)).fit(IMAGES)
    assert fitted.encoder_.checkpoint is None


def test_given_neighbors_stay_where_they_are(folder, tmp_path):
    mine_neighbors(X, 5).save(tmp_path / "graph")
    for _ in range(2):
        graph = NeighborGraph.load(tmp_path / "graph", mmap_mode="r")
        fitted = scan(folder).fit(X, neighbors=graph)
        assert isinstance(fitted.neighbors_.indices, np.memmap)


class Pixels(nn.Module):
    """A network that counts its batches."""

    n_batches = 0

    def forward(self, x):
        Pixels.n_batches += 1
        return x.flatten(1)


def with_pixels(folder, **settings):
    encoder = ImageEncoder(Pixels(), input_size=8, batch_size=8, **settings)
    return scan(folder, encoder=encoder)


def test_rows_are_kept_until_the_embedding_is(folder, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # all rows are done, and no entry is written
        patched.setattr(
            "sklearn_scan.clusterers.run.EMBEDDED", EMBEDDED._replace(pack=stop)
        )
        with pytest.raises(KeyboardInterrupt):
            with_pixels(folder).fit(IMAGES)
    Pixels.n_batches = 0
    found = with_pixels(folder).fit(IMAGES)
    assert Pixels.n_batches == 0
    assert not list((folder / "state-parts").iterdir())
    assert_same_fit(found, with_pixels(None).fit(IMAGES))


def test_without_room_for_rows_the_fit_goes_on(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    make = disk.write_by_name
    monkeypatch.setattr(
        disk,
        "write_by_name",
        lambda path, do: full() if "rows.npy" in str(path) else make(path, do),
    )
    with pytest.warns(UserWarning, match="could not be written"):
        found = with_pixels(folder).fit(IMAGES)
    assert_same_fit(found, with_pixels(None).fit(IMAGES))


@pytest.mark.parametrize("number", range(1, 12, 2))
def test_a_state_that_is_not_written_mixes_no_stages(number, folder, monkeypatch):
    """Any of the writes fails; then the fit is killed in its second stage."""
    settings = {"self_label_epochs": 2, "confidence_threshold": 0.3}
    expected = scan(None, **settings).fit(X)
    write, n_writes = Checkpoint._write, []

    def fail_once(*args, **kwargs):
        n_writes.append(1)
        if len(n_writes) == number + 1:  # the first is the beginning, an error
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "INTERVAL", 0.0)
        patched.setattr(checkpoints, "MOST_COST", np.inf)
        patched.setattr(Checkpoint, "_write", fail_once)
        with pytest.warns(UserWarning, match="No space left"):
            found = scan(folder, **settings).fit(X)
    assert_same_fit(found, expected)
    assert_same_fit(scan(folder, **settings).fit(X), expected)


def test_two_fits_do_not_share_a_folder(folder, monkeypatch):
    fit = scan(folder)
    begin = SCANClusterer._count_clusters

    def begin_another(clusterer, known, run):
        if clusterer is fit:
            with pytest.raises(CheckpointError, match="in use by another fit"):
                clone(fit).fit(X)
        return begin(clusterer, known, run)

    monkeypatch.setattr(SCANClusterer, "_count_clusters", begin_another)
    fit.fit(X)


def test_a_full_disk_in_the_middle_costs_a_warning(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    step = Loop.step

    def fill(loop, batch):
        monkeypatch.setattr(disk, "write_by_name", full)
        return step(loop, batch)

    expected = scan(None).fit(X)
    with monkeypatch.context() as patched:
        patched.setattr(Loop, "step", fill)
        with pytest.warns(UserWarning, match="the work goes on"):
            found = scan(folder).fit(X)
    assert_same_fit(found, expected)
    monkeypatch.undo()
    assert_same_fit(scan(folder).fit(X), expected)


@pytest.mark.parametrize("wrong", [3, b"x", ["a"]])
def test_a_wrong_folder_is_named(wrong):
    with pytest.raises(TypeError, match="checkpoint must be a folder or None"):
        scan(wrong).fit(X)
    with pytest.raises(TypeError, match="checkpoint must be a folder or None"):
        SimCLR(checkpoint=wrong).fit(IMAGES)


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="checkpoint has an empty name"):
        scan("").fit(X)


def test_the_folder_is_no_part_of_a_saved_model(folder, tmp_path):
    clusterer = scan(
        folder, encoder=SimCLR(drop_net, epochs=1, checkpoint=folder / "e")
    )
    clusterer.set_params(encoder=ImageEncoder(nn.Flatten(), input_size=8)).fit(IMAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(clusterer, tmp_path / "model")
        loaded = load(tmp_path / "model", encoder=nn.Flatten())
    assert loaded.checkpoint is None
    assert str(folder) not in (tmp_path / "model" / "model.json").read_text()
