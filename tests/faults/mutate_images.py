"""Damage small images at random, and read them: each must be refused or read right.

    python tests/faults/mutate_images.py --count 3000 --seed 0

Images are read in a process with 1 GB of memory beyond its imports, and 5 seconds for
a file. A crash, a hang, any error but an ImageReadError, a warning of a decompression
bomb and an image that is another in a file than in memory are violations. They are
printed with the number of the file, and then the exit status is not zero.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import sys
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, features

MEMORY = 2**30  # bytes beyond those of the imports
FILE_SECONDS = 5
WIDTH, HEIGHT = 37, 53
SIDE = 16  # of the crop that is read
Random = np.random.Generator

FORMATS: dict[str, tuple[str, str, dict[str, Any]]] = {  # mode, Pillow's name, options
    "jpeg": ("RGB", "JPEG", {"quality": 90}),
    "progressive jpeg": ("RGB", "JPEG", {"progressive": True, "exif": bytes(40)}),
    "png": ("RGBA", "PNG", {}),
    "16-bit png": ("I;16", "PNG", {}),
    "gif": ("P", "GIF", {"transparency": 3, "disposal": 2}),
    "webp": ("RGBA", "WEBP", {"lossless": True}),
    "bmp": ("RGB", "BMP", {}),
    "tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "plain tiff": ("CMYK", "TIFF", {}),
    "ppm": ("L", "PPM", {}),
    "jpeg 2000": ("RGB", "JPEG2000", {}),
    "avif": ("RGB", "AVIF", {}),
}


class Case(NamedTuple):
    """A damaged image."""

    kind: str
    content: bytes


# Images


def make_images(random: Random) -> dict[str, bytes]:
    """Return a valid image of each format that this Pillow writes."""
    pixels = random.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    known = {"webp": "webp", "jpeg 2000": "jpg_2000", "avif": "avif"}
    supported = features.get_supported()
    images = {}
    for kind, (mode, name, options) in FORMATS.items():
        if known.get(kind, "jpg") in supported:
            buffer = io.BytesIO()
            _convert(pixels, mode).save(buffer, name, **options)
            images[kind] = buffer.getvalue()
    return images


def _convert(pixels: np.ndarray, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(pixels).convert(mode)


# Damage


def flip_bits(content: bytearray, random: Random, _other: bytes) -> None:
    for place in random.integers(0, len(content), random.integers(1, 9)):
        content[place] ^= 1 << random.integers(8)


def truncate(content: bytearray, random: Random, _other: bytes) -> None:
    del content[random.integers(1, len(content)) :]


def insert(content: bytearray, random: Random, _other: bytes) -> None:
    place = random.integers(0, len(content))
    content[place:place] = random.bytes(random.integers(1, 65))


def remove(content: bytearray, random: Random, _other: bytes) -> None:
    place = random.integers(0, len(content) - 1)
    del content[place : place + random.integers(1, 65)]
    content += b"\0" * (not content)


def splice(content: bytearray, random: Random, other: bytes) -> None:
    place = random.integers(1, len(content))
    content[place:] = other[random.integers(0, len(other)) :]


def overwrite_size(content: bytearray, random: Random, _other: bytes) -> None:
    """Replace the width or the height, as any format may write them."""
    width = int(random.choice([2, 4]))
    order = "little" if random.random() < 0.5 else "big"
    places = [
        place
        for side in (WIDTH, HEIGHT, WIDTH - 1, HEIGHT - 1)
        for place in _find(content, side.to_bytes(width, order))
    ]
    if places:
        top = 2 ** (8 * width)
        odd = [0, 1, top // 2 - 1, top // 2, top - 1, 9459, 16_383]
        value = int(random.choice([*odd, *random.integers(0, 2**16, len(odd))]))
        place = random.choice(places)
        content[place : place + width] = value.to_bytes(width, order)


def _find(content: bytearray, part: bytes) -> list[int]:
    return [place for place in range(300) if content.startswith(part, place)]


def overwrite_header(content: bytearray, random: Random, _other: bytes) -> None:
    length = random.integers(1, 5)
    place = random.integers(0, min(len(content), 120))
    odd = [bytes(length), b"\xff" * length, random.bytes(length)]
    content[place : place + length] = odd[random.integers(3)]


def mend_checksums(content: bytearray) -> None:
    """Make the checksums of a PNG's chunks right, so that its decoder goes on."""
    place = 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            return
        content[end : end + 4] = zlib.crc32(content[place + 4 : end]).to_bytes(4, "big")
        place = end + 4


