"""What `audit.py` says of each answer of pip-audit, and its exit status."""

import json
from subprocess import CompletedProcess

import audit
import pytest


def answer(*packages):
    return json.dumps({"dependencies": packages}), ""


SOUND = {"name": "a", "version": "1", "vulns": []}
FLAW = {"id": "CVE-1", "fix_versions": ["2"]}
SKIPPED = {"name": "b", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("output", "status", "said"),
    [
        (answer(SOUND, SKIPPED), 0, "1 packages known by pypi: 0 known"),
        (answer({**SOUND, "vulns": [FLAW]}), 1, "a 1: CVE-1, mended in 2"),
        (("", "python: No module named pip_audit"), 2, "No module named pip_audit"),
        (("", "Traceback\nKeyError: 'x'\n"), 2, "pip-audit is not installed, or"),
        (("", "Traceback\nrequests.ConnectionError: gone"), 3, "can be reached"),
        (answer(SKIPPED), 3, "No database of vulnerabilities can be reached"),
    ],
)
def test_the_exit_status_tells_whether_it_was_audited(
    output, status, said, monkeypatch, capsys
):
    done = CompletedProcess([], 0, *output)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: done)
    assert audit.main() == status
    assert said in capsys.readouterr().out
