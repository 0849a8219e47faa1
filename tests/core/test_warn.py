"""Warnings name the line of the user's code, whatever stands in between."""

import _thread
import inspect
import time
import warnings
from threading import Thread

import joblib
import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import FunctionTransformer

import sklearn_scan
from sklearn_scan.images import as_image_source
from sklearn_scan.model_selection import estimate_n_clusters

ALIKE = np.ones((30, 4))
DARK = np.full((2, 8, 8), 3.0)


def in_a_search():
    return FunctionTransformer(estimate_n_clusters).transform(ALIKE)


def in_a_job():
    return joblib.Parallel(n_jobs=1)([joblib.delayed(estimate_n_clusters)(ALIKE)])


def behind_a_decorator():
    return torch.no_grad()(estimate_n_clusters)(ALIKE)


def from_deep_inside():
    return as_image_source(DARK)


@pytest.mark.parametrize(
    "call", [in_a_search, in_a_job, behind_a_decorator, from_deep_inside]
)
def test_the_line_is_the_users(call):
    with pytest.warns((ConvergenceWarning, UserWarning)) as record:
        call()
    lines, first = inspect.getsourcelines(call)
    assert [each.filename for each in record] == [__file__]
    assert first <= record[0].lineno < first + len(lines)


def test_each_line_is_warned_of_once():
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("default")
        for _ in range(2):
            as_image_source(DARK)
        as_image_source(DARK)
    assert [each.filename for each in record] == [__file__] * 2


def test_in_a_thread_no_line_of_the_package_is_named():
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        thread = Thread(target=as_image_source, args=[DARK])
        thread.start()
        thread.join()
    package = sklearn_scan.__path__[0]
    assert [each.filename.startswith(package) for each in record] == [False]


def test_in_a_thread_that_has_no_other_frames():
    """As one that a library in C has started."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        _thread.start_new_thread(as_image_source, (DARK,))
        end = time.monotonic() + 60
        while not record and time.monotonic() < end:
            time.sleep(0.01)
    package = sklearn_scan.__path__[0]
    assert [each.filename.startswith(package) for each in record] == [False]
