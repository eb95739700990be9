"""The name editor in a row ends wherever the user goes next."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from psdstudio.core.layers import LayerId
from tests.ui.hands import props
from tests.ui.rig import Rig


def test_a_click_on_the_canvas_takes_the_new_name_over(qtbot: QtBot, stack: Rig) -> None:
    window = stack.window
    qtbot.waitUntil(window.isActiveWindow)
    window.layers.view.rename(LayerId("b"))
    editor = QApplication.focusWidget()
    assert isinstance(editor, QLineEdit)
    QTest.keyClicks(editor, "boat")
    QTest.mouseClick(window.view, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    qtbot.waitUntil(lambda: props(stack, "b").name == "boat", timeout=2000)
    assert window.layers.view.state() is not QAbstractItemView.State.EditingState
