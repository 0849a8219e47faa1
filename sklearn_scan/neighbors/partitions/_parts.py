"""The parts of a graph of neighbours, and the nearest pairs that join them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from sklearn_scan.core.rows import row_slices, rows_at_once
from sklearn_scan.neighbors import NeighborGraph

_DISTANCES = 2**24  # held at once
_MOST_ASKED = 2**13  # samples whose nearest ones are looked for


class Pairs(NamedTuple):
    """Pairs of samples, and their distances.

    Attributes
    ----------
    first, second : ndarray of int64, shape (n_pairs,)
        The samples.
    distances : ndarray of float64, shape (n_pairs,)
        How far they are from each other.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distances: NDArray[np.float64]


def find_parts(neighbors: NeighborGraph) -> NDArray[np.int64]:
    """Return the connected part of each sample, numbered from 0."""
    _, parts = connected_components(neighbors.symmetrized(), directed=False)
    return np.asarray(parts, dtype=np.int64)


def joining_pairs(parts: NDArray[np.int64], rows: Tensor) -> Pairs:
    """Return the nearest pairs of samples that join all parts into one.

    Each part is joined to the one nearest to it, and so are the parts that this leaves,
    until there is one: Borůvka's minimum spanning tree, of parts. Where they hold more
    than 8,192 samples without the largest, the search begins from so many of them.

    Parameters
    ----------
    parts : ndarray of int64, shape (n,)
        The part of each sample, numbered from 0.
    rows : Tensor of shape (n, d)
        The samples, where Euclidean distances tell which are near.
    """
    none = np.empty(0, dtype=np.int64)
    found = [Pairs(none, none, np.empty(0))]
    sets = DisjointSet(range(int(parts.max()) + 1))
    if sets.n_subsets == 1:
        return found[0]
    if rows.device.type == "mps":  # has no doubles
        rows = rows.cpu()
    rows = rows.double()  # in which no square of a float32 overflows
    rows = rows - rows.mean(dim=0)
    while sets.n_subsets > 1:
        roots = [sets[part] for part in sets]
        joined = np.unique(roots, return_inverse=True)[1][parts]
        pairs = _nearest_of_parts(joined, rows)
        found.append(_without_cycles(pairs, parts, sets))
    first, second, distances = map(np.concatenate, zip(*found, strict=True))
    return Pairs(first, second, distances)


def _without_cycles(pairs: Pairs, parts: NDArray[np.int64], sets: DisjointSet) -> Pairs:
    """Return the pairs that join sets of parts, the nearest first, and join those."""
    # two parts may each be the nearest of the other, and name the same pair
    order = np.argsort(pairs.distances, kind="stable")
    ends = zip(parts[pairs.first[order]], parts[pairs.second[order]], strict=True)
    joins = order[[sets.merge(int(one), int(other)) for one, other in ends]]
    return Pairs(pairs.first[joins], pairs.second[joins], pairs.distances[joins])


def _nearest_of_parts(parts: NDArray[np.int64], rows: Tensor) -> Pairs:
    """Return, for each part but the largest, its nearest pair with another part."""
    largest = np.bincount(parts).argmax()
    members = np.flatnonzero(parts != largest)
    asked = _draw(parts, members)
    distances, nearest = _nearest_outside(parts, rows, asked)
    # of each part the nearest pair; of equal ones the first
    order = np.lexsort((asked, distances, parts[asked]))
    firsts = order[np.unique(parts[asked][order], return_index=True)[1]]
    pairs = Pairs(asked[firsts], nearest[firsts], distances[firsts])
    return pairs if len(asked) == len(members) else _nearer(pairs, parts, rows)


def _draw(parts: NDArray[np.int64], members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return as many samples of each part, at even steps, where they are many."""
    if len(members) <= _MOST_ASKED:
        return members
    members = members[np.argsort(parts[members], kind="stable")]
    _, starts, sizes = np.unique(parts[members], return_index=True, return_counts=True)
    of_part = max(1, _MOST_ASKED // len(starts))
    steps = np.maximum(sizes / of_part, 1.0).repeat(sizes)
    places = np.arange(len(members)) - starts.repeat(sizes)
    kept = np.floor(places / steps) != np.floor((places - 1) / steps)
    return np.asarray(members[kept])


def _nearer(pairs: Pairs, parts: NDArray[np.int64], rows: Tensor) -> Pairs:
    """Return the pairs with the sample of the first part that is nearest to the other.

    It need not have been drawn.
    """
    first, distances = pairs.first.copy(), pairs.distances.copy()
    order = np.argsort(parts, kind="stable")
    members = np.split(order, np.bincount(parts).cumsum()[:-1])
    for number, (one, other) in enumerate(zip(first, pairs.second, strict=True)):
        own = torch.from_numpy(members[parts[one]]).to(rows.device)
        least = (rows[own] - rows[other]).norm(dim=1).min(dim=0)
        first[number] = int(own[least.indices])
        distances[number] = float(least.values)
    return Pairs(first, pairs.second, distances)


def _nearest_outside(
    parts: NDArray[np.int64], rows: Tensor, asked: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how far the nearest sample of another part is, and which it is."""
    of_part = torch.from_numpy(parts).to(rows.device)
    distances, nearest = [], []
    for block in row_slices(len(asked), rows_at_once(len(rows), _DISTANCES)):
        some = torch.from_numpy(asked[block]).to(rows.device)
        apart = torch.cdist(rows[some], rows, compute_mode="use_mm_for_euclid_dist")
        apart.masked_fill_(of_part[some].unsqueeze(1) == of_part, torch.inf)
        near = apart.argmin(dim=1)
        # from differences: that of norms may be rounded to zero
        distances.append((rows[some] - rows[near]).norm(dim=1).cpu().numpy())
        nearest.append(near.cpu().numpy())
    return np.concatenate(distances), np.concatenate(nearest)
