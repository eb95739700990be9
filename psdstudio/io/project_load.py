"""Reading a project file that may be truncated, foreign, newer or hostile: a document or a sentence.

All packed bytes are read and checked against their checksums when the file is opened, and tiles are unpacked when
they are needed. After that nothing is wanted from the file: it may be moved, written over or deleted, and neither
the document nor any undo step loses a tile.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from psdstudio.core.document import Document
from psdstudio.errors import FileError, FileTooLarge, FileUnsupported
from psdstudio.io import project_version_1, project_version_2
from psdstudio.io.files import checked_size, read_error
from psdstudio.io.project_limits import ProjectLimits, corrupt, too_many_pixels
from psdstudio.io.project_memory import TileHashes
from psdstudio.io.project_rows import data_in, grids_of, has_our_tables, read_blobs, read_tile_rows, seal_of
from psdstudio.io.project_schema import Manifest, data_names, raster_records, to_document

APPLICATION_ID = 0x50534453
"""`PSDS`: tells `file` and us that an SQLite database is a PSDStudio project."""
ROLLBACK_JOURNAL = b"\1\1"
"""How our files are written to, in bytes 18 and 19 (SQLite database file format, section 1.3)."""
VERSION = 3
"""Version of the project layout, in `user_version`."""


def load_project(
    path: Path, limits: ProjectLimits = ProjectLimits(), *, hashes: TileHashes | None = None
) -> Document:
    """Read a document; equal to the one that was saved. Its tiles are still packed.

    `hashes` remembers that this file was found sound, so that saving to it again need not look.

    Raises:
        FileUnsupported: It is no project, or one that a newer PSDStudio wrote.
        FileCorrupt: It is truncated or damaged.
        FileTooLarge: It claims more than `limits`, or there is not enough memory for it.
        FileError: It cannot be read.
    """
    read = {1: _document_of_version_1, 2: _document_of_version_2, VERSION: _document}
    try:
        with _reading(path, limits) as (db, version):
            stamp = None if hashes is None else hashes.stamp(path)
            document = read[version](db, path, limits)
    except MemoryError as exc:
        raise too_many_pixels(path) from exc
    if document.validate():
        raise corrupt(path)
    if hashes is not None and version == VERSION:
        hashes.found_sound(path, stamp)
    return document


def _document(
    db: sqlite3.Connection, path: Path, limits: ProjectLimits, migrated: Callable[[str], str] = str
) -> Document:
    """Return the document; `migrated` makes a manifest of this version of the one that is there."""
    if not has_our_tables(db):
        raise corrupt(path)
    text, seal = _one_row(db, "SELECT json, seal FROM manifest WHERE id = 1", path)
    rows = read_tile_rows(db, path, limits)
    if seal != seal_of(text, rows):
        raise corrupt(path)
    try:
        manifest = _manifest(migrated(text), path, limits)
    except (ValueError, RecursionError) as exc:
        raise corrupt(path) from exc
    wanted = {row.blob for row in rows}
    wanted |= {bytes.fromhex(name) for names in data_names(manifest) for name in names}
    blobs = read_blobs(db, wanted, path, limits)
    grids = grids_of(rows, raster_records(manifest), blobs, path)
    try:
        return to_document(manifest, grids, lambda names: data_in(blobs, names, path))
    except (ValueError, KeyError) as exc:
        raise corrupt(path) from exc


def _document_of_version_2(db: sqlite3.Connection, path: Path, limits: ProjectLimits) -> Document:
    return _document(db, path, limits, project_version_2.migrated)


def _document_of_version_1(db: sqlite3.Connection, path: Path, limits: ProjectLimits) -> Document:
    text, _ = _one_row(db, "SELECT json FROM manifest WHERE id = 1", path)
    try:
        text = project_version_2.migrated(project_version_1.migrated(text))
        manifest = _manifest(text, path, limits)
        grids = project_version_1.rasters(db, raster_records(manifest), path, limits)
        return to_document(manifest, grids, lambda names: b"")
    except (ValueError, KeyError, RecursionError) as exc:
        raise corrupt(path) from exc


def _one_row(db: sqlite3.Connection, query: str, path: Path) -> tuple[str, object]:
    """Return the first value of a row, a text, and the last."""
    row = db.execute(query).fetchone()
    if row is None or not isinstance(row[0], str):
        raise corrupt(path)
    return row[0], row[-1]


def read_notes(path: Path) -> dict[str, str]:
    """Return the notes of a project file. Raises as `load_project`."""
    with _reading(path, ProjectLimits()) as (db, _):
        return {str(key): str(value) for key, value in db.execute("SELECT key, value FROM note LIMIT 100")}


@contextlib.contextmanager
def _reading(path: Path, limits: ProjectLimits) -> Iterator[tuple[sqlite3.Connection, int]]:
    """Lend a connection that cannot write, inside one transaction, and the version of the file."""
    version = _checked_version(path, limits)
    db: sqlite3.Connection | None = None
    try:
        # A journal left by a crash must be rolled back before reading, which needs the right to write.
        real = path.resolve()  # SQLite keeps the journal beside the file itself, not beside a link to it
        mode = "rw" if real.with_name(real.name + "-journal").exists() else "ro"
        db = sqlite3.connect(f"{real.as_uri()}?mode={mode}", uri=True, timeout=5.0, isolation_level=None)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.max_manifest_bytes)
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("BEGIN")
        kinds = {row[0] for row in db.execute("SELECT type FROM sqlite_master")}
        if not kinds <= {"table", "index"}:  # a view or trigger would run somebody else's statements
            raise corrupt(path)
        yield db, version
        if mode == "rw":
            _clear_journal(db, real)
    except (sqlite3.Error, UnicodeDecodeError) as exc:  # SQLite quotes a damaged schema in its message
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise FileError(
                f"“{path.name}” is being written by another program.", "Try again in a moment."
            ) from exc
        raise corrupt(path) from exc
    finally:
        if db is not None:
            db.close()


def _clear_journal(db: sqlite3.Connection, path: Path) -> None:
    """Remove a journal that a crash left before there was anything in it to roll back: SQLite itself lets it lie."""
    with contextlib.suppress(sqlite3.Error, OSError):
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")  # nobody else writes now, so it is nobody's
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
        db.execute("ROLLBACK")


def _checked_version(path: Path, limits: ProjectLimits) -> int:
    """Return the version of a project file; tell foreign, newer and truncated files apart before SQLite touches them.

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
        raise corrupt(path)
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
    # Bytes 18 and 19: 2 would be a write-ahead log, whose files SQLite makes beside it even for a reader.
    if version < 1 or pages * page_bytes > size or header[18:20] != ROLLBACK_JOURNAL:
        raise corrupt(path)
    return version


def _manifest(text: str, path: Path, limits: ProjectLimits) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except (ValidationError, RecursionError) as exc:
        raise corrupt(path) from exc
    if text.count('"kind"') > limits.max_layers:
        raise FileTooLarge(
            f"“{path.name}” holds more than {limits.max_layers:,} layers.", "Nothing was opened or changed."
        )
    return manifest
