"""The project file `.psdstudio`: one SQLite database that holds a document without any loss.

Tiles are stored once by content (SHA-256 of the raw bytes), so saving again writes only what changed, in one
transaction; a new file is written beside its place and renamed. `application_id` and `user_version` in the header say
"PSDStudio project" and which version of it; `psdstudio.io.project_rows` describes the tables.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from psdstudio.core.document import Document
from psdstudio.errors import FileCorrupt, FileError, FileWriteFailed
from psdstudio.io.files import SAFE, refuse_read_only, staged_file, write_error
from psdstudio.io.project_extras import data_of
from psdstudio.io.project_limits import ProjectLimits
from psdstudio.io.project_load import APPLICATION_ID, ROLLBACK_JOURNAL, VERSION, load_project, read_notes
from psdstudio.io.project_memory import TileHashes
from psdstudio.io.project_rows import SELECT_TILES, TABLES, TileRow, has_our_tables, seal_of
from psdstudio.io.project_schema import nesting, rasters_of, to_manifest
from psdstudio.io.project_store import BlobStore, Damaged

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
_PAGE_BYTES = 16_384
"""Packed tiles have 50 to 250 kB: four times SQLite's page makes reading them a fifth faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReport:
    """How much a save had to write: tiles that the file did not hold yet, and their packed bytes."""

    tiles: int
    tiles_written: int
    bytes_written: int


def save_project(
    document: Document,
    path: Path,
    *,
    hashes: TileHashes | None = None,
    notes: Mapping[str, str] | None = None,
    trust_stored: bool = False,
) -> SaveReport:
    """Write the document to `path`, completely or not at all.

    A project that is already there is updated in one transaction; anything else there, a project of another version
    too, is replaced by a whole new file. `notes` replaces the file's notes. What the file holds already is held
    against its checksums before it is left as it is, unless `hashes` remembers the very file as sound, or
    `trust_stored`: for a file that nobody else can have touched.

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
    try:
        report = _save(document, path, hashes, notes, trust_stored=trust_stored)
    except _UnwritableText as exc:
        raise FileWriteFailed(
            f"“{path.name}” was not saved because a name or a text in it has characters that no file can hold.",
            f"{SAFE} Rename the layer that was pasted last.",
        ) from exc
    hashes.found_sound(path, hashes.stamp(path))
    return report


class _UnwritableText(Exception):
    """A text in the document is no Unicode (half of a surrogate pair)."""


def _save(
    document: Document, path: Path, hashes: TileHashes, notes: Mapping[str, str], *, trust_stored: bool
) -> SaveReport:
    if _is_current_project(path):
        refuse_read_only(path)
        trusts = trust_stored or hashes.is_sound(path)
        with contextlib.suppress(Damaged):
            return _save_into(path, document, hashes, notes, trust_stored=trusts)
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
        and header[18:20] == ROLLBACK_JOURNAL
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
    rows: list[TileRow] = []
    with _writing(path, create=create) as db, BlobStore(db, trusted=trust_stored) as store:
        for (layer_id, kind), grid in rasters_of(document).items():
            for (x, y), tile in grid.entries.items():
                digest, box = hashes.facts(tile, grid.fill)
                rows.append(TileRow(layer_id, kind, x, y, digest, *box))
                store.need_tile(tile, digest)
        data = list(data_of(document))
        for each in data:
            store.need_data(each, hashes.names(each))
        hashes.forget_all_but(data)
        store.finish()
        _replace_tiles(db, rows)
        manifest = _manifest_text(document, hashes)
        db.execute("INSERT OR REPLACE INTO manifest VALUES (1, ?, ?)", (manifest, seal_of(manifest, rows)))
        db.execute("DELETE FROM note")
        db.executemany("INSERT INTO note VALUES (?, ?)", notes.items())
    return SaveReport(tiles=len(rows), tiles_written=store.tiles_written, bytes_written=store.bytes_written)


def _manifest_text(document: Document, hashes: TileHashes) -> str:
    try:
        return to_manifest(document, hashes.names).model_dump_json()
    except (ValidationError, PydanticSerializationError) as exc:
        raise _UnwritableText from exc


def _replace_tiles(db: sqlite3.Connection, rows: list[TileRow]) -> None:
    """Bring the tile table to `rows`, touching only the rows that differ."""
    wanted = {row[:4]: row for row in rows}
    stored = {values[:4]: values for values in db.execute(SELECT_TILES)}
    gone = [key for key in stored if key not in wanted]
    changed = [row for key, row in wanted.items() if stored.get(key) != row]
    db.executemany("DELETE FROM tile WHERE layer = ? AND raster = ? AND x = ? AND y = ?", gone)
    db.executemany("INSERT OR REPLACE INTO tile VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", changed)


@contextlib.contextmanager
def _writing(path: Path, *, create: bool) -> Iterator[sqlite3.Connection]:
    """Lend a connection inside one transaction; commit at the end, roll back on any exception."""
    db: sqlite3.Connection | None = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        if create:
            db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum = FULL")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        if create:
            for statement in TABLES:
                db.execute(statement)
        elif not has_our_tables(db):
            raise Damaged
        yield db
        db.execute("COMMIT")
    except sqlite3.Error as exc:
        raise _sqlite_error(path, exc, create=create) from exc
    except UnicodeDecodeError as exc:  # SQLite quotes a damaged schema in its message
        raise Damaged from exc
    finally:
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                if db.in_transaction:
                    db.execute("ROLLBACK")
            db.close()


def _sqlite_error(path: Path, exc: sqlite3.Error, *, create: bool) -> FileError | OSError | Damaged:
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
            return Damaged()
        return FileCorrupt(f"“{path.name}” was not saved ({exc}).", SAFE)
    return write_error(path, OSError(errno.EIO, str(exc)))
