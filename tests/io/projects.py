"""Project files that were tampered with, and documents all of whose tiles are unpacked."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.core.history import grids
from psdstudio.io.project_rows import SELECT_TILES, TileRow, seal_of


def edit_project(path: Path, *statements: str, reseal: bool = False) -> None:
    """Run statements on a project file; with `reseal`, so that the seal does not tell."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            db.execute(statement)
        if reseal:
            # Where a table is gone or a value has another type there is nothing to seal.
            with contextlib.suppress(sqlite3.Error, TypeError, AttributeError):
                reseal_project(db)
    finally:
        db.close()


def reseal_project(db: sqlite3.Connection) -> None:
    """Bring the seal to what the manifest and the tiles say now."""
    (manifest,) = db.execute("SELECT json FROM manifest").fetchone()
    rows = [TileRow._make(values) for values in db.execute(SELECT_TILES)]
    db.execute("UPDATE manifest SET seal = ?", (seal_of(manifest, rows),))


def unpack(document: Document) -> None:
    """Look at every pixel."""
    for grid in grids(document):
        for tile in grid.tiles.values():
            assert not tile.flags.writeable
