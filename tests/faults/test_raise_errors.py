"""Some of the errors of `raise_errors.py`, and those that cost no more than a cache."""

import errno
import itertools
import os
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from disk_cases import CASES
from disk_faults import fail_at
from numpy.testing import assert_array_equal
from PIL import Image
from raise_errors import run_case
from torch import nn

from sklearn_scan import ImageEncoder
from sklearn_scan.cli import main
from sklearn_scan.cli._run_folder import RunFolder

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("graph", "ENOSPC"),
        ("label table", "EIO"),
        ("run note", "EROFS"),
        ("embedding", "EMFILE"),
        ("graph", "ENOMEM"),
    ],
)
def test_an_error_leaves_all_as_it_was(name, error, there, tmp_path):
    results = run_case(CASES[name], tmp_path, error, there=there)
    assert len(results) > 5
    assert set(results) == {""}, [each for each in results if each]


@pytest.mark.parametrize("error", ["ENOSPC", "EROFS"])
def test_errors_of_the_cache_are_warnings(error, tmp_path):
    expected = ImageEncoder(nn.Flatten(), input_size=8).transform(IMAGES)
    for number in itertools.count():
        encoder = ImageEncoder(
            nn.Flatten(), input_size=8, memory=tmp_path / f"{number}"
        )
        found = []
        raised = OSError(getattr(errno, error), os.strerror(getattr(errno, error)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            reached, _ = fail_at(
                number, raised, lambda e=encoder, f=found: f.append(e.transform(IMAGES))
            )
        assert_array_equal(found[0], expected)
        assert_array_equal(encoder.transform(IMAGES), expected)
        if reached is None:
            break
        (warning,) = caught
        assert "cache of embeddings" in str(warning.message)
    assert number >= 2


def make_run(folder):
    """Make the folder of a run, as far as an export reads it."""
    photos = folder / "photos"
    photos.mkdir()
    for i, image in enumerate(IMAGES[:2]):
        Image.fromarray(image).save(photos / f"{i}.png")
    run = RunFolder(folder / "run")
    run.prepare([], overwrite=False)
    rows = [f"{photos / f'{i}.png'},{i % 2},cluster {i % 2},0.9" for i in range(2)]
    text = "\r\n".join(["path,label,name,confidence", *rows, ""])
    run.place("labels.csv").write_text(text)
    run.finish()
    return folder / "run"


def test_an_export_that_fails_is_made_again(tmp_path):
    run = make_run(tmp_path)
    for number in itertools.count():
        out, results = tmp_path / f"sorted {number}", []

        def export(out=out, results=results):
            arguments = ["export", str(run), str(out), "--copy", "--overwrite"]
            results.append(CliRunner().invoke(main, arguments))

        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "photo")
        reached, _ = fail_at(number, full, export)
        if results[0].exit_code == 0:
            assert reached in (None, "remove")  # of the file of a lock
        else:
            assert results[0].exit_code == 1
            assert "No space left" in results[0].output
            assert not isinstance(results[0].exception, OSError)
            export()
        assert results[-1].exit_code == 0, results[-1].output
        copies = sorted(str(path.relative_to(out)) for path in out.glob("*/*"))
        assert copies == ["cluster 0/0.png", "cluster 1/1.png"]
        if reached is None:
            break
    assert number > 10
