"""The k largest of many similarities, equal ones by index."""

from __future__ import annotations

import torch
from torch import Tensor

Found = tuple[Tensor, Tensor]  # similarities and indices, (m, k) each
GROUP = 64  # similarities in a group, whose maximum is compared first
# With fewer groups for each of the k, groups save no time.
_LEAST_GROUPS = 3


def largest(similarities: Tensor, k: int) -> Found:
    """Return the k largest of rows (m, c), equal ones in their order, and columns."""
    # Sorting reads every similarity several times. But the k largest are in the k
    # groups with the largest maxima (of equal maxima, in the first groups). So it is
    # enough to read each similarity once, to sort the maxima, and to sort the members
    # of k groups.
    n_rows, n_columns = similarities.shape
    n_groups, rest = divmod(n_columns, GROUP)
    if rest or n_groups < _LEAST_GROUPS * k:
        return _sort_some(similarities, k)
    grouped = similarities.view(-1, GROUP)  # (m * n_groups, GROUP)
    _, groups = _sort_some(grouped.amax(dim=1).view(n_rows, n_groups), k)
    groups = groups.sort(dim=1).values  # keeps the members in their order
    offsets = n_groups * torch.arange(n_rows, device=groups.device).unsqueeze(1)
    members = grouped[offsets + groups].flatten(1)  # (m, k, GROUP) -> (m, k * GROUP)
    found, places = _sort_some(members, k)
    return found, groups.gather(1, places // GROUP) * GROUP + places % GROUP


def merge(found: Found, others: Found, k: int) -> Found:
    """Return the k largest of two results (m, ...) each, equal ones by index."""
    similarities, indices = (
        torch.cat(pair, dim=1) for pair in zip(found, others, strict=True)
    )
    best, places = _take_some(similarities, k, indices)
    return sort_by_index(best, indices.gather(1, places))


def no_neighbors(
    n_samples: int,
    k: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Found:
    """Return similarities of -inf and indices of -1, (n_samples, k) each."""
    shape = (n_samples, k)
    similarities = torch.full(shape, -torch.inf, dtype=dtype, device=device)
    return similarities, torch.full(shape, -1, device=device)


def sort_by_index(similarities: Tensor, indices: Tensor) -> Found:
    """Sort results (m, k) by similarity, and equal ones by index."""
    indices, order = indices.sort(dim=1)
    similarities = similarities.gather(1, order)
    similarities, order = similarities.sort(dim=1, descending=True, stable=True)
    return similarities, indices.gather(1, order)


def _sort_some(similarities: Tensor, k: int) -> Found:
    """Return the k largest of each row and their places, equal ones in their order."""
    return sort_by_index(*_take_some(similarities, k))


def _take_some(similarities: Tensor, k: int, indices: Tensor | None = None) -> Found:
    """Return the k largest of rows, and places; of equal ones, by index or place."""
    n_columns = similarities.shape[1]
    if k == n_columns:
        columns = torch.arange(k, device=similarities.device)
        return similarities, columns.expand(similarities.shape)
    found, places = similarities.topk(k + 1, dim=1)
    # where the last of the k equals the next, torch may choose any of the equal ones
    tied = (found[:, k - 1] == found[:, k]).nonzero().flatten()
    found, places = found[:, :k], places[:, :k]
    if len(tied):
        rows, least = similarities[tied], found[tied, -1:]
        order = torch.arange(n_columns, device=tied.device).expand(rows.shape)
        if indices is not None:
            order = indices[tied].argsort(dim=1)
        ordered = rows.gather(1, order)
        # all of the larger ones first, then the equal ones, in their order
        ranks = torch.arange(n_columns, device=tied.device).expand(rows.shape)
        ranks = ranks - n_columns * (ordered > least).int()
        ranks = ranks.masked_fill(ordered < least, n_columns)
        anew = ranks.topk(k, dim=1, largest=False).indices
        places[tied] = order.gather(1, anew)
        found[tied] = rows.gather(1, places[tied])
    return found, places
