"""Documents as JSON and a file of pixels: they come back equal, and no message makes anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.foreign import Foreign, ForeignBlock
from psdstudio.core.guides import Guide
from psdstudio.core.layers import PixelLayer
from psdstudio.core.tiles import TILE, TileGrid
from psdstudio.io.document_wire import WireError, read_value, write_value
from tests.io.documents import DOCUMENTS, scene_document

QUICK = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _sent(document: Document, path: Path) -> bytes:
    with FileIO(str(path), "w") as blobs:
        return write_value(document, blobs)


def _received(message: bytes, path: Path) -> Document:
    with FileIO(str(path)) as blobs:
        return read_value(Document, message, blobs)


@QUICK
@given(document=DOCUMENTS)
def test_documents_come_back_equal(tmp_path: Path, document: Document) -> None:
    assert _received(_sent(document, tmp_path / "b"), tmp_path / "b") == document


def test_what_only_foreign_files_hold_comes_back(tmp_path: Path) -> None:
    block = ForeignBlock(key="TySh", data=bytes(range(256)))
    foreign = Foreign(source="psd", blocks=(block, ForeignBlock(key="7", data=b"")), state=b"\0\1")
    document = replace(
        scene_document(), profile=ColourProfile(name="Wide", icc=b"icc"), guides=(Guide(position=-2.5, vertical=True),),
        foreign=foreign,
    )  # fmt: skip
    document = document.with_layer(replace(document.layers[0], foreign=foreign))
    assert _received(_sent(document, tmp_path / "b"), tmp_path / "b") == document


def test_a_tile_that_many_places_share_is_sent_and_held_once(tmp_path: Path) -> None:
    tile = np.full((TILE, TILE, 4), 9, np.uint8)
    grid = TileGrid({(x, 0): tile for x in range(50)})
    document = scene_document()
    layer = document.layers[0]
    assert isinstance(layer, PixelLayer)
    message = _sent(document.with_layer(replace(layer, pixels=grid)), tmp_path / "b")
    assert (tmp_path / "b").stat().st_size < 20 * tile.nbytes
    back = _received(message, tmp_path / "b").layer(layer.id)
    assert isinstance(back, PixelLayer)
    assert len({id(one) for one in back.pixels.tiles.values()}) == 1


@QUICK
@given(junk=JSON, data=st.data())
def test_a_message_with_something_else_in_it_is_refused_or_a_document(
    tmp_path: Path, junk: Any, data: st.DataObject
) -> None:
    scene = scene_document()
    message = json.loads(_sent(scene.with_layers(scene.layers[:1]), tmp_path / "b"))
    place: Any = message
    while True:  # go down a random way and put the junk there
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        below = place[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            place[key] = junk
            break
        place = below
    try:
        document = _received(json.dumps(message).encode(), tmp_path / "b")
    except WireError:
        return
    assert isinstance(document, Document)


@given(raw=st.binary(max_size=60))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("wire") / "b"
    path.write_bytes(b"")
    with pytest.raises(WireError):
        _received(raw, path)


def test_pixels_that_are_not_there_are_refused(tmp_path: Path) -> None:
    message = _sent(scene_document(), tmp_path / "b")
    whole = (tmp_path / "b").read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b").write_bytes(whole[:cut])
        with pytest.raises(WireError):
            _received(message, tmp_path / "b")


def test_nothing_but_plain_values_can_be_sent(tmp_path: Path) -> None:
    with FileIO(str(tmp_path / "b"), "w") as blobs, pytest.raises(TypeError, match="no place in a message"):
        write_value(object(), blobs)
