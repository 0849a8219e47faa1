"""Small files and archives that hold, or declare, more than fits into memory.

They are read in a process of little memory, whose answers the tests look at.
"""

import io
import json
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_scan.datasets import list_images
from sklearn_scan.images import as_image_source

resource = pytest.importorskip("resource")

MEMORY = 200_000_000  # bytes that reading may take
ALL, PART = 3_000_000_000, 2**28  # bytes, above and below the limit of a file
READ = f"""
import json, resource, sys
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import SquareCrop, as_image_source

def answer(read):
    try:
        return read()
    except ImageReadError as error:
        return error.failures[0].reason

def answers(path):
    source = as_image_source([path])
    return [
        answer(lambda: source.identity(0)),
        answer(lambda: list(source[0].shape)),
        answer(lambda: list(source.read(0, SquareCrop(8)).shape)),
        [bad.reason for bad in source.unreadable()],
    ]

sound, *paths = sys.argv[1:]
answers(sound)  # imports what is imported late
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY},) * 2)
print(json.dumps([answers(path) for path in paths]))
"""


# Bombs


def encode(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def pack_zeros(start, n_bytes):
    """Return some bytes and many zeros, deflated: a thousandth of their size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(2**24)
    packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return packed + zeros * (n_bytes // len(block)) + packer.flush()


def write_zip(path, packed, declared, checksum=0):
    """Write a zip of one member, which declares a size; return the member's path."""
    name = b"1.jpg"
    sizes = checksum, len(packed), declared, len(name), 0
    header = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, *sizes)
    member = b"PK\3\4" + header + name + packed
    table = b"PK\1\2" + struct.pack("<H", 20) + header + bytes(14) + name
    counts = 0, 0, 1, 1, len(table), len(member), 0
    path.write_bytes(member + table + b"PK\5\6" + struct.pack("<HHHHIIH", *counts))
    return f"{path}/1.jpg"


def add_chunk(png, kind, content):
    """Put a chunk into a PNG, behind its header."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    chunk = struct.pack(">I", len(content)) + kind + content + checksum
    return png[:33] + chunk + png[33:]


def write_bombs(folder):
    """Return the paths of bombs by their names."""
    jpeg = encode("JPEG")
    start = jpeg[: jpeg.index(b"\xff\xda") + 40]
    zeros, some = pack_zeros(start, ALL), pack_zeros(start, PART)
    checksum = zlib.crc32(start + bytes(PART))
    deflated = zlib.compress(bytes(100_000_000), 9)
    files = {
        "text.png": add_chunk(encode("PNG"), b"zTXt", b"key\0\0" + deflated),
        "profile.png": add_chunk(encode("PNG"), b"iCCP", b"name\0\0" + deflated),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with (folder / "sparse.webp").open("wb") as file:
        file.write(encode("PNG"))
        file.truncate(ALL)  # takes no room on the disk
    return {name: str(folder / name) for name in [*files, "sparse.webp"]} | {
        "honest": write_zip(folder / "honest.zip", zeros, ALL),
        "liar": write_zip(folder / "liar.zip", zeros, 5_000),
        "within": write_zip(folder / "within.zip", some, len(start) + PART, checksum),
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What comes of each bomb: its key, its shape twice, and what its header tells."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory of a process is not known")
    folder = tmp_path_factory.mktemp("bombs")
    sound = folder / "sound.jpg"
    sound.write_bytes(encode("JPEG"))
    bombs = write_bombs(folder)
    command = [sys.executable, "-c", READ, str(sound), *bombs.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(bombs, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", ["honest", "sparse.webp"])
def test_files_that_are_too_large_are_not_read(answers, name):
    key, whole, crop, header = answers[name]
    assert key == whole == crop == header[0]
    assert key.startswith("3.0 GB, more than the 1.1 GB that an image of max_pixels=")


def test_no_more_is_unpacked_than_an_archive_declares(answers):
    _, whole, crop, _ = answers["liar"]
    assert isinstance(whole, str)  # the reason why it cannot be read
    assert isinstance(crop, str)


def test_a_large_file_is_read_without_being_in_memory(answers):
    key, whole, crop, header = answers["within"]
    assert len(key) == 32
    assert header == []
    assert isinstance(whole, str) or whole == [50, 40, 3]
    assert isinstance(crop, str) or crop == [8, 8, 3]


@pytest.mark.parametrize("name", ["text.png", "profile.png"])
def test_texts_of_a_png_that_are_too_large(answers, name):
    key, whole, crop, _ = answers[name]
    assert len(key) == 32
    assert whole == crop or (whole, crop) == ([50, 40, 3], [8, 8, 3])


# Archives that lie


@pytest.mark.parametrize("size", [10**4, 8 * 10**9])
def test_a_tar_that_declares_more_than_it_holds(tmp_path, size):
    path = tmp_path / "x.tar"
    info = tarfile.TarInfo("1.png")
    info.size = size
    path.write_bytes(info.tobuf() + encode("PNG")[:1024])
    with pytest.raises(ValueError, match="which is damaged"):
        list_images(path)
    (failure,) = as_image_source([f"{path}/1.png"]).unreadable()
    assert failure.reason.startswith("damaged")
