"""Nearest neighbours of samples.

`mine_neighbors` finds them, exactly or approximately, in bounded memory. A
`NeighborGraph` holds them.
"""

from sklearn_scan.neighbors._from_arrays import compare as compare
from sklearn_scan.neighbors._from_arrays import graph_from_arrays as graph_from_arrays
from sklearn_scan.neighbors._from_arrays import is_compared as is_compared
from sklearn_scan.neighbors._given import among_readable as among_readable
from sklearn_scan.neighbors._given import check_given as check_given
from sklearn_scan.neighbors._graph import NeighborGraph
from sklearn_scan.neighbors._graph_file import METRICS as METRICS
from sklearn_scan.neighbors._methods import METHODS as METHODS
from sklearn_scan.neighbors._methods import check_faiss as check_faiss
from sklearn_scan.neighbors._mining import mine_neighbors

__all__ = ["NeighborGraph", "mine_neighbors"]
