"""Sprites: safe names, packing, sheets and folders that give the document's picture back and spare foreign files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileUnsupported, FileWriteFailed
from psdstudio.io.colour import display_p3
from psdstudio.io.images import read_image
from psdstudio.io.packing import pack
from psdstudio.io.safe_names import MAX_BYTES, safe_stem, unique_stems
from psdstudio.io.sprite_export import export_layers, export_sprite_sheet
from psdstudio.io.sprites import MANIFEST, SpriteOptions, sprites_of
from psdstudio.render.compositor import Compositor
from tests.io.documents import DOCUMENTS, noise, scene_document, solid

ANY_TEXT = st.text(max_size=60) | st.sampled_from(["con", "白" * 90, "Swan", "swan", "..", ""])


@settings(max_examples=40)
@given(st.lists(ANY_TEXT, max_size=8))
def test_names_are_good_files_everywhere_and_unique(names: list[str]) -> None:
    stems = unique_stems(names)
    assert len({stem.casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert stem
        assert not set(stem) & set('<>:"/\\|?*')
        assert all(ord(sign) >= 32 for sign in stem)
        assert stem == stem.strip(". ")
        assert len(stem.encode()) <= MAX_BYTES + 8


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("swan", "swan"),
        ("日本の白鳥 🦢", "日本の白鳥 🦢"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("CON", "_CON"),
        ("com1.png", "_com1.png"),
        ("...", "layer"),
        ("a\x00b\n", "ab"),
        ("-rf", "rf"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("e\u0301", "é"),
    ],
)
def test_known_names(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


@settings(max_examples=60)
@given(
    st.lists(st.builds(Size, st.integers(1, 90), st.integers(1, 90)), max_size=30),
    st.integers(0, 4),
)
def test_nothing_overlaps_on_a_sheet(sizes: list[Size], padding: int) -> None:
    sheet = pack(sizes, max_side=400, padding=padding)
    assert sheet is not None
    rects = [Rect(*at, *size) for at, size in zip(sheet.places, sizes, strict=True)]
    for i, one in enumerate(rects):
        assert one.x >= 0
        assert one.y >= 0
        assert one.right <= sheet.size.width
        assert one.bottom <= sheet.size.height
        grown = Rect(one.x - padding, one.y - padding, one.width + 2 * padding, one.height + 2 * padding)
        assert all(grown.intersection(other).is_empty for other in rects[i + 1 :])


def test_squares_are_packed_tightly_and_too_much_is_refused() -> None:
    sheet = pack([Size(10, 10)] * 16, max_side=40)
    assert sheet is not None
    assert sheet.size == Size(40, 40)
    assert pack([Size(10, 10)] * 17, max_side=40) is None
    assert pack([Size(41, 1)], max_side=40) is None


def stacked(document: Document, frames: list[dict[str, Any]], pictures: dict[str, Any]) -> Document:
    """Put sprites together again as a program would that reads the JSON."""
    layers: list[Layer] = []
    for frame in sorted(frames, key=lambda f: f["order"]):
        box, at = frame["frame"], frame["spriteSourceSize"]
        rgba = pictures[frame["filename"]][box["y"] : box["y"] + box["h"], box["x"] : box["x"] + box["w"]]
        mode = BlendMode[frame["blendMode"].replace(" ", "_").upper()]
        props = LayerProps(name="x", opacity=round(frame["opacity"] * 255), blend_mode=mode)
        layers.append(
            PixelLayer(props=props, pixels=TileGrid.from_array(rgba), offset=Point(at["x"], at["y"]))
        )
    return Document(size=document.size, layers=tuple(layers))


def test_a_sheet_gives_the_picture_back(tmp_path: Path) -> None:
    document = replace(scene_document(), profile=display_p3())
    path = tmp_path / "sprites.png"
    assert export_sprite_sheet(document, path) == ()
    described = json.loads((tmp_path / "sprites.json").read_text("utf-8"))
    image = read_image(path)
    assert image.profile == display_p3()
    size = described["meta"]["size"]
    assert (size["w"], size["h"]) == (image.rgba.shape[1], image.rgba.shape[0])
    pictures = {frame["filename"]: image.rgba for frame in described["frames"]}
    again = stacked(document, described["frames"], pictures)
    assert np.abs(Compositor().render(again).astype(int) - Compositor().render(document)).max() <= 1
    assert [frame["name"] for frame in described["frames"]].count("Shadow") == 2
    assert len(pictures) == 5


def test_a_folder_gives_the_picture_back(tmp_path: Path) -> None:
    document = scene_document()
    folder = tmp_path / "layers of it"
    assert export_layers(document, folder) == ()
    frames = json.loads((folder / MANIFEST).read_text("utf-8"))["frames"]
    assert sorted(x.name for x in folder.iterdir()) == sorted([MANIFEST, *(f["filename"] for f in frames)])
    pictures = {frame["filename"]: read_image(folder / frame["filename"]).rgba for frame in frames}
    again = stacked(document, frames, pictures)
    assert np.abs(Compositor().render(again).astype(int) - Compositor().render(document)).max() <= 1
    assert [x.name for x in tmp_path.iterdir()] == ["layers of it"]


def test_objects_can_be_one_sprite_each(tmp_path: Path) -> None:
    document = scene_document()
    sprites, _ = sprites_of(document, SpriteOptions(merges_objects=True))
    assert [sprite.name for sprite in sprites] == ["calm water at sunset", "swan 🦢", "Flamingo rosé"]
    swan = document.layers[1]
    shown = Compositor().render_layers((swan.with_props(blend_mode=BlendMode.NORMAL),), sprites[1].rect)
    assert np.array_equal(sprites[1].rgba, shown)


def test_masks_clipping_and_hidden_layers(tmp_path: Path) -> None:
    half = np.zeros((20, 20), np.uint8)
    half[:, :10] = 255
    mask = Mask(pixels=TileGrid.from_array(half))
    square = TileGrid.from_array(solid(20, 20, (9, 9, 9, 255)))
    base = PixelLayer(props=LayerProps(name="base"), pixels=square, mask=mask)
    clip = PixelLayer(props=LayerProps(name="clip", clipping=True), pixels=square, offset=Point(5, 5))
    hidden = PixelLayer(props=LayerProps(name="hidden", visible=False), pixels=square)
    empty = PixelLayer(props=LayerProps(name="empty"))
    group = GroupLayer(props=LayerProps(name="g"), children=(base, clip, hidden, empty))
    document = Document(size=Size(40, 40), layers=(group,))
    sprites, losses = sprites_of(document)
    assert [(x.name, x.path, x.rect) for x in sprites] == [
        ("base", ("g",), Rect(0, 0, 10, 20)),
        ("clip", ("g",), Rect(5, 5, 5, 15)),
    ]
    assert losses == ("“clip” was cut to the layer that it is clipped to.",)
    with_hidden, _ = sprites_of(document, SpriteOptions(with_hidden=True))
    assert [(x.name, x.visible) for x in with_hidden][-1] == ("hidden", False)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS, st.booleans())
def test_any_document_becomes_a_folder(tmp_path: Path, document: Document, merges: bool) -> None:
    folder = tmp_path / "out"
    options = SpriteOptions(merges_objects=merges, with_hidden=True)
    try:
        sprites, _ = sprites_of(document, options)
    except FileUnsupported:
        return
    export_layers(document, folder, options)
    frames = json.loads((folder / MANIFEST).read_text("utf-8"))["frames"]
    for frame, sprite in zip(frames, sprites, strict=True):
        assert np.array_equal(read_image(folder / frame["filename"]).rgba, sprite.rgba)


def test_a_second_export_replaces_its_own_files_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    export_layers(scene_document(), folder)
    (folder / "swan 🦢.png").write_bytes(b"older")
    export_layers(scene_document(), folder)
    assert read_image(folder / "swan 🦢.png").rgba.any()
    assert (folder / "notes.txt").read_text() == "mine"


def test_pictures_of_an_earlier_export_are_known_and_told(tmp_path: Path) -> None:
    folder, document = tmp_path / "out", scene_document()
    export_layers(document, folder)
    background = document.with_layers(document.layers[:1])
    losses = export_layers(background, folder)
    assert "former export" in losses[0]
    assert "swan 🦢.png" in losses[0]
    export_layers(background, folder)
    assert export_layers(document, folder) == ()  # all names are its own, those of two exports ago too


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"meta": 3, "frames": []}',
        '{"meta": {"app": "PSDStudio"}, "frames": [3]}',
        '{"meta": {"app": "PSDStudio", "former": {}}, "frames": []}',
        "[" * 100_000,
    ],
)
def test_a_list_that_is_not_ours_is_in_the_way(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(FileWriteFailed, match=MANIFEST):
        export_layers(scene_document(), tmp_path)
    assert [x.name for x in tmp_path.iterdir()] == [MANIFEST]


def test_files_of_others_are_in_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "swan 🦢.png").write_bytes(b"painted by hand")
    with pytest.raises(FileWriteFailed, match="swan"):
        export_layers(scene_document(), folder)
    assert [x.read_bytes() for x in folder.iterdir()] == [b"painted by hand"]
    (tmp_path / "sheet.json").write_text('{"frames": []}')
    with pytest.raises(FileWriteFailed, match=r"sheet\.json"):
        export_sprite_sheet(scene_document(), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FileWriteFailed, match="not a folder"):
        export_layers(scene_document(), tmp_path / "file")
    assert sorted(x.name for x in tmp_path.iterdir()) == ["file", "out", "sheet.json"]


def test_nothing_visible_is_said(tmp_path: Path) -> None:
    hidden = PixelLayer(props=LayerProps(name="h", visible=False), pixels=TileGrid.from_array(noise(1, 9, 9)))
    with pytest.raises(FileUnsupported, match="no visible layer"):
        export_layers(Document(size=Size(9, 9), layers=(hidden,)), tmp_path / "out")
    assert not list(tmp_path.iterdir())
