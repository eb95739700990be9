"""What a hand does in the window, for tests: type, press, click a part of a row, drop."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from psdstudio.core import tree
from psdstudio.core.layers import GroupLayer, Layer, LayerId, LayerProps, Part, PixelLayer
from psdstudio.core.parts import object_groups
from psdstudio.ui.panels.row_layout import Zone
from tests.ui.rig import SENTENCE, Rig

RUN_MS = 10_000


def type_sentence(qtbot: QtBot, rig: Rig, sentence: str = SENTENCE) -> None:
    """Type into the prompt and wait until it is read."""
    prompt = rig.window.prompt.text
    prompt.clear()
    rig.window.generation.set_text("")
    QTest.keyClicks(prompt, sentence)
    qtbot.waitUntil(lambda: not rig.window.generation.is_reading)


def generate(qtbot: QtBot, rig: Rig) -> None:
    """Press the primary button and wait for the result."""
    with qtbot.waitSignal(rig.window.generation.accepted, timeout=RUN_MS):
        QTest.mouseClick(rig.window.prompt.button, Qt.MouseButton.LeftButton)


def group_named(rig: Rig, name: str) -> GroupLayer:
    """Return an object's group."""
    return next(group for group in object_groups(rig.document) if group.props.name == name)


def part_of(rig: Rig, name: str) -> Part:
    """Return an object's part."""
    part = group_named(rig, name).part
    assert part is not None
    return part


def painted(layer: Layer) -> list[PixelLayer]:
    """Return the pixel layers inside a layer."""
    return [x for x in tree.walk((layer,)) if isinstance(x, PixelLayer)]


def click_zone(qtbot: QtBot, rig: Rig, layer_id: LayerId, zone: Zone) -> None:
    """Click a part of a row."""
    view = rig.window.layers.view
    index = rig.window.layers.model.index_of(layer_id)
    rect = view.visualRect(index)
    at = view.itemDelegate().layout_of(index, rect)  # type: ignore[attr-defined]  # our delegate
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=getattr(at, zone.value).center())


def props(rig: Rig, name: str) -> LayerProps:
    """Return the properties of a layer whose id is known."""
    return rig.document.layer(LayerId(name)).props


def drop(target: QWidget, data: QMimeData) -> None:
    """Drag data onto a widget and drop it, as the window system does."""
    at, action = QPointF(target.rect().center()), Qt.DropAction.CopyAction
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at.toPoint(), action, data, left, none)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(target, QDropEvent(at, action, data, left, none))


def urls(*paths: Path) -> QMimeData:
    """Return what a file manager hands over."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data
