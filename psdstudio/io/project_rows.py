"""The tables of a project file (version 2): their layout, the seal over them, and reading them without trust.

- `manifest`: one row, JSON (`psdstudio.io.project_schema`), and the seal: SHA-256 over it and all rows of `tile`;
- `tile`: which blob stands where in which raster of which layer, and the tight box of what matters in it;
- `blob`: bytes by the SHA-256 of what they unpack to, with a checksum of what they are packed;
- `note`: free text by key (recovery keeps its own there).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import LayerId
from psdstudio.core.packed_tiles import PackedTile
from psdstudio.core.tiles import TILE, TileGrid, TileKey
from psdstudio.io.project_blobs import CHUNK_BYTES, Blob, BlobTile, unpack_data
from psdstudio.io.project_extras import DataNames
from psdstudio.io.project_limits import ProjectLimits, corrupt, is_tile_position, too_many_pixels
from psdstudio.io.project_schema import RasterKey, RasterRecord

TABLES = (
    "CREATE TABLE manifest (id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL, seal BLOB NOT NULL)",
    "CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # The packed bytes last: whoever reads the other columns need not walk over them.
    "CREATE TABLE blob (sha256 BLOB PRIMARY KEY, raw_bytes INTEGER NOT NULL, coding INTEGER NOT NULL,"
    " crc32 INTEGER NOT NULL, packed BLOB NOT NULL)",
    "CREATE TABLE tile (layer TEXT NOT NULL, raster TEXT NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL,"
    " blob BLOB NOT NULL, box_x INTEGER NOT NULL, box_y INTEGER NOT NULL, box_width INTEGER NOT NULL,"
    " box_height INTEGER NOT NULL, PRIMARY KEY (layer, raster, x, y)) WITHOUT ROWID",
)
SELECT_TILES = "SELECT layer, raster, x, y, blob, box_x, box_y, box_width, box_height FROM tile"
_SELECT_BLOBS = "SELECT sha256, raw_bytes, coding, crc32, packed FROM blob"


def has_our_tables(db: sqlite3.Connection) -> bool:
    """Whether a database has exactly the tables of this version.

    A view, a trigger, a virtual table or a generated column would run somebody else's statements, also while saving.
    """
    found = {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    return found == set(TABLES)


class TileRow(NamedTuple):
    """A row of `tile`; the box in pixels of the tile."""

    layer: str
    raster: str
    x: int
    y: int
    blob: bytes
    box_x: int
    box_y: int
    box_width: int
    box_height: int

    @property
    def box(self) -> Rect:
        """The tight box of what matters."""
        return Rect(self.box_x, self.box_y, self.box_width, self.box_height)


def seal_of(manifest: str, rows: Iterable[TileRow]) -> bytes:
    """Return the SHA-256 over the manifest and the rows in order: what SQLite itself does not notice, this does."""
    seal = hashlib.sha256(manifest.encode("utf-8", "surrogatepass"))
    for row in sorted(rows):
        seal.update("\0".join(map(str, (row.layer, row.raster, row.x, row.y, *row.box))).encode())
        seal.update(row.blob)
    return seal.digest()


def read_tile_rows(db: sqlite3.Connection, path: Path, limits: ProjectLimits) -> list[TileRow]:
    """Return all rows of `tile`, their types, places and boxes checked.

    Raises:
        FileCorrupt, FileTooLarge: as `psdstudio.io.project_load.load_project`.
    """
    (count,) = db.execute("SELECT count(*) FROM tile").fetchone()
    if count > limits.max_tiles:
        raise too_many_pixels(path)
    rows = []
    for values in db.execute(SELECT_TILES):
        if not _is_sound(*values):
            raise corrupt(path)
        rows.append(TileRow._make(values))
    return rows


def _is_sound(layer: object, raster: object, x: object, y: object, blob: object, *box: object) -> bool:
    texts_and_blob = isinstance(layer, str) and isinstance(raster, str) and isinstance(blob, bytes)
    sides = [number for number in box if isinstance(number, int) and 0 <= number <= TILE]
    if not texts_and_blob or len(sides) != 4:
        return False
    inside = sides[0] + sides[2] <= TILE and sides[1] + sides[3] <= TILE
    return inside and is_tile_position(x) and is_tile_position(y)


def read_blobs(
    db: sqlite3.Connection, wanted: set[bytes], path: Path, limits: ProjectLimits
) -> dict[bytes, Blob]:
    """Return the wanted blobs, their checksums checked, still packed: of the file itself nothing is needed any more.

    Raises:
        FileCorrupt, FileTooLarge: as `psdstudio.io.project_load.load_project`.
    """
    found: dict[bytes, Blob] = {}
    raw_bytes = 0
    for digest, size, coding, checksum, packed in db.execute(_SELECT_BLOBS):
        if digest not in wanted:
            continue
        if not (isinstance(size, int) and isinstance(coding, int) and isinstance(packed, bytes)):
            raise corrupt(path)
        # What packing would have made longer is stored plain, so no sound blob is longer than its raw bytes.
        if not (0 < size <= CHUNK_BYTES and 0 <= coding < 256 and len(packed) <= size):
            raise corrupt(path)
        raw_bytes += size
        if raw_bytes > limits.max_raw_bytes:
            raise too_many_pixels(path)
        blob = Blob(digest=digest, raw_bytes=size, coding=coding, packed=packed)
        if blob.checksum != checksum:
            raise corrupt(path)
        found[digest] = blob
    if found.keys() != wanted:
        raise corrupt(path)
    return found


def grids_of(
    rows: Iterable[TileRow], records: dict[RasterKey, RasterRecord], blobs: dict[bytes, Blob], path: Path
) -> dict[RasterKey, TileGrid]:
    """Return every raster with its tiles still packed; equal tiles are one object.

    Raises:
        FileCorrupt: A row belongs to no raster, or a blob has not the size of a tile.
    """
    entries: dict[RasterKey, dict[TileKey, PackedTile]] = {key: {} for key in records}
    made: dict[tuple[bytes, int, Rect], PackedTile] = {}
    for row in rows:
        key: RasterKey = (LayerId(row.layer), row.raster)  # type: ignore[assignment]  # looked up in the next line
        record = records.get(key)
        if record is None:
            raise corrupt(path)
        blob = blobs[row.blob]
        if blob.raw_bytes != TILE * TILE * record.channels:
            raise corrupt(path)
        same = (row.blob, record.fill, row.box)
        if same not in made:
            made[same] = BlobTile(
                blob=blob, channels=record.channels, fill=record.fill, bounds=row.box, file_name=path.name
            ).as_tile()
        entries[key][row.x, row.y] = made[same]
    return {
        key: TileGrid(entries[key], channels=record.channels, fill=record.fill)
        for key, record in records.items()
    }


def data_in(blobs: dict[bytes, Blob], names: DataNames, path: Path) -> bytes:
    """Return the bytes that a manifest names.

    Raises:
        FileCorrupt: A blob does not unpack to what its name says.
    """
    pieces = []
    for name in names:
        piece = unpack_data(blobs[bytes.fromhex(name)])
        if piece is None:
            raise corrupt(path)
        pieces.append(piece)
    return b"".join(pieces)
