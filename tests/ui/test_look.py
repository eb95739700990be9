"""What a designer's eye would catch: cut words, jumping buttons, small targets, blurred ticks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QMenu, QStyle, QStyleOptionMenuItem
from pytestqt.qtbot import QtBot

from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerProps, Lock, PixelLayer
from psdstudio.io.formats import ExportFormat
from psdstudio.io.psd_preflight import preflight
from psdstudio.ui import theme
from psdstudio.ui.dialogs.export import ExportDialog
from psdstudio.ui.main_window import MainWindow
from psdstudio.ui.panels.empty_state import Example
from tests.ui.hands import RUN_MS, group_named, type_sentence
from tests.ui.rig import Rig

SMALLEST_TARGET = 24


def test_no_word_of_the_empty_window_is_cut(rig: Rig) -> None:
    window = rig.window
    window.resize(window.minimumSize())
    text = window.prompt.text
    room = text.width() - 26  # the field's padding and border
    assert text.fontMetrics().horizontalAdvance(text.placeholderText()) <= room


def test_the_primary_button_becomes_stop_without_moving(qtbot: QtBot, rig: Rig) -> None:
    button = rig.window.prompt.button
    type_sentence(qtbot, rig)
    widths: list[int] = []
    rig.window.generation.run_changed.connect(lambda run: widths.append(button.width()) if run else None)
    before = button.width()
    with qtbot.waitSignal(rig.window.generation.accepted, timeout=RUN_MS):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert len(widths) > 2
    assert set(widths) == {before}


def buttons_of(window: MainWindow) -> list[QAbstractButton]:
    """Return what can be pressed now."""
    return [
        button
        for button in window.findChildren(QAbstractButton)
        if button.isVisible() and not button.objectName().startswith("qt_")
    ]


def test_every_button_is_large_enough_and_has_a_name(qtbot: QtBot, rig: Rig) -> None:
    type_sentence(qtbot, rig)
    found = buttons_of(rig.window)
    assert len(found) > 12
    small = [
        (b.accessibleName(), b.width(), b.height())
        for b in found
        if min(b.size().toTuple()) < SMALLEST_TARGET
    ]
    assert small == []
    assert [type(b).__name__ for b in found if not (b.accessibleName() or b.text())] == []


@pytest.mark.parametrize("which", ["bar", "row"])
def test_ticks_in_menus_are_sharp_on_fine_screens(rig: Rig, which: str) -> None:
    window = rig.window
    shown = window.menuBar().actions()[0].menu() if which == "bar" else window.row_menu()
    assert isinstance(shown, QMenu)
    image = QImage(32, 32, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(2)
    image.fill(QColor("black"))
    option = QStyleOptionMenuItem()
    option.rect = QRect(0, 0, 16, 16)
    option.state = QStyle.StateFlag.State_On | QStyle.StateFlag.State_Enabled
    painter = QPainter(image)
    shown.style().drawPrimitive(QStyle.PrimitiveElement.PE_IndicatorMenuCheckMark, option, painter, shown)
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(32, 32, 4)[..., 0]
    assert pixels.max() > 150
    # A mark made for one size comes out as blocks of two by two equal pixels.
    assert not np.array_equal(pixels, pixels[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))


def test_no_line_of_a_failed_export_is_cut(rig: Rig) -> None:
    dialog = ExportDialog(rig.document, Path("swans.psd"), rig.window)
    dialog.show()
    dialog.show_problem("“a.psd” was not saved because the folder does not exist. Nothing was lost. " * 4)
    QApplication.processEvents()
    for label in (dialog.lines, dialog.problem):
        assert label.height() >= label.heightForWidth(label.width())
    dialog.choose(ExportFormat.PNG)
    QApplication.processEvents()
    assert dialog.problem.height() >= dialog.problem.heightForWidth(dialog.problem.width())
    dialog.reject()


def test_an_export_asks_before_it_replaces_and_keeps_its_ending(qtbot: QtBot, rig: Rig) -> None:
    there = rig.folder / "swans.psd"
    there.write_bytes(b"hours of work")
    dialog = ExportDialog(rig.document, there, rig.window)
    asked: list[Path] = []
    dialog.export_asked.connect(lambda choice: asked.append(choice.path))
    dialog.show()
    dialog.export.click()
    assert not asked
    assert "“swans.psd” is there already" in dialog.problem.text()
    assert dialog.export.text() == "Replace"
    dialog.path.setText(str(rig.folder / "v1.5"))
    assert dialog.problem.isHidden()
    assert dialog.export.text() == "Export"
    dialog.export.click()
    dialog.show_problem("The disk is full.")
    dialog.path.setText(str(there))
    dialog.export.click()
    dialog.export.click()
    assert asked == [rig.folder / "v1.5.psd", there]
    dialog.reject()


def test_the_prompt_can_be_read_beside_a_button_with_a_long_scope(qtbot: QtBot, scene: Rig) -> None:
    window, swan = scene.window, group_named(scene, "swan")
    window.bridge.apply(
        SetProps(ids=(swan.id,), name="a name that a designer pasted from a brief, without end")
    )
    window.edits.toggle_keep((swan.id,))
    qtbot.waitUntil(lambda: "kept" in window.prompt.button.text())
    QApplication.processEvents()
    assert window.prompt.text.width() >= 200
    assert window.prompt.button.text() in window.prompt.button.toolTip()


def test_a_button_that_cannot_be_pressed_says_why(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    window.bridge.session.select((group_named(scene, "swan").id,))
    window.generation.set_text("")
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    assert not window.prompt.button.isEnabled()
    assert "Describe a scene" in window.prompt.button.toolTip()
    assert "Describe a scene" in window.prompt.note.text()
    assert "Select a layer first" not in window.layers.mode.toolTip()
    window.bridge.session.select(())
    actions = window.actions_table
    for name in ("delete", "duplicate", "rename", "keep", "new_look"):
        assert "elect" in actions[name].toolTip(), name
    window.bridge.session.select((group_named(scene, "swan").id,))
    for name in ("delete", "duplicate", "rename", "keep", "new_look"):
        assert "Select" not in actions[name].toolTip(), name
    window.edits.set_lock(Lock.ALL, on=True)
    assert window.layers.mode.toolTip().endswith("Unlock the layer first.")
    assert "Unlock" not in window.layers.locks[Lock.ALL].toolTip()
    window.bridge.session.select(())
    assert window.layers.opacity.toolTip() == "Opacity of the layer (digits set it)\nSelect a layer first."


def test_tab_goes_through_the_empty_window_as_the_eye_does(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    picture = QImage(9, 6, QImage.Format.Format_ARGB32_Premultiplied)
    window.empty.set_examples([Example(path=Path(name), name=name, layers=(picture,)) for name in "ab"])
    type_sentence(qtbot, rig)
    qtbot.waitUntil(window.isActiveWindow)
    window.prompt.chips()[0].setFocus()
    names = []
    for _ in range(10):
        focused = QApplication.focusWidget()
        assert focused is not None
        names.append(focused.accessibleName())
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    chips = ["calm water at sunset", "swan", "flamingo"]
    assert names[:3] == [f"{chip}, layer to be made" for chip in chips]
    assert names[3:6] == ["Add an object", "Prompt", "Generate scene, 3 layers"]
    assert names[6:] == ["Canvas", "Open a project or picture", "Engine and models", "Example a"]


@pytest.mark.parametrize("size", [(900, 540), (1000, 600)])
def test_a_small_window_cuts_nothing(qtbot: QtBot, scene: Rig, size: tuple[int, int]) -> None:
    window = scene.window
    window.resize(*size)
    QApplication.processEvents()
    assert (window.width(), window.height()) == size
    assert window.layers.view.height() >= 2 * theme.ROW_PX
    area = window.area.rect()
    assert area.contains(window.prompt.geometry())


@pytest.mark.parametrize(("hidden", "words"), [(1, "1 hidden layer stays"), (2, "2 hidden layers stay")])
def test_the_export_dialog_speaks_properly(hidden: int, words: str) -> None:
    layers = tuple(PixelLayer(props=LayerProps(name=str(n), visible=n >= hidden)) for n in range(3))
    lines = preflight(Document(size=Size(8, 8), layers=layers))
    assert any(line.startswith(words + " ") for line in lines)
