"""One fit: its seeds, its clock, its history and its callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from sklearn.callback import CallbackContext
from sklearn.utils import check_random_state

from sklearn_scan.clusterers.parameters import Parameters
from sklearn_scan.core.random import RandomState
from sklearn_scan.core.threads import adjust_threads
from sklearn_scan.training.callbacks import EstimatorCallbacks
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import LoopCallback, Record

T = TypeVar("T")
Attributes = dict[str, object]  # of an estimator, by name

_SEEDED = ("encode", "cluster", "self_label")


class Run:
    """One fit of a clusterer.

    Parameters
    ----------
    random_state : int, RandomState or None, default=None
        Seeds the parts of the fit, each by its name.
    verbose : int, default=0
        Progress bars are shown if it is above zero.

    Attributes
    ----------
    times : dict of str to float
        The seconds of each part so far.
    history : list of dict
        The epochs of all stages so far.
    fitted : callable or None
        Takes a single head and returns the attributes of a clusterer that is fitted
        with it, for callbacks that score the fit so far.
    """

    def __init__(self, random_state: RandomState = None, *, verbose: int = 0) -> None:
        seeds = check_random_state(random_state).randint(2**31, size=len(_SEEDED))
        self._seeds = dict(zip(_SEEDED, map(int, seeds), strict=True))
        self.verbose = verbose
        self.times: dict[str, float] = {}
        self.history: list[Record] = []
        self.fitted: Callable[[Heads], Attributes] | None = None
        self._task: CallbackContext | None = None  # that of the fit, or of a part
        self._data: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def of(cls, clusterer: Parameters, X: Any, y: Any) -> Iterator[Self]:
        """Provide the run of a fit, which scikit-learn's callbacks follow as a task."""
        run = cls(clusterer.random_state, verbose=clusterer.verbose)
        run._data = {"estimator": clusterer, "X": X, "y": y}
        run._task = clusterer._init_callback_context(max_subtasks=None)
        run._task.call_on_fit_task_begin(**run._data)
        yield run
        run._task.call_on_fit_task_end(**run._data, reconstruction_attributes={})

    def seed(self, name: str) -> int:
        """Return the seed of a part of the fit; those of no seed share "cluster"'s."""
        return self._seeds.get(name, self._seeds["cluster"])

    def keep(
        self,
        name: str,
        make: Callable[[], T],
        *,
        n_epochs: int = 0,
        head: Callable[[T], Heads] | None = None,
    ) -> T:
        """Return what a part of the fit makes; note its time, and tell the callbacks.

        Parameters
        ----------
        name : str
            Its key in `times`; parts of one name add up.
        make : callable
            What to do.
        n_epochs : int, default=0
            The most epochs in it, which are tasks of their own.
        head : callable, optional
            Returns the single head that is kept so far, from what was made.
        """
        adjust_threads()
        start, whole = time.perf_counter(), self._task
        if whole is not None:
            self._task = whole.subcontext(task_name=name, max_subtasks=n_epochs)
            self._task.call_on_fit_task_begin(**self._data)
        try:
            made = make()
        finally:
            task, self._task = self._task, whole
        spent = time.perf_counter() - start
        self.times[name] = self.times.get(name, 0.0) + spent
        if task is not None:
            fitted = None if head is None else self._fitted_with(lambda: head(made))
            task.call_on_fit_task_end(**self._data, reconstruction_attributes=fitted)
        return made

    def callbacks(self, head: Callable[[], Heads] | None = None) -> list[LoopCallback]:
        """Return what tells scikit-learn's callbacks of the epochs of a loop.

        Parameters
        ----------
        head : callable, optional
            Returns the single head that would be kept if training ended now. Called
            only where a callback asks for a fitted clusterer.
        """
        if self._task is None:
            return []
        fitted = None if head is None else self._fitted_with(head)
        return [EstimatorCallbacks(self._task, **self._data, fitted=fitted)]

    def _fitted_with(
        self, head: Callable[[], Heads]
    ) -> Callable[[], Attributes] | None:
        """Return what makes the attributes of a clusterer, if callbacks can have it."""
        make = self.fitted
        return None if make is None else lambda: make(head())
