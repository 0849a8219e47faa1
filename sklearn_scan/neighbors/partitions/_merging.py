"""Partitions by merging small clusters, with the least loss of information."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TINY = np.finfo(np.float64).tiny


# The information is the mutual information of the clusters of a sample and of its
# neighbour: N. Slonim and N. Tishby, "Agglomerative information bottleneck", NIPS 1999,
# with neighbours in the place of the relevant variable.


def merge_clusters(
    joint: NDArray[np.floating], n_clusters: int, *, per_entropy: bool = False
) -> NDArray[np.int64]:
    """Merge two clusters at a time, those that lose the least information."""
    shares: NDArray[np.float64] = joint.astype(np.float64)
    groups = np.arange(len(shares))  # the row of `shares` of each old cluster
    sums = np.stack([_h(row + shares).sum(axis=1) for row in shares])
    while len(shares) > n_clusters:
        first, second = _closest(shares, sums, per_entropy)
        shares, sums = _merge(shares, sums, first, second)
        groups[groups == second] = first
        groups[groups > second] -= 1
    return groups


def _h(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # zero for zero
    result: NDArray[np.float64] = values * np.log(np.maximum(values, _TINY))
    return result


def _closest(
    joint: NDArray[np.float64], sums: NDArray[np.float64], per_entropy: bool
) -> tuple[int, int]:
    """Return the pair with the smallest loss of information, the smaller one first."""
    # With h(x) = x log x, `sums[a, b]` is the sum over c of h(P(a, c) + P(b, c)). The
    # loss is 2 (h(x + y) - h(x) - h(y)), of the shares x of a and y of b, less the gain
    # of the sum of h(P).
    h, own = _h(joint), joint.diagonal()
    # columns other than a and b: the two rows apart, and together
    apart = h.sum(axis=1)[:, np.newaxis] - h.diagonal()[:, np.newaxis] - h
    inside = _h(own[:, np.newaxis] + joint)
    together = sums - inside - inside.T
    # the four cells of a and b, which become one
    cell = _h(own[:, np.newaxis] + own + 2 * joint)
    cells = h.diagonal()[:, np.newaxis] + h.diagonal() + 2 * h
    gain = 2 * (together - apart - apart.T) + cell - cells
    share = joint.sum(axis=1)
    entropy = _h(share[:, np.newaxis] + share) - _h(share)[:, np.newaxis] - _h(share)
    loss = 2 * entropy - gain
    # small clusters then stay apart if their neighbours do; otherwise they are merged,
    # and large clusters stay divided
    if per_entropy:
        loss /= np.maximum(entropy, _TINY)
    np.fill_diagonal(loss, np.inf)
    first, second = np.unravel_index(loss.argmin(), loss.shape)
    return min(int(first), int(second)), max(int(first), int(second))


def _merge(
    joint: NDArray[np.float64], sums: NDArray[np.float64], first: int, second: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `joint` and `sums` with `second` merged into `first`."""
    for column in (joint[first], joint[second]):
        sums = sums - _h(column[:, np.newaxis] + column)
    joint = joint.copy()
    joint[first] += joint[second]
    joint[:, first] += joint[:, second]
    kept = np.arange(len(joint)) != second
    joint, sums = joint[kept][:, kept], sums[kept][:, kept]
    column = joint[first]
    sums += _h(column[:, np.newaxis] + column)
    sums[first] = sums[:, first] = _h(joint[first] + joint).sum(axis=1)
    return joint, sums
