"""Photoshop's keys do what they do there; no key has two meanings."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import BlendMode, LayerId, LayerProps, Lock, PixelLayer
from psdstudio.ui.canvas.controller import ToolName
from psdstudio.ui.main_window import MainWindow
from psdstudio.ui.panels.tool_bars import TOOL_ACTIONS
from tests.ui.rig import Rig

PHOTOSHOP = {
    "new": "Ctrl+N",
    "open": "Ctrl+O",
    "save": "Ctrl+S",
    "save_as": "Ctrl+Shift+S",
    "export_psd": "Ctrl+Alt+Shift+S",
    "quit": "Ctrl+Q",
    "undo": "Ctrl+Z",
    "redo": "Ctrl+Shift+Z",
    "paste": "Ctrl+V",
    "new_layer": "Ctrl+Shift+N",
    "duplicate": "Ctrl+J",
    "group": "Ctrl+G",
    "ungroup": "Ctrl+Shift+G",
    "clip": "Ctrl+Alt+G",
    "bring_forward": "Ctrl+]",
    "send_backward": "Ctrl+[",
    "bring_to_front": "Ctrl+Shift+]",
    "send_to_back": "Ctrl+Shift+[",
    "select_above": "Alt+]",
    "select_below": "Alt+[",
    "select_all": "Ctrl+Alt+A",
    "visible": "Ctrl+,",
    "lock": "/",
    "fit": "Ctrl+0",
    "actual_size": "Ctrl+1",
    "tool_move": "V",
    "tool_box": "K",
    "tool_hand": "H",
    "tool_zoom": "Z",
    "keep": "N",
    "invert_keep": "Shift+N",
    "generate": "Ctrl+Return",
    "stop": "Ctrl+.",
    "rename": "F2",
    "layers": "F7",
    "mode_multiply": "Shift+Alt+M",
    "mode_screen": "Shift+Alt+S",
}


def test_the_table(rig: Rig) -> None:
    keys = rig.window.actions_table.keys
    assert {name: keys[name][0] for name in PHOTOSHOP} == PHOTOSHOP


def test_no_key_has_two_meanings(rig: Rig) -> None:
    keys = [QKeySequence(key).toString() for keys in rig.window.actions_table.keys.values() for key in keys]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


@pytest.fixture
def stack(rig: Rig) -> Rig:
    """Three layers a, b, c from the bottom; b is selected and the canvas has the focus."""
    layers = tuple(PixelLayer(id=LayerId(name), props=LayerProps(name=name)) for name in "abc")
    rig.window.bridge.session.replace_document(Document(size=Size(64, 64), layers=layers))
    rig.window.bridge.session.select((LayerId("b"),))
    rig.window.activateWindow()
    rig.window.view.setFocus()
    return rig


def order(rig: Rig) -> str:
    """Return the names of the top level, bottom to top."""
    return " ".join(layer.props.name for layer in rig.document.layers)


@pytest.mark.parametrize(
    ("key", "modifiers", "result"),
    [
        (Qt.Key.Key_BracketRight, Qt.KeyboardModifier.ControlModifier, "a c b"),
        (Qt.Key.Key_BracketLeft, Qt.KeyboardModifier.ControlModifier, "b a c"),
        (Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier, "a b b copy c"),
        (Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier, "a Group 1 c"),
        (Qt.Key.Key_Delete, Qt.KeyboardModifier.NoModifier, "a c"),
    ],
)
def test_keys_on_the_canvas(
    qtbot: QtBot, stack: Rig, key: Qt.Key, modifiers: Qt.KeyboardModifier, result: str
) -> None:
    QTest.keyClick(stack.window.view, key, modifiers)
    assert order(stack) == result
    QTest.keyClick(stack.window.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert order(stack) == "a b c"


def test_digits_lock_and_modes(qtbot: QtBot, stack: Rig) -> None:
    view = stack.window.view
    QTest.keyClick(view, Qt.Key.Key_5)
    assert stack.document.layer(LayerId("b")).props.opacity == 128
    QTest.keyClick(view, Qt.Key.Key_M, Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier)
    assert stack.document.layer(LayerId("b")).props.blend_mode is BlendMode.MULTIPLY
    QTest.keyClick(view, Qt.Key.Key_Slash)
    assert stack.document.layer(LayerId("b")).props.locks == {Lock.TRANSPARENCY}
    QTest.keyClick(view, Qt.Key.Key_Slash)
    assert stack.document.layer(LayerId("b")).props.locks == frozenset()


def checked(window: MainWindow) -> list[QAction]:
    """Return the checked tool actions."""
    actions = (window.actions_table[name] for name in TOOL_ACTIONS.values())
    return [action for action in actions if action.isChecked()]


def test_letters_choose_tools_but_not_while_typing(qtbot: QtBot, stack: Rig) -> None:
    window = stack.window
    QTest.keyClick(window.view, Qt.Key.Key_Z)
    assert [action.objectName() for action in checked(window)] == ["tool_zoom"]
    QTest.keyClick(window.view, Qt.Key.Key_V)
    assert [action.objectName() for action in checked(window)] == ["tool_move"]
    window.prompt.text.setFocus()
    QTest.keyClicks(window.prompt.text, "zhkn5/")
    assert window.canvas.tool is ToolName.MOVE
    assert window.prompt.text.text() == "zhkn5/"


def test_zoom_keys(qtbot: QtBot, stack: Rig) -> None:
    view = stack.window.view
    QTest.keyClick(view, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert view.transform.zoom == 1.0
    QTest.keyClick(view, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert view.transform.zoom > 4
    assert stack.window.status.zoom.text().endswith("%")


def test_tab_on_the_canvas_hides_the_panels(qtbot: QtBot, stack: Rig) -> None:
    QTest.keyClick(stack.window.view, Qt.Key.Key_Tab)
    assert not stack.window.layers.isVisible()
    QTest.keyClick(stack.window.view, Qt.Key.Key_Tab)
    assert stack.window.layers.isVisible()
