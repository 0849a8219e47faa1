"""Rows of length one: angles are kept, and heads see them standardised."""

import pytest
import torch
from heads_helpers import EMBED_DIM, random_features
from torch import nn
from torch.nn import functional as F

from sklearn_scan.training.heads import Directions, UnitRows


def cosines(rows):
    return F.cosine_similarity(rows[:, None], rows[None], dim=2)


def low_rank(n_features=40, rank=4):
    """Return features that vary in few directions."""
    generator = torch.Generator().manual_seed(1)
    return random_features(50, rank) @ torch.randn(
        rank, n_features, generator=generator
    )


def test_rows_have_length_one_and_keep_their_angles():
    features = 7 * random_features(30)
    rows = UnitRows(EMBED_DIM)(features)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(30))
    torch.testing.assert_close(cosines(rows), cosines(features))


def test_rows_without_length_stay_zero():
    rows = UnitRows(EMBED_DIM)(torch.zeros(2, EMBED_DIM))
    assert not rows.any()


def test_what_comes_before_is_part_of_it():
    before = nn.Linear(EMBED_DIM, 3)
    unit_rows, features = UnitRows(3, before), random_features()
    torch.testing.assert_close(unit_rows(features), F.normalize(before(features)))
    assert unit_rows.dims == (3,)
    assert [*unit_rows.parameters()] == [*before.parameters()]


@pytest.mark.parametrize("most", [3, 4, 40, 160])
def test_a_learnt_map_begins_as_the_principal_axes(most):
    features = low_rank()
    scaler = Directions.from_features(features)
    scaled = scaler(features)
    unit_rows = UnitRows.learning(scaler, scaled, most)
    rows = unit_rows(features)
    assert rows.shape == (50, min(most, 40))
    if most == 3:  # fewer than the features vary in
        _, _, axes = torch.linalg.svd(scaled, full_matrices=False)
        scaled = scaled @ axes[:3].T
    torch.testing.assert_close(cosines(rows), cosines(scaled), rtol=0, atol=1e-4)
    assert [len(each) for each in unit_rows.parameters()] == [min(most, 40)] * 2


def test_standardised_rows_have_mean_zero_and_deviation_one():
    features = random_features(50)
    features[:, 1] = 0.0  # constant
    unit_rows = UnitRows(EMBED_DIM)
    unit = unit_rows(features)
    unit_rows.standardize(unit)
    rows = unit_rows(features)
    expected = torch.tensor([1.0, 0, 1, 1, 1])
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(EMBED_DIM))
    torch.testing.assert_close(rows.std(dim=0, correction=0), expected)
    assert torch.equal(unit_rows.unit(features), unit)


def test_statistics_are_kept_with_the_module():
    features, unit_rows = random_features(), UnitRows(EMBED_DIM)
    unit_rows.standardize(unit_rows.unit(features))
    restored = UnitRows(EMBED_DIM)
    restored.load_state_dict(unit_rows.state_dict())
    assert torch.equal(restored(features), unit_rows(features))
    assert not [*restored.parameters()]


def test_a_map_of_very_wide_features_takes_no_square_of_their_number():
    features = random_features(20, 60_000)
    scaler = Directions.from_features(features)
    learnt = UnitRows.learning(scaler, scaler(features), 8)
    assert learnt.dims == (8,)
    assert learnt(features).shape == (20, 8)
