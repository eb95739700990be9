"""Damaged, foreign and hostile project files end in a sentence, and saving over one makes it sound again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io import project_load
from psdstudio.io.project import ProjectLimits, TileHashes, load_project, save_project
from tests.io.projects import edit_project, painted_document, unpack


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "scene.psdstudio"
    save_project(painted_document()[0], path)
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


def test_a_write_ahead_log_is_not_begun_by_reading(saved: Path) -> None:
    before = load_project(saved)
    for at in (18, 19):
        data = bytearray(saved.read_bytes())
        data[at] = 2
        saved.write_bytes(data)
        with pytest.raises(FileCorrupt):
            load_project(saved)
        assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]
        save_project(before, saved)
        assert load_project(saved) == before


def test_too_little_memory_is_said(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(project_load, "read_blobs", none_left)
    with pytest.raises(FileTooLarge, match="more pixels than can be opened"):
        load_project(saved)


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
