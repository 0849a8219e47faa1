"""The largest of many similarities, equal ones by index."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["largest", "merge", "sort_by_index"]

# Taken off for each place: less than single precision tells apart, and enough for equal
# similarities to keep the order that they stand in.
_STEP = 2.0**-52
_GROUP = 64  # similarities of which the maximum is looked at first
# With fewer groups for each that is wanted, looking costs more than it saves.
_LEAST_GROUPS = 3


def largest(similarities: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest in each row, and where they stand.

    Sorting looks at every similarity several times. But the k largest lie in the k
    groups of the largest maxima (and of equal maxima, in the first): so it is enough to
    read each once, and to sort maxima, and then the members of k groups.

    Parameters
    ----------
    similarities : Tensor of float32, shape (m, c)
        Of samples to c others.
    k : int
        How many, at most c.

    Returns
    -------
    similarities : Tensor of float32, shape (m, k)
        Largest first, and equal ones as they stand.
    places : Tensor of int64, shape (m, k)
        Their columns.
    """
    n_columns = similarities.shape[1]
    n_groups = n_columns // _GROUP
    if n_groups < _LEAST_GROUPS * k:
        places = _top_places(similarities, k)
        return similarities.gather(1, places), places
    in_groups = n_groups * _GROUP
    grouped = similarities[:, :in_groups].unflatten(1, (n_groups, _GROUP))
    groups = _top_places(grouped.amax(dim=2), k).sort(dim=1).values  # (m, k)
    members = grouped.gather(1, groups.unsqueeze(2).expand(-1, -1, _GROUP))
    # the members of the groups, and the columns after the last group: in their order
    some = torch.cat([members.flatten(1), similarities[:, in_groups:]], dim=1)
    found = _top_places(some, k)
    rest = found - k * _GROUP  # the place among the columns after the last group
    of_group = groups.gather(1, (found // _GROUP).clamp_max(k - 1)) * _GROUP
    places = torch.where(rest < 0, of_group + found % _GROUP, in_groups + rest)
    return some.gather(1, found), places


def merge(
    found: tuple[Tensor, Tensor], others: tuple[Tensor, Tensor], k: int
) -> tuple[Tensor, Tensor]:
    """Return the k largest of two findings, similarities and indices (m, ...) each.

    Among equal ones, those of the first come first.
    """
    similarities, indices = (
        torch.cat(pair, dim=1) for pair in zip(found, others, strict=True)
    )
    places = _top_places(similarities, k)
    return similarities.gather(1, places), indices.gather(1, places)


def sort_by_index(similarities: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Sort findings (m, k) by similarity, and equal ones by index."""
    indices, order = indices.sort(dim=1)
    similarities = similarities.gather(1, order)
    similarities, order = similarities.sort(dim=1, descending=True, stable=True)
    return similarities, indices.gather(1, order)


def _top_places(similarities: Tensor, k: int) -> Tensor:
    """Return where the k largest stand, largest first, and equal ones in order."""
    n_columns = similarities.shape[1]
    steps = torch.arange(n_columns, device=similarities.device, dtype=torch.float64)
    return (similarities - _STEP * steps).topk(k, dim=1).indices
