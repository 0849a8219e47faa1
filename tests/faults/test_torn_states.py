"""Some of the states of `torn_states.py`, and that it finds what is torn."""

import pytest
import torn_states
from disk_cases import CASES
from torn_states import record, run_case


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("name", "every"), [("graph", 9), ("label table", 3), ("run note", 3)]
)
def test_old_or_new_is_read_in_each_state(name, every, there, tmp_path):
    results = run_case(CASES[name], tmp_path, there=there, every=every)
    assert len(results) > 15
    assert set(results) == {""}, [each for each in results if each]


@pytest.mark.parametrize("name", ["graph", "label table"])
def test_without_syncs_it_would_be_torn(name, tmp_path, monkeypatch):
    """So the harness sees what it is meant to see."""

    def record_without_syncs(folder, action):
        return [each for each in record(folder, action) if each.name != "sync"]

    monkeypatch.setattr(torn_states, "record", record_without_syncs)
    results = run_case(CASES[name], tmp_path, there=False, every=5)
    assert set(results) != {""}
