"""The callbacks of scikit-learn, told of the epochs of a training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.callback import CallbackContext

from sklearn_scan.training.loop import Loop, LoopCallback, Record


class EstimatorCallbacks(LoopCallback):
    """Tells the callbacks of a scikit-learn estimator of each epoch, as of a task.

    A callback that returns True at the end of an epoch stops the training.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        The task that the epochs are parts of.
    estimator : BaseEstimator
        The estimator that is fitted.
    X, y : object
        The training data, as `fit` got them.
    fitted : callable, optional
        Returns the attributes that the estimator would have if training had stopped
        after the epoch, by name. Called only where a callback asks for them.
    """

    def __init__(
        self,
        context: CallbackContext,
        estimator: Any,
        X: Any,
        y: Any = None,
        fitted: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self._context = context
        self._data = {"estimator": estimator, "X": X, "y": y}
        self._fitted = fitted
        self._epoch: CallbackContext | None = None
        self._n_epochs = 0

    def before_epoch(self, loop: Loop) -> None:
        """Begin the task of an epoch; those before a kill have a number too."""
        while self._n_epochs <= len(loop.history):
            self._epoch = self._context.subcontext(task_name="epoch")
            self._n_epochs += 1
        assert self._epoch is not None  # for mypy: there is one more than in history
        self._epoch.call_on_fit_task_begin(**self._data)

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """End the task of an epoch; return whether a callback asks to stop."""
        return self._end_task(self._fitted)

    def end(self, loop: Loop) -> None:
        """End the task of an epoch that diverged."""
        self._end_task(None)

    def _end_task(self, fitted: Callable[[], dict[str, Any]] | None) -> bool:
        """End the task that is open, if there is one."""
        epoch, self._epoch = self._epoch, None
        return epoch is not None and bool(
            epoch.call_on_fit_task_end(**self._data, reconstruction_attributes=fitted)
        )
