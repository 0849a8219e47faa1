"""What a stage is, what it works on and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.kept import Form, as_dict, to_device
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.comparison import Comparison
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.device import kept_heap
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.plain_data import Plain
from sklearn_scan.core.random import isolated_rng, random_state, set_random_state
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.results.persistence import pack_parts, unpack_parts
from sklearn_scan.training.heads import Heads

_ROWS = 2**16  # of the features, at once


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Material:
    """The input of the stages of a fit.

    Parameters
    ----------
    trunk : Trunk
        The samples: features that do not change, or images with the backbone that is
        trained.
    graph : NeighborGraph or None
        The neighbours of each sample; None with `n_neighbors=0`.
    n_clusters : int
        The number of clusters.
    features : Tensor or MappedRows of shape (n, embed_dim), optional
        The embedding in which the neighbours were found, before any training.
    """

    trunk: Trunk
    graph: NeighborGraph | None
    n_clusters: int
    features: Rows | None = None

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.trunk.samples)


class Decisions(NamedTuple):
    """The cluster of each sample, as a head predicts it for the plain view.

    Attributes
    ----------
    confidence : Tensor of float32, shape (n,)
        The largest probability.
    labels : Tensor of int64, shape (n,)
        The most probable cluster.
    """

    confidence: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Found:
    """The result of the stages so far.

    Parameters
    ----------
    heads : Heads
        All heads that were trained at once.
    losses : Tensor of shape (n_heads,)
        The loss of each.
    scores : Tensor of shape (n_heads,)
        The scores that choose the head; higher is better.
    head : Heads
        The head that is kept.
    decisions : Decisions
        The clusters of all samples by this head.
    self_labeled : bool, default=False
        Whether the head has learnt from its own confident labels.
    graph : NeighborGraph, optional
        The neighbours in the learnt embedding, if they were found again in it.
    lost_clusters : tuple of int, default=()
        The clusters that self-labelling left without a confident sample.
    comparison : Comparison, optional
        Partitions that the clusters are compared with, if there are any yet.
    """

    heads: Heads
    losses: Tensor
    scores: Tensor
    head: Heads
    decisions: Decisions
    graph: NeighborGraph | None = None
    self_labeled: bool = False
    lost_clusters: tuple[int, ...] = ()
    comparison: Comparison | None = None

    @classmethod
    def best_of(
        cls,
        heads: Heads,
        losses: Tensor,
        scores: Tensor,
        features: Rows,
        graph: NeighborGraph | None = None,
    ) -> Found:
        """Keep the head of the highest score, and let it decide on the features."""
        head = heads.select(int(scores.argmax()))
        return cls(heads, losses, scores, head, decide(head, features), graph)

    @property
    def best_head(self) -> int:
        """The number of the head of the highest score."""
        return int(self.scores.argmax())

    def best_heads(self, n_heads: int) -> Heads:
        """Return the `n_heads` heads of the highest scores, best first."""
        best = self.scores.argsort(descending=True)[:n_heads]
        return self.heads.select(*best.tolist())


class Stage(ABC):
    """A part of a fit: it gets the result so far, and returns a new one.

    Attributes
    ----------
    name : str
        Its key in `stage_times_`; stages with the same name share a seed.
    """

    name: ClassVar[str]

    @property
    def n_epochs(self) -> int:
        """The most epochs that it trains for."""
        return 0

    def draws(self, material: Material) -> bool:
        """Return whether it draws from torch's global generators.

        They are then seeded, and fits in several threads take turns.
        """
        return True

    @abstractmethod
    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Return what the stage finds.

        Parameters
        ----------
        material : Material
            The samples, their neighbours and the number of clusters. If the trunk is
            trained, it is changed in place.
        found : Found or None
            The result of the stages before; None for the first stage.
        run : Run
            The seed, the callbacks and the history of the fit.
        """


class TrainingStage(Stage, ABC):
    """A stage that trains for some epochs."""

    schedule: Schedule

    @property
    def n_epochs(self) -> int:
        """The epochs of the schedule."""
        return self.schedule.n_epochs

    def draws(self, material: Material) -> bool:
        """Return whether the views or the body draw; the stage has a generator."""
        return material.trunk.draws


def run_stages(stages: Sequence[Stage], material: Material, run: Run) -> Found:
    """Run stages one after another, one at least; return what the last one finds."""
    found: Found | None = None
    run.draws = any(stage.draws(material) for stage in stages)
    form = _form(material.trunk, run)
    trunk = material.trunk
    seeded = isolated_rng(run.seed("cluster"), trunk.device)
    with seeded if run.draws else nullcontext(), kept_heap(), trunk.split_batches():
        for run.stage, stage in enumerate(stages):
            do = partial(stage.run, material, found, run)
            found = run.keep(
                stage.name,
                partial(
                    run.remember,
                    run.of_stage("stage"),
                    do,
                    form,
                    # of no use afterwards
                    without=(run.of_stage("partitions"), run.of_stage("loop")),
                ),
                n_epochs=stage.n_epochs,
                head=lambda found: found.head,
            )
    if found is None:
        raise ValueError("_stages must return a stage at least, which returns a Found.")
    return found


def _form(trunk: Trunk, run: Run) -> Form[Found]:
    """Return how the result of a stage is kept, with all that the next one needs."""

    def pack(found: Found) -> Plain:
        compared = found.comparison
        fields = as_dict(found)
        fields["comparison"] = None if compared is None else as_dict(compared)
        return {
            "found": pack_parts(fields),
            "body": trunk.body.state_dict(),
            "history": run.history,
            "random": random_state(trunk.device) if run.draws else None,
        }

    def unpack(plain: Plain) -> Found:
        trunk.body.load_state_dict(plain["body"])
        run.history[:] = plain["history"]
        if run.draws:
            set_random_state(plain["random"], trunk.device)
        fields = to_device(unpack_parts(plain["found"]), trunk.device)
        compared = fields["comparison"]
        fields["comparison"] = None if compared is None else Comparison(**compared)
        return Found(**fields | {"decisions": Decisions(*fields["decisions"])})

    return Form(pack, unpack)


@torch.no_grad()
def decide(head: Heads, features: Rows) -> Decisions:
    """Return the decisions of a single head on features (n, embed_dim)."""
    # of each block two numbers a sample are kept: (n, n_clusters) may be large
    confidence = torch.empty(len(features), dtype=torch.float32, device=features.device)
    labels = torch.empty(len(features), dtype=torch.long, device=features.device)
    start = 0
    for rows in features.split(_ROWS):
        block = slice(start, start + len(rows))
        confidence[block], labels[block] = head(rows)[0].softmax(dim=-1).max(dim=1)
        start = block.stop
    return Decisions(confidence, labels)
