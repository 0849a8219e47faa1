"""Heads trained so that a sample and its neighbour agree: the loop of SCAN's stages.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_scan.clusterers.defaults import (
    COMPARISON_BATCH,
    COMPARISON_DRAWS,
    COMPARISON_LOGITS,
    LEAST_COMPARISON_BATCH,
    WEIGHT_DECAY,
    Schedule,
)
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.rows import rows_at_once
from sklearn_scan.core.sampling import count_drawn
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.averaging import copy_weights
from sklearn_scan.training.batches import MultiView, ViewPairs, count_batches
from sklearn_scan.training.heads import ClusterHeads, Heads, join_heads
from sklearn_scan.training.loop import Loop, LoopCallback, Record, evaluate
from sklearn_scan.training.objectives import Objective


def make_heads(
    trunk: Trunk, n_clusters: int, n_heads: int, generator: torch.Generator
) -> Heads:
    """Return linear heads of random weights, for the features of a trunk."""
    heads = [
        ClusterHeads(dim, n_clusters, n_heads, generator=generator)
        for dim in trunk.dims
    ]
    return join_heads(heads, trunk.dims)


def train_heads(
    heads: Heads,
    trunk: Trunk,
    graph: NeighborGraph | None,
    objective: Objective,
    schedule: Schedule,
    run: Run,
    *,
    generator: torch.Generator,
    label: str,
    starts_good: bool = True,
    best: Callable[[], Heads] | None = None,
) -> Tensor:
    """Train heads, and their trunk, so that a sample and its neighbours agree.

    A trunk that is trained, and the heads, end with the weights of the epoch after
    which the best head's loss was lowest.

    Parameters
    ----------
    heads : Heads
        Trained in place, all at once.
    trunk : Trunk
        The samples; its body is trained in place if it is to be.
    graph : NeighborGraph or None
        The neighbours of each sample; None lets two views of a sample agree instead.
    objective : Objective
        The loss of the logits of samples and neighbours.
    schedule : Schedule
        With a learning rate: Adam's.
    run : Run
        What takes the history.
    generator : torch.Generator
        Draws the order of the samples and their neighbours.
    label : str
        The name in the history and on the progress bar.
    starts_good : bool, default=True
        Whether the first weights are worth keeping, should the first epoch diverge.
    best : callable, optional
        Returns the head that would be kept if training ended now, for callbacks; by
        default the one of the lowest loss.

    Returns
    -------
    Tensor of shape (n_heads,)
        The loss of each head over samples and their neighbours: all of them, and
        65,536 drawn of more.
    """
    assert schedule.learning_rate is not None  # for mypy: the stage has chosen it
    draw = None if graph is None else partial(graph.sample, generator)
    comparison = _Comparison(trunk, heads, objective, generator, draw)
    loop = Loop(
        MultiView(nn.Sequential(trunk.body, heads)),
        objective,
        ViewPairs(
            trunk.samples,
            schedule.batch_size,
            generator=generator,
            anchor_view=trunk.strong_view,
            partner_view=trunk.strong_view,
            draw_partners=draw,
            device=trunk.device,
        ),
        make_adam(trunk, heads, schedule.learning_rate),
        autocast=trunk.autocast(),
        starts_good=starts_good,
        callbacks=[comparison, *run.callbacks(best or comparison.best_now)],
        stage=label,
        verbose=run.verbose,
    )
    run.train(loop, schedule.n_epochs)
    return comparison.losses


class _Comparison(LoopCallback):
    """Compares the heads by their loss on plain samples.

    Of a trunk that is trained, epochs are compared too, by the lowest loss of a head,
    and training ends with the weights of the best one.
    """

    losses: Tensor  # of each head: after an epoch that is compared, and at the end

    def __init__(
        self,
        trunk: Trunk,
        heads: Heads,
        objective: Objective,
        generator: torch.Generator,
        draw_partners: Callable[[], Tensor] | None,
    ) -> None:
        self._trunk = trunk
        self._heads = heads
        self._module = nn.ModuleList([trunk.body, heads])
        self._objective = objective
        self._generator = generator
        self._draw_partners = draw_partners
        of_sample = heads.n_heads * heads.n_clusters
        self._batch_size = rows_at_once(
            of_sample,
            COMPARISON_LOGITS,
            least=LEAST_COMPARISON_BATCH,
            most=COMPARISON_BATCH,
        )
        self._best: dict[str, Any] = {}

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """Keep the weights if they are the best so far."""
        if self._trunk.is_trained:
            self.losses = self._compare()
            record["lowest_loss"] = self.losses.min().item()
            if not self._best or self.losses.min() < self._best["losses"].min():
                weights = copy_weights(self._module)
                self._best = {"losses": self.losses, "weights": weights}
        return False

    def end(self, loop: Loop) -> None:
        """Bring the best weights back."""
        if self._best:
            self._module.load_state_dict(self._best["weights"])
        self.losses = self._best["losses"] if self._best else self._compare()

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights, and the losses of the heads with them."""
        return self._best

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the best weights of a state."""
        self._best = state

    def best_now(self) -> Heads:
        """Return the head of the lowest loss after the last epoch."""
        return self._heads.select(int(self.losses.argmin()))

    def _compare(self) -> Tensor:
        pairs = ViewPairs(
            self._trunk.features(),
            self._batch_size,
            generator=self._generator,
            draw_partners=self._draw_partners,
        )
        return evaluate(
            MultiView(self._heads),
            self._objective,
            pairs,
            n_passes=COMPARISON_DRAWS,
            n_batches=count_compared(len(pairs.data), self._batch_size),
        )


def count_compared(n_samples: int, batch_size: int) -> int:
    """Return the batches in which heads are compared: of many samples, a part."""
    return COMPARISON_DRAWS * count_batches(count_drawn(n_samples), batch_size)


def make_adam(trunk: Trunk, heads: Heads, learning_rate: float) -> torch.optim.Adam:
    """Return Adam for heads, and for the trunk if it is trained."""
    parameters = [*heads.parameters()]
    if not trunk.is_trained:
        return torch.optim.Adam(parameters, learning_rate, fused=True)
    parameters += [p for p in trunk.body.parameters() if p.requires_grad]
    return torch.optim.Adam(
        parameters, learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
