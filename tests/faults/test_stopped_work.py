"""Work that is stopped after each thing that it keeps, and done again."""

import pytest
from kill_cases import CASES, keep_at_every_step, remains

from sklearn_scan.core.checkpoint import Checkpoint

EVERY = 4  # of the states that are kept, the work is stopped after some


class Counter:
    """Counts the states that are kept; stops the work after one of them."""

    def __init__(self, monkeypatch):
        self.n_kept = 0
        self.stop_after = None
        write = Checkpoint._write

        def count(checkpoint, *args, **kwargs):
            write(checkpoint, *args, **kwargs)
            self.n_kept += 1
            if self.n_kept == self.stop_after:
                raise KeyboardInterrupt

        monkeypatch.setattr(Checkpoint, "_write", count)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Self-labelling:UserWarning")
@pytest.mark.parametrize(
    "case", ["scan_on_features", "temi_with_auto", "jule", "scan_with_pretext"]
)
def test_a_stopped_fit_ends_as_one_that_was_not(case, tmp_path, monkeypatch):
    keep_at_every_step(monkeypatch.setattr)
    counter = Counter(monkeypatch)
    whole = tmp_path / "whole"
    whole.mkdir()
    expected = CASES[case](whole)
    n_states, stopped = counter.n_kept, range(1, counter.n_kept, EVERY)
    assert n_states > len(stopped) > 1
    for number in stopped:
        folder = tmp_path / str(number)
        folder.mkdir()
        counter.n_kept, counter.stop_after = 0, number
        with pytest.raises(KeyboardInterrupt):
            CASES[case](folder)
        counter.stop_after = None
        found = CASES[case](folder)
        assert [name for name in expected if found[name] != expected[name]] == []
        assert counter.n_kept <= n_states + 2  # nothing was begun anew
        assert remains(folder) == remains(whole) == []
