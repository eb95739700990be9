"""Exported PSD files, read back by ag-psd and psd_tools and compared pixel by pixel with the document."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from psd_tools import PSDImage
from psd_tools.psd.document import PSD

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.guides import Guide
from psdstudio.core.layers import BlendMode, GroupLayer, Label, Layer, LayerProps, Lock, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileUnsupported
from psdstudio.io import psd_stream
from psdstudio.io.images import srgb_profile
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_options import ExportOptions
from psdstudio.io.psd_outline import can_be_background
from psdstudio.io.psd_tables import clean_name
from psdstudio.io.xmp import layer_origins
from psdstudio.render.compositor import Compositor
from tests.io.ag_psd import Dump, need_ag_psd, read_with_ag_psd
from tests.io.documents import DOCUMENTS, disc, interleaved, noise, scene_document, solid
from tests.io.psd_compare import box_of_entry, compare_document, compare_layers, compare_merged


def _layer(name: str = "layer", pixels: Any = None, at: Point = Point(0, 0), **props: Any) -> PixelLayer:
    grid = TileGrid() if pixels is None else TileGrid.from_array(pixels)
    return PixelLayer(props=LayerProps(name=name, **props), pixels=grid, offset=at)


def _document(*layers: Layer, size: Size = Size(64, 48)) -> Document:
    return Document(size=size, layers=layers)


def _check(document: Document, folder: Path) -> Dump:
    """Export, read with ag-psd, compare everything; returns the dump for further looks."""
    need_ag_psd()
    path = folder / "out.psd"
    report = export_psd(document, path)
    assert report.size_bytes == path.stat().st_size
    dump = read_with_ag_psd(path, folder / "dump")
    compare_document(document, dump)
    assert report.has_background is can_be_background(document)
    compare_merged(document, path)
    _compare_psd_tools(document, path)
    return dump


def _compare_psd_tools(document: Document, path: Path) -> None:
    psd = PSDImage.open(path)
    names = [layer.props.name for layer in document.walk()]
    read = [layer.name.rstrip("\0") for layer in psd.descendants()]
    if names:
        start = 1 if can_be_background(document) else 0
        for ours, theirs in zip(names[start:], read[start:], strict=True):
            assert theirs == clean_name(ours, theirs)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=DOCUMENTS)
def test_any_document_reads_back_in_ag_psd(tmp_path: Path, document: Document) -> None:
    _check(document, tmp_path)


def test_a_generated_scene(tmp_path: Path) -> None:
    dump = _check(scene_document(), tmp_path)
    tree = dump.tree
    assert tree["channels"] == 3
    assert [child["name"] for child in tree["children"]] == ["Background", "swan 🦢", "Flamingo rosé"]
    group = tree["children"][1]
    assert [child["blendMode"] for child in group["children"]] == ["multiply", "normal"]
    assert group["sectionDivider"]["key"] == "pass"
    resources = tree["imageResources"]
    assert resources["versionInfo"]["hasRealMergedData"] is True
    assert resources["resolutionInfo"]["horizontalResolution"] == 72
    assert resources["thumbnailSize"] == [160, 107]
    merged = dump.pixels(tree["merged"])
    assert np.array_equal(merged, Compositor().render(scene_document(), Rect(0, 0, 300, 200)))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(_document(), id="no layers"),
        pytest.param(_document(_layer("empty")), id="an empty layer"),
        pytest.param(_document(_layer("far", noise(1, 20, 10), Point(500, -400))), id="off the canvas"),
        pytest.param(_document(_layer("edge", noise(1, 90, 90), Point(-20, -30))), id="across the edge"),
        pytest.param(_document(_layer("dot", solid(1, 1, (1, 2, 3, 255))), size=Size(1, 1)), id="1x1 opaque"),
        pytest.param(_document(_layer("dot", solid(1, 1, (1, 2, 3, 128))), size=Size(1, 1)), id="1x1 clear"),
        pytest.param(_document(GroupLayer(props=LayerProps(name="empty group"))), id="an empty group"),
        pytest.param(_document(_layer("wide", noise(2, 900, 3)), size=Size(900, 3)), id="900x3"),
    ],
)
def test_edge_cases(tmp_path: Path, document: Document) -> None:
    _check(document, tmp_path)


@pytest.mark.parametrize("mode", [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH])
def test_every_blend_mode_is_written_and_read_by_psd_tools(mode: BlendMode) -> None:
    out = io.BytesIO()
    group = GroupLayer(props=LayerProps(name="g", blend_mode=mode))
    export_psd(_document(_layer("a", noise(1, 9, 9), blend_mode=mode), group), out)
    out.seek(0)
    assert [layer.blend_mode.value for layer in PSDImage.open(out)] == [mode.value.encode()] * 2


@pytest.mark.parametrize(
    "name", ["白鳥と湖", "🦢🦩", "Ombre é", "naïve “quotes”", "a" * 255, "łódź", "\u202eabc"]
)
def test_names_survive(tmp_path: Path, name: str) -> None:
    document = _document(_layer(name, noise(3, 9, 9)), GroupLayer(props=LayerProps(name=name)))
    dump = _check(document, tmp_path)
    assert [child["name"] for child in dump.tree["children"]] == [name, name]


def test_pascal_names_are_sane() -> None:
    out = io.BytesIO()
    names = ["白鳥", "Ombre é", "łódź swan", "🦢 swan", "x" * 60]
    export_psd(_document(*(_layer(name) for name in names)), out)
    out.seek(0)
    info = PSD.read(out).layer_and_mask_information.layer_info
    assert info is not None
    pascal = [record.name for record in info.layer_records]
    assert pascal == ["Layer 1", "Ombre é", "ódz swan", "swan", "x" * 31]


def test_unwritable_names_are_cleaned_and_reported() -> None:
    report = export_psd(_document(_layer("two\nlines"), _layer("🦢" * 200), _layer("\x07")), io.BytesIO())
    assert len(report.losses) == 3
    assert all("was renamed" in loss for loss in report.losses)


def test_masks_on_layers_and_groups(tmp_path: Path) -> None:
    grid = TileGrid.from_array(noise(4, 30, 20, 1), fill=255)
    mask = Mask(pixels=grid, offset=Point(-5, 7))
    hidden = Mask(pixels=TileGrid.from_array(noise(5, 8, 8, 1)), enabled=False)
    everything = Mask(pixels=TileGrid(channels=1, fill=255))
    document = _document(
        replace(_layer("a", noise(1, 40, 40)), mask=mask),
        GroupLayer(props=LayerProps(name="g"), children=(_layer("b", noise(2, 9, 9)),), mask=mask),
        replace(_layer("c", noise(3, 40, 40)), mask=hidden),
        replace(_layer("d", noise(3, 40, 40)), mask=everything),
    )
    dump = _check(document, tmp_path)
    assert [child["mask"]["defaultColor"] for child in dump.tree["children"]] == [255, 255, 0, 255]


def test_a_grey_fill_is_written_out_over_the_canvas(tmp_path: Path) -> None:
    need_ag_psd()
    mask = Mask(pixels=TileGrid.from_array(noise(4, 10, 10, 1), fill=128), offset=Point(3, 3))
    export_psd(_document(replace(_layer("a", noise(1, 64, 48)), mask=mask)), tmp_path / "a.psd")
    dump = read_with_ag_psd(tmp_path / "a.psd", tmp_path / "dump")
    read = dump.tree["children"][0]["mask"]
    assert box_of_entry(read) == Rect(0, 0, 64, 48)
    assert np.array_equal(dump.pixels(read["pixels"])[..., 0], mask.pixels.read(Rect(-3, -3, 64, 48))[..., 0])


def test_locks_labels_and_flags_in_psd_tools() -> None:
    out = io.BytesIO()
    locks = [frozenset({lock}) for lock in Lock] + [frozenset(Lock), frozenset({Lock.PIXELS, Lock.POSITION})]
    export_psd(_document(*(_layer(f"{i}", locks=lock) for i, lock in enumerate(locks))), out)
    out.seek(0)
    read = [layer.locks.value if layer.locks else 0 for layer in PSDImage.open(out)]
    assert read == [1, 2, 4, 0x80000000, 0x80000000, 6]
    out = io.BytesIO()
    export_psd(_document(*(_layer(label.name, label=label) for label in Label)), out)
    out.seek(0)
    assert [layer.tagged_blocks.get_data(b"lclr").value for layer in PSDImage.open(out)] == list(range(8))


def test_only_an_opaque_full_plain_bottom_layer_is_a_background() -> None:
    pixels = solid(64, 48, (9, 9, 9, 255))
    good = _layer("b", pixels)
    assert can_be_background(_document(good))
    assert can_be_background(_document(replace(good, offset=Point(0, 0)), _layer("x")))
    hole = pixels.copy()
    hole[5, 5, 3] = 254
    full = Mask(pixels=TileGrid(channels=1, fill=255))
    for bad in (
        _layer("b", hole),
        _layer("b", solid(65, 48, (9, 9, 9, 255))),
        _layer("b", pixels, Point(1, 0)),
        _layer("b", pixels, opacity=254),
        _layer("b", pixels, fill=254),
        _layer("b", pixels, blend_mode=BlendMode.MULTIPLY),
        _layer("b", pixels, clipping=True),
        replace(good, mask=full),
        GroupLayer(props=LayerProps(name="g"), children=(good,)),
    ):
        assert not can_be_background(_document(bad))
    assert not can_be_background(_document(good, _layer("c", pixels, clipping=True)))
    assert not can_be_background(_document())


def test_a_transparent_canvas_has_a_named_fourth_channel(tmp_path: Path) -> None:
    document = _document(_layer("disc", disc(20, (177, 23, 18)), Point(5, 3)))
    dump = _check(document, tmp_path)
    assert dump.tree["channels"] == 4
    assert dump.tree["imageResources"]["alphaChannelNames"] == ["Transparency"]
    with open(tmp_path / "out.psd", "rb") as file:
        psd = PSD.read(file)
    info = psd.layer_and_mask_information.layer_info
    assert info is not None
    assert info.layer_count == -1
    planes = psd.image_data.get_data(psd.header)
    rendered = Compositor().render(document, document.canvas)
    assert isinstance(planes, list)
    stored = np.stack([np.frombuffer(plane, np.uint8).reshape(48, 64) for plane in planes[:3]], axis=-1)
    alpha = rendered[..., 3:].astype(np.uint32)
    assert np.array_equal(stored, (rendered[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255)


def test_colour_is_bled_eight_pixels_under_the_edge() -> None:
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[25:35, 25:35] = (200, 100, 50, 255)
    pixels[0, 0] = pixels[59, 59] = (0, 0, 0, 1)
    rgba = interleaved(_layer("a", pixels))
    inner = rgba[2:-2, 2:-2]
    assert (inner[17:43, 17:43, :3] == (200, 100, 50)).all()
    assert (inner[30, 43:59, :3] == 0).all()
    assert np.array_equal(inner[..., 3], pixels[..., 3])


def test_xmp_names_engine_seed_and_words_by_layer_id() -> None:
    out = io.BytesIO()
    export_psd(scene_document(), out, ExportOptions(credits_lines=("Swan by A & B, CC-BY 4.0",)))
    out.seek(0)
    psd = PSDImage.open(out)
    packet = psd.image_resources.get_data(1060)
    text = packet.decode("utf-8")
    assert "trainedAlgorithmicMedia" in text
    assert "<psdstudio:seed>7</psdstudio:seed>" in text
    assert "cd" * 32 in text
    assert "Swan by A &amp; B, CC-BY 4.0" in text
    origins = layer_origins(packet)
    by_name = {
        layer.name: origins[layer.layer_id] for layer in psd.descendants() if layer.layer_id in origins
    }
    assert by_name["Background"].role == "background"
    assert by_name["Background"].words == "calm water at sunset"
    assert by_name["Shadow"].role == "shadow"


def test_prompts_can_be_left_out() -> None:
    out = io.BytesIO()
    export_psd(scene_document(), out, ExportOptions(strip_prompts=True))
    text = out.getvalue()
    assert b"a swan and a flamingo" not in text
    assert b"a white swan" not in text
    assert b"<psdstudio:words>" not in text
    assert b"<psdstudio:seed>7</psdstudio:seed>" in text


def test_a_composite_of_own_and_generated_layers_says_so() -> None:
    document = scene_document()
    out = io.BytesIO()
    export_psd(document.with_layers((*document.layers, _layer("mine", noise(1, 9, 9)))), out)
    assert b"compositeWithTrainedAlgorithmicMedia" in out.getvalue()
    out = io.BytesIO()
    export_psd(_document(_layer("mine", noise(1, 9, 9))), out)
    assert b"DigitalSourceType" not in out.getvalue()


def test_psb(tmp_path: Path) -> None:
    need_ag_psd()
    path = tmp_path / "a.psb"
    document = scene_document()
    assert export_psd(document, path).is_psb
    dump = read_with_ag_psd(path, tmp_path / "dump")
    compare_layers(document.layers[1:], dump.tree["children"][1:], dump)


def test_beyond_the_psd_limit_asks_for_psb(tmp_path: Path) -> None:
    document = _document(_layer("a", noise(1, 9, 9)), size=Size(30_010, 2))
    with pytest.raises(FileUnsupported, match="too large for a PSD") as caught:
        export_psd(document, tmp_path / "a.psd")
    assert ".psb" in caught.value.hint
    export_psd(document, tmp_path / "a.psb")
    assert PSDImage.open(tmp_path / "a.psb").size == (30_010, 2)


def test_guides_and_profile_are_written(tmp_path: Path) -> None:
    need_ag_psd()
    profile = ColourProfile(name="other", icc=srgb_profile() + b"\0" * 4)
    guides = (Guide(position=12.5, vertical=True), Guide(position=30, vertical=False))
    document = replace(_document(_layer("a", noise(1, 9, 9))), profile=profile, guides=guides)
    export_psd(document, tmp_path / "a.psd")
    dump = read_with_ag_psd(tmp_path / "a.psd", tmp_path / "dump")
    assert dump.tree["imageResources"]["gridAndGuidesInformation"]["guides"] == [
        {"location": 12.5, "direction": "vertical"},
        {"location": 30, "direction": "horizontal"},
    ]
    resources = PSDImage.open(tmp_path / "a.psd").image_resources
    assert resources.get_data(1039) == profile.icc
    export_psd(_document(_layer("a", noise(1, 9, 9))), tmp_path / "b.psd")
    resources = PSDImage.open(tmp_path / "b.psd").image_resources
    assert resources.get_data(1039) == srgb_profile()
    assert 1032 not in resources


def test_the_thumbnail_shows_the_picture() -> None:
    out = io.BytesIO()
    pixels = np.zeros((700, 1100, 4), np.uint8)
    pixels[:350] = (250, 10, 10, 255)
    export_psd(_document(_layer("a", pixels), size=Size(1100, 700)), out)
    out.seek(0)
    thumbnail = PSDImage.open(out).thumbnail()
    assert thumbnail is not None
    assert thumbnail.size == (160, 102)
    shown = np.asarray(thumbnail.convert("RGB")).astype(int)
    assert np.abs(shown[10, 80] - (250, 10, 10)).max() < 8
    assert np.abs(shown[90, 80] - 255).max() < 8


def test_more_bytes_than_a_psd_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psd_stream, "MAX_PSD_BYTES", 60_000)
    document = _document(*(_layer(str(number), noise(number, 90, 90)) for number in range(3)))
    (tmp_path / "a.psd").write_bytes(b"old")
    with pytest.raises(FileUnsupported, match="more than 2 GB"):
        export_psd(document, tmp_path / "a.psd")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a.psd", b"old")]
    assert export_psd(document, tmp_path / "a.psb").is_psb


def test_a_stream_becomes_a_psb_where_a_psd_is_too_small() -> None:
    out = io.BytesIO()
    assert export_psd(_document(_layer("a", noise(1, 9, 9)), size=Size(30_001, 2)), out).is_psb
    out.seek(0)
    assert PSDImage.open(out).version == 2


def test_blocks_stand_in_photoshops_order_and_every_record_has_a_number() -> None:
    out = io.BytesIO()
    export_psd(scene_document(), out, ExportOptions(live_shadows=True))
    out.seek(0)
    psd = PSD.read(out)
    info = psd.layer_and_mask_information.layer_info
    assert info is not None
    orders = {record.name: [bytes(key) for key in record.tagged_blocks] for record in info.layer_records}
    assert orders["</Layer group>"] == b"luni lnsr lyid lsct lspf lclr fxrp".split()
    assert orders["swan"] == b"luni lnsr lyid clbl infx knko lsct lspf lclr fxrp".split()
    assert orders["Background"] == b"luni lnsr lyid clbl infx knko lspf lclr fxrp".split()
    effect = info.layer_records[2].tagged_blocks
    assert list(effect) == b"lfx2 luni lnsr lyid clbl infx knko lspf lclr fxrp".split()
    numbers = [record.tagged_blocks.get_data(b"lyid") for record in info.layer_records]
    assert len(set(numbers)) == len(numbers) == 7
    assert psd.image_resources.get_data(1044) == max(numbers)
