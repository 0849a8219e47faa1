"""One fit: its seeds, its clock, its history and its callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from sklearn.callback import CallbackContext
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_scan.clusterers.kept import EMBEDDED, Form
from sklearn_scan.clusterers.parameters import Parameters
from sklearn_scan.core import disk
from sklearn_scan.core.checkpoint import Checkpoint, Facts, open_checkpoint
from sklearn_scan.core.random import RandomState
from sklearn_scan.core.ranks import count_ranks, of_first
from sklearn_scan.core.threads import adjust_threads
from sklearn_scan.core.warn import noting_warnings, warn
from sklearn_scan.encoders import Embedded
from sklearn_scan.training.callbacks import EstimatorCallbacks
from sklearn_scan.training.checkpoints import resume
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Loop, LoopCallback, Record

T = TypeVar("T")
Attributes = dict[str, object]  # of an estimator, by name

_SEEDED = ("encode", "cluster", "self_label")
_CATEGORIES: dict[str, type[Warning]] = {
    each.__name__: each for each in (ConvergenceWarning, RuntimeWarning, UserWarning)
}


class Run:
    """One fit of a clusterer.

    Parameters
    ----------
    random_state : int, RandomState or None, default=None
        Seeds the parts of the fit, each by its name.
    verbose : int, default=0
        Progress bars are shown if it is above zero.
    checkpoint : Checkpoint, optional
        Keeps what is done, and gives it back after a kill.

    Attributes
    ----------
    times : dict of str to float
        The seconds of each part so far.
    history : list of dict
        The epochs of all stages so far.
    stage : int
        The number of the stage that is under way.
    draws : bool
        Whether the stages draw from torch's global generators.
    fitted : callable or None
        Takes a single head and returns the attributes of a clusterer that is fitted
        with it, for callbacks that score the fit so far.
    """

    def __init__(
        self,
        random_state: RandomState = None,
        *,
        verbose: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        drawn = check_random_state(random_state).randint(2**31, size=len(_SEEDED))
        seeds: list[int] = drawn.tolist()
        if random_state is None and checkpoint is not None:
            seeds = checkpoint.seeds_or(seeds)
        seeds = of_first(seeds)
        self._seeds = dict(zip(_SEEDED, seeds, strict=True))
        self.verbose = verbose
        self._checkpoint = checkpoint
        self.times: dict[str, float] = {}
        self.history: list[Record] = []
        self.fitted: Callable[[Heads], Attributes] | None = None
        self.draws = True
        self.stage = 0
        self._task: CallbackContext | None = None  # that of the fit, or of a part
        self._data: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def of(cls, clusterer: Parameters, X: Any, y: Any) -> Iterator[Self]:
        """Provide the run of a fit, which scikit-learn's callbacks follow as a task."""
        with open_checkpoint(clusterer.checkpoint) as checkpoint:
            run = cls(
                clusterer.random_state,
                verbose=clusterer.verbose,
                checkpoint=checkpoint,
            )
            run._data = {"estimator": clusterer, "X": X, "y": y}
            run._task = clusterer._init_callback_context(max_subtasks=None)
            run._task.call_on_fit_task_begin(**run._data)
            yield run
            run._task.call_on_fit_task_end(**run._data, reconstruction_attributes={})

    def begin(self, facts: Callable[[], Facts]) -> None:
        """Note in the checkpoint what the fit depends on.

        Raises
        ------
        CheckpointError
            If it is of another fit.
        """
        if self._checkpoint is not None:
            self._checkpoint.begin(facts(), [*self._seeds.values()])

    def check_same(self, name: str, tell: Callable[[], str]) -> None:
        """Raise if a fact that is found later is not that of the checkpoint.

        Raises
        ------
        CheckpointError
            If it is not.
        """
        if self._checkpoint is not None:
            self._checkpoint.check_same(name, tell())

    def place(self, name: str) -> Path | None:
        """Return a place in the checkpoint, for a file or folder; None without one."""
        return None if self._checkpoint is None else self._checkpoint.place(name)

    def remember(
        self,
        name: str,
        make: Callable[[], T],
        form: Form[T],
        *,
        without: Collection[str] = (),
    ) -> T:
        """Return what `make` makes, from the checkpoint if it was made before a kill.

        Its warnings are given again.

        Parameters
        ----------
        name : str
            The name of the entry.
        make : callable
            What to do.
        form : Form
            How the result is kept.
        without : collection of str
            Entries that are of no use after this one.
        """
        checkpoint = self._checkpoint
        if checkpoint is None and count_ranks() == 1:
            return make()
        is_kept = checkpoint is not None and name in checkpoint
        entry = of_first(checkpoint.get(name) if checkpoint and is_kept else None)
        if entry is not None:
            for text, category in entry["warnings"]:
                warn(text, _CATEGORIES.get(category, UserWarning))
            return form.unpack(entry["value"])
        with noting_warnings() as noted:
            made = make()
        if count_ranks() > 1:  # computed in each process, perhaps rounded otherwise
            made = form.unpack(of_first(form.pack(made)))
        if checkpoint is not None:
            told = [[text, category.__name__] for text, category in noted]
            entry = {"value": form.pack(made), "warnings": told}
            checkpoint.put({name: entry}, without)
        return made

    def remember_rows(
        self, name: str, embed: Callable[[Path | None], Embedded]
    ) -> Embedded:
        """Return an embedding; in the checkpoint, rows are kept as they are made.

        Parameters
        ----------
        name : str
            The name of the entry.
        embed : callable
            From a folder for the rows, or None, to the embedding.

        Warns
        -----
        UserWarning
            If rows cannot be written there: then they are made without.
        """
        checkpoint = self._checkpoint
        if checkpoint is None:
            return self.remember(name, lambda: embed(None), EMBEDDED)
        folder = checkpoint.place(name)

        def make() -> Embedded:
            try:
                disk.make_folders(folder.parent)
                return embed(folder)
            except OSError as error:
                checkpoint.warn_once(error)
                return embed(None)

        embedded = self.remember(name, make, EMBEDDED)
        if name in checkpoint:
            disk.remove_folder(folder)
        return embedded

    def of_stage(self, name: str) -> str:
        """Return the name of an entry of the stage that is under way."""
        return f"{name}-{self.stage}"

    def resume(self, loop: Loop) -> None:
        """Let a loop keep its state, and go on from that before a kill."""
        resume(loop, self._checkpoint, self.of_stage("loop"), draws=self.draws)

    def train(self, loop: Loop, n_epochs: int) -> None:
        """Run a loop; add its epochs to the history."""
        self.resume(loop)
        self.history += loop.run(n_epochs)

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
