"""Who embeds the photos of a command: this process, or workers of joblib's backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import click
import joblib

from sklearn_scan.cli._console import Console

# with it, joblib knows Ray
from sklearn_scan.core import parallel as parallel

_Command = TypeVar("_Command", bound=Callable[..., Any])

_BACKENDS = ("loky", "ray", "dask")


def backend_options(command: _Command) -> _Command:
    """Add the options --backend and --address to a command."""
    backend = click.option(
        "--backend",
        type=click.Choice(_BACKENDS),
        help="Workers that embed the photos: processes of this machine (loky), or of a "
        "cluster (ray, dask), with a --memory that all its machines share.",
    )
    address = click.option(
        "--address",
        metavar="ADDRESS",
        help="The cluster, such as ray://host:10001 or tcp://host:8786 (Dask).  "
        "[default: this machine]",
    )
    return backend(address(command))


@contextmanager
def workers(
    backend: str | None, address: str | None, console: Console
) -> Iterator[None]:
    """Let the workers that the options name embed photos in the block."""
    connect = _CONNECT.get(backend or "")
    if connect is None and address is not None:
        raise click.UsageError(
            "--address is that of a cluster: pass --backend ray or dask."
        )
    with ExitStack() as stack:
        if connect is not None:
            stack.enter_context(connect(address))
            if address is None:
                console.note(
                    f"{str(backend).capitalize()} runs on this machine only: pass "
                    "--address for a cluster."
                )
        if backend is not None:
            stack.enter_context(joblib.parallel_config(backend=backend))
        yield


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    ray = _import("ray", "ray")
    ray.init(
        address=address or "local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=40,
    )
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _dask(address: str | None) -> Iterator[None]:
    distributed = _import("distributed", "dask")
    own = {"threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**({"address": address} if address else own)):
        yield


def _import(package: str, extra: str) -> Any:
    try:
        return __import__(package)
    except ImportError as error:
        raise click.UsageError(
            f'--backend {extra} is not installed: pip install "sklearn-scan[{extra}]".'
        ) from error


_CONNECT = {"ray": _ray, "dask": _dask}
