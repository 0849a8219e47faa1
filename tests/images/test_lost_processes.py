"""Files at which a worker process ends, or never comes back."""

import sys
import threading
import time
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
from faulty_paths import FaultyPaths
from PIL import Image

from sklearn_scan.images import BadImages, SquareCrop, load_batches
from sklearn_scan.images._processes import _Reader

N_FILES = 40
SIDE = 4
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Start processes for few files."""
    monkeypatch.setattr("sklearn_scan.images._loading._WORTH_PROCESSES", 1)


@pytest.fixture
def soon(monkeypatch):
    """Wait for a file no longer than seconds, of which a busy machine needs one."""
    monkeypatch.setattr("sklearn_scan.images._processes.FILE_SECONDS", 3.0)


@pytest.fixture
def make_files(tmp_path):
    def make(**odd):
        """Return numbered pictures; some have a name that says what happens."""
        names = {row: kind for kind, rows in odd.items() for row in rows}
        paths = []
        for row in range(N_FILES):
            path = tmp_path / f"{names.get(row, 'plain')} {row}.png"
            Image.new("L", (SIDE, SIDE), row).save(path)
            paths.append(path)
        return FaultyPaths(paths)

    return make


def load(source, n_jobs=2, **settings):
    bad = BadImages("skip")
    batches = load_batches(
        source,
        SquareCrop(SIDE),
        range(len(source)),
        bad,
        batch_size=8,
        n_jobs=n_jobs,
        processes=True,
        **settings,
    )
    read = []
    for rows, images in batches:
        assert images[:, 0, 0, 0].tolist() == rows
        read += rows
    assert sorted(read + [failure.row for failure in bad.found]) == list(range(N_FILES))
    return {failure.row: failure for failure in bad.found}


def workers():
    return [p for p in psutil.Process().children() if "popen_loky" in str(p.cmdline())]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "kind", [pytest.param("busy", marks=pytest.mark.slow), "waiting"]
)
def test_a_file_that_takes_for_ever(make_files, kind):
    source = make_files(**{kind: [3]})
    bad = load(source)
    assert list(bad) == [3]
    assert bad[3].reason == "reading it took longer than 3 seconds"
    assert bad[3].path == source.name(3)


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
def test_slow_files_are_waited_for_one_by_one(make_files):
    assert load(make_files(slow=range(8))) == {}  # as a job they take four seconds


def test_a_file_at_which_processes_end(make_files):
    bad = load(make_files(deadly=[1, 39]))
    assert list(bad) == [1, 39]
    assert bad[39].reason == (
        "two processes ended as they read it (exit code -9): it makes the decoder "
        "crash, or needs more memory than there is"
    )


def test_a_process_that_is_killed_once_costs_no_image(make_files):
    assert load(make_files(once=[20])) == {}


@pytest.mark.slow
def test_a_process_that_is_killed_from_outside(make_files):
    """It may start, read or be idle: another one reads its image."""
    source = make_files(slow=range(16))
    killed = []

    def kill_one():
        while not (found := workers()):
            time.sleep(0.05)
        time.sleep(1)
        killed.append(found[0])
        found[0].kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    assert load(source) == {}
    killer.join()
    assert killed[0] not in workers()


def test_faults_of_the_machine_end_the_pass(make_files):
    with pytest.raises(MemoryError, match="faulty 5"):
        load(make_files(faulty=[5]))


@pytest.mark.parametrize("n_batches", [0, 1])
def test_no_process_is_left(make_files, n_batches):
    batches = load_batches(
        make_files(waiting=[20, 30]),
        SquareCrop(SIDE),
        range(N_FILES),
        BadImages("skip"),
        batch_size=4,
        n_jobs=2,
        processes=True,
    )
    for _ in range(n_batches):
        next(batches)
    batches.close()
    assert workers() == []


def test_a_reader_may_be_closed_while_its_process_is_replaced():
    reader = _Reader()
    process, pipe = Mock(), Mock()
    # as its own thread does meanwhile
    process.terminate.side_effect = lambda: reader._process and reader._end()
    reader._process, reader._pipe = process, pipe
    reader.close()
    assert (reader._process, reader._pipe) == (None, None)
    pipe.close.assert_called_once()


def test_processes_that_cannot_be_started(make_files, monkeypatch):
    monkeypatch.setattr("sklearn_scan.images._processes._serve", np.linalg.LinAlgError)
    with pytest.raises(RuntimeError, match=r"ended when they .*n_jobs=1"):
        load(make_files())
