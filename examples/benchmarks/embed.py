"""How fast photos become embeddings, beside what one would write by hand.

Needs the images and weights of SKLEARN_SCAN_DATA (default: ../shared/data from the
project's root, with ../shared/weights beside it). Peers run in turns with us, in the
same minutes; what is asserted are ratios of their medians.

    python examples/benchmarks/embed.py [photos|warm|memory|share|encoders ...]
"""

import copy
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import PIL
import timm
import torch
from PIL import Image

from sklearn_scan import ImageEncoder, SCANClusterer
from sklearn_scan.core.device import resolve_precision
from sklearn_scan.datasets import list_images
from sklearn_scan.encoders.backbones._folding import fold_batch_norms
from sklearn_scan.images import decoder_name

DATA = Path(
    os.environ.get(
        "SKLEARN_SCAN_DATA", Path(__file__).parents[2].parent / "shared" / "data"
    )
)
WEIGHTS = DATA.parent / "weights" / "mobilenetv2_100.safetensors"
MODEL = {"model": "mobilenetv2_100", "model_kwargs": {"pad_type": "same"}}
SIZE, CROP = 224, 0.875
N_PHOTOS, N_ROUNDS = 400, 5
ENCODERS = (
    "mobilenetv2_100",
    "vit_small_patch16_224",
    "vit_small_patch14_dinov2",
    "vit_base_patch14_dinov2",
    "vit_large_patch14_dinov2",
)


def make_encoder(**settings):
    settings = {"input_size": SIZE, "mean": 0.5, "std": 0.5} | MODEL | settings
    return ImageEncoder(checkpoint=WEIGHTS, **settings)


def unpack(name, folder):
    with zipfile.ZipFile(DATA / f"{name}.zip") as archive:
        archive.extractall(folder)
    return list_images(folder)


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def by_hand(paths, model, batch_size=8, n_ahead=4):
    """The best script we know: bf16, channels last, threads that read ahead."""

    def decode(path):
        with Image.open(path) as image:
            image = image.convert("RGB")
        side = min(image.size) * CROP
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box))

    def fast_decode(path):
        from torchcodec.decoders import decode_jpeg

        image = decode_jpeg(path).permute(1, 2, 0).numpy()
        image = Image.fromarray(image)
        side = min(image.size) * CROP
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box))

    read = fast_decode if decoder_name() == "torchcodec" else decode
    device = torch.device("cpu")
    dtype = resolve_precision("auto", device)

    @torch.inference_mode()
    def embed(images):
        x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
        x = x.sub_(127.5).mul_(1 / 127.5)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return model(x).float().numpy()

    embedding, waiting = [], deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), batch_size):
            some = paths[start : start + batch_size]
            waiting.append([pool.submit(read, path) for path in some])
            if len(waiting) > n_ahead:
                embedding.append(embed([f.result() for f in waiting.popleft()]))
        embedding += [embed([f.result() for f in batch]) for batch in waiting]
    return np.concatenate(embedding)


