"""Damaged PSD files: bytes changed at random, and fields changed that a reader believes (lengths, counts, sizes).

`mutations(seed, original)` is a pure function, so that a failing input is named by its seed.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_INTERESTING = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    127,
    128,
    255,
    256,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)
_HEADER = {
    "version": (4, 2),
    "channels": (12, 2),
    "height": (14, 4),
    "width": (18, 4),
    "depth": (22, 2),
    "mode": (24, 2),
}
_DIVIDER = b"8BIMlsct"
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class _Field:
    """A big-endian number in the file that other bytes depend on."""

    at: int
    size: int


def mutations(seed: int, original: bytes) -> bytes:
    """Return a damaged copy of a PSD; the same seed and file give the same bytes.

    Between one and three changes are made. The result may have any length, an empty one included.
    """
    rng = random.Random(seed)
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(_CHANGES)(rng, data)
        if not data:
            break
    return bytes(data)


def _bytes_changed(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 2, 8, 32))):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)


def _bit_flipped(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _piece_removed(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 12, 64, 1024))]


def _piece_repeated(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    piece = bytes(data[at : at + rng.choice((1, 4, 12, 64, 1024))])
    data[at:at] = piece * min(rng.choice((1, 2, 16)), _MOST // len(piece))


def _filled(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    length = min(rng.choice((4, 16, 256, 4096)), len(data) - at)
    data[at : at + length] = bytes([rng.choice((0, 255, 128))]) * length


def _header_changed(rng: random.Random, data: bytearray) -> None:
    name = rng.choice(tuple(_HEADER))
    at, size = _HEADER[name]
    choices = {
        "version": (0, 1, 2, 3), "depth": (1, 8, 16, 32, 64), "mode": tuple(range(12)),
        "channels": (0, 1, 2, 3, 4, 5, 24, 56, 57, 65535),
    }  # fmt: skip
    sides = (0, 1, 5, 257, 30_000, 30_001, 300_000, 0x7FFFFFFF, 0xFFFFFFFF)
    _put(data, _Field(at, size), rng.choice(choices.get(name, sides)))


def _field_changed(rng: random.Random, data: bytearray) -> None:
    """Change a length, a count, an edge, a channel number or a compression."""
    fields = list(_fields(bytes(data)))
    if not fields:
        return
    field = rng.choice(fields)
    present = int.from_bytes(data[field.at : field.at + field.size], "big")
    near = (present + 1, present - 1, present + 2, present * 2, present // 2, present + len(data), -present)
    _put(data, field, rng.choice((*_INTERESTING, *near)))


def _groups_nested(rng: random.Random, data: bytearray) -> None:
    """Turn dividers of groups around, so that groups lack an end or a beginning."""
    places = []
    at = data.find(_DIVIDER)
    while at >= 0:
        places.append(at + 12)
        at = data.find(_DIVIDER, at + 1)
    if places:
        _put(data, _Field(rng.choice(places), 4), rng.choice((0, 1, 2, 3, 4, 0xFFFFFFFF)))


def _key_changed(rng: random.Random, data: bytearray) -> None:
    """Give a tagged block another key, so that its bytes are read as something else."""
    at = data.find(b"8BIM", rng.randrange(len(data)))
    if 0 <= at <= len(data) - 8:
        keys = (
            b"TySh",
            b"SoLd",
            b"lfx2",
            b"vmsk",
            b"lsct",
            b"luni",
            b"SoCo",
            b"Lr16",
            b"Lr32",
            b"lnk2",
            b"????",
            b"lrFX",
        )
        data[at + 4 : at + 8] = rng.choice(keys)


_CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _bytes_changed, _bit_flipped, _cut, _piece_removed, _piece_repeated, _filled, _header_changed, _header_changed,
    _field_changed, _field_changed, _field_changed, _field_changed, _groups_nested, _key_changed,
)  # fmt: skip


def _put(data: bytearray, field: _Field, value: int) -> None:
    if field.at + field.size <= len(data):
        data[field.at : field.at + field.size] = (value % (1 << 8 * field.size)).to_bytes(field.size, "big")


def _fields(data: bytes) -> Iterator[_Field]:
    """Yield the numbers of a file's structure as far as it can be followed."""
    try:
        yield from _walked(data)
    except (struct.error, IndexError):
        return


def _walked(data: bytes) -> Iterator[_Field]:
    wide = 8 if data[5:6] == b"\2" else 4
    at = 26
    for _ in range(2):  # the colour table and the resources
        yield _Field(at, 4)
        at += 4 + _number(data, at, 4)
    yield _Field(at, wide)
    yield _Field(at + wide, wide)
    merged = at + wide + _number(data, at, wide)
    yield _Field(merged, 2)
    at += 2 * wide
    yield _Field(at, 2)
    count = abs(struct.unpack(">h", data[at : at + 2])[0])
    at += 2
    lengths = []
    for _ in range(count):
        yield from (_Field(at + 4 * edge, 4) for edge in range(4))
        yield _Field(at + 16, 2)
        channels = _number(data, at + 16, 2)
        at += 18
        for _ in range(channels):
            yield _Field(at, 2)
            yield _Field(at + 2, wide)
            lengths.append(_number(data, at + 2, wide))
            at += 2 + wide
        yield from (_Field(at + 8 + one, 1) for one in range(3))
        yield _Field(at + 12, 4)
        yield from (_Field(at + 16 + 4 * one, 4) for one in range(6))  # the mask: length, edges
        at += 16 + _number(data, at + 12, 4)
    for length in lengths:
        yield _Field(at, 2)
        yield _Field(at + 2, 2)
        at += length


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size], "big")
