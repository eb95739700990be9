"""Every version that was ever written opens; what version 2 added comes back; a newer one is refused."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.foreign import Foreign, ForeignBlock
from psdstudio.core.geometry import Size
from psdstudio.core.guides import Guide
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.errors import FileCorrupt, FileUnsupported, FileWriteFailed
from psdstudio.io import project_blobs
from psdstudio.io.project import TileHashes, load_project, save_project
from psdstudio.io.project_load import VERSION
from tests.io.documents import LAYERS, NAMES
from tests.io.golden import FOLDER, document_of_version_1, document_of_version_2, document_of_version_3
from tests.io.projects import edit_project

GOLDEN = {1: document_of_version_1, 2: document_of_version_2, 3: document_of_version_3}
EXAMPLES = Path(__file__).parents[2] / "resources" / "examples"


@pytest.mark.parametrize("version", GOLDEN)
def test_the_golden_file_of_every_version_opens(version: int) -> None:
    path = FOLDER / f"version-{version}.psdstudio"
    assert int.from_bytes(path.read_bytes()[60:64], "big") == version
    assert load_project(path) == GOLDEN[version]()


def test_there_is_a_golden_file_of_this_version() -> None:
    assert max(GOLDEN) == VERSION
    assert {path.name for path in FOLDER.iterdir()} == {f"version-{each}.psdstudio" for each in GOLDEN}


@pytest.mark.parametrize("version", [version for version in GOLDEN if version < VERSION])
def test_saving_over_an_old_project_makes_it_a_new_one(tmp_path: Path, version: int) -> None:
    path = tmp_path / "old.psdstudio"
    path.write_bytes((FOLDER / f"version-{version}.psdstudio").read_bytes())
    document = load_project(path)
    save_project(document, path)
    assert path.read_bytes()[60:64] == VERSION.to_bytes(4, "big")
    assert load_project(path) == document == GOLDEN[version]()
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.psdstudio"]


@pytest.mark.parametrize("version", [VERSION + 1, 2**31 - 1])
def test_a_newer_one_is_refused_in_words(tmp_path: Path, version: int) -> None:
    path = tmp_path / "new.psdstudio"
    save_project(Document(size=Size(3, 3)), path)
    edit_project(path, f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(FileUnsupported, match=f"newer PSDStudio .project version {version}, not {VERSION}"):
        load_project(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE manifest SET json = '[]'",
        "UPDATE manifest SET json = '" + "[" * 100_000 + "'",
        "UPDATE manifest SET json = replace(json, '\"norm\"', '\"blur\"')",
        "UPDATE manifest SET json = replace(json, '\"channels\":4', '\"channels\":1')",
        "UPDATE manifest SET json = replace(json, '\"layers\":[', '\"layers\":[[],')",
        "UPDATE tile SET layer = layer || raster || ' of nobody'",
        "UPDATE tile SET x = 'left' || x",
        "UPDATE blob SET zlib = zeroblob(40)",
        "DELETE FROM blob",
        "DROP TABLE blob",
    ],
)
def test_a_damaged_file_of_version_1_ends_in_a_sentence(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "old.psdstudio"
    path.write_bytes((FOLDER / "version-1.psdstudio").read_bytes())
    edit_project(path, statement)
    with pytest.raises(FileCorrupt, match="damaged or incomplete"):
        load_project(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE manifest SET json = '[]'",
        "UPDATE manifest SET json = replace(json, '\"swan\"', '\"duck\"')",
        "DELETE FROM blob",
    ],
)
def test_a_damaged_file_of_version_2_ends_in_a_sentence(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "old.psdstudio"
    path.write_bytes((FOLDER / "version-2.psdstudio").read_bytes())
    edit_project(path, statement)
    with pytest.raises(FileCorrupt, match="damaged or incomplete"):
        load_project(path)


FOREIGN = st.none() | st.builds(
    Foreign,
    source=st.sampled_from(["psd", "ora"]),
    blocks=st.lists(st.builds(ForeignBlock, key=NAMES, data=st.binary(max_size=99)), max_size=3).map(tuple),
    state=st.binary(max_size=32),
)
_DOCUMENTS = st.builds(
    Document,
    size=st.just(Size(9, 9)),
    layers=st.lists(
        LAYERS.flatmap(lambda layer: FOREIGN.map(lambda f: replace(layer, foreign=f))), max_size=2
    ).map(tuple),
    profile=st.none() | st.builds(ColourProfile, name=NAMES, icc=st.binary(max_size=99)),
    guides=st.lists(st.builds(Guide, position=st.floats(allow_nan=False), vertical=st.booleans())).map(tuple),
    foreign=FOREIGN,
)


@given(first=_DOCUMENTS, second=_DOCUMENTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_profile_guides_and_foreign_pieces_come_back(
    tmp_path: Path, first: Document, second: Document
) -> None:
    path = tmp_path / "d.psdstudio"
    hashes = TileHashes()
    for document in (first, second, first):
        save_project(document, path, hashes=hashes)
        assert load_project(path) == document
    with sqlite3.connect(path) as db:
        stored = {row[0] for row in db.execute("SELECT sha256 FROM blob")}
    db.close()
    save_project(first.with_layers(()), path, hashes=hashes)
    assert load_project(path) == first.with_layers(())
    with sqlite3.connect(path) as db:
        assert {row[0] for row in db.execute("SELECT sha256 FROM blob")} <= stored
    db.close()


def test_long_data_is_cut_into_chunks_and_equal_data_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_blobs, "CHUNK_BYTES", 1000)
    path = tmp_path / "d.psdstudio"
    data = bytes(range(256)) * 20 + b"end"
    blocks = (ForeignBlock(key="SoLd", data=data), ForeignBlock(key="again", data=bytes(data)))
    layer = PixelLayer(props=LayerProps(name="n"), foreign=Foreign(source="psd", blocks=blocks))
    document = Document(size=Size(3, 3), layers=(layer,))
    save_project(document, path)
    assert load_project(path) == document
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*), sum(raw_bytes) FROM blob").fetchone() == (6, len(data))
    db.close()


def test_numbers_that_are_none_do_not_make_a_file_that_never_opens(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    guides = (Guide(position=float("inf"), vertical=True),)
    save_project(Document(size=Size(3, 3), guides=guides), path)
    assert load_project(path).guides == guides


def test_a_name_that_no_file_can_hold_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "d.psdstudio"
    before = Document(size=Size(3, 3))
    save_project(before, path)
    layer = PixelLayer(props=LayerProps(name="half \ud83d of it"))
    for target in (path, tmp_path / "new.psdstudio"):
        with pytest.raises(FileWriteFailed, match="characters that no file can hold"):
            save_project(before.with_layers((layer,)), target)
    assert load_project(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.psdstudio"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.psdstudio")), ids=lambda path: path.stem)
def test_the_examples_open(path: Path) -> None:
    assert load_project(path).layers
