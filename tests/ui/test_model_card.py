"""Help, Model card: the shipped card is shown whole, scrolls and closes with Esc."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextTable
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from psdstudio.errors import ModelNotFound
from psdstudio.resources_path import resource_dir
from psdstudio.ui.dialogs import model_card
from psdstudio.ui.dialogs.model_card import ModelCardDialog
from psdstudio.ui.main_window import MainWindow
from tests.ui.rig import make_rig


def open_dialogs(window: MainWindow) -> list[ModelCardDialog]:
    return [dialog for dialog in window.findChildren(ModelCardDialog) if dialog.isVisible()]


def test_help_shows_the_card_and_escape_closes_it(qapp: QApplication, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True) as rig:
        rig.window.show()
        rig.window.actions_table["model_card"].trigger()
        (dialog,) = open_dialogs(rig.window)
        shown = dialog.text.toPlainText()
        for words in ("What it is for", "Training", "Material and licences", "Limits"):
            assert words in shown
        for leftover in ("## ", "| ---", "**"):
            assert leftover not in shown, "nothing of the markup is left"
        bar = dialog.text.verticalScrollBar()
        assert bar.value() == 0
        assert bar.maximum() > 2 * dialog.text.viewport().height()
        dialog.text.setFocus()
        QTest.keyClick(dialog.text, Qt.Key.Key_PageDown)
        assert bar.value() > 0
        QTest.keyClick(dialog.text, Qt.Key.Key_Escape)
        assert not open_dialogs(rig.window)


def test_every_table_of_the_card_is_there_with_lines(qapp: QApplication) -> None:
    text = resource_dir(model_card.CARD_FILE).read_text(encoding="utf-8")
    dialog = ModelCardDialog()
    tables = [f for f in dialog.text.document().rootFrame().childFrames() if isinstance(f, QTextTable)]
    assert len(tables) == sum(line.startswith("| ---") for line in text.splitlines())
    for table in tables:
        assert table.format().border() == 1
        assert table.rows() > 1


def test_a_missing_card_says_what_is_missing(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(part: str) -> Path:
        raise ModelNotFound(f"A part of PSDStudio is missing: {part}", "Install PSDStudio again.")

    monkeypatch.setattr(model_card, "resource_dir", nowhere)
    dialog = ModelCardDialog()
    shown = dialog.text.toPlainText()
    assert "A part of PSDStudio is missing: model/CARD.md" in shown
    assert "Install PSDStudio again." in shown
