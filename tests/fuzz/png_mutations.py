"""Damage to PNG files that keeps them PNG files: chunks, their fields and their order, mostly with right checksums."""

from __future__ import annotations

import random
import struct
import zlib

from tests.fuzz.byte_mutations import NUMBERS, bomb
from tests.fuzz.byte_mutations import mutations as bytes_mutated

_MAGIC = b"\x89PNG\r\n\x1a\n"
_KINDS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"iTXt", b"zTXt", b"tEXt",
          b"eXIf", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"bKGD", b"oFFs", b"XXXX", b"\0\0\0\0")  # fmt: skip
Chunks = list[tuple[bytes, bytes]]


def mutations(seed: int, original: bytes) -> bytes:
    """Return a damaged PNG; the same seed makes the same damage."""
    rng = random.Random(seed)
    chunks = _chunks(original)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice((_header, _header, _content, _content, _order, _foreign, _pixels))(rng, chunks)
    return _MAGIC + b"".join(_written(rng, kind, data) for kind, data in chunks)


def _chunks(data: bytes) -> Chunks:
    out, at = [], len(_MAGIC)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        out.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return out


def _written(rng: random.Random, kind: bytes, data: bytes) -> bytes:
    length, checksum = len(data), zlib.crc32(kind + data)
    if rng.random() < 0.02:
        length = rng.choice(NUMBERS)
    if rng.random() < 0.02:
        checksum ^= 1
    return struct.pack(">I", length) + kind + data + struct.pack(">I", checksum)


def _header(rng: random.Random, chunks: Chunks) -> None:
    """Another size, depth, colour type or interlacing than the pixels have."""
    at = next((index for index, (kind, _) in enumerate(chunks) if kind == b"IHDR"), None)
    if at is None or len(chunks[at][1]) != 13:
        return
    fields = list(struct.unpack(">IIBBBBB", chunks[at][1]))
    which = rng.randrange(7)
    if which < 2:
        fields[which] = (
            rng.choice((*NUMBERS, fields[which] + 1, 30_000, 85_000_000, fields[which] * 7)) % 2**32
        )
    else:
        fields[which] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    chunks[at] = (b"IHDR", struct.pack(">IIBBBBB", *fields))


def _content(rng: random.Random, chunks: Chunks) -> None:
    if chunks:
        at = rng.randrange(len(chunks))
        chunks[at] = (chunks[at][0], bytes_mutated(rng.randrange(2**32), chunks[at][1]))


def _order(rng: random.Random, chunks: Chunks) -> None:
    if not chunks:
        return
    at = rng.randrange(len(chunks))
    chunk = chunks.pop(at)
    for _ in range(rng.choice((0, 1, 2))):
        chunks.insert(rng.randrange(len(chunks) + 1), chunk)


def _foreign(rng: random.Random, chunks: Chunks) -> None:
    """A chunk that means something else here, or unpacks to a great deal."""
    kind = rng.choice(_KINDS)
    zeros = bomb(rng.choice((10, 10**6, 3 * 10**7)))
    data = rng.choice((
        b"", rng.randbytes(rng.choice((1, 4, 6, 8, 13, 26, 32, 300))), b"name\0\0" + zeros, b"key\0\1\0\0\0" + zeros,
        b"Exif\0\0II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\xff\xff", struct.pack(">II", rng.choice(NUMBERS), 0),
    ))  # fmt: skip
    chunks.insert(rng.randrange(len(chunks) + 1), (kind, data))


def _pixels(rng: random.Random, chunks: Chunks) -> None:
    """Fewer, more or other bytes than the header promises."""
    at = [index for index, (kind, _) in enumerate(chunks) if kind in (b"IDAT", b"fdAT")]
    if at:
        raw = rng.choice((b"", bytes(10), b"\x07" * 5000, rng.randbytes(3000)))
        chunks[rng.choice(at)] = (b"IDAT", rng.choice((bomb(10**7), zlib.compress(raw))))
