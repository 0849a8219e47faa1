"""Settings for all tests."""

import os

# Before SciPy is imported: scikit-learn's array API check is skipped without it.
os.environ["SCIPY_ARRAY_API"] = "1"
