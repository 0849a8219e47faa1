"""An embedding by workers: the same bytes under each engine, its time, and kills.

    python examples/benchmarks/workers.py PHOTOS --engines loky ray dask --json out.json
    python examples/benchmarks/workers.py PHOTOS --engines ray --kills 20

PHOTOS is a folder. It starts a cluster of Ray or Dask on this machine, of two workers.
The second call kills a worker, or every third time the driver, at a random moment, and
has the embedding made to its end: it must have the same bytes.

By default, the network is a small one of random weights. --checkpoint FILE takes
MobileNetV2's, of timm.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import psutil
from benchmark_machine import describe_machine

from sklearn_scan import ImageEncoder
from sklearn_scan.datasets import list_images

N_WORKERS = 2
NETWORK, SMALL_NETWORK = "mobilenetv2_100", "test_resnet"


@contextmanager
def workers(engine):
    """Start the workers of an engine on this machine; none for "one process"."""
    if engine == "one process":
        with joblib.parallel_config(backend="threading"):
            yield
        return
    if engine == "ray":
        import ray

        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - so Ray calls it
        settings = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
        ray.init(num_cpus=N_WORKERS, log_to_driver=False, **settings)
    if engine == "dask":
        from distributed import Client

        Client(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None)
    with joblib.parallel_config(backend=engine, n_jobs=N_WORKERS):
        yield


def make_encoder(checkpoint):
    if checkpoint is None:
        import timm
        import torch

        torch.manual_seed(0)
        return ImageEncoder(timm.create_model(SMALL_NETWORK, num_classes=0)).fit()
    return ImageEncoder(NETWORK, checkpoint=checkpoint).fit()


def embed(arguments):
    """Embed under an engine; the first time, workers have to start."""
    photos, encoder = list_images(arguments.photos), make_encoder(arguments.checkpoint)
    photos = photos[: arguments.images]
    seconds = []
    with workers(arguments.engine):
        for _ in range(arguments.times):
            arguments.out.unlink(missing_ok=True)
            start = time.perf_counter()
            encoder.transform(photos, out=arguments.out)
            seconds.append(time.perf_counter() - start)
    # not to the output, which workers hold open for a while
    arguments.out.with_suffix(".json").write_text(json.dumps(seconds))
    os._exit(0)  # engines take seconds to end


def start(arguments, engine, out, times=1):
    command = [sys.executable, __file__, arguments.photos, "--engine", engine]
    command += ["--out", str(out), "--times", str(times)]
    command += ["--images", str(arguments.images)]
    if arguments.checkpoint:
        command += ["--checkpoint", arguments.checkpoint]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, start_new_session=True, **silent)


def digest(file):
    return hashlib.sha256(np.load(file).tobytes()).hexdigest()[:16]


def compare(arguments, folder):
    """Print and return the seconds and the digest of each engine."""
    results = {}
    for engine in ("one process", *arguments.engines):
        out = folder / "embedding.npy"
        start(arguments, engine, out, times=2).wait()
        first, second = json.loads(out.with_suffix(".json").read_text())
        results[engine] = {
            "seconds": round(second, 2),
            "seconds with the start of workers": round(first, 2),
            "digest": digest(out),
        }
        print(engine, results[engine], flush=True)
    return results


def kill_at_random(arguments, engine, folder, seconds):
    """Kill a worker or the driver while it embeds; return whether all was well."""
    expected = None
    n_same = 0
    for i in range(arguments.kills + 1):
        out = folder / f"embedding-{i}.npy"
        process = start(arguments, engine, out)
        if i == 0:  # the one that nothing happens to
            process.wait()
            expected = digest(out)
            continue
        time.sleep(random.uniform(0.5, 1.2) * seconds)
        victims = [p for p in _family(process.pid) if _is_worker(p)]
        if i % 3 == 0 or not victims:
            process.kill()
        else:
            random.choice(victims).kill()
        process.wait()
        if not out.exists():  # the driver was killed: the same call again
            start(arguments, engine, out).wait()
        n_same += out.exists() and digest(out) == expected
        print(f"{engine}: {n_same} of {i} kills, the same bytes", flush=True)
    return n_same


def _family(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_worker(process):
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    marks = ("ray::PoolActor", "popen_loky", "multiprocessing.spawn")
    return any(mark in command for mark in marks)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos")
    parser.add_argument("--engines", nargs="*", default=["loky", "ray", "dask"])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--checkpoint")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--json", type=Path)
    for name, kind in {"--engine": str, "--out": Path, "--times": int}.items():
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        embed(arguments)
    with tempfile.TemporaryDirectory() as name:
        results = compare(arguments, Path(name))
        if arguments.kills:
            for engine in arguments.engines:
                seconds = results[engine]["seconds with the start of workers"]
                n_same = kill_at_random(arguments, engine, Path(name), seconds)
                results[engine]["kills"] = [n_same, arguments.kills]
    if arguments.json:
        content = {"machine": describe_machine(), "engines": results}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
