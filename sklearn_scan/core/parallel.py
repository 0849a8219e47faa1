"""Tasks for workers, by joblib under the backend that the user has set.

Workers are processes of this machine (loky) or of many (Ray, Dask). Only small messages
go to them and back; what is large is in files. Once this module is imported, joblib
knows the name "ray" without a call of `register_ray`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import EXTERNAL_BACKENDS, get_active_backend

Task = TypeVar("Task")
Result = TypeVar("Result")

_MOST_IN_VAIN = 2


def has_workers() -> bool:
    """Tell whether the user has set a backend of processes or machines.

    Examples
    --------
    >>> import joblib
    >>> has_workers()
    False
    >>> with joblib.parallel_config(backend="loky"):
    ...     has_workers()
    True
    """
    # joblib takes threads, which share memory, unless another backend is set
    backend, _ = get_active_backend(prefer="threads")
    return not getattr(backend, "supports_sharedmem", False)


def run_tasks(
    function: Callable[..., Result],
    tasks: Sequence[Task],
    arguments: Callable[[Task], tuple[Any, ...]],
    is_done: Callable[[Task], bool],
    n_jobs: int | None = None,
) -> Iterator[Result]:
    """Yield what a function returns for each task, on workers, in any order.

    If a worker is lost, its engine may give up all tasks. Those that are not done are
    then given out again, those that were at work last, as long as some get done.

    Parameters
    ----------
    function : callable
        Of a module, so that workers can import it. It raises no errors of its own.
    tasks : sequence
        The tasks.
    arguments : callable
        Returns the arguments of the function for a task, made when it is given out.
    is_done : callable
        Tells whether a task is done.
    n_jobs : int, optional
        The number of workers; None is what the user has set, or else all.

    Yields
    ------
    object
        The results. Those of tasks that were done by a worker that was lost are
        missing.

    Raises
    ------
    Exception
        The engine's, if it has given up twice and no task was done.
    """
    left, n_in_vain = list(tasks), 0
    while left:
        calls = (delayed(function)(*arguments(task)) for task in left)
        try:
            yield from _call(calls, n_jobs)
            return
        except Exception:
            n_before, left = len(left), [task for task in left if not is_done(task)]
            n_in_vain = n_in_vain + 1 if len(left) == n_before else 0
            if n_in_vain == _MOST_IN_VAIN:
                raise
            n_at_work = min(_count_workers(n_jobs), len(left))
            left = left[n_at_work:] + left[:n_at_work]


def _count_workers(n_jobs: int | None) -> int:
    return int(effective_n_jobs(_resolve(n_jobs)))


def _resolve(n_jobs: int | None) -> int:
    """Return the number that is asked for: else the user's for the backend, or all."""
    _, of_backend = get_active_backend()
    if n_jobs is None:
        n_jobs = of_backend
    return -1 if n_jobs is None else n_jobs


def _call(calls: Iterator[Any], n_jobs: int | None) -> Iterator[Any]:
    """Yield the results of delayed calls, as they come if the backend can."""
    backend, _ = get_active_backend()
    ways = "generator_unordered" if backend.supports_return_generator else "list"
    yield from Parallel(n_jobs=_resolve(n_jobs), return_as=ways)(calls)


def _register_ray() -> None:
    """Tell joblib what "ray" is, when it is asked for."""
    try:
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ImportError(
            'The backend "ray" is not installed: pip install "sklearn-scan[ray]".'
        ) from error
    register_ray()  # type: ignore[no-untyped-call]


EXTERNAL_BACKENDS.setdefault("ray", _register_ray)
