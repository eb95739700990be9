"""The project file: exact round trip, only changes written, and every broken file ends in a sentence."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import GroupLayer, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileError, FileUnsupported, FileWriteFailed
from psdstudio.io import project
from psdstudio.io.project import TileHashes, load_project, read_notes, save_project
from tests.io.documents import DOCUMENTS, noise, scene_document
from tests.io.projects import painted_document


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(first=DOCUMENTS, second=DOCUMENTS)
def test_documents_come_back_equal(tmp_path: Path, first: Document, second: Document) -> None:
    path = tmp_path / "d.psdstudio"
    save_project(first, path)
    assert load_project(path) == first
    save_project(second, path)  # over the other document, in place
    assert load_project(path) == second
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.psdstudio"]


def test_saving_again_writes_only_the_changed_tile(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    document, layer = painted_document()
    hashes = TileHashes()
    first = save_project(document, path, hashes=hashes)
    assert (first.tiles, first.tiles_written) == (12, 12)
    assert save_project(document, path, hashes=hashes).tiles_written == 0
    edited = document.with_layer(replace(layer, pixels=layer.pixels.write(Point(5, 5), noise(2, 9, 9))))
    assert save_project(edited, path, hashes=hashes).tiles_written == 1
    assert load_project(path) == edited
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM blob").fetchone() == (12,)
    db.close()


def test_equal_tiles_are_stored_once_and_shared_when_loaded(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    tile = noise(3, 256, 256)
    grid = TileGrid.from_array(np.tile(tile, (2, 3, 1)))
    document = Document(size=Size(768, 512), layers=(PixelLayer(props=LayerProps(name="t"), pixels=grid),))
    assert save_project(document, path).tiles_written == 1
    loaded = load_project(path)
    assert loaded == document
    layer = loaded.layers[0]
    assert isinstance(layer, PixelLayer)
    assert len({id(tile) for tile in layer.pixels.tiles.values()}) == 1


def test_the_file_shrinks_when_layers_go(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    document, _ = painted_document()
    save_project(document, path)
    full = path.stat().st_size
    save_project(document.with_layers(()), path)
    assert path.stat().st_size < full / 10


def test_deep_groups_come_back(tmp_path: Path) -> None:
    inner: GroupLayer = GroupLayer(props=LayerProps(name="0"))
    for depth in range(1, 63):
        inner = GroupLayer(props=LayerProps(name=str(depth)), children=(inner,))
    document = Document(size=Size(4, 4), layers=(inner,))
    save_project(document, tmp_path / "d.psdstudio")
    assert load_project(tmp_path / "d.psdstudio") == document
    outer = GroupLayer(
        props=LayerProps(name="out"), children=(GroupLayer(props=inner.props, children=(inner,)),)
    )
    with pytest.raises(FileWriteFailed, match="nested more than 64 deep"):
        save_project(document.with_layers((outer,)), tmp_path / "d.psdstudio")


def test_notes(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    save_project(scene_document(), path, notes={"run": "7"})
    assert read_notes(path) == {"run": "7"}
    save_project(scene_document(), path)
    assert read_notes(path) == {}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "scene.psdstudio"
    save_project(painted_document()[0], path)
    return path


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="There is no file"):
        load_project(tmp_path / "none.psdstudio")
    with pytest.raises(FileUnsupported, match="not a file"):
        load_project(tmp_path)
    with pytest.raises(FileWriteFailed, match="does not exist"):
        save_project(scene_document(), tmp_path / "no" / "a.psdstudio")


def test_a_damaged_or_foreign_target_is_replaced_as_a_whole(saved: Path) -> None:
    document = scene_document()
    for damage in (b"not a project", saved.read_bytes()[:5000]):
        saved.write_bytes(damage)
        save_project(document, saved)
        assert load_project(saved) == document


def test_the_journal_of_a_replaced_project_does_not_reach_the_new_one(saved: Path) -> None:
    """A crash left a journal, then the project itself was damaged: saving must not bring the crash back."""
    database = sqlite3.connect(saved, isolation_level=None)
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM blob")
    database.execute("DELETE FROM tile")
    journal = saved.with_name(saved.name + "-journal")
    left_behind = journal.read_bytes()
    database.close()
    assert len(left_behind) > 1000
    journal.write_bytes(left_behind)
    saved.write_bytes(b"not a project")
    layer = PixelLayer(props=LayerProps(name="n"), pixels=TileGrid.from_array(noise(9, 900, 700)))
    document = Document(size=Size(900, 700), layers=(layer,))
    save_project(document, saved)
    assert load_project(saved) == document


def test_a_journal_that_says_nothing_goes_when_the_project_is_opened(saved: Path) -> None:
    before = load_project(saved)
    journal = saved.with_name(saved.name + "-journal")
    for content in (b"", bytes(600)):
        journal.write_bytes(content)
        assert load_project(saved) == before
        assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]
    other = sqlite3.connect(saved, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM note")
    other.execute("INSERT INTO note VALUES ('still', 'being written')")
    assert journal.exists()
    assert load_project(saved) == before
    assert journal.exists()  # that of a living writer stays
    other.execute("COMMIT")
    other.close()
    assert read_notes(saved) == {"still": "being written"}


def test_a_full_disk_keeps_the_old_project(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_project(saved)

    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(project, "_replace_tiles", full)
    for target in (saved, saved.with_name("new.psdstudio")):
        with pytest.raises(FileWriteFailed, match="disk is full"):
            save_project(scene_document(), target)
    assert load_project(saved) == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_a_real_page_limit_reads_as_a_full_disk(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_project(saved)
    connect = sqlite3.connect

    def limited(*args: object, **kwargs: object) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]  # passed through
        db.execute("PRAGMA max_page_count = 1100")
        return db

    layer = PixelLayer(props=LayerProps(name="n"), pixels=TileGrid.from_array(noise(9, 3000, 3000)))
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", limited)
        with pytest.raises(FileWriteFailed, match="disk is full"):
            save_project(Document(size=Size(3000, 3000), layers=(layer,)), saved)
    assert load_project(saved) == before


def test_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(FileWriteFailed, match="may not be written to"):
        save_project(scene_document(), tmp_path / "a.psdstudio")
    assert list(tmp_path.iterdir()) == []


def _die_in(step: str, path: Path) -> None:
    """Save a large document over `path` and end the process, as a power cut would, when `step` is reached."""

    def die(*_: object, **__: object) -> None:
        os._exit(9)

    setattr(project, step, die)
    layer = PixelLayer(props=LayerProps(name="n"), pixels=TileGrid.from_array(noise(9, 2600, 1500)))
    save_project(Document(size=Size(2600, 1500), layers=(layer,)), path)


@pytest.mark.parametrize("step", ["_replace_tiles", "to_manifest"])
def test_a_kill_in_the_middle_leaves_the_old_document(saved: Path, step: str) -> None:
    before = load_project(saved)
    child: Callable[[str, Path], None] = _die_in
    process = multiprocessing.get_context("spawn").Process(target=child, args=(step, saved))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    process.close()
    # The killed process had spilled pages into the file: only the journal can bring the old ones back.
    assert saved.with_name(saved.name + "-journal").exists()
    if os.name == "posix":  # SQLite finds the journal beside the file, not beside the link
        link = saved.with_name("link.psdstudio")
        link.symlink_to(saved)
        assert load_project(link) == before
    assert load_project(saved) == before
    save_project(scene_document(), saved)
    assert load_project(saved) == scene_document_like(load_project(saved))


def scene_document_like(loaded: Document) -> Document:
    """Return the loaded document, after checking that it is the scene (ids are random)."""
    assert [layer.props.name for layer in loaded.walk()] == [
        layer.props.name for layer in scene_document().walk()
    ]
    return loaded


def test_a_lock_of_another_program_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    other = connect(saved, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.05}))
    try:
        with pytest.raises(FileWriteFailed, match="another program"):
            save_project(scene_document(), saved)
        with pytest.raises(FileError, match="being written by another program"):
            load_project(saved)
    finally:
        other.close()
