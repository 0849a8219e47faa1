"""Figures are drawn without a screen, and closed; images of one colour each."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plotting_helpers import Fitted


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def colors():
    """One flat image of each of ten colours, told apart at any size."""
    colors = np.random.default_rng(0).integers(0, 200, (10, 3), dtype=np.uint8)
    return np.broadcast_to(colors[:, None, None], (10, 20, 20, 3))


@pytest.fixture
def shades(colors):
    return [tuple(int(value) for value in color) for color in colors[:, 0, 0]]


@pytest.fixture
def two_of_three():
    """A clusterer of ten samples whose last cluster is empty."""
    first = np.array([0.9, 0.1, 0.8, 0.2, 0.7, 0.6, 0.95, 0.3, 0.4, 0.55])
    probabilities = np.column_stack([first, 1 - first, np.zeros(10)])
    return Fitted(probabilities, np.arange(10.0)[:, None]).fit()


@pytest.fixture
def with_unreadable(two_of_three):
    """The same, but images 0 and 6 could not be read."""
    probabilities = two_of_three.probabilities_.copy()
    embedding = two_of_three.embedding_.copy()
    probabilities[[0, 6]] = np.nan
    embedding[[0, 6]] = np.nan
    return Fitted(probabilities, embedding).fit()
