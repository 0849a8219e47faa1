"""Where heads on features start: the best of several partitions.

Heads of random weights settle in clusters near by, so that one head differs from the
next by many points. Here samples are partitioned by several methods. The partitions
whose clusters neighbours share most, and a linear model finds again, are the starts of
heads, which are chosen by the same score. Of many samples, a part is drawn for the
partitions and for the scores; the heads are trained on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from sklearn_scan.clusterers.defaults import (
    MOST_OF_CLUSTER,
    MOST_PARTITIONED,
    N_PAIRS,
)
from sklearn_scan.clusterers.kept import PARTS
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.comparison import Comparison
from sklearn_scan.clusterers.trunks import FeatureTrunk, Trunk
from sklearn_scan.core.features import center_blocks
from sklearn_scan.core.mapped_rows import through
from sklearn_scan.core.sampling import draw_rows, draw_sample
from sklearn_scan.model_selection import score_heads, score_partitions
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    agreeing_features,
    better_partitions,
    join_partitions,
    plain_partitions,
)
from sklearn_scan.training.heads import (
    MOST_AXES,
    Heads,
    PrincipalAxes,
    join_heads,
    split_heads,
    start_heads_at,
)


@dataclass(frozen=True, eq=False)
class Starts:
    """Some of the samples along the principal axes, and their neighbours among them.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Which samples they are.
    trunk : FeatureTrunk
        The samples along the axes.
    graph : NeighborGraph
        Their neighbours.
    axes : PrincipalAxes
        From all features to the axes.
    n_clusters : int
        The number of clusters.
    """

    rows: NDArray[np.int64]
    trunk: FeatureTrunk
    graph: NeighborGraph
    axes: PrincipalAxes
    n_clusters: int

    @classmethod
    def drawn(
        cls, trunk: Trunk, graph: NeighborGraph, n_clusters: int, seed: int
    ) -> Starts:
        """Draw samples; of few, all.

        Of few in many, the neighbours of each are nearly all among those not drawn.
        """
        most = max(MOST_PARTITIONED, n_clusters * MOST_OF_CLUSTER)
        samples = trunk.features()
        rows = draw_rows(len(samples), seed, most)
        features = draw_sample(samples, seed, most)
        axes = PrincipalAxes.of(features, trunk.dims, MOST_AXES).scaled_to(features)
        inside = FeatureTrunk(axes.project(features), axes.dims)
        if len(features) == len(samples):
            return cls(rows, inside, graph, axes, n_clusters)
        unscaled = features if trunk.scale is None else features * trunk.scale
        graph = mine_neighbors(
            center_blocks(unscaled, trunk.dims),
            min(graph.n_neighbors, len(features) - 1),
            method="exact",
            device=trunk.device,
        )
        return cls(rows, inside, graph, axes, n_clusters)

    @property
    def features(self) -> Tensor:
        """The samples along the axes."""
        assert isinstance(self.trunk.samples, Tensor)  # for mypy: so they are drawn
        return self.trunk.samples

    def best_partitions(
        self, most: int, seed: int, run: Run
    ) -> tuple[Tensor, Comparison]:
        """Return the best of several partitions, and what they are compared with.

        Both are remembered in the run's checkpoint.

        Returns
        -------
        labels : Tensor of int64, shape (n_partitions, n)
            Best first; clusters are numbered by falling size.
        comparison : Comparison
            The plain partitions, with which the clusters of the fit are compared.
        """
        partition = partial(self._partition, most, seed, run.verbose)
        best, plain = run.remember(run.of_stage("partitions"), partition, PARTS)
        comparison = Comparison(self.rows, self.features, self.graph, plain)
        return best.to(self.features.device), comparison

    def _partition(
        self, most: int, seed: int, verbose: int
    ) -> tuple[Tensor, list[NDArray[np.int64]]]:
        """Return the best partitions, and the plain ones."""
        # distances in which encoders of many features weigh no more than those of few
        blocks = [block / block.shape[1] ** 0.5 for block in self._blocks()]
        features, rng = torch.cat(blocks, dim=1), check_random_state(seed)
        points = features.cpu().numpy()
        graphs = {"neighbours": self.graph, "learnt neighbours": self._learnt(features)}
        groups = plain_partitions(points, graphs, self.n_clusters, rng, verbose=verbose)
        plain = [*join_partitions(groups.values()).values()]
        better = better_partitions(
            groups, points, self.n_clusters, rng, verbose=verbose
        )
        numbered = [
            _number_by_size(each, self.n_clusters)
            for each in [*plain, *better.values()]
        ]
        labels = torch.from_numpy(np.stack(numbered)).to(self.features.device)
        scores = score_partitions(labels, self.features, self.graph)
        best = scores.argsort(descending=True, stable=True)[:most]
        return labels[best.to(labels.device)], plain

    def _learnt(self, features: Tensor) -> NeighborGraph:
        """Return the neighbours in features in which the nearest neighbours agree."""
        nearest = self.graph.nearest(N_PAIRS)
        agreeing = agreeing_features(features.cpu().numpy(), nearest)
        return mine_neighbors(
            torch.from_numpy(agreeing).to(features.device),
            self.graph.n_neighbors,
            method="exact",
            device=features.device,
        )

    def heads_at(self, partitions: Tensor, temperature: float | None = None) -> Heads:
        """Return heads of samples along the axes that begin at each partition."""
        heads = [
            start_heads_at(partitions, block, self.n_clusters, temperature)
            for block in self._blocks()
        ]
        return join_heads(heads, self.trunk.dims).to(self.trunk.device)

    def scored(self, heads: Heads) -> tuple[Heads, Tensor]:
        """Return heads of all features, from those along the axes, and their scores."""
        scores = score_heads(heads, self.features, self.graph)
        return self.axes.lift(split_heads(heads)), scores

    def all_inside(self, trunk: Trunk) -> FeatureTrunk:
        """Return all samples along the axes; these themselves, if they are all."""
        samples = trunk.features()
        if len(self.features) == len(samples):
            return self.trunk
        return FeatureTrunk(through(self.axes.project, samples), self.axes.dims)

    def _blocks(self) -> tuple[Tensor, ...]:
        """Return the features of each encoder."""
        return torch.split(self.features, list(self.trunk.dims), dim=1)


def nearest_pairs(graph: NeighborGraph, n_pairs: int, n_clusters: int) -> NeighborGraph:
    """Return the nearest neighbours, of which small clusters have fewer."""
    # a cluster has as many members in the mean, and one less to be neighbours
    others = graph.n_samples // n_clusters - 1
    return graph.nearest(min(n_pairs, max(1, others)))


def select_best(heads: Heads, scores: Tensor) -> Heads:
    """Return the head of the highest score."""
    return heads.select(int(scores.argmax()))


def _number_by_size(labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    order = np.argsort(-np.bincount(labels, minlength=n_clusters), kind="stable")
    rank: NDArray[np.int64] = np.argsort(order)
    return rank[labels]
