"""The empty window: what arrives later gets its place too."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
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


@pytest.mark.parametrize(
    "sentence", ["", "a swan, a duck, a lamp, a chair, a boat and a fox in a meadow at night"]
)
def test_the_smallest_window_holds_prompt_and_gallery(qtbot: QtBot, rig: Rig, sentence: str) -> None:
    window = rig.window
    picture = QImage(96, 64, QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(QColor("#336699"))
    names = ("Fox and lantern", "Lake at sunset", "Penguin and snowman", "Tea by the window")
    window.empty.set_examples([Example(path=Path(name), name=name, layers=(picture,)) for name in names])
    window.resize(window.minimumSize())
    window.generation.set_text(sentence)
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    QApplication.processEvents()
    cards = [QRect(card.mapTo(window.empty, QPoint(0, 0)), card.size()) for card in window.empty.cards()]
    assert len(cards) == 4
    assert all(window.empty.rect().contains(card) for card in cards)
    assert all(not a.intersects(b) for i, a in enumerate(cards) for b in cards[i + 1 :])
    assert all(not window.prompt.geometry().intersects(card) for card in cards)
    assert window.empty.top.y() >= 0
