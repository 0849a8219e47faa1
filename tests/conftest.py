"""Settings for all tests."""

import os

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
