"""A process that fits again and again holds no more than at first.

`soak.py` makes many more rounds, with a bound for the memory that is a tenth of this.
"""

import pytest
import soak
import soak_rounds


@pytest.mark.slow
def test_rounds_leave_nothing_behind():
    held = soak_rounds.run(12)
    assert soak.left(held) == {}
    assert soak.growth(held) < 0.5


def test_what_is_left_is_told():
    held = [soak_rounds.Held(100, 3, 1, 0)] * 5 + [soak_rounds.Held(130, 4, 2, 1)] * 5
    assert soak.left(held) == {"files": 1, "threads": 1, "children": 1}
    assert round(soak.growth(held), 3) == 0.3
