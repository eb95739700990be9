"""Opening unpacks nothing, and nothing that happens to the file afterwards takes a tile away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.history import grids
from psdstudio.core.layers import LayerProps, Mask, PixelLayer
from psdstudio.core.packed_tiles import PackedTile
from psdstudio.core.pixel_commands import WritePixels
from psdstudio.core.session import Session
from psdstudio.core.structure_commands import DeleteLayers
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileCorrupt
from psdstudio.io import project_store
from psdstudio.io.project import TileHashes, load_project, save_project
from psdstudio.io.project_blobs import Blob, Coding, pack_tile, unpack_tile
from psdstudio.io.recovery import RecoveryStore
from psdstudio.render.compositor import Compositor
from tests.io.documents import noise
from tests.io.projects import edit_project, unpack


def painted() -> Document:
    """Two layers of several tiles, one with a mask."""
    mask = Mask(pixels=TileGrid.from_array(noise(2, 300, 300, 1), fill=255))
    low = PixelLayer(props=LayerProps(name="low"), pixels=TileGrid.from_array(noise(1, 700, 500)), mask=mask)
    top = PixelLayer(
        props=LayerProps(name="top"), pixels=TileGrid.from_array(noise(3, 300, 300), Point(-9, 5))
    )
    return Document(size=Size(700, 500), layers=(low, top))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Document, Path]:
    """A document with pixels, and the file that holds it."""
    document = painted()
    path = tmp_path / "scene.psdstudio"
    save_project(document, path)
    return document, path


def still_packed(document: Document) -> list[bool]:
    """Of every tile, whether it is still packed."""
    tiles = [tile for grid in grids(document) for tile in grid.entries.values()]
    return [isinstance(tile, PackedTile) and tile.source is not None for tile in tiles]


def test_opening_unpacks_nothing_and_knows_the_bounds(saved: tuple[Document, Path]) -> None:
    document, path = saved
    loaded = load_project(path)
    assert [grid.bounds() for grid in grids(loaded)] == [grid.bounds() for grid in grids(document)]
    assert loaded == load_project(path)
    assert all(still_packed(loaded))
    top = loaded.layers[1]
    assert isinstance(top, PixelLayer)
    top.pixels.read(Rect(0, 10, 1, 1))
    assert still_packed(loaded).count(False) == 1
    assert loaded == document


def _delete(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def _overwrite(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


def _save_another(path: Path) -> None:
    save_project(Document(size=Size(5, 5)), path)


def _move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


@pytest.mark.parametrize("what", [_delete, _truncate, _overwrite, _save_another, _move])
def test_whatever_happens_to_the_file_no_tile_is_lost(
    saved: tuple[Document, Path], what: Callable[[Path], None]
) -> None:
    document, path = saved
    loaded = load_project(path)
    what(path)
    save_project(loaded, path)  # without having seen a pixel
    assert load_project(path) == document
    unpack(loaded)
    assert loaded == document


def test_undo_finds_tiles_that_the_file_does_not_hold_any_more(saved: tuple[Document, Path]) -> None:
    document, path = saved
    hashes = TileHashes()
    session = Session(load_project(path, hashes=hashes))
    session.apply(DeleteLayers(ids=(document.layers[0].id,)))
    save_project(session.document, path, hashes=hashes)
    assert [layer.props.name for layer in load_project(path).layers] == ["top"]
    session.undo()
    assert all(still_packed(session.document))
    save_project(session.document, path, hashes=hashes)
    assert session.document == document == load_project(path)


def test_the_first_edit_after_opening_unpacks_one_tile_and_writes_one(saved: tuple[Document, Path]) -> None:
    document, path = saved
    hashes = TileHashes()
    session = Session(load_project(path, hashes=hashes))
    session.apply(WritePixels(layer_id=document.layers[1].id, at=Point(20, 20), rgba=noise(7, 9, 9)))
    report = save_project(session.document, path, hashes=hashes)
    assert (report.tiles, report.tiles_written) == (16, 1)
    assert still_packed(session.document).count(False) == 1
    assert load_project(path) == session.document


def test_a_copy_is_written_from_the_packed_bytes(
    saved: tuple[Document, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, path = saved
    loaded = load_project(path)

    def never(*_: object) -> Blob:
        raise AssertionError("packed again")

    monkeypatch.setattr(project_store, "pack_tile", never)
    save_project(loaded, tmp_path / "copy.psdstudio")
    assert all(still_packed(loaded))
    assert load_project(tmp_path / "copy.psdstudio") == document


def test_recovery_of_an_opened_project_needs_no_pixel(saved: tuple[Document, Path], tmp_path: Path) -> None:
    document, path = saved
    loaded = load_project(path)
    store = RecoveryStore(tmp_path / "state")
    store.autosave(loaded, project_path=path)
    assert all(still_packed(loaded))
    store.abandon()
    after = RecoveryStore(tmp_path / "state")
    (work,) = after.list_unfinished()
    recovered = after.load(work)
    after.discard(work)
    assert recovered == document
    after.close()


def test_a_file_that_was_found_sound_is_not_read_again(
    saved: tuple[Document, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    document, path = saved
    asked: list[bytes] = []
    is_sound = project_store.BlobStore._is_sound

    def counted(self: project_store.BlobStore, digest: bytes) -> bool:
        asked.append(digest)
        return is_sound(self, digest)

    monkeypatch.setattr(project_store.BlobStore, "_is_sound", counted)
    hashes = TileHashes()
    for remembers in (True, False):
        hashes = TileHashes()
        loaded = load_project(path, hashes=hashes) if remembers else load_project(path)
        save_project(loaded, path, hashes=hashes)
        assert bool(asked) is not remembers
        asked.clear()
        save_project(loaded, path, hashes=hashes)
        assert not asked
    edit_project(path, "UPDATE note SET value = ''")  # changes nothing, so the file is the same
    save_project(document, path, hashes=hashes)
    assert not asked
    edit_project(path, "INSERT INTO note VALUES ('somebody', 'was here')")
    save_project(document, path, hashes=hashes)
    assert asked


def _lie(path: Path, statement: str, blob: Blob | None = None) -> None:
    """Put something else into a file, with a right checksum and a right seal: what no accident does."""
    edit_project(path, statement, reseal=True)
    if blob is not None:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute(
            "UPDATE blob SET coding = ?, crc32 = ?, packed = ? WHERE sha256 = ?",
            (blob.coding, blob.checksum, blob.packed, blob.digest),
        )
        db.close()


@pytest.mark.parametrize(
    "what", ["box", "other pixels", "too short", "too long", "no zlib", "unknown coding"]
)
def test_a_tile_that_lies_opens_and_then_ends_in_a_sentence(saved: tuple[Document, Path], what: str) -> None:
    document, path = saved
    top = document.layers[1]
    assert isinstance(top, PixelLayer)
    loaded_top = top.pixels.tile((0, 0))
    assert loaded_top is not None
    row = f"layer = '{top.id}' AND x = 0 AND y = 0"
    if what == "box":
        _lie(path, f"UPDATE tile SET box_width = box_width - 1 WHERE {row}")
    else:
        with sqlite3.connect(path) as db:
            (digest,) = db.execute(f"SELECT blob FROM tile WHERE {row}").fetchone()
        db.close()
        true = pack_tile(loaded_top, digest)
        other = pack_tile(np.full((256, 256, 4), 7, np.uint8), digest)
        lies = {
            "other pixels": other,
            "too short": replace(true, packed=true.packed[:-900]),
            "too long": replace(true, packed=pack_tile(np.zeros((512, 512, 4), np.uint8), digest).packed),
            "no zlib": replace(true, packed=b"no zlib at all"),
            "unknown coding": replace(true, coding=77),
        }
        _lie(path, "SELECT 1", lies[what])
    loaded = load_project(path)
    for _ in range(2):
        with pytest.raises(FileCorrupt, match=r"A part of “scene\.psdstudio” is damaged"):
            Compositor().render(loaded, loaded.canvas)
    sound = loaded.with_layers(loaded.layers[:1])
    assert np.array_equal(
        Compositor().render(sound, sound.canvas),
        Compositor().render(document.with_layers(document.layers[:1]), document.canvas),
    )


@pytest.mark.parametrize("channels", [1, 4])
def test_tiles_of_noise_are_stored_plain_and_soft_ones_packed(channels: int) -> None:
    rng = np.random.default_rng(1)
    hard = rng.integers(0, 256, (256, 256, channels), np.uint8)
    y, x = np.mgrid[0:256, 0:256]
    soft = np.repeat(((x + 2 * y) // 3 % 256).astype(np.uint8)[..., None], channels, axis=2)
    for tile, coding in ((hard, Coding.PLAIN), (soft, Coding.PLANES)):
        digest = load_digest(tile)
        blob = pack_tile(tile, digest)
        assert blob.coding == coding
        assert len(blob.packed) <= tile.nbytes
        again = unpack_tile(blob, channels)
        assert again is not None and np.array_equal(again, tile)
        assert unpack_tile(replace(blob, digest=bytes(32)), channels) is None
        assert unpack_tile(blob, 5 - channels) is None


def load_digest(tile: np.ndarray) -> bytes:
    """The digest under which a tile is stored."""
    return TileHashes().facts(tile, 0)[0]
