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
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported, FileWriteFailed
from psdstudio.io import project, project_load
from psdstudio.io.project import ProjectLimits, TileHashes, load_project, read_notes, save_project
from tests.io.documents import DOCUMENTS, noise, scene_document
from tests.io.projects import edit_project, unpack


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(first=DOCUMENTS, second=DOCUMENTS)
def test_documents_come_back_equal(tmp_path: Path, first: Document, second: Document) -> None:
    path = tmp_path / "d.psdstudio"
    save_project(first, path)
    assert load_project(path) == first
    save_project(second, path)  # over the other document, in place
    assert load_project(path) == second
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.psdstudio"]


def _painted() -> tuple[Document, PixelLayer]:
    layer = PixelLayer(
        props=LayerProps(name="big"), pixels=TileGrid.from_array(noise(1, 1024, 768)), offset=Point(3, 4)
    )
    return Document(size=Size(1024, 768), layers=(layer,)), layer


def test_saving_again_writes_only_the_changed_tile(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    document, layer = _painted()
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
    document, _ = _painted()
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
    save_project(_painted()[0], path)
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_truncated_file_ends_in_a_sentence(saved: Path, share: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FileError) as caught:
        load_project(saved)
    assert isinstance(caught.value, FileCorrupt)
    assert "scene.psdstudio" in caught.value.user_message
    assert caught.value.hint


def test_flipped_bytes_never_load_as_something_else(saved: Path) -> None:
    original = load_project(saved)
    data = saved.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] ^= int(rng.integers(1, 256))
        saved.write_bytes(bytes(damaged))
        try:
            assert load_project(saved) == original  # the byte was in free space
        except FileError:
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    "content", [b"hello, world, I am a text file" * 20, b"\x89PNG\r\n\x1a\n" + b"0" * 200]
)
def test_a_foreign_file_is_named_as_such(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.psdstudio"
    path.write_bytes(content)
    with pytest.raises(FileUnsupported, match="not a PSDStudio project"):
        load_project(path)


def test_another_programs_database_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "other.psdstudio"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE a (b)")
    db.commit()
    db.close()
    with pytest.raises(FileUnsupported, match="not a PSDStudio project"):
        load_project(path)


def test_a_newer_project_says_so(saved: Path) -> None:
    edit_project(saved, "PRAGMA user_version = 3")
    with pytest.raises(FileUnsupported, match="newer PSDStudio"):
        load_project(saved)


_PROFILE = "UPDATE manifest SET json = replace(json, '\"profile\":null', "


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE manifest SET json = '{}'",
        "UPDATE manifest SET json = replace(json, '\"norm\"', '\"blur\"')",
        "UPDATE manifest SET json = replace(json, '\"opacity\":255', '\"opacity\":256')",
        "UPDATE manifest SET json = replace(json, '\"channels\":4', '\"channels\":1')",
        'UPDATE manifest SET json = replace(json, \'"clipping"\', \'"unknown":1,"clipping"\')',
        _PROFILE + '\'"profile":{"name":"P","icc":["\' || hex(zeroblob(32)) || \'"]}\')',
        _PROFILE + '\'"profile":{"name":"P","icc":["../etc/passwd"]}\')',
        "UPDATE manifest SET json = '" + "[" * 100_000 + "'",
        "DELETE FROM manifest",
        "DROP TABLE tile",
        "UPDATE tile SET layer = 'nobody'",
        "UPDATE tile SET raster = 'mask'",
        "UPDATE tile SET x = 'left' || x",
        "UPDATE tile SET x = x + 2000000",
        "UPDATE tile SET box_width = 257",
        "UPDATE tile SET box_x = -1",
        "UPDATE tile SET box_y = 200, box_height = 100",
        "UPDATE tile SET blob = zeroblob(31)",
        "UPDATE blob SET packed = zeroblob(40)",
        "UPDATE blob SET packed = 'text'",
        "UPDATE blob SET crc32 = crc32 + 1",
        "UPDATE blob SET coding = 0",
        "UPDATE blob SET coding = 'zlib'",
        "UPDATE blob SET raw_bytes = raw_bytes + 1",
        "UPDATE blob SET raw_bytes = raw_bytes * 1000000",
        "DELETE FROM blob",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more (a)",
        "ALTER TABLE tile ADD COLUMN more",
        "CREATE TRIGGER t AFTER INSERT ON blob BEGIN SELECT 1; END",
    ],
)
def test_a_hostile_file_is_corrupt(saved: Path, statement: str, resealed: bool) -> None:
    edit_project(saved, statement, reseal=resealed)
    with pytest.raises(FileCorrupt, match="damaged or incomplete"):
        load_project(saved)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE manifest SET json = replace(json, 'big', 'bag')",
        "UPDATE tile SET x = x + 100",
        "UPDATE tile SET box_width = box_width - 1",
        "DELETE FROM tile WHERE x = 1",
        "UPDATE tile SET blob = (SELECT other.blob FROM tile AS other WHERE other.blob != tile.blob)",
    ],
)
def test_what_is_possible_but_was_not_saved_is_found_by_the_seal(saved: Path, statement: str) -> None:
    edit_project(saved, statement)
    with pytest.raises(FileCorrupt, match="damaged or incomplete"):
        load_project(saved)


def test_limits(saved: Path) -> None:
    for limits in (
        ProjectLimits(max_file_bytes=1000),
        ProjectLimits(max_tiles=3),
        ProjectLimits(max_raw_bytes=1000),
        ProjectLimits(max_layers=0),
    ):
        with pytest.raises(FileTooLarge):
            load_project(saved, limits)


def test_a_schema_that_is_no_text_ends_in_a_sentence_and_is_replaced(saved: Path) -> None:
    """SQLite quotes it in its message, which then is no text either."""
    document = load_project(saved)
    data = saved.read_bytes()
    assert data.count(b"CREATE TABLE note (key") == 1
    saved.write_bytes(data.replace(b"CREATE TABLE note (key", b"CREATE TABLE \xb1ote!(key"))
    with pytest.raises(FileCorrupt):
        load_project(saved)
    save_project(document, saved)
    assert load_project(saved) == document


def test_too_little_memory_is_said(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(project_load, "read_blobs", none_left)
    with pytest.raises(FileTooLarge, match="more pixels than can be opened"):
        load_project(saved)


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


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE blob SET packed = zeroblob(length(packed))",
        "UPDATE blob SET packed = (SELECT other.packed FROM blob AS other WHERE other.rowid != blob.rowid)",
        "UPDATE blob SET packed = 'text', crc32 = 'text'",
        "DROP TABLE blob",
        "CREATE TRIGGER t AFTER INSERT ON manifest BEGIN DELETE FROM tile; END",
    ],
)
@pytest.mark.parametrize("is_unpacked", [False, True])
def test_saving_over_a_project_whose_pixels_are_damaged_repairs_it(
    saved: Path, damage: str, is_unpacked: bool
) -> None:
    """The header is sound and the hashes are there, but what stands under them is not what was saved."""
    hashes = TileHashes()
    before, document = load_project(saved), load_project(saved, hashes=hashes)
    unpack(before)
    if is_unpacked:
        unpack(document)
    edit_project(saved, damage)
    with pytest.raises(FileCorrupt):
        load_project(saved)
    save_project(document, saved, hashes=hashes)
    assert load_project(saved) == document == before


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
