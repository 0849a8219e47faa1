"""Doubts about a fit: what X holds that makes its clusters mean less than they seem to.

Each is a warning, after a look at a few million numbers: some thousand samples, or
fewer if they are wide.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.rows import rows_at_once
from sklearn_scan.core.sampling import draw_rows
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.model_selection import Quality
from sklearn_scan.neighbors import NeighborGraph

# A few hundred samples suffice to tell most from few.
_FEWEST_DRAWN, _MOST_DRAWN, _MOST_NUMBERS = 2**6, 2**12, 2**21

# Above half, most samples have themselves as their nearest neighbour: what neighbours
# agree on is then known beforehand.
_MOST_COPIES = 0.5

# Samples of so few bits are alike by chance: people of 8 answers of yes or no, colours,
# places. Images of 8 x 8 pixels have more than a hundred, and so have embeddings.
_BITS_OF_FEW_VALUES = 32

# The rounding of single precision, as a share of the spread of the samples. In real
# embeddings and pixels it is below a millionth.
_MOST_ROUNDING = 0.01
_MOST_WHOLE = 2**24  # all smaller whole numbers are exact in single precision

# A missed neighbour is replaced by one that is a little further: on digits a recall of
# .7 did no harm, and one of .4 cost two points of accuracy; on photos neither did.
_LEAST_RECALL = 0.5

# The label-free score of random numbers of 64 features or more, in 5 to 20 clusters,
# was .10 to .19. That of digits, objects, textures and photos was .34 or more, with the
# number of classes, its half and its double. (Of few features, random numbers score
# high: space itself falls into parts.)
_SCORE_OF_NOISE, _FEWEST = 0.2, 200


def warn_of_doubts(rows: Rows, graph: NeighborGraph | None) -> None:
    """Warn of what is doubtful in the samples of a fit and in their neighbours."""
    bounds = {"least": _FEWEST_DRAWN, "most": _MOST_DRAWN}
    most = rows_at_once(rows.shape[1], _MOST_NUMBERS, **bounds)
    drawn = draw_rows(len(rows), 0, most)
    some = _take(rows, drawn)
    _warn_of_rounding(some)
    if graph is not None and graph.n_neighbors:
        _warn_of_recall(graph)
        _warn_of_copies(some, _take(rows, graph.indices[drawn, 0]))


def warn_of_noise(quality: Quality, n_samples: int) -> None:
    """Warn if neighbours know no more of the clusters than in random numbers."""
    if n_samples >= _FEWEST and quality.score < _SCORE_OF_NOISE:
        warn(
            Message(
                "The {} hardly fall into clusters: the label-free score is {:.2f} of "
                "1, as for random numbers. Another {} may tell them apart.",
                *(Advice("samples", "samples"), quality.score, Setting("encoder")),
            ),
            ConvergenceWarning,
        )


def _take(rows: Rows, numbers: np.ndarray) -> Tensor:
    """Return some rows, on the CPU."""
    index = torch.from_numpy(np.ascontiguousarray(numbers)).to(rows.device)
    return rows.index_select(0, index).cpu()


def _warn_of_recall(graph: NeighborGraph) -> None:
    if graph.recall_ is not None and graph.recall_ < _LEAST_RECALL:
        warn(
            Message(
                "Only {:.0%} of the neighbours are the nearest, and the others may be "
                "of other clusters: pass neighbours of a higher recall, or {}.",
                *(graph.recall_, Setting("neighbor_method", "exact")),
            ),
            ConvergenceWarning,
        )


def _warn_of_copies(some: Tensor, nearest: Tensor) -> None:
    share = float((some == nearest).all(dim=1).double().mean())
    if share > _MOST_COPIES and not _are_of_few_values(some):
        warn(
            Message(
                "{:.0%} of the {} have an exact copy, which is their nearest "
                "neighbour. Clusters form around copies, and look clearer than they "
                "are: check that copies are meant; else leave them out of X.",
                *(share, Advice("samples", "samples")),
            ),
            ConvergenceWarning,
        )


def _are_of_few_values(some: Tensor) -> bool:
    """Tell whether samples, which differ, are of so few values that many are alike."""
    bits = 0.0
    for column in some.unbind(dim=1):
        bits += _bits(column)
        if bits >= _BITS_OF_FEW_VALUES:
            return False
    return bits > 0


def _bits(column: Tensor) -> float:
    """Return the entropy of the values of a column, which rare values hardly raise."""
    shares = np.unique(column.numpy(), return_counts=True)[1] / len(column)
    return float(-(shares * np.log2(shares)).sum())


def _warn_of_rounding(some: Tensor) -> None:
    spread = some.double().var(dim=0, correction=0).sum()
    # a rounded number is off by up to half of the distance to the next one
    step = torch.finfo(torch.float32).eps * some[:, ~_is_exact(some)].double()
    rounding = step.square().mean(dim=0).sum() / 12
    if spread > 0 and rounding > spread * _MOST_ROUNDING**2:
        warn(
            Message(
                "The {} are nearly the same: they differ by so little, beside the "
                "size of the numbers, that single precision rounds {:.0%} of the "
                "difference. Subtract their mean, in double precision, from X.",
                *(Advice("samples", "samples"), float((rounding / spread).sqrt())),
            ),
            ConvergenceWarning,
        )


def _is_exact(some: Tensor) -> Tensor:
    """Tell of each column whether rounding changes no difference in it."""
    lowest, highest = some.aminmax(dim=0)
    is_whole = (some == some.round()).all(dim=0)
    is_small = torch.maximum(-lowest, highest) < _MOST_WHOLE
    return (lowest == highest) | (is_whole & is_small)
