"""The checks of any input, for the tests and for the script of many examples."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import input_promises as promises
import odd_inputs
import odd_parameters
from hypothesis import strategies as st

# A plain fit, whose parameters are tried one by one.
PLAIN = odd_inputs.Odd("normal", (8, 3), "float32", "array")
PLAIN_IMAGES = odd_inputs.Odd("pixels", (8, 5, 4, 3), "uint8", "array")

_kinds, _counts = odd_parameters.clusterer_types, st.sampled_from([1, 2, 3, "auto"])


def features(counts: Counter[str], kind: type, n_clusters: Any, recipe: Any) -> None:
    """Fit features of any kind."""
    clusterer = odd_parameters.small(kind, n_clusters=n_clusters)
    promises.check_fit(clusterer, recipe, counts)


def images(counts: Counter[str], kind: type, n_clusters: Any, recipe: Any) -> None:
    """Fit images of any kind, by a small encoder that learns nothing."""
    encoder = promises.averages()
    clusterer = odd_parameters.small(kind, n_clusters=n_clusters, encoder=encoder)
    promises.check_fit(clusterer, recipe, counts)


def parameters(
    counts: Counter[str], setting: tuple[type, str, Any], on_images: bool
) -> None:
    """Give one parameter any value at all."""
    kind, name, value = setting
    given = {"encoder": promises.averages()} if on_images else {}
    clusterer = odd_parameters.small(kind, **given | {name: value})
    X = (PLAIN_IMAGES if on_images else PLAIN).build()
    counts["parameter checks"] += 1
    _, error = promises.attempt(lambda: clusterer.fit(X), {name})
    if error is None:
        counts["values taken"] += 1
        promises.check_clusters(clusterer)


def neighbors(
    counts: Counter[str], recipe: Any, n_neighbors: Any, settings: dict[str, Any]
) -> None:
    """Find neighbours in features of any kind."""
    promises.check_neighbors(recipe, n_neighbors, settings, counts)


def given_neighbors(counts: Counter[str], kind: type, given: Any) -> None:
    """Fit with anything at all as neighbours."""
    counts["neighbours given"] += 1
    if isinstance(given, odd_inputs.Odd):
        given = given.build()
    promises.check_given(odd_parameters.small(kind), PLAIN.build(), given)


def metrics(counts: Counter[str], name: str, first: Any, second: Any) -> None:
    """Compare anything at all as labels."""
    promises.check_metric(name, first, second, counts)


CASES: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "features": (
        features,
        {"kind": _kinds, "n_clusters": _counts, "recipe": odd_inputs.features},
    ),
    "images": (
        images,
        {
            "kind": _kinds,
            "n_clusters": _counts,
            "recipe": st.one_of(odd_inputs.images, odd_inputs.pictures),
        },
    ),
    "parameters": (
        parameters,
        {
            "setting": odd_parameters.settings_of_one(),
            "on_images": st.booleans(),
        },
    ),
    "neighbors": (
        neighbors,
        {
            "recipe": odd_inputs.features,
            "n_neighbors": st.one_of(
                st.integers(1, 4), st.integers(1, 2), odd_parameters.things
            ),
            "settings": st.fixed_dictionaries(
                {
                    "method": st.sampled_from(["auto", "exact", "flat"]),
                    "metric": st.sampled_from(["cosine", "euclidean"]),
                    "center": st.booleans(),
                }
            ),
        },
    ),
    "given_neighbors": (
        given_neighbors,
        {
            "kind": _kinds,
            "given": st.one_of(odd_inputs.neighbors, odd_parameters.things),
        },
    ),
    "metrics": (
        metrics,
        {
            "name": st.sampled_from(sorted(promises.METRICS)),
            "first": odd_parameters.labels,
            "second": odd_parameters.labels,
        },
    ),
}


def search(
    case: str, n_examples: int, counts: Counter[str], seed: int | None = None
) -> None:
    """Check a case with so many examples, always the same without a seed."""
    check, strategies = CASES[case]

    def example(**drawn: Any) -> None:
        check(counts, **drawn)

    example.__name__ = case
    test = hypothesis.given(**strategies)(example)
    test = hypothesis.settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )(test)
    (test if seed is None else hypothesis.seed(seed)(test))()


@contextmanager
def in_empty_folder() -> Iterator[None]:
    """Work in an empty folder: what is written by a parameter goes there."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)
