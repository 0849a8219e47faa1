"""What people at a terminal see while they wait, and files and pipes do not."""

import io
import sys

import pytest
from cli_helpers import QUICK

from sklearn_scan.cli import main


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run_at_terminal(monkeypatch, *arguments):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    main.main([str(each) for each in arguments], standalone_mode=False)
    return terminal.getvalue()


def test_loading_is_told_at_once_and_wiped_away(tmp_path, monkeypatch, capsys):
    shown = run_at_terminal(monkeypatch, "cache", "--memory", tmp_path)
    assert shown.startswith("Loading PyTorch ...\r")
    assert shown.endswith("\r")
    assert shown.split("\r")[1].strip() == ""


def test_nothing_is_told_beside_json(tmp_path, monkeypatch, capsys):
    assert run_at_terminal(monkeypatch, "cache", "--memory", tmp_path, "--json") == ""


def test_nothing_is_told_to_a_pipe(tmp_path, call):
    assert call("cache", "--memory", tmp_path).stderr == ""


def test_the_report_has_a_bar(photos, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    shown = run_at_terminal(monkeypatch, "fit", photos, "-k", 2, "-o", out, *QUICK)
    assert "report: photos: 100%" in shown
    assert "report: photos: 100%" in run_at_terminal(monkeypatch, "report", out)


@pytest.mark.parametrize("command", [["report"], ["neighbors", "-n", 1], ["predict"]])
def test_a_model_fitted_at_a_terminal_is_quiet_elsewhere(
    command, photos, tmp_path, call
):
    out = tmp_path / "out"
    call("fit", photos, "-k", 2, "-o", out, *QUICK, "-v")
    name, *options = command
    photo = [] if name == "report" else [photos / "circle" / "photo 0.png"]
    photo = [next(photos.rglob("photo 0.png"))] if photo else []
    assert "%|" not in call(name, out, *photo, *options).stderr
