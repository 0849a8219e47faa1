"""Every example of the gallery runs, without a warning, and draws something."""

import runpy
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

GALLERY = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(GALLERY.glob("plot_*.py"))
SLOW = {
    "plot_from_nothing",
    "plot_methods",
    "plot_number_of_clusters",
    "plot_settings_without_labels",
}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f, id=f.stem, marks=pytest.mark.slow if f.stem in SLOW else ())
        for f in FILES
    ],
)
def test_example_runs(path):
    matplotlib.use("Agg")
    with warnings.catch_warnings():
        # plt.show() has nowhere to show: that is what Agg is for
        warnings.filterwarnings("ignore", ".*non-interactive", UserWarning)
        runpy.run_path(str(path), run_name="__main__")
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    assert figures
    assert all(figure.axes for figure in figures)


def test_every_example_has_a_title_and_prose():
    assert len(FILES) >= 7
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        opening, title, underline = text.splitlines()[:3]
        assert opening == '"""'
        assert underline == "=" * len(title)
        assert text.count("\n# %%\n") >= 3


def test_the_slow_ones_exist():
    assert {path.stem for path in FILES} >= SLOW
