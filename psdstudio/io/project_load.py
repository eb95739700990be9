"""Reading a project file that may be truncated, foreign, newer or hostile: a document or a sentence."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.core.tiles import TILE, TileGrid, TileKey, U8Array
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.files import checked_size, read_error
from psdstudio.io.project_schema import Manifest, RasterKey, RasterRecord, raster_records, to_document

APPLICATION_ID = 0x50534453
"""`PSDS`: tells `file` and us that an SQLite database is a PSDStudio project."""
VERSION = 1
"""Version of the project layout, in `user_version`."""
_MAX_TILE_POSITION = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimits:
    """Bounds on everything that a project file claims, so that a damaged one cannot fill the memory."""

    max_file_bytes: int = 16 * 2**30
    max_manifest_bytes: int = 64 * 2**20
    max_layers: int = 8_000
    max_tiles: int = 500_000
    max_raw_bytes: int = 8 * 2**30


def load_project(path: Path, limits: ProjectLimits = ProjectLimits()) -> Document:
    """Read a document; equal to the one that was saved.

    Raises:
        FileUnsupported: It is no project, or one that a newer PSDStudio wrote.
        FileCorrupt: It is truncated or damaged.
        FileTooLarge: It claims more than `limits`.
        FileError: It cannot be read.
    """
    with _reading(path, limits) as db:
        row = db.execute("SELECT json FROM manifest WHERE id = 1").fetchone()
        if row is None or not isinstance(row[0], str):
            raise _corrupt(path)
        manifest = _manifest(row[0], path, limits)
        rasters = _rasters(db, raster_records(manifest), path, limits)
    try:
        document = to_document(manifest, rasters)
    except (ValueError, KeyError) as exc:
        raise _corrupt(path) from exc
    if document.validate():
        raise _corrupt(path)
    return document


def read_notes(path: Path) -> dict[str, str]:
    """Return the notes of a project file. Raises as `load_project`."""
    with _reading(path, ProjectLimits()) as db:
        return {str(key): str(value) for key, value in db.execute("SELECT key, value FROM note LIMIT 100")}


@contextlib.contextmanager
def _reading(path: Path, limits: ProjectLimits) -> Iterator[sqlite3.Connection]:
    _check_header(path, limits)
    db: sqlite3.Connection | None = None
    try:
        # A journal left by a crash must be rolled back before reading, which needs the right to write.
        mode = "rw" if path.with_name(path.name + "-journal").exists() else "ro"
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0, isolation_level=None
        )
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.max_manifest_bytes)
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("BEGIN")
        kinds = {row[0] for row in db.execute("SELECT type FROM sqlite_master")}
        if not kinds <= {"table", "index"}:  # a view or trigger would run somebody else's statements
            raise _corrupt(path)
        yield db
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise FileError(
                f"“{path.name}” is being written by another program.", "Try again in a moment."
            ) from exc
        raise _corrupt(path) from exc
    finally:
        if db is not None:
            db.close()


def _check_header(path: Path, limits: ProjectLimits) -> None:
    """Tell foreign, newer and truncated files apart before SQLite touches them.

    Source: SQLite database file format, section 1.3.
    """
    size = checked_size(path, limits.max_file_bytes, "project")
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except OSError as exc:
        raise read_error(path, exc) from exc
    magic = b"SQLite format 3\0"
    if len(header) < 100 and magic.startswith(header[: len(magic)]):
        raise _corrupt(path)
    if not header.startswith(magic) or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise FileUnsupported(
            f"“{path.name}” is not a PSDStudio project.",
            "Nothing was changed. Project files end in .psdstudio.",
        )
    version = int.from_bytes(header[60:64], "big")
    if version > VERSION:
        raise FileUnsupported(
            f"“{path.name}” was saved by a newer PSDStudio (project version {version}, not {VERSION}).",
            "Nothing was changed. Open it with the newer PSDStudio.",
        )
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    pages = int.from_bytes(header[28:32], "big")
    if version != VERSION or pages * page_bytes > size:
        raise _corrupt(path)


def _manifest(text: str, path: Path, limits: ProjectLimits) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except (ValidationError, RecursionError) as exc:
        raise _corrupt(path) from exc
    if text.count('"kind"') > limits.max_layers:
        raise FileTooLarge(
            f"“{path.name}” holds more than {limits.max_layers:,} layers.", "Nothing was opened or changed."
        )
    return manifest


def _rasters(
    db: sqlite3.Connection, records: dict[RasterKey, RasterRecord], path: Path, limits: ProjectLimits
) -> dict[RasterKey, TileGrid]:
    (count,) = db.execute("SELECT count(*) FROM tile").fetchone()
    (raw_bytes,) = db.execute("SELECT coalesce(sum(raw_bytes), 0) FROM blob").fetchone()
    if count > limits.max_tiles or not isinstance(raw_bytes, int) or raw_bytes > limits.max_raw_bytes:
        raise _too_many_pixels(path)
    tiles: dict[RasterKey, dict[TileKey, U8Array]] = {key: {} for key in records}
    unpacked: dict[bytes, U8Array] = {}
    held_bytes = 0
    for layer, raster, x, y, digest in db.execute("SELECT layer, raster, x, y, blob FROM tile"):
        key: RasterKey = (LayerId(str(layer)), raster)
        record = records.get(key)
        if record is None or not (_is_position(x) and _is_position(y)) or not isinstance(digest, bytes):
            raise _corrupt(path)
        if digest not in unpacked:
            unpacked[digest] = _unpack(db, digest, record.channels, path)
            held_bytes += unpacked[digest].nbytes
            if held_bytes > limits.max_raw_bytes:  # the sizes that the file states are only what it states
                raise _too_many_pixels(path)
        tile = unpacked[digest]
        if tile.shape[2] != record.channels:
            raise _corrupt(path)
        tiles[key][x, y] = tile
    return {
        key: TileGrid(tiles[key], channels=record.channels, fill=record.fill)
        for key, record in records.items()
    }


def _unpack(db: sqlite3.Connection, digest: bytes, channels: int, path: Path) -> U8Array:
    """Return the tile of a blob, (256, 256, channels) uint8, after checking its size and its hash."""
    row = db.execute("SELECT zlib FROM blob WHERE sha256 = ?", (digest,)).fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise _corrupt(path)
    wanted = TILE * TILE * channels
    try:
        raw = zlib.decompressobj().decompress(row[0], wanted + 1)
    except zlib.error as exc:
        raise _corrupt(path) from exc
    if len(raw) != wanted or hashlib.sha256(raw).digest() != digest:
        raise _corrupt(path)
    return np.frombuffer(raw, np.uint8).reshape(TILE, TILE, channels)


def _is_position(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= _MAX_TILE_POSITION


def _too_many_pixels(path: Path) -> FileTooLarge:
    return FileTooLarge(
        f"“{path.name}” holds more pixels than can be opened.", "Nothing was opened or changed."
    )


def _corrupt(path: Path) -> FileCorrupt:
    return FileCorrupt(
        f"“{path.name}” is damaged or incomplete and cannot be opened.",
        "The file was not changed. Open a backup of it; unsaved work is offered when PSDStudio starts.",
    )
