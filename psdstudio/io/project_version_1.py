"""Reading version 1 of the project file: no profile, guides or foreign pieces, tiles in zlib without checksums.

As nothing but the hash of its pixels tells whether a tile is sound, all tiles are unpacked at once.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from pathlib import Path

import numpy as np

from psdstudio.core.layers import LayerId
from psdstudio.core.tiles import TILE, TileGrid, TileKey, U8Array
from psdstudio.io.project_limits import ProjectLimits, corrupt, is_tile_position, too_many_pixels
from psdstudio.io.project_schema import RasterKey, RasterRecord


def migrated(text: str) -> str:
    """Return the manifest of version 2 that says what this one of version 1 says.

    Raises:
        ValueError, RecursionError: It is no JSON object. Anything else that is wrong is left for the schema to find.
    """
    manifest = json.loads(text)
    if not isinstance(manifest, dict):
        raise ValueError("the manifest is no object")
    manifest = {"profile": None, "guides": [], "foreign": None, **manifest}
    _add_foreign(manifest.get("layers"))
    return json.dumps(manifest)


def _add_foreign(layers: object) -> None:
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict):
            layer.setdefault("foreign", None)
            _add_foreign(layer.get("children"))


def rasters(
    db: sqlite3.Connection, records: dict[RasterKey, RasterRecord], path: Path, limits: ProjectLimits
) -> dict[RasterKey, TileGrid]:
    """Return every raster with its pixels.

    Raises:
        FileCorrupt, FileTooLarge: as `psdstudio.io.project_load.load_project`.
    """
    (count,) = db.execute("SELECT count(*) FROM tile").fetchone()
    (raw_bytes,) = db.execute("SELECT coalesce(sum(raw_bytes), 0) FROM blob").fetchone()
    if count > limits.max_tiles or not isinstance(raw_bytes, int) or raw_bytes > limits.max_raw_bytes:
        raise too_many_pixels(path)
    tiles: dict[RasterKey, dict[TileKey, U8Array]] = {key: {} for key in records}
    unpacked: dict[bytes, U8Array] = {}
    held_bytes = 0
    for layer, raster, x, y, digest in db.execute("SELECT layer, raster, x, y, blob FROM tile"):
        key: RasterKey = (LayerId(str(layer)), raster)
        record = records.get(key)
        if (
            record is None
            or not (is_tile_position(x) and is_tile_position(y))
            or not isinstance(digest, bytes)
        ):
            raise corrupt(path)
        if digest not in unpacked:
            unpacked[digest] = _unpack(db, digest, record.channels, path)
            held_bytes += unpacked[digest].nbytes
            if held_bytes > limits.max_raw_bytes:  # the sizes that the file states are only what it states
                raise too_many_pixels(path)
        tile = unpacked[digest]
        if tile.shape[2] != record.channels:
            raise corrupt(path)
        tiles[key][x, y] = tile
    return {
        key: TileGrid(tiles[key], channels=record.channels, fill=record.fill)
        for key, record in records.items()
    }


def _unpack(db: sqlite3.Connection, digest: bytes, channels: int, path: Path) -> U8Array:
    """Return the tile of a blob, (256, 256, channels) uint8, after checking its size and its hash."""
    row = db.execute("SELECT zlib FROM blob WHERE sha256 = ?", (digest,)).fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise corrupt(path)
    wanted = TILE * TILE * channels
    try:
        raw = zlib.decompressobj().decompress(row[0], wanted + 1)
    except zlib.error as exc:
        raise corrupt(path) from exc
    if len(raw) != wanted or hashlib.sha256(raw).digest() != digest:
        raise corrupt(path)
    return np.frombuffer(raw, np.uint8).reshape(TILE, TILE, channels)
