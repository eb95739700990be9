"""The clipboard both ways: layers between documents, pictures with alpha and profile from and for other programs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QByteArray, QMimeData, Qt
from PySide6.QtGui import QColorSpace, QGuiApplication, QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import BlendMode, GroupLayer, LayerId, LayerProps, Lock, Mask, PixelLayer
from psdstudio.core.parts import object_groups
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.colour import adobe_rgb, converted, display_p3
from psdstudio.io.images import encode_png, read_image
from psdstudio.io.project import load_project, save_project
from psdstudio.render.compositor import Compositor
from psdstudio.ui.clipboard import LAYERS_TYPE, PNG_TYPE, rgba_of
from tests.io.documents import noise, scene_document
from tests.ui.rig import Rig

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def _own_clipboard(qapp: object) -> object:
    yield
    QGuiApplication.clipboard().clear()


def copy(qtbot: QtBot, rig: Rig, *ids: LayerId) -> QMimeData:
    """Copy these layers with the key; returns what the clipboard holds."""
    rig.window.bridge.session.select(ids)
    with qtbot.waitSignal(rig.window.placing.clipboard.copied):
        QTest.keyClick(rig.window.view, Qt.Key.Key_C, CTRL)
    return QGuiApplication.clipboard().mimeData()


def rich_layer(seed: int = 1) -> PixelLayer:
    """A layer with everything a picture alone cannot carry."""
    mask = Mask(pixels=TileGrid.from_array(noise(9, 20, 20, 1)), offset=Point(3, 3))
    props = LayerProps(
        name="rich 🦢", opacity=99, fill=77, blend_mode=BlendMode.SCREEN, locks=frozenset({Lock.POSITION})
    )
    return PixelLayer(
        props=props, pixels=TileGrid.from_array(noise(seed, 40, 30)), offset=Point(5, 7), mask=mask
    )


def pasted(qtbot: QtBot, rig: Rig, *, shift: bool = False) -> None:
    count = sum(1 for _ in rig.document.walk())
    QTest.keyClick(rig.window.view, Qt.Key.Key_V, CTRL | SHIFT if shift else CTRL)
    qtbot.waitUntil(lambda: sum(1 for _ in rig.document.walk()) > count)


def test_layers_travel_whole_between_documents(qtbot: QtBot, rig: Rig) -> None:
    rich = rich_layer()
    inner = GroupLayer(props=LayerProps(name="inner", blend_mode=BlendMode.MULTIPLY), children=(rich,))
    rig.window.bridge.session.replace_document(Document(size=Size(64, 64), layers=(inner,)))
    copy(qtbot, rig, inner.id)
    rig.window.bridge.session.replace_document(Document(size=Size(64, 64)))
    pasted(qtbot, rig)
    (group,) = rig.document.layers
    assert isinstance(group, GroupLayer)
    (layer,) = group.children
    assert isinstance(layer, PixelLayer)
    assert {group.id, layer.id}.isdisjoint({inner.id, rich.id})
    assert (group.props, layer.props, layer.offset, layer.mask) == (
        inner.props,
        rich.props,
        rich.offset,
        rich.mask,
    )
    assert layer.pixels == rich.pixels
    assert rig.window.bridge.session.selection == (group.id,)
    rig.window.undo()
    assert rig.document.layers == ()


def test_a_copy_lands_above_the_selection_and_a_second_one_has_other_ids(qtbot: QtBot, stack: Rig) -> None:
    copy(qtbot, stack, LayerId("a"), LayerId("b"))
    pasted(qtbot, stack)
    pasted(qtbot, stack)
    names = [layer.props.name for layer in stack.document.layers]
    assert names == ["a", "b", "a", "b", "a", "b", "c", "g"]
    assert len({layer.id for layer in stack.document.walk()}) == 9


def test_on_another_canvas_layers_come_to_the_middle_or_in_place(qtbot: QtBot, stack: Rig) -> None:
    copy(qtbot, stack, LayerId("a"))
    stack.window.bridge.session.replace_document(Document(size=Size(200, 100)))
    pasted(qtbot, stack)
    assert layer_bounds(stack.document.layers[-1]) == Rect(90, 40, 20, 20)
    pasted(qtbot, stack, shift=True)
    assert layer_bounds(stack.document.layers[-1]) == Rect(10, 10, 20, 20)


def test_a_copied_object_is_an_object_again(qtbot: QtBot, rig: Rig) -> None:
    document = scene_document()
    rig.window.bridge.session.replace_document(document)
    copy(qtbot, rig, document.layers[1].id)
    rig.window.bridge.session.replace_document(replace(document, size=Size(600, 200)))
    pasted(qtbot, rig, shift=True)
    groups = object_groups(rig.document)
    assert len(groups) == 3
    old, new = document.layers[1].part, groups[2].part
    assert old is not None
    assert old.box is not None
    assert new is not None
    assert new.box is not None
    assert new.box.to_rect(Size(600, 200)) == old.box.to_rect(document.size)


def test_colours_are_converted_on_the_way(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    save_project(Document(size=Size(1, 1), profile=display_p3()), tmp_path / "p.psdstudio")
    if load_project(tmp_path / "p.psdstudio").profile is None:
        pytest.skip("a project file of this version has no place for a profile")
    layer = PixelLayer(props=LayerProps(name="wide"), pixels=TileGrid.from_array(noise(2, 30, 30)))
    rig.window.bridge.session.replace_document(
        Document(size=Size(30, 30), layers=(layer,), profile=display_p3())
    )
    copy(qtbot, rig, layer.id)
    rig.window.bridge.session.replace_document(Document(size=Size(30, 30), profile=adobe_rgb()))
    pasted(qtbot, rig)
    (new,) = rig.document.layers
    assert isinstance(new, PixelLayer)
    wanted = converted(noise(2, 30, 30), display_p3(), adobe_rgb())
    assert np.array_equal(new.pixels.read(Rect(0, 0, 30, 30)), wanted)


def test_other_programs_get_a_png_with_alpha_and_a_bitmap(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    document = replace(scene_document(), profile=display_p3())
    rig.window.bridge.session.replace_document(document)
    swan = document.layers[1]
    data = copy(qtbot, rig, swan.id)
    assert data.hasFormat(LAYERS_TYPE)
    (tmp_path / "a.png").write_bytes(bytes(data.data(PNG_TYPE).data()))
    found = read_image(tmp_path / "a.png")
    shown = Compositor().render_layers((swan,), layer_bounds(swan))
    assert found.profile == display_p3()
    assert np.array_equal(found.rgba, shown)
    bitmap = rgba_of(QImage(data.imageData()))
    assert np.array_equal(bitmap, converted(shown, display_p3(), None))
    with qtbot.waitSignal(rig.window.placing.clipboard.copied):
        QTest.keyClick(rig.window.view, Qt.Key.Key_C, CTRL | SHIFT)
    merged = QGuiApplication.clipboard().mimeData()
    assert not merged.hasFormat(LAYERS_TYPE)
    (tmp_path / "b.png").write_bytes(bytes(merged.data(PNG_TYPE).data()))
    assert np.array_equal(read_image(tmp_path / "b.png").rgba, Compositor().render(document))


def test_cutting_copies_and_deletes(qtbot: QtBot, stack: Rig) -> None:
    stack.window.bridge.session.select((LayerId("a"),))
    with qtbot.waitSignal(stack.window.placing.clipboard.copied):
        QTest.keyClick(stack.window.view, Qt.Key.Key_X, CTRL)
    assert stack.document.find(LayerId("a")) is None
    pasted(qtbot, stack)
    (chosen,) = stack.window.bridge.session.selection
    assert stack.document.layer(chosen).props.name == "a"


def offered(rgba: U8Array, **more: object) -> QMimeData:
    out = io.BytesIO()
    encode_png(out, rgba, **more)  # type: ignore[arg-type]
    data = QMimeData()
    data.setData(PNG_TYPE, QByteArray(out.getvalue()))
    return data


def test_a_foreign_picture_keeps_alpha_and_gets_the_documents_colours(qtbot: QtBot, rig: Rig) -> None:
    rgba = noise(4, 50, 40)
    data = offered(rgba, profile=display_p3())
    opaque = QImage(50, 40, QImage.Format.Format_RGB32)
    opaque.fill(0)
    data.setImageData(opaque)  # as browsers do: the bitmap has lost the alpha
    QGuiApplication.clipboard().setMimeData(data)
    rig.window.bridge.session.replace_document(Document(size=Size(50, 40), profile=adobe_rgb()))
    pasted(qtbot, rig)
    (layer,) = rig.document.layers
    assert isinstance(layer, PixelLayer)
    assert np.array_equal(layer.pixels.read(Rect(0, 0, 50, 40)), converted(rgba, display_p3(), adobe_rgb()))


def test_a_bitmap_with_a_colour_space_is_converted(qtbot: QtBot, rig: Rig) -> None:
    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(0xFFEA3323)  # full red of sRGB, in Display P3
    image.setColorSpace(QColorSpace(QColorSpace.NamedColorSpace.DisplayP3))
    QGuiApplication.clipboard().setImage(image)
    rig.window.bridge.session.replace_document(Document(size=Size(20, 20)))
    pasted(qtbot, rig)
    shown = Compositor().render(rig.document)[5, 5, :3].astype(int)
    assert np.abs(shown - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("kind", [PNG_TYPE, LAYERS_TYPE])
def test_nonsense_in_the_clipboard_is_a_sentence(qtbot: QtBot, rig: Rig, kind: str) -> None:
    data = QMimeData()
    data.setData(kind, QByteArray(b"\x89PNG\r\n\x1a\n nothing at all" * 20))
    QGuiApplication.clipboard().setMimeData(data)
    QTest.keyClick(rig.window.view, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(rig.window.notices.isVisible)
    assert rig.document.layers == ()


def test_what_was_changed_in_a_placed_picture_is_told(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    rig.window.placing.place_files([tmp_path / "ink.jpg"])
    qtbot.waitUntil(rig.window.notices.isVisible)
    assert "CMYK" in rig.window.notices.message.text()
