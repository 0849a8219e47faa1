"""The clusterers are scikit-learn's, by scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_scan import (
    GraphDegreeLinkage,
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
)

# Fewer, for time's sake alone.
TEMI = TEMIClusterer(n_heads=2, max_epochs=20)
JULE = JULEClusterer(max_epochs=5)


# Fits of a few samples: too few neighbours, unused clusters and undecided samples are
# reported by design.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:You have only:UserWarning")
@parametrize_with_checks([SCANClusterer(), TEMI, JULE, GraphDegreeLinkage()])
def test_estimator_check(estimator, check):
    check(estimator)
