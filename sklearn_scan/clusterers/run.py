"""One fit: its seeds, its clock, its history and its callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.utils import check_random_state

from sklearn_scan.core.device import kept_heap
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.training.loop import Record

if TYPE_CHECKING:
    from sklearn_scan.clusterers.stages.base import Found, Material, Stage

__all__ = ["Run"]

T = TypeVar("T")

_SEEDED = ("encode", "cluster", "self_label")


class Run:
    """One fit of a clusterer.

    Parameters
    ----------
    random_state : int, RandomState or None, default=None
        Seeds the parts of the fit, each by its name.
    verbose : int, default=0
        Above zero, shows progress bars.

    Attributes
    ----------
    times : dict of str to float
        The seconds of each part so far.
    history : list of dict
        The epochs of all stages so far.
    """

    def __init__(self, random_state: Any = None, *, verbose: int = 0) -> None:
        seeds = check_random_state(random_state).randint(2**31, size=len(_SEEDED))
        self._seeds = dict(zip(_SEEDED, map(int, seeds), strict=True))
        self.verbose = verbose
        self.times: dict[str, float] = {}
        self.history: list[Record] = []

    def seed(self, name: str) -> int:
        """Return the seed of a part of the fit; those of no seed share "cluster"'s."""
        return self._seeds.get(name, self._seeds["cluster"])

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """Return what a part of the fit makes, and note its time."""
        with self._timed(name):
            return make()

    def stages(self, stages: Sequence[Stage], material: Material) -> Found:
        """Run stages one after another; return what the last one finds."""
        found: Found | None = None
        # What draws from torch's global state, such as augmentations, is seeded.
        with isolated_rng(self.seed("cluster"), material.trunk.device), kept_heap():
            for stage in stages:
                with self._timed(stage.name):
                    found = stage.run(material, found, self)
        assert found is not None  # for mypy: there is a stage at least
        return found

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.times[name] = self.times.get(name, 0.0) + spent
