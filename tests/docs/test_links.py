"""scikit-learn's HTML view of an estimator leads to the page on its class."""

import re
from pathlib import Path

import pytest

from sklearn_scan import (
    BYOL,
    GraphDegreeLinkage,
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    SimSiam,
    TEMIClusterer,
    VICReg,
)
from sklearn_scan.encoders import EncoderList
from sklearn_scan.pretext import MoCo, RawPixels, RotNet

API = Path(__file__).resolve().parents[2] / "docs" / "api"
ESTIMATORS = [
    SCANClusterer(), TEMIClusterer(), JULEClusterer(), GraphDegreeLinkage(),
    ImageEncoder(), EncoderList([]), SimCLR(), MoCo(), RotNet(), RawPixels(),
    BYOL(), SimSiam(), VICReg(),
]  # fmt: skip


def documented():
    """Return the full names of what has a generated page."""
    names = set()
    for page in API.glob("*.rst"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
            elif re.fullmatch(r"   \w+", line):
                names.add(f"{module}.{line.strip()}")
    return names


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_the_view_links_to_a_page_that_is_built(estimator, monkeypatch):
    monkeypatch.setenv("SKLEARN_SCAN_DOCS", "https://docs.example.org/latest/")
    link = estimator._get_doc_link()
    assert link in estimator._repr_html_()
    start, _, page = link.rpartition("/")
    assert start == "https://docs.example.org/latest/api/generated"
    assert page.removesuffix(".html") in documented()


def test_pages_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_SCAN_DOCS", str(tmp_path))
    page = "api/generated/sklearn_scan.SCANClusterer.html"
    assert SCANClusterer()._get_doc_link() == f"{tmp_path.as_uri()}/{page}"


def test_without_pages_there_is_no_link(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_SCAN_DOCS", str(tmp_path / "missing"))
    assert SCANClusterer()._get_doc_link() == ""
    assert "online documentation" not in SCANClusterer()._repr_html_()


def test_a_class_of_ones_own_has_no_page(monkeypatch):
    monkeypatch.setenv("SKLEARN_SCAN_DOCS", "https://docs.example.org")

    class Own(SCANClusterer):
        pass

    assert Own()._get_doc_link() == ""
