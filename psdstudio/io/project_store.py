"""The blobs of a project file while it is being saved: what is there stays, what is missing is packed and written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType

from psdstudio.core.packed_tiles import PackedTile
from psdstudio.core.tiles import TileEntry
from psdstudio.io.project_blobs import Blob, BlobTile, chunks_of, pack_data, pack_tile
from psdstudio.io.project_extras import DataNames

_BATCH = 32
"""Blobs packed side by side before they are written: at most 8 MB of tiles wait."""
_MAX_THREADS = 4


class Damaged(Exception):
    """The project at the target is damaged: it cannot be updated, only replaced."""


class BlobStore:
    """Owner of the table `blob` for one save, inside its transaction. One thread; packing spreads over some more.

    `trusted`: blobs that are there are taken to be what their names say. Else their checksums are looked at.
    """

    def __init__(self, db: sqlite3.Connection, *, trusted: bool) -> None:
        """Find out what the file holds."""
        self.tiles_written = 0
        self.bytes_written = 0
        self._db = db
        self._trusted = trusted
        self._present: set[bytes] = {row[0] for row in db.execute("SELECT sha256 FROM blob")}
        self._wanted: set[bytes] = set()
        self._missing: list[Callable[[], Blob]] = []
        self._pool = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1), "save")

    def __enter__(self) -> BlobStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def need_tile(self, tile: TileEntry, digest: bytes) -> None:
        """See to it that the file holds this tile.

        Raises:
            Damaged: It should be there, and something else is.
        """
        if self._is_there(digest):
            return
        self.tiles_written += 1
        self._missing.append(partial(_packed, tile, digest))

    def need_data(self, data: bytes, names: DataNames) -> None:
        """See to it that the file holds these bytes under these names. Raises as `need_tile`."""
        for name, chunk in zip(names, chunks_of(data), strict=True):
            digest = bytes.fromhex(name)
            if not self._is_there(digest):
                self._missing.append(partial(pack_data, chunk, digest))

    def finish(self) -> None:
        """Delete what nobody needs, then write what is missing: mostly into the room that became free."""
        gone = self._present - self._wanted
        self._db.executemany("DELETE FROM blob WHERE sha256 = ?", ((digest,) for digest in gone))
        for start in range(0, len(self._missing), _BATCH):
            for blob in self._pool.map(lambda pack: pack(), self._missing[start : start + _BATCH]):
                row = (blob.digest, blob.raw_bytes, blob.coding, blob.checksum, blob.packed)
                self._db.execute("INSERT INTO blob VALUES (?, ?, ?, ?, ?)", row)
                self.bytes_written += len(blob.packed)

    def _is_there(self, digest: bytes) -> bool:
        if digest in self._wanted:
            return True
        self._wanted.add(digest)
        if digest not in self._present:
            return False
        if not self._trusted and not self._is_sound(digest):
            raise Damaged
        return True

    def _is_sound(self, digest: bytes) -> bool:
        query = "SELECT raw_bytes, coding, crc32, packed FROM blob WHERE sha256 = ?"
        try:
            raw_bytes, coding, checksum, packed = self._db.execute(query, (digest,)).fetchone()
            blob = Blob(digest=digest, raw_bytes=raw_bytes, coding=coding, packed=packed)
            return bool(blob.checksum == checksum)
        except (
            TypeError,
            AttributeError,
            OverflowError,
        ):  # a column of another type, or a name without its row
            return False


def _packed(tile: TileEntry, digest: bytes) -> Blob:
    """Return the blob of a tile; one that was never unpacked is still there as the file had it."""
    if isinstance(tile, PackedTile):
        source = tile.source
        return source.blob if isinstance(source, BlobTile) else pack_tile(tile.array(), digest)
    return pack_tile(tile, digest)
