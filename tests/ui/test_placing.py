"""Pictures from outside: dropped, placed and pasted, through the real window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import PixelLayer
from psdstudio.io.images import write_png
from psdstudio.io.psd_export import export_psd
from tests.ui.hands import drop, group_named, urls
from tests.ui.rig import Rig

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.mark.parametrize(
    ("picture", "box"),
    [
        (Size(1280, 320), Rect(0, 160, 640, 160)),
        (Size(320, 960), Rect(240, 0, 160, 480)),
        (Size(100, 80), Rect(270, 200, 100, 80)),
        (Size(640, 480), Rect(0, 0, 640, 480)),
    ],
)
def test_a_dropped_picture_is_fitted_into_the_canvas(
    qtbot: QtBot, rig: Rig, tmp_path: Path, picture: Size, box: Rect
) -> None:
    path = tmp_path / "photo.png"
    write_png(path, np.full((picture.height, picture.width, 4), (200, 30, 60, 255), np.uint8))
    assert rig.window.area.is_empty
    before = rig.document
    drop(rig.window.area, urls(path))
    qtbot.waitUntil(lambda: bool(rig.document.layers))
    layer = rig.document.layers[-1]
    assert isinstance(layer, PixelLayer)
    assert layer_bounds(layer) == box
    middle = layer.pixels.read(Rect(box.width // 2, box.height // 2, 1, 1))
    assert tuple(middle[0, 0]) == (200, 30, 60, 255)
    assert rig.window.bridge.session.selection == (layer.id,)
    assert ("placed at" in rig.window.status.message.text()) == (picture.width > 640 or picture.height > 480)
    QTest.keyClick(rig.window.view, Qt.Key.Key_Z, CTRL)
    assert rig.document is before


def test_what_wears_a_pin_is_counted_as_kept(qtbot: QtBot, scene: Rig, tmp_path: Path) -> None:
    write_png(tmp_path / "logo.png", np.full((30, 40, 4), 255, np.uint8))
    drop(scene.window.area, urls(tmp_path / "logo.png"))
    qtbot.waitUntil(lambda: scene.document.layers[-1].props.name == "logo")
    assert scene.window.layers.kept_label.text() == "1 layer kept"
    scene.window.edits.toggle_keep((group_named(scene, "swan").id,))
    assert scene.window.layers.kept_label.text() == "2 layers kept"


def test_soft_edges_stay_clean_when_scaled(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    rgba = np.zeros((960, 1280, 4), np.uint8)
    rgba[:, 640:] = (255, 255, 255, 255)  # black and clear at the left: it must not bleed into the white
    write_png(tmp_path / "edge.png", rgba)
    rig.window.placing.place_files([tmp_path / "edge.png"])
    qtbot.waitUntil(lambda: bool(rig.document.layers))
    layer = rig.document.layers[-1]
    assert isinstance(layer, PixelLayer)
    seam = layer.pixels.read(Rect(310, 100, 20, 1))[0]
    assert (seam[seam[:, 3] > 0][:, :3] >= 250).all()


def test_the_empty_window_and_the_prompt_let_drops_through(rig: Rig) -> None:
    assert rig.window.area.acceptDrops()
    assert not any(w.acceptDrops() for w in (rig.window.empty, rig.window.prompt, rig.window.prompt.text))


def test_a_dropped_psd_opens_as_a_document(qtbot: QtBot, scene: Rig, tmp_path: Path) -> None:
    path = tmp_path / "scene.psd"
    export_psd(scene.document, path)
    names = [layer.props.name for layer in scene.document.layers]
    scene.window.bridge.session.mark_saved()
    scene.window.bridge.session.replace_document(Document(size=Size(32, 32)))
    drop(scene.window.area, urls(path))
    qtbot.waitUntil(lambda: bool(scene.document.layers))
    assert [layer.props.name for layer in scene.document.layers] == names


def test_a_pasted_picture_keeps_its_pixels(qtbot: QtBot, stack: Rig) -> None:
    image = QImage(200, 100, QImage.Format.Format_RGBA8888)
    image.fill(0xFF3366CC)
    QGuiApplication.clipboard().setImage(image)
    QTest.keyClick(stack.window.view, Qt.Key.Key_V, CTRL)
    qtbot.waitUntil(lambda: stack.document.layers[-1].props.name == "Pasted picture")
    QGuiApplication.clipboard().clear()
    assert layer_bounds(stack.document.layers[-1]) == Rect(-68, -18, 200, 100)
