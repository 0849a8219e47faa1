"""Pages take numbers from the package: the role `default` and what it writes."""

import pytest

pytest.importorskip("docutils")

from defaults import find, write, write_percent

import sklearn_scan
from sklearn_scan.clusterers.defaults import N_HEADS


def test_a_constant_is_found():
    assert find("sklearn_scan.clusterers.defaults:N_HEADS") == N_HEADS


def test_one_of_several_values_is_found(monkeypatch):
    monkeypatch.setattr(sklearn_scan, "RATES", {"heads": (0.1, 0.2)}, raising=False)
    assert find("sklearn_scan:RATES.heads.1") == 0.2


@pytest.mark.parametrize(
    "target", ["sklearn_scan:NO_SUCH", "sklearn_scan.nowhere:X", "sklearn_scan"]
)
def test_what_is_not_there_is_an_error(target):
    with pytest.raises((ImportError, AttributeError)):
        find(target)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (36_000, "36,000"),
        (0.001, "0.001"),
        (1.0, "1"),
        ((1.0, 0.6, 0.3), "1, 0.6 and 0.3"),
        ("tsne", "tsne"),
        (True, "True"),
        ({"nearest": 0, "bicubic": 3}, "nearest and bicubic"),
    ],
)
def test_values_are_written_as_text_has_them(value, text):
    assert write(value) == text


def test_a_share_is_written_in_percent():
    assert write_percent(0.005) == "0.5 %"
