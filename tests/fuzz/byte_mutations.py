"""Damage that knows no format: bits, bytes, cut, repeated, moved and foreign pieces, numbers that readers trip over."""

from __future__ import annotations

import random
import zlib
from functools import cache

NUMBERS = (0, 1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)


@cache
def bomb(raw_bytes: int) -> bytes:
    """Return that many zeros in zlib, a thousandth of the size."""
    return zlib.compress(bytes(raw_bytes), 9)


def mutations(seed: int, original: bytes) -> bytes:
    """Return a damaged copy; the same seed makes the same damage. Usually one to four things are wrong with it."""
    rng = random.Random(seed)
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 2, 4, 30))):
        rng.choice(_WAYS)(rng, data)
    return bytes(data)


def _at(rng: random.Random, data: bytearray) -> int:
    # Headers hold what decides most, and they are short.
    return rng.randrange(min(len(data), 200) if rng.random() < 0.4 else len(data)) if data else 0


def _flip(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_at(rng, data)] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_at(rng, data)] = rng.randrange(256)


def _number(rng: random.Random, data: bytearray) -> None:
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(NUMBERS) % (1 << 8 * width)
    at = _at(rng, data)
    data[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _cut_off(rng: random.Random, data: bytearray) -> None:
    if rng.random() < 0.3:  # rarely: what is left seldom gets far
        del data[_at(rng, data) :]


def _take_out(rng: random.Random, data: bytearray) -> None:
    at = _at(rng, data)
    del data[at : at + rng.choice((1, 2, 4, 100, 5000))]


def _put_in(rng: random.Random, data: bytearray) -> None:
    at = _at(rng, data)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = _at(rng, data)
    data[at:at] = data[at : at + rng.choice((4, 40, 4000))]


def _copy_over(rng: random.Random, data: bytearray) -> None:
    at, length = _at(rng, data), rng.choice((4, 16, 400))
    piece = data[at : at + length]
    to = _at(rng, data)
    data[to : to + len(piece)] = piece


def _zero(rng: random.Random, data: bytearray) -> None:
    at, length = _at(rng, data), rng.choice((4, 512, 4096))
    piece = bytes(len(data[at : at + length]))
    data[at : at + length] = piece


_WAYS = (
    _flip,
    _flip,
    _byte,
    _byte,
    _number,
    _number,
    _cut_off,
    _take_out,
    _put_in,
    _repeat,
    _copy_over,
    _zero,
)
