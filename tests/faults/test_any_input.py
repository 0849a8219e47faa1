"""Whatever comes as input or parameter: an error that names its cause, or clusters.

`any_input.py` checks the same with many more examples.
"""

from collections import Counter

import input_cases
import pytest

EXAMPLES = {
    "features": 60,
    "images": 60,
    "parameters": 60,
    "neighbors": 80,
    "given_neighbors": 40,
    "metrics": 150,
}


@pytest.mark.parametrize("case", input_cases.CASES)
def test_any_input(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some values are the names of new folders
    counts = Counter()
    input_cases.search(case, EXAMPLES[case], counts)
    assert sum(counts.values()) >= EXAMPLES[case] / 2
