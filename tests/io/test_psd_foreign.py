"""What we do not understand of a PSD comes back with it, unless it tells of pixels that were changed here."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from psdstudio.core.document import Document
from psdstudio.core.foreign import Foreign
from psdstudio.core.geometry import Point
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import U8Array
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_foreign import KeepingRoom, state_of
from psdstudio.io.psd_import import import_psd
from psdstudio.io.psd_options import ExportOptions
from psdstudio.io.psd_outline import psd_layer_ids
from psdstudio.io.psd_read import open_psd
from tests.io.documents import scene_document
from tests.io.psd_bytes import File, Record, block, luni, resource, rgba_channels, written

EMBEDDED = bytes(range(256)) * 40
"""Stands for a smart object's own file."""


def _record(name: str, *blocks: tuple[bytes, bytes], number: int = 0, at: int = 0) -> Record:
    tail = luni(name) + b"".join(block(key, data) for key, data in blocks)
    if number:
        tail += block(b"lyid", struct.pack(">I", number))
    return Record(box=(at, at, at + 3, at + 4), channels=rgba_channels(4, 3, (9, 8, 7, 255)), tail=tail)


def _foreign_file() -> File:
    text = _record("text", (b"TySh", b"type tool"), (b"lfx2", b"effects!"), (b"shmd", b"metadata"), number=70)
    smart = _record("smart", (b"SoLd", b"smart object"), (b"zzzz", b"odd"), number=31, at=5)
    plain = _record("plain", number=3, at=8)
    globals_ = (
        struct.pack(">I", 0)
        + block(b"lnk2", EMBEDDED)
        + block(b"Patt", b"patterns")
        + block(b"Txt2", b"engine")
    )
    resources = resource(1050, b"slices") + resource(2000, b"path", b"Work") + resource(1060, b"<xmp/>")
    return File(width=20, height=20, records=[text, smart, plain], resources=resources, tail=globals_)


def _opened(path: Path) -> tuple[Document, tuple[str, ...]]:
    document, report = import_psd(path)
    return document, report.losses


def _source(tmp_path: Path, file: File | None = None) -> Document:
    path = tmp_path / "source.psd"
    path.write_bytes(written(file or _foreign_file()))
    return _opened(path)[0]


def _again(tmp_path: Path, document: Document, name: str = "again.psd") -> tuple[Document, tuple[str, ...]]:
    """Export and open again; returns the export's losses."""
    report = export_psd(document, tmp_path / name)
    return _opened(tmp_path / name)[0], report.losses


def _kept(layer: object) -> dict[str, bytes]:
    foreign = getattr(layer, "foreign", None)
    assert foreign is None or isinstance(foreign, Foreign)
    return {} if foreign is None else {one.key: one.data for one in foreign.blocks}


@pytest.mark.parametrize("suffix", ["psd", "psb"])
def test_untouched_pieces_come_back_byte_for_byte_twice(tmp_path: Path, suffix: str) -> None:
    first = _source(tmp_path)
    second, losses = _again(tmp_path, first, f"a.{suffix}")
    third, _ = _again(tmp_path, second, f"b.{suffix}")
    assert losses == ()
    assert _kept(first) == {
        "1050": b"slices", "2000:Work": b"path", "lnk2": EMBEDDED, "Patt": b"patterns", "Txt2": b"engine",
    }  # fmt: skip
    for document in (second, third):
        assert _kept(document) == _kept(first)
        assert [_kept(layer) for layer in document.layers] == [_kept(layer) for layer in first.layers]
    # And in the file itself, which tells more than our own reading of it.
    structure = open_psd(tmp_path / f"b.{suffix}").structure
    assert [bytes(one.data) for one in structure.blocks if one.key == b"lnk2"] == [EMBEDDED]
    assert [one.name for one in structure.resources if one.id == 2000] == [b"Work"]
    assert structure.records[0].block(b"TySh") == b"type tool"
    assert [record.block(b"lyid") for record in structure.records[:2]] == [b"\0\0\0\x46", b"\0\0\0\x1f"]


def _edited(layer: PixelLayer) -> PixelLayer:
    dot = np.full((1, 1, 4), 200, np.uint8)
    return replace(layer, pixels=layer.pixels.write(Point(1, 1), dot))


def _moved(layer: PixelLayer) -> PixelLayer:
    return replace(layer, offset=layer.offset.shifted(1, 0))


@pytest.mark.parametrize("change", [_edited, _moved])
def test_an_edited_text_is_no_text_any_more_and_keeps_its_effects(tmp_path: Path, change: object) -> None:
    document = _source(tmp_path)
    text = document.layers[0]
    assert callable(change)
    again, losses = _again(tmp_path, document.with_layer(change(text)))
    assert _kept(again.layers[0]) == {"lfx2": b"effects!", "shmd": b"metadata", "lyid": b"\0\0\0\x46"}
    assert losses == ("“text” was edited here: in the PSD it is pixels and no longer text.",)
    assert _kept(again.layers[1]) == _kept(document.layers[1])


