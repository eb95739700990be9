"""How bytes stand in a project file: codings, checksums, tiles that are unpacked when they are needed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from psdstudio.core.geometry import Rect
from psdstudio.core.packed_tiles import PackedTile
from psdstudio.core.tiles import TILE, U8Array, used_box
from psdstudio.errors import FileCorrupt

CHUNK_BYTES = 16 * 2**20
"""Longer data (a smart object's file) is stored in pieces, as a row of SQLite has its limits."""


class Coding(IntEnum):
    """How the bytes of a blob are packed."""

    PLAIN = 0
    """Not at all: packing would not have made them fewer."""
    ZLIB = 1
    PLANES = 2
    """A tile: each channel apart, each row as its difference to the one above (modulo 256), then zlib.

    The predictor is PNG's "Up" (PNG specification, third edition, 9.2). On soft and noisy pictures it takes half the
    time to pack and three fifths of the bytes of zlib alone.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A row of the table of blobs: `digest` is the SHA-256 of the raw bytes, of which there are `raw_bytes`."""

    digest: bytes
    raw_bytes: int
    coding: int
    packed: bytes

    @property
    def checksum(self) -> int:
        """CRC-32 over the packed bytes and what else the row says, so that no part of it can go wrong unnoticed."""
        said = self.digest + self.raw_bytes.to_bytes(8, "big") + self.coding.to_bytes(1, "big")
        return zlib.crc32(self.packed, zlib.crc32(said))


def pack_tile(tile: U8Array, digest: bytes) -> Blob:
    """Pack (256, 256, channels) pixels."""
    planes = np.ascontiguousarray(tile.transpose(2, 0, 1))
    rises = planes.copy()
    rises[:, 1:] -= planes[:, :-1]
    packed, coding = zlib.compress(rises.data, 1), Coding.PLANES
    if len(packed) >= tile.nbytes:
        packed, coding = tile.tobytes(), Coding.PLAIN
    return Blob(digest=digest, raw_bytes=tile.nbytes, coding=coding, packed=packed)


def pack_data(data: bytes, digest: bytes) -> Blob:
    """Pack bytes of any kind."""
    packed, coding = zlib.compress(data, 1), Coding.ZLIB
    if len(packed) >= len(data):
        packed, coding = data, Coding.PLAIN
    return Blob(digest=digest, raw_bytes=len(data), coding=coding, packed=packed)


def chunks_of(data: bytes) -> Iterator[bytes]:
    """Cut data into the pieces that are stored; nothing for no data."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def unpack_data(blob: Blob) -> bytes | None:
    """Return the raw bytes of a blob; None when they are not what it says."""
    if blob.coding == Coding.PLAIN:
        raw = blob.packed
    elif blob.coding == Coding.ZLIB:
        raw = _inflate(blob)
    else:
        return None
    return raw if len(raw) == blob.raw_bytes and hashlib.sha256(raw).digest() == blob.digest else None


def unpack_tile(blob: Blob, channels: int) -> U8Array | None:
    """Return the (256, 256, channels) pixels of a blob; None when they are not what it says."""
    if blob.raw_bytes != TILE * TILE * channels:
        return None
    if blob.coding != Coding.PLANES:
        raw = unpack_data(blob)
        return None if raw is None else np.frombuffer(raw, np.uint8).reshape(TILE, TILE, channels)
    rises = bytearray(_inflate(blob))
    if len(rises) != blob.raw_bytes:
        return None
    planes = np.frombuffer(rises, np.uint8).reshape(channels, TILE, TILE)
    step = 1
    while (
        step < TILE
    ):  # a running sum in eight additions of whole planes: five times as fast as row after row
        planes[:, step:] += planes[:, :-step].copy()
        step *= 2
    tile = np.ascontiguousarray(planes.transpose(1, 2, 0))
    return tile if hashlib.sha256(tile.data).digest() == blob.digest else None


def _inflate(blob: Blob) -> bytes:
    """Unpack at most one byte more than the blob says, so that a small one cannot fill the memory; empty if damaged."""
    try:
        return zlib.decompressobj().decompress(blob.packed, blob.raw_bytes + 1)
    except zlib.error:
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobTile:
    """The packed bytes of a tile, in memory: nothing that happens to the file can take them away."""

    blob: Blob
    channels: int
    fill: int
    bounds: Rect
    file_name: str

    def unpack(self) -> U8Array:
        """Return the pixels.

        Raises:
            FileCorrupt: They are not those that were saved, although the checksum said so when the file was opened.
        """
        tile = unpack_tile(self.blob, self.channels)
        if tile is None or used_box(tile, self.fill) != self.bounds:
            raise FileCorrupt(
                f"A part of “{self.file_name}” is damaged: some of its pixels cannot be shown.",
                "The file was not changed. Delete the layer that cannot be shown, or open a backup of the file.",
            )
        return tile

    def as_tile(self) -> PackedTile:
        """Return what a grid holds until somebody asks for the pixels."""
        shape = (TILE, TILE, self.channels)
        return PackedTile(shape=shape, digest=self.blob.digest, bounds=self.bounds, source=self)
