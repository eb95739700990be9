"""The empty window: what arrives later gets its place too."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from psdstudio.ui.panels.empty_state import Example
from tests.ui.rig import Rig


def test_examples_that_load_after_the_window_are_shown_whole(qtbot: QtBot, rig: Rig) -> None:
    empty = rig.window.empty
    picture = QImage(96, 64, QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(QColor("#336699"))
    before = empty.bottom.height()
    empty.set_examples([Example(path=Path("a"), name="a", layers=(picture,))])
    assert empty.bottom.height() > before
    qtbot.waitUntil(lambda: empty.bottom.height() == empty.bottom.sizeHint().height())
    empty.set_examples([])
