"""Settings for all tests."""

import os
from contextlib import contextmanager

import pytest

# Before SciPy is imported: scikit-learn's array API check is skipped without it.
os.environ["SCIPY_ARRAY_API"] = "1"
# The fits here are small: threads gain little on a quiet machine, and on a busy one
# they wait for each other at every step, which makes the suite ten times as slow.
os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)

# Folders of tests have files of this name too, and pytest takes one for another where
# it looks for doctests.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]


@pytest.fixture
def limit_files():
    """Return a block in which no file grows beyond some bytes, as on a full disk."""
    resource = pytest.importorskip("resource")  # Windows has no such limits

    @contextmanager
    def limit(n_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
