"""Project files that are tampered with, and what is put into them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.history import grids
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.io.project_rows import SELECT_TILES, TileRow, seal_of
from tests.io.documents import noise


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


def painted_document() -> tuple[Document, PixelLayer]:
    """Return a document with one layer of twelve tiles, and the layer."""
    pixels = TileGrid.from_array(noise(1, 1024, 768))
    layer = PixelLayer(props=LayerProps(name="big"), pixels=pixels, offset=Point(3, 4))
    return Document(size=Size(1024, 768), layers=(layer,)), layer


def unpack(document: Document) -> None:
    """Look at every pixel."""
    for grid in grids(document):
        for tile in grid.tiles.values():
            assert not tile.flags.writeable