DAMAGES: list[Callable[[bytearray, Random, bytes], None]] = [
    flip_bits, truncate, insert, remove, splice, overwrite_size, overwrite_size,
    overwrite_header, overwrite_header,
]  # fmt: skip


def make_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield damaged images; the same ones for the same seed and Pillow."""
    images = make_images(np.random.default_rng(seed))
    kinds = list(images)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        kind = kinds[number % len(kinds)]
        content = bytearray(images[kind])
        for _ in range(random.integers(1, 4)):
            damage = DAMAGES[random.integers(len(DAMAGES))]
            damage(content, random, images[kinds[random.integers(len(kinds))]])
        if "png" in kind and random.random() < 0.7:
            mend_checksums(content)
        yield Case(kind, bytes(content))


# Reading, in another process


def check(content: bytes, path: str) -> str:
    """Return "read" or "refused"; raise if neither is true."""
    from sklearn_scan.images import SquareCrop, as_image_source

    with open(path, "wb") as file:
        file.write(content)
    results = []
    for X in ([content], [path]):
        source = as_image_source(X)
        key = source.identity(0)
        crop = _try(lambda source=source: source.read(0, SquareCrop(SIDE)))
        if crop is None:
            results.append((key, "refused"))
            continue
        if source.unreadable():
            raise AssertionError("read, though its header is damaged")
        _check_pixels(crop, (SIDE, SIDE))
        results.append((key, crop.tobytes()))
    if results[0] != results[1]:
        raise AssertionError("in a file it is another image than in memory")
    whole = _try(lambda: as_image_source([content])[0])
    if (whole is None) is not ("refused" in results[0]):
        raise AssertionError("whole it is read, and cropped it is not, or the reverse")
    if whole is None:
        return "refused"
    _check_pixels(whole, whole.shape[:2])
    return "read"


def _try(read: Callable[[], np.ndarray]) -> np.ndarray | None:
    from sklearn_scan.exceptions import ImageReadError

    try:
        return read()
    except ImageReadError:
        return None


def _check_pixels(pixels: np.ndarray, size: tuple[int, ...]) -> None:
    if pixels.dtype != np.uint8 or pixels.shape != (*size, 3) or not pixels.size:
        raise AssertionError(f"not an image: {pixels.dtype}, {pixels.shape}")


def serve(pipe: Any, folder: str) -> None:
    """Check images as they come, and answer."""
    import resource

    path = os.path.join(folder, "image")
    blank = io.BytesIO()
    Image.new("RGB", (9, 9)).save(blank, "PNG")
    check(blank.getvalue(), path)  # imports what is imported late
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders print there
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    pipe.send("ready")
    while True:
        try:
            pipe.send(check(pipe.recv(), path))
        except EOFError:
            return
        except BaseException as error:
            pipe.send(f"{type(error).__name__}: {error}")


class Child:
    """The process that reads, and its successors."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self._folder), daemon=True
        )
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

    def check(self, content: bytes) -> str:
        """Return "read", "refused", or what is wrong."""
        self._pipe.send(content)
        try:
            if self._pipe.poll(FILE_SECONDS):
                return str(self._pipe.recv())
            answer = f"took longer than {FILE_SECONDS} s"
        except EOFError:
            self._process.join()
            answer = f"ended the process (exit code {self._process.exitcode})"
        self.end()
        self._start()
        return answer

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


class Outcome(NamedTuple):
    """What came of damaged images."""

    counts: dict[str, Counter[str]]  # by format, of "read" and "refused"
    violations: list[str]


def run(count: int, seed: int) -> Outcome:
    """Read damaged images."""
    outcome = Outcome({}, [])
    with tempfile.TemporaryDirectory() as folder:
        child = Child(folder)
        for number, case in enumerate(make_cases(count, seed)):
            answer = child.check(case.content)
            fine = answer in ("read", "refused")
            counts = outcome.counts.setdefault(case.kind, Counter())
            counts[answer if fine else "violation"] += 1
            if not fine:
                outcome.violations.append(f"{number}, {case.kind}: {answer}")
        child.end()
    return outcome


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=3000, help="number of images")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    outcome = run(settings.count, settings.seed)
    for kind, counts in outcome.counts.items():
        print(f"{kind:>17}: {counts['read']} read, {counts['refused']} refused")
    print(*outcome.violations, sep="\n")
    print(f"seed {settings.seed}: {len(outcome.violations)} violations")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
