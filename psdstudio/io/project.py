"""The project file `.psdstudio`: one SQLite database that holds a document without any loss.

Tiles are stored once by content (SHA-256 of the raw bytes, zlib level 1), so saving again writes only what
changed, in one transaction; a new file is written beside its place and renamed. Layout:

- `application_id` and `user_version` in the header say "PSDStudio project" and which version of it;
- `manifest`: one row, JSON (`psdstudio.io.project_schema`);
- `tile`: which blob stands where in which raster of which layer;
- `blob`: raw size and compressed bytes by hash;
- `note`: free text by key (recovery keeps its own there).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileCorrupt, FileError, FileWriteFailed
from psdstudio.io.files import SAFE, refuse_read_only, staged_file, write_error
from psdstudio.io.project_load import APPLICATION_ID, VERSION, ProjectLimits, load_project, read_notes
from psdstudio.io.project_schema import nesting, rasters_of, to_manifest

__all__ = [
    "EXTENSION",
    "ProjectLimits",
    "SaveReport",
    "TileHashes",
    "load_project",
    "read_notes",
    "save_project",
]

EXTENSION = ".psdstudio"
MAX_NESTING = 64
"""Photoshop allows 10; the reader of the manifest gives up at about 90."""
_TABLES = """
CREATE TABLE manifest (id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL);
CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blob (sha256 BLOB PRIMARY KEY, raw_bytes INTEGER NOT NULL, zlib BLOB NOT NULL);
CREATE TABLE tile (layer TEXT NOT NULL, raster TEXT NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL,
                   blob BLOB NOT NULL, PRIMARY KEY (layer, raster, x, y)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReport:
    """How much a save had to write: tiles that the file did not hold yet, and their compressed bytes."""

    tiles: int
    tiles_written: int
    bytes_written: int


@dataclass(slots=True)
class TileHashes:
    """Remembers the hash of tiles as long as they live, so that saving again does not read every pixel.

    One thread at a time: the owner of the saves.
    """

    _known: dict[int, tuple[weakref.ref[U8Array], bytes]] = field(default_factory=dict)

    def digest(self, tile: U8Array) -> bytes:
        """Return the SHA-256 of a tile's raw bytes."""
        key = id(tile)
        known = self._known.get(key)
        if known is not None and known[0]() is tile:
            return known[1]
        digest = hashlib.sha256(tile.tobytes()).digest()
        self._known[key] = (weakref.ref(tile, lambda _: self._known.pop(key, None)), digest)
        return digest


def save_project(
    document: Document,
    path: Path,
    *,
    hashes: TileHashes | None = None,
    notes: Mapping[str, str] | None = None,
    trust_stored: bool = False,
) -> SaveReport:
    """Write the document to `path`, completely or not at all.

    A project that is already there is updated in one transaction; anything else there is replaced by a whole
    new file. `notes` replaces the file's notes. Tiles that the file holds already are read and compared before
    they are left as they are, unless `trust_stored`: for a file that nobody else can have touched.

    Raises:
        FileWriteFailed: The disk is full, the folder cannot be written; what was there before is untouched.
    """
    if nesting(document.layers) > MAX_NESTING:
        raise FileWriteFailed(
            f"“{path.name}” was not saved because its groups are nested more than {MAX_NESTING} deep.",
            f"{SAFE} Take some layers out of their groups.",
        )
    hashes = hashes or TileHashes()
    notes = notes or {}
    if _is_current_project(path):
        refuse_read_only(path)
        with contextlib.suppress(_Damaged):
            return _save_into(path, document, hashes, notes, trust_stored=trust_stored)
    with staged_file(path) as staged:
        try:
            report = _save_into(staged, document, hashes, notes, create=True)
        finally:
            with contextlib.suppress(OSError):
                staged.with_name(staged.name + "-journal").unlink()
        # SQLite syncs at commit unless the build turns it off; the rename must never come before the bytes.
        with open(staged, "rb") as written:
            os.fsync(written.fileno())
        # What a crash left beside the file that is replaced would be rolled back into the new one.
        path.resolve().with_name(path.resolve().name + "-journal").unlink(missing_ok=True)
    return report


class _Damaged(Exception):
    """The project at the target is damaged: it cannot be updated, only replaced."""


def _is_current_project(path: Path) -> bool:
    """Whether `path` holds a project of this version (an older or newer one is replaced as a whole)."""
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except OSError:
        return False
    return (
        header.startswith(b"SQLite format 3\0")
        and header[68:72] == APPLICATION_ID.to_bytes(4, "big")
        and header[60:64] == VERSION.to_bytes(4, "big")
    )


def _save_into(
    path: Path,
    document: Document,
    hashes: TileHashes,
    notes: Mapping[str, str],
    *,
    create: bool = False,
    trust_stored: bool = True,
) -> SaveReport:
    with _writing(path, create=create) as db:
        present = {row[0] for row in db.execute("SELECT sha256 FROM blob")}
        sound = set(present) if trust_stored else set()
        tiles, written, written_bytes = 0, 0, 0
        rows: list[tuple[str, str, int, int, bytes]] = []
        for (layer_id, kind), grid in rasters_of(document).items():
            for (x, y), tile in grid.tiles.items():
                digest = hashes.digest(tile)
                rows.append((layer_id, kind, x, y, digest))
                tiles += 1
                if digest in present and digest not in sound:
                    if not _is_stored(db, digest, tile):
                        raise _Damaged
                    sound.add(digest)
                if digest not in present:
                    raw = tile.tobytes()
                    packed = zlib.compress(raw, 1)
                    db.execute("INSERT INTO blob VALUES (?, ?, ?)", (digest, len(raw), packed))
                    present.add(digest)
                    sound.add(digest)
                    written += 1
                    written_bytes += len(packed)
        _replace_tiles(db, rows)
        db.execute("DELETE FROM blob WHERE sha256 NOT IN (SELECT blob FROM tile)")
        db.execute(
            "INSERT OR REPLACE INTO manifest VALUES (1, ?)", (to_manifest(document).model_dump_json(),)
        )
        db.execute("DELETE FROM note")
        db.executemany("INSERT INTO note VALUES (?, ?)", notes.items())
    return SaveReport(tiles=tiles, tiles_written=written, bytes_written=written_bytes)


def _is_stored(db: sqlite3.Connection, digest: bytes, tile: U8Array) -> bool:
    """Whether the blob under this hash unpacks to the tile: its name alone says nothing after a disk fault."""
    (packed,) = db.execute("SELECT zlib FROM blob WHERE sha256 = ?", (digest,)).fetchone() or (None,)
    if not isinstance(packed, bytes):
        return False
    try:
        return zlib.decompressobj().decompress(packed, tile.nbytes + 1) == tile.tobytes()
    except zlib.error:
        return False


def _replace_tiles(db: sqlite3.Connection, rows: list[tuple[str, str, int, int, bytes]]) -> None:
    """Bring the tile table to `rows`, touching only the rows that differ."""
    wanted = {row[:4]: row[4] for row in rows}
    stored = {row[:4]: row[4] for row in db.execute("SELECT layer, raster, x, y, blob FROM tile")}
    gone = [key for key in stored if key not in wanted]
    changed = [(*key, digest) for key, digest in wanted.items() if stored.get(key) != digest]
    db.executemany("DELETE FROM tile WHERE layer = ? AND raster = ? AND x = ? AND y = ?", gone)
    db.executemany("INSERT OR REPLACE INTO tile VALUES (?, ?, ?, ?, ?)", changed)


@contextlib.contextmanager
def _writing(path: Path, *, create: bool) -> Iterator[sqlite3.Connection]:
    """Lend a connection inside one transaction; commit at the end, roll back on any exception."""
    db: sqlite3.Connection | None = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        if create:
            db.execute("PRAGMA auto_vacuum = FULL")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        if create:
            for statement in filter(str.strip, _TABLES.split(";")):
                db.execute(statement)
        yield db
        db.execute("COMMIT")
    except sqlite3.Error as exc:
        raise _sqlite_error(path, exc, create=create) from exc
    finally:
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                if db.in_transaction:
                    db.execute("ROLLBACK")
            db.close()


def _sqlite_error(path: Path, exc: sqlite3.Error, *, create: bool) -> FileError | OSError | _Damaged:
    """Say what SQLite's error means for the user's file; an `OSError` is worded by `staged_file`."""
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    numbers = {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_READONLY: errno.EACCES,
        sqlite3.SQLITE_PERM: errno.EACCES,
        sqlite3.SQLITE_CANTOPEN: errno.EACCES,
        sqlite3.SQLITE_IOERR: errno.EIO,
    }
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        failed = write_error(path, OSError(errno.EBUSY, "another program is writing to it"))
        failed.hint = f"{SAFE} Close the other program, or save under another name."
        return failed
    if code in numbers:
        system = OSError(numbers[code], str(exc))
        return system if create else write_error(path, system)
    if code in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
    }:
        if not create:
            return _Damaged()
        return FileCorrupt(f"“{path.name}” was not saved ({exc}).", SAFE)
    return write_error(path, OSError(errno.EIO, str(exc)))