def test_properties_may_change_without_touching_what_is_kept(tmp_path: Path) -> None:
    document = _source(tmp_path)
    text = document.layers[0]
    assert isinstance(text, PixelLayer)
    again, losses = _again(tmp_path, document.with_layer(text.with_props(opacity=99, visible=False)))
    assert losses == ()
    assert _kept(again.layers[0]) == _kept(text)
    assert again.layers[0].props.opacity == 99


def test_an_undone_edit_is_no_edit(tmp_path: Path) -> None:
    document = _source(tmp_path)
    text = document.layers[0]
    assert isinstance(text, PixelLayer)
    edited = _edited(text)
    restored = replace(
        edited, pixels=edited.pixels.write(Point(0, 0), text.pixels.read(text.pixels.bounds()))
    )
    assert restored.pixels is not text.pixels
    assert _again(tmp_path, document.with_layer(restored))[1] == ()


def test_our_own_files_carry_nothing_foreign(tmp_path: Path) -> None:
    opened, _ = _again(tmp_path, scene_document())
    assert opened.foreign is None
    assert [layer.foreign for layer in opened.walk()] == [None] * len(list(opened.walk()))


def test_ids_stay_and_copies_get_new_ones(tmp_path: Path) -> None:
    document = _source(tmp_path)
    text = document.layers[0]
    assert isinstance(text, PixelLayer)
    copy = replace(text, id=PixelLayer(props=LayerProps(name="x")).id)
    new = PixelLayer(props=LayerProps(name="new"))
    numbers = psd_layer_ids(document.with_layers((*document.layers, copy, new)))
    assert [numbers[layer.id] for layer in document.layers] == [70, 31, 3]
    assert sorted({numbers[copy.id], numbers[new.id]} & {70, 31, 3}) == []
    assert len(set(numbers.values())) == 5


def _mask_values(document: Document) -> U8Array:
    """The mask of the bottom layer on the canvas."""
    mask = document.layers[0].mask
    assert mask is not None
    return mask.pixels.read(document.canvas.shifted(-mask.offset.x, -mask.offset.y))


def test_a_path_that_was_drawn_comes_back_beside_its_drawing(tmp_path: Path) -> None:
    points = b"".join(
        struct.pack(">H6i", 2, *((y << 24) // 20, (x << 24) // 20) * 3)
        for x, y in ((0, 0), (9, 0), (9, 9), (0, 9))
    )
    path = struct.pack(">II", 3, 0) + struct.pack(">HHhHII10x", 0, 4, 1, 1, 0, 0) + points
    first = _source(tmp_path, File(width=20, height=20, records=[_record("cut", (b"vmsk", path))]))
    second, losses = _again(tmp_path, first)
    assert losses == ()
    assert np.array_equal(_mask_values(second), _mask_values(first))
    assert 0 < int((_mask_values(first) == 255).sum()) < 400
    (record,) = open_psd(tmp_path / "again.psd").structure.records
    assert record.block(b"vmsk") == path
    assert record.mask[17] & 8  # rendered from the path: Photoshop does not apply it a second time
    unmasked = replace(first.layers[0], mask=None)
    third, losses = _again(tmp_path, first.with_layer(unmasked), "c.psd")
    assert losses == ("“cut” was edited here: in the PSD it is pixels and no longer a vector mask.",)
    assert third.layers[0].mask is None


def test_the_most_compatible_form_is_pixels_alone_and_says_so(tmp_path: Path) -> None:
    document = _source(tmp_path)
    report = export_psd(document, tmp_path / "plain.psd", ExportOptions(compatible=True))
    assert any("another program were left out" in line for line in report.changes)
    plain, _ = _opened(tmp_path / "plain.psd")
    assert not any(_kept(layer) for layer in plain.walk())


def test_damaged_pieces_do_not_stop_an_export(tmp_path: Path) -> None:
    """psd_tools reads back what we write; it must not be asked to understand what was damaged before."""
    odd = [
        (b"lfx2", b"\xff" * 9),
        (b"TySh", b""),
        (b"lclr", b""),
        (b"vmsk", b"\0" * 11),
        (b"lrFX", b"\x80" * 40),
    ]
    first = _source(tmp_path, File(width=20, height=20, records=[_record("odd", *odd)]))
    second, _ = _again(tmp_path, first)
    assert _kept(second.layers[0]) == _kept(first.layers[0])


def test_the_digest_sees_pixels_place_and_mask_apart(tmp_path: Path) -> None:
    layer = _source(tmp_path).layers[0]
    assert isinstance(layer, PixelLayer)
    base, edited, moved = state_of(layer), state_of(_edited(layer)), state_of(_moved(layer))
    assert base[:20] != edited[:20] != moved[:20] != base[:20]
    assert base[20:] == edited[20:] == moved[20:]


def test_other_formats_do_not_get_them(tmp_path: Path) -> None:
    document = _source(tmp_path)
    assert document.foreign is not None
    elsewhere = replace(document, foreign=replace(document.foreign, source="ora"))
    again, _ = _again(tmp_path, elsewhere)
    assert _kept(again) == {}


def test_there_is_a_bound_to_what_is_kept() -> None:
    room = KeepingRoom(left=10)
    pieces = [memoryview(b"x" * size) for size in (4, 7, 6, 1)]
    assert [room.takes(piece) for piece in pieces] == [True, False, True, False]
    assert room.is_short