def open_as_timm_does():
    """timm's transform, from a path."""
    transform = timm.data.create_transform(
        input_size=(3, SIZE, SIZE),
        crop_pct=CROP,
        interpolation="bicubic",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    return lambda path: transform(Image.open(path).convert("RGB"))


@torch.inference_mode()
def one_by_one(paths, model):
    """timm's quick start, image after image: its transform, fp32, one process."""
    read = open_as_timm_does()
    return np.concatenate([model(read(path)[None]).numpy() for path in paths])


@torch.inference_mode()
def quick_start(paths, model, batch_size=64):
    """The same as a loop over batches, as one usually writes it."""
    read = open_as_timm_does()
    batches = [paths[i : i + batch_size] for i in range(0, len(paths), batch_size)]
    outputs = [model(torch.stack([read(path) for path in some])) for some in batches]
    return torch.cat(outputs).numpy()


def photos(folder):
    """Throughput on photos, beside two scripts."""
    paths = unpack("trashnet", folder)[:: 2527 // N_PHOTOS][:N_PHOTOS]
    encoder = make_encoder().fit()
    plain = timm.create_model(
        MODEL["model"], checkpoint_path=WEIGHTS, **MODEL["model_kwargs"]
    ).eval()
    plain.reset_classifier(0)
    best = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    few = paths[: N_PHOTOS // 8]
    runs = {
        "ours": lambda: encoder.transform(paths),
        "by hand": lambda: by_hand(paths, best),
        "quick start": lambda: quick_start(few, plain),
        "quick start, one by one": lambda: one_by_one(few, plain),
    }
    sizes = {"ours": len(paths), "by hand": len(paths)}
    rates = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(N_ROUNDS):
        for name, run in runs.items():
            seconds, vectors = timed(run)
            rates[name].append(sizes.get(name, len(few)) / seconds)
            runs_agree(name, vectors)
    results = {name: round(median(values), 1) for name, values in rates.items()}
    to_hand = median(
        a / b for a, b in zip(rates["ours"], rates["by hand"], strict=True)
    )
    results |= {
        "ours / by hand (median of pairs)": round(to_hand, 3),
        "ours / quick start": round(results["ours"] / results["quick start"], 2),
        "ours / quick start, one by one": round(
            results["ours"] / results["quick start, one by one"], 2
        ),
        "spread of ours": [round(min(rates["ours"])), round(max(rates["ours"]))],
        "spread of by hand": [
            round(min(rates["by hand"])),
            round(max(rates["by hand"])),
        ],
    }
    assert to_hand >= 0.95, results
    if resolve_precision("auto", torch.device("cpu")) == torch.bfloat16:
        assert results["ours / quick start"] >= 4, results
    return results


_reference = {}


def runs_agree(name, vectors):
    """A fast run of something else would be no peer."""
    if name not in _reference:
        _reference[name] = vectors
    ours = _reference["ours"][: len(vectors)]
    cosine = (ours * vectors).sum(1) / np.linalg.norm(ours, axis=1)
    cosine /= np.linalg.norm(vectors, axis=1)
    least = 0.95 if name == "by hand" else 0.999  # bf16 is coarse for this network
    assert cosine.min() > least, (name, cosine.min())


def warm(folder):
    """A second pass, from the cache: photos, and files of about a kilobyte."""
    results = {}
    photographs = unpack("trashnet", folder / "photos")[::6]
    small = unpack("cifar10-train", folder / "small")
    for name, paths, size in [("photos", photographs, SIZE), ("small", small, 32)]:
        encoder = make_encoder(input_size=size, memory=folder / "cache").fit()
        first, cold = timed(encoder.transform, paths)
        seconds = []
        for _ in range(3):
            again, known = timed(encoder.transform, paths)
            seconds.append(again)
            np.testing.assert_array_equal(known, cold)
        results[name] = {
            "images": len(paths),
            "first, images/s": round(len(paths) / first),
            "warm, images/s": round(len(paths) / median(seconds)),
            "times faster": round(first / median(seconds), 1),
        }
    assert results["photos"]["times faster"] >= 50, results
    assert results["small"]["warm, images/s"] >= 20_000, results
    return results


def memory(folder):
    """The peak of a process of its own that embeds 100,000 small images."""
    unpack("cifar10-train", folder)
    code = f"memory_of({str(folder)!r})"
    command = [sys.executable, "-c", f"from embed import *; {code}"]
    answer = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    results = json.loads(answer.stdout.splitlines()[-1])
    assert results["peak, GB"] <= 1.5, results
    return results


def memory_of(folder):
    paths = list_images(folder) * 2
    out = Path(folder) / "embedding.npy"
    seconds, embedding = timed(
        lambda: make_encoder(input_size=32).transform(paths, out=out)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    results = {"images": len(embedding), "images/s": round(len(paths) / seconds)}
    print(json.dumps(results | {"peak, GB": round(peak, 2)}))


def share(folder):
    """From the files of trashnet to clusters: what is spent outside the encoder."""
    paths = unpack("trashnet", folder)
    clusterer = SCANClusterer(n_clusters=6, encoder=make_encoder(), random_state=0)
    seconds, clusterer = timed(clusterer.fit, paths)
    outside = 1 - clusterer.stage_times_["encode"] / seconds
    stages = {k: round(v, 2) for k, v in clusterer.stage_times_.items()}
    accuracy = clusterer.score(paths, [Path(path).parent.name for path in paths])
    results = {"seconds": round(seconds, 1), "outside": round(outside, 3)}
    results |= {"stages": stages, "ACC": round(accuracy, 3)}
    assert outside <= 0.2, results
    return results


def encoders(_folder):
    """Images a second of the encoders that the README names; speed needs no weights."""
    images = np.random.default_rng(0).integers(0, 256, (64, SIZE, SIZE, 3), np.uint8)
    results = {}
    for name in ENCODERS:
        encoder = ImageEncoder(partial(make_backbone, name), input_size=SIZE).fit()
        few = images[:16] if "base" in name or "large" in name else images
        encoder.transform(few)
        seconds = [timed(encoder.transform, few)[0] for _ in range(3)]
        dimension = encoder.transform(few[:1]).shape[1]
        rate = round(len(few) / median(seconds), 1)
        results[name] = {"dimension": dimension, "images/s": rate}
    return results


def make_backbone(name):
    size = {"img_size": SIZE} if "vit" in name else {}
    return fold_batch_norms(timm.create_model(name, num_classes=0, **size).eval())


def main():
    benchmarks = {f.__name__: f for f in (photos, warm, memory, share, encoders)}
    chosen = sys.argv[1:] or list(benchmarks)
    unknown = set(chosen) - set(benchmarks)
    if unknown:
        sys.exit(f"Unknown: {unknown}. Known: {list(benchmarks)}.")
    if not DATA.is_dir():
        sys.exit(f"No images at {DATA}: set SKLEARN_SCAN_DATA to their folder.")
    machine = {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "precision": str(resolve_precision("auto", torch.device("cpu"))),
        "decoder": decoder_name(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "pillow": PIL.__version__,
    }
    print(json.dumps(machine))
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            print(
                name, json.dumps(benchmarks[name](Path(folder)), indent=1), flush=True
            )


if __name__ == "__main__":
    main()
