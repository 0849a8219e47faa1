"""A network as an ONNX file, for runtimes other than torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch

from sklearn_scan.core import disk
from sklearn_scan.core.asides import make_aside
from sklearn_scan.core.files import durable_path
from sklearn_scan.exceptions import OnnxExportError
from sklearn_scan.results.standalone import StandaloneModel

_BATCH = 2  # of the example: an exporter would take a batch of one for a fixed size


def write_onnx(model: StandaloneModel, path: Path) -> None:
    """Write a network as an ONNX file, with a batch of any size."""
    _check_installed()
    with durable_path(path) as place:
        program = _export(model)
        with make_aside(path, disk.make_folder) as folder, _silence():
            written = folder / path.name
            disk.write_by_name(written, lambda: program.save(str(written)))
            weights = written.with_name(f"{path.name}.data")
            if weights.exists():  # of more than 1.5 GB, in a file that the other names
                with durable_path(path.with_name(weights.name)) as place_of_weights:
                    disk.replace(weights, place_of_weights)
            disk.replace(written, place)


def _export(model: StandaloneModel) -> torch.onnx.ONNXProgram:
    """Return the network as an ONNX program."""
    examples = tuple(torch.zeros(_BATCH, *shape) for shape in model.input_shapes)
    batch = torch.export.Dim("batch", min=1)
    with _silence():
        try:
            program = torch.onnx.export(
                model,
                examples,
                dynamo=True,
                input_names=_input_names(model),
                output_names=["probabilities"],
                dynamic_shapes=(tuple({0: batch} for _ in examples),),
                verbose=False,
            )
        except Exception as error:  # of kinds that differ between versions of torch
            raise OnnxExportError(
                f"The network has parts that ONNX does not express: {error}"
            ) from error
    if program is None:
        raise OnnxExportError("torch.onnx.export made no program.")
    program.model.metadata_props["cluster_names"] = json.dumps(
        model.cluster_names, ensure_ascii=False
    )
    program.model.metadata_props["preprocessing"] = json.dumps(
        [asdict(each) for each in model.preprocessings]
    )
    return program


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "to_onnx needs onnx and onnxscript: pip install 'sklearn-scan[onnx]'."
        ) from error


def _input_names(model: StandaloneModel) -> list[str]:
    name = "images" if model.takes_images else "features"
    n_inputs = len(model.input_shapes)
    return [name] if n_inputs == 1 else [f"{name}_{i}" for i in range(n_inputs)]


@contextmanager
def _silence() -> Iterator[None]:
    """Hide the warnings and the log of the exporter."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
