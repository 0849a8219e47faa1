"""The largest of many similarities, equal ones by index."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["GROUP", "largest", "merge", "sort_by_index"]

GROUP = 64  # similarities of which the maximum is looked at first
# With fewer groups for each that is wanted, looking costs more than it saves.
_LEAST_GROUPS = 3
# Taken off for each place: less than single precision tells apart, and enough for equal
# similarities to keep the order that they stand in.
_STEP = 2.0**-52


def largest(similarities: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest in each row, and where they stand.

    Sorting looks at every similarity several times. But the k largest lie in the k
    groups of the largest maxima (and of equal maxima, in the first): so it is enough to
    read each once, and to sort maxima, and then the members of k groups.

    Parameters
    ----------
    similarities : Tensor of float32, shape (m, c)
        Of samples to c others, from -1 to 1 or -inf; in contiguous memory.
    k : int
        How many, at most c.

    Returns
    -------
    similarities : Tensor of float32, shape (m, k)
        Largest first, and equal ones as they stand.
    places : Tensor of int64, shape (m, k)
        Their columns.
    """
    n_rows, n_columns = similarities.shape
    n_groups, rest = divmod(n_columns, GROUP)
    if rest or n_groups < _LEAST_GROUPS * k:
        return _sort_some(similarities, k)
    grouped = similarities.view(-1, GROUP)  # (m * n_groups, GROUP)
    _, groups = _sort_some(grouped.amax(dim=1).view(n_rows, n_groups), k)
    groups = groups.sort(dim=1).values  # so that members stand in their order
    offsets = n_groups * torch.arange(n_rows, device=groups.device).unsqueeze(1)
    members = grouped[offsets + groups].flatten(1)  # (m, k, GROUP) -> (m, k * GROUP)
    found, places = _sort_some(members, k)
    return found, groups.gather(1, places // GROUP) * GROUP + places % GROUP


def merge(
    found: tuple[Tensor, Tensor], others: tuple[Tensor, Tensor], k: int
) -> tuple[Tensor, Tensor]:
    """Return the k largest of two findings, similarities and indices (m, ...) each.

    Equal ones are taken, and sorted, by index.
    """
    similarities, indices = (
        torch.cat(pair, dim=1) for pair in zip(found, others, strict=True)
    )
    best, places = _take_some(similarities, k, indices)
    return sort_by_index(best, indices.gather(1, places))


def sort_by_index(similarities: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Sort findings (m, k) by similarity, and equal ones by index."""
    indices, order = indices.sort(dim=1)
    similarities = similarities.gather(1, order)
    similarities, order = similarities.sort(dim=1, descending=True, stable=True)
    return similarities, indices.gather(1, order)


def _sort_some(similarities: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row and their places, equal ones as they stand."""
    return sort_by_index(*_take_some(similarities, k))


def _take_some(
    similarities: Tensor, k: int, indices: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row, and their places.

    Of equal ones those of the smallest indices, by default their places.
    """
    n_columns = similarities.shape[1]
    if k == n_columns:
        return similarities, torch.arange(k, device=similarities.device).expand(
            similarities.shape
        )
    found, places = similarities.topk(k + 1, dim=1)
    # of those equal to the last that is taken, and to the next, any may be taken
    tied = (found[:, k - 1] == found[:, k]).nonzero().flatten()
    found, places = found[:, :k], places[:, :k]
    if len(tied):
        rows = similarities[tied]
        order = torch.arange(n_columns, device=tied.device).expand(rows.shape)
        if indices is not None:
            order = indices[tied].argsort(dim=1)
        steps = _STEP * torch.arange(n_columns, device=tied.device).double()
        anew = (rows.gather(1, order) - steps).topk(k, dim=1).indices
        places[tied] = order.gather(1, anew)
        found[tied] = rows.gather(1, places[tied])
    return found, places
