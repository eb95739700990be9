"""What other programs get wrong in a PSD, and what is forgiven; what is not, ends in a sentence."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import BlendMode, GroupLayer, PixelLayer
from psdstudio.errors import FileCorrupt, FileError, FileUnsupported
from psdstudio.io.psd_import import import_psd
from psdstudio.io.psd_read import merged_of, open_psd
from psdstudio.io.psd_structure import DamagedPsd, read_structure
from tests.io.psd_bytes import (
    Channel,
    File,
    Record,
    block,
    divider,
    flat,
    luni,
    resource,
    rgba_channels,
    written,
)

RED = (255, 0, 0, 255)


def _opened(tmp_path: Path, file: File) -> tuple[Document, tuple[str, ...]]:
    path = tmp_path / "a.psd"
    path.write_bytes(written(file))
    document, report = import_psd(path)
    return document, report.losses


def _layer(name: str = "layer", tail: bytes = b"", **changes: object) -> Record:
    record = Record(box=(0, 0, 3, 4), channels=rgba_channels(4, 3, RED), tail=luni(name) + tail)
    return replace(record, **changes)  # type: ignore[arg-type]  # checked by the dataclass


def _only(document: Document) -> PixelLayer:
    (layer,) = document.layers
    assert isinstance(layer, PixelLayer)
    return layer


def _seen(layer: PixelLayer) -> tuple[int, ...]:
    pixels = layer.pixels.read(layer.pixels.bounds())
    assert (pixels == pixels[0, 0]).all()
    return tuple(int(value) for value in pixels[0, 0])


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_blocks_may_be_padded_as_a_program_likes(tmp_path: Path, padding: int) -> None:
    unknown = block(b"zzzz", b"abc") + bytes(padding)
    document, losses = _opened(tmp_path, File(records=[_layer(tail=unknown + block(b"iOpa", b"\x40\0\0\0"))]))
    assert _only(document).props.fill == 0x40
    assert losses == ()


def test_a_record_may_lack_everything_behind_its_channels(tmp_path: Path) -> None:
    document, _ = _opened(tmp_path, File(records=[_layer(has_tail=False)]))
    assert _only(document).props.name == "Layer"
    assert _seen(_only(document)) == RED


def test_a_block_that_claims_too_much_costs_only_what_follows_it(tmp_path: Path) -> None:
    broken = b"8BIMlfx2" + struct.pack(">I", 5_000_000) + b"abcd"
    document, _ = _opened(tmp_path, File(records=[_layer("kept", block(b"iOpa", b"\x40") + broken)]))
    assert (_only(document).props.name, _only(document).props.fill) == ("kept", 0x40)


@pytest.mark.parametrize(
    ("name", "shown"), [(b"plain", "plain"), ("日本".encode(), "日本"), (b"Ombr\x8e", "Ombré")]
)
def test_old_names_are_utf_8_or_macroman(tmp_path: Path, name: bytes, shown: str) -> None:
    document, _ = _opened(tmp_path, File(records=[Record(name=name)]))
    assert _only(document).props.name == shown


def test_names_may_end_in_zeros_and_hold_half_a_sign(tmp_path: Path) -> None:
    odd = block(b"luni", struct.pack(">I", 9) + "a\0".encode("utf-16-be") + b"x")
    document, _ = _opened(tmp_path, File(records=[Record(tail=odd)]))
    assert _only(document).props.name == "a"


def test_crossed_edges_are_an_empty_layer(tmp_path: Path) -> None:
    document, _ = _opened(
        tmp_path, File(records=[Record(box=(5, 5, 2, 2), channels=[Channel(id=0, data=b"")])])
    )
    assert _only(document).pixels.bounds().is_empty


def test_channels_may_be_missing_or_empty(tmp_path: Path) -> None:
    red = [Channel(id=0, data=flat(4, 3, 200)), Channel(id=1, data=b""), Channel(id=7, data=flat(4, 3, 9))]
    document, _ = _opened(tmp_path, File(records=[Record(box=(1, 2, 4, 6), channels=red)]))
    assert _only(document).offset == Point(2, 1)
    assert _seen(_only(document)) == (200, 0, 0, 255)


def test_a_group_without_a_beginning_or_an_end_is_closed_where_it_stands(tmp_path: Path) -> None:
    lone_end = [_layer("a"), Record(tail=luni("group") + divider(1)), _layer("b")]
    document, _ = _opened(tmp_path, File(records=lone_end))
    assert [layer.props.name for layer in document.layers] == ["a", "group", "b"]
    lone_beginning = [_layer("a"), Record(tail=divider(3)), _layer("b")]
    document, _ = _opened(tmp_path, File(records=lone_beginning))
    assert [layer.props.name for layer in document.layers] == ["a", "b"]


@pytest.mark.parametrize("key", [b"lsct", b"lsdk"])
@pytest.mark.parametrize(("kind", "is_open"), [(1, True), (2, False)])
def test_groups_by_either_block_with_or_without_a_mode(
    tmp_path: Path, key: bytes, kind: int, is_open: bool
) -> None:
    end = Record(tail=block(key, struct.pack(">I", 3)))
    group = Record(blend=b"mul ", tail=luni("group") + block(key, struct.pack(">I", kind)))
    document, _ = _opened(tmp_path, File(records=[end, _layer("inside"), group]))
    (found,) = document.layers
    assert isinstance(found, GroupLayer)
    assert (found.props.expanded, found.props.blend_mode) == (is_open, BlendMode.MULTIPLY)
    assert [layer.props.name for layer in found.children] == ["inside"]


def test_an_unknown_blend_mode_is_normal_and_named(tmp_path: Path) -> None:
    document, losses = _opened(tmp_path, File(records=[_layer("odd", blend=b"Xxxx")]))
    assert _only(document).props.blend_mode is BlendMode.NORMAL
    assert losses == ("The blend mode of “odd” is not known; it is normal now.",)


def test_a_file_without_layers_is_its_merged_image(tmp_path: Path) -> None:
    for file in (File(has_layers=False), File(), File(tail=block(b"Patt", b""))):
        document, losses = _opened(tmp_path, replace(file, merged=flat(4, 9, 77)))
        assert _seen(_only(document)) == (77, 77, 77, 255)
        assert losses == ()


def test_a_transparent_merged_image_loses_its_white(tmp_path: Path) -> None:
    # Red at one half: (255, 128, 128) over white.
    planes = b"".join(bytes([value]) * 12 for value in (255, 128, 128, 127))
    file = File(channels=4, is_transparent=True, merged=b"\0\0" + planes, records=[_layer()])
    path = tmp_path / "a.psd"
    path.write_bytes(written(file))
    opened = open_psd(path)
    assert opened.structure.has_transparency
    pixels = merged_of(opened).read(Document(size=Size(4, 3)).canvas)
    assert np.abs(pixels[0, 0].astype(int) - (255, 0, 0, 127)).max() <= 1


def test_the_large_format_has_long_lengths_but_not_everywhere(tmp_path: Path) -> None:
    tail = struct.pack(">I", 0) + block(b"lnk2", b"12345678", long=True) + block(b"FMsk", bytes(12))
    document, _ = _opened(tmp_path, File(version=2, records=[_layer("big")], tail=tail))
    assert document.foreign is not None
    assert [(one.key, len(one.data)) for one in document.foreign.blocks] == [("lnk2", 8), ("FMsk", 12)]


def test_resolution_and_guides(tmp_path: Path) -> None:
    guides = struct.pack(">IIII", 1, 576, 576, 2) + struct.pack(">iB", 64, 0) + struct.pack(">iB", -48, 1)
    dpi = struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1)
    document, _ = _opened(tmp_path, File(resources=resource(1005, dpi) + resource(1032, guides)))
    assert document.resolution_dpi == 300
    assert [(guide.position, guide.vertical) for guide in document.guides] == [(2.0, True), (-1.5, False)]


def test_damaged_resources_cost_nothing_of_the_picture(tmp_path: Path) -> None:
    broken = resource(1005, b"\0") + b"8BIM\x04\x08\0\0" + struct.pack(">I", 99) + b"abc"
    document, _ = _opened(tmp_path, File(resources=broken, records=[_layer()]))
    assert document.resolution_dpi == 72
    assert _seen(_only(document)) == RED


def test_groups_nested_too_deep_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnsupported, match="nests its groups"):
        _opened(tmp_path, File(records=[Record(tail=divider(3))] * 70))


@pytest.mark.parametrize(
    "change", [{"depth": 7}, {"channels": 0}, {"width": 0}, {"version": 3}, {"channels": 200}]
)
def test_headers_that_no_program_writes_are_damage(tmp_path: Path, change: dict[str, int]) -> None:
    with pytest.raises(FileCorrupt):
        _opened(tmp_path, replace(File(), **change))  # type: ignore[arg-type]  # checked by the dataclass


def test_colour_modes_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnsupported, match="mode number 6"):
        _opened(tmp_path, File(mode=6))


@given(data=st.binary(max_size=200), keep=st.integers(0, 60))
def test_any_bytes_are_a_structure_or_damage(data: bytes, keep: int) -> None:
    whole = written(File(records=[_layer()]))
    try:
        read_structure(memoryview(whole[:keep] + data))
    except DamagedPsd:
        return


@given(at=st.integers(0, 400), value=st.binary(min_size=1, max_size=8))
def test_any_change_of_the_head_ends_in_a_document_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: bytes
) -> None:
    data = bytearray(written(File(records=[_layer("a", block(b"lfx2", bytes(9))), _layer("b", divider(1))])))
    at = min(at, len(data) - 1)
    data[at : at + len(value)] = value
    path = tmp_path_factory.mktemp("psd") / "a.psd"
    path.write_bytes(bytes(data))
    said = ""
    try:
        document, _ = import_psd(path)
    except FileError as exc:
        said = exc.user_message and exc.hint
    else:
        said = "document" if document.validate() == [] else ""
    assert said
