"""Files changed at random: as damage does it, or as somebody who crafts them."""

from __future__ import annotations

import json
import random

Content = dict[str, bytes]  # of the files of a folder, by name

_ABSURD_JSON = (
    None, True, -1, 0, 10**12, 2**63, 10**400, 1e308, -0.5, "", "x" * 10_000, "\x00",
    "../../etc", [], {}, [[]] * 100, {"is": "array", "name": "x"}, {"is": "same"},
    {"is": []}, {"is": "path", "text": "/"}, {"is": "tuple", "items": [1]},
)  # fmt: skip
_ABSURD_TEXT = (
    b"[" * 5_000, b"{" * 5_000, b'"' * 300, b"9" * 5_000, b"\x00" * 50, b"\xff\xfe",
    b"\n" * 2_000, b"," * 3_000, b"1e999", b"-1", b"NaN", b"\r", b"'''", b"#",
    b"x" * 200_000,
)  # fmt: skip


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to three changes, anywhere."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(_DAMAGES)(content, rng)
    return content


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content) + 1)


def _flip(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return b"\x00"
    damaged = bytearray(content)
    damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _drop(content: bytes, rng: random.Random) -> bytes:
    start = _place(content, rng)
    return content[:start] + content[start + rng.choice((1, 10, 1000)) :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start = _place(content, rng)
    part = content[start : start + rng.choice((1, 50, 5000))]
    return content[:start] + part * rng.choice((2, 3, 30)) + content[start:]


def _zero(content: bytes, rng: random.Random) -> bytes:
    start, length = _place(content, rng), rng.choice((1, 16, 4096))
    part = content[start : start + length]
    fill = rng.choice((b"\x00", b"\xff", rng.randbytes(1)))
    return content[:start] + fill * len(part) + content[start + length :]


def _insert(content: bytes, rng: random.Random) -> bytes:
    start = _place(content, rng)
    text = rng.choice((*_ABSURD_TEXT, rng.randbytes(20)))
    return content[:start] + text + content[start:]


def _empty(content: bytes, rng: random.Random) -> bytes:
    return b""


_DAMAGES = (_flip, _flip, _flip, _cut, _drop, _repeat, _zero, _insert, _empty)


def craft(document: object, rng: random.Random) -> object:
    """Return a JSON value in which one part, anywhere, is an absurd one."""
    places = list(_places(document))
    place = rng.choice(places)
    changed = json.loads(json.dumps(document))
    parent, last = changed, place[-1]
    for step in place[:-1]:
        parent = parent[step]
    action = rng.randrange(4)
    if action == 0 and isinstance(parent, dict):
        del parent[last]
    elif action == 1:
        other = rng.choice(places)
        value = changed
        for step in other:
            value = value[step]
        parent[last] = json.loads(json.dumps(value))
    else:
        parent[last] = rng.choice(_ABSURD_JSON)
    return changed


def _places(value: object, place: tuple = ()):
    if place:
        yield place
    children = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield from _places(child, (*place, key))
