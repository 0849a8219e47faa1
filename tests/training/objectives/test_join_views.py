"""Views of one network are one tensor, without a copy; others are copied."""

import pytest
import torch

from sklearn_scan.training.objectives import Objective, ScanLoss, join_views


@pytest.mark.parametrize("batch_last", [False, True])
@pytest.mark.parametrize("n_views", [1, 2, 4])
def test_views_of_one_tensor_are_joined_without_a_copy(batch_last, n_views):
    whole = torch.randn(3, 4 * n_views, 5)
    if batch_last:
        whole = whole.mT.contiguous().mT
    joined = join_views(whole.chunk(n_views, dim=1))
    assert torch.equal(joined, whole)
    assert joined.data_ptr() == whole.data_ptr()


def test_views_of_several_tensors_are_joined_by_a_copy():
    whole = torch.randn(2, 6, 4)
    first, second, third = whole.chunk(3, dim=1)
    apart = [
        (first, second.clone()),
        (second, first),  # the other order
        (first, third),  # a gap between them
        (first, second.mT.contiguous().mT),  # in another layout
        (first, second[:, :1]),  # of another length
    ]
    for parts in apart:
        joined = join_views(parts)
        assert torch.equal(joined, torch.cat(parts, dim=1))
        assert joined.data_ptr() != whole.data_ptr()


def test_a_closed_form_takes_views_of_one_tensor():
    outputs = torch.randn(3, 14, 4, dtype=torch.float64).chunk(2, dim=1)
    nothing = torch.empty(0, dtype=torch.int64)
    _, gradient = ScanLoss().gradient(outputs, nothing)
    _, slow = Objective.gradient(ScanLoss(), outputs, nothing)
    torch.testing.assert_close(gradient, slow)
