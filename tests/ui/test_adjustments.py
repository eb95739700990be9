"""Adjustment layers in the window: made from menu and button, set in the properties, shown in the rows."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QToolButton
from pytestqt.qtbot import QtBot

from psdstudio.core.adjustments import (
    TITLES,
    Adjustment,
    BlackAndWhite,
    BrightnessContrast,
    ChannelMixer,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    MixerRow,
    Posterize,
)
from psdstudio.core.layers import AdjustmentLayer, Lock
from psdstudio.render.compositor import Compositor
from psdstudio.ui.adjustment_actions import adjustment_id
from psdstudio.ui.icons import OUTLINES
from psdstudio.ui.models.layer_tree import RowState
from psdstudio.ui.panels.adjustment_controls import AdjustmentControls
from psdstudio.ui.panels.curve_editor import CurveEditor
from psdstudio.ui.panels.layer_delegate import adjustment_icon, row_tip
from psdstudio.ui.panels.row_layout import Zone
from psdstudio.ui.wording import kind
from tests.ui.rig import Rig


def add(rig: Rig, wanted: type[Adjustment]) -> AdjustmentLayer:
    """Choose the kind from the menu."""
    rig.window.actions_table[adjustment_id(wanted)].trigger()
    return chosen(rig)


def chosen(rig: Rig) -> AdjustmentLayer:
    """The selected layer, which is an adjustment."""
    layer = rig.window.edits.layers[-1]
    assert isinstance(layer, AdjustmentLayer)
    return layer


def controls(rig: Rig) -> AdjustmentControls:
    return rig.window.properties.adjustment


@pytest.mark.parametrize("wanted", TITLES, ids=lambda wanted: wanted.__name__)
def test_every_kind_is_made_selected_and_shown(stack: Rig, wanted: type[Adjustment]) -> None:
    before = stack.document
    layer = add(stack, wanted)
    assert layer.adjustment == wanted()
    names = [x.props.name for x in stack.document.layers]
    assert names == ["a", "b", f"{TITLES[wanted]} 1", "c", "g"]
    assert stack.window.properties.role.text() == TITLES[wanted]
    assert controls(stack).isVisible()
    assert not stack.window.properties.words.isVisible()
    assert stack.window.bridge.session.undo_label == f"New {TITLES[wanted]} layer"
    stack.window.undo()
    assert stack.document is before
    assert not controls(stack).isVisible()
    assert adjustment_icon(wanted()) in OUTLINES


def test_menu_and_button_list_them_all(stack: Rig) -> None:
    layer_menu = next(x.menu() for x in stack.window.menuBar().actions() if x.text() == "Layer")
    assert isinstance(layer_menu, QMenu)
    inner = next(x.menu() for x in layer_menu.actions() if x.text() == "New adjustment layer")
    buttons = stack.window.layers.findChildren(QToolButton)
    button = next(x for x in buttons if x.accessibleName() == "New adjustment layer")
    titles = [title.replace("&", "&&") for title in TITLES.values()]
    for menu in (inner, button.menu()):
        assert isinstance(menu, QMenu)
        assert [action.text() for action in menu.actions()] == titles


def test_the_whole_turning_of_a_dial_is_one_step(stack: Rig) -> None:
    layer = add(stack, BrightnessContrast)
    made = stack.document
    dial = controls(stack).dials["brightness"]
    for place in (5, 10, 40):
        dial.slider.setValue(place)
    assert chosen(stack).adjustment == BrightnessContrast(brightness=40)
    assert dial.field.value() == 40
    dial.field.setValue(-12)
    assert dial.slider.value() == -12
    stack.window.undo()
    assert stack.document is made
    assert stack.document.layer(layer.id) is layer
    assert dial.field.value() == 0


def test_the_canvas_follows(stack: Rig) -> None:
    add(stack, Invert)
    picture = Compositor(threads=1).render(stack.document)
    # Layers a and b are white; c above the negative is white too, so it is hidden for the look.
    stack.window.edits.set_visible(stack.document.layers[3].id, visible=False)
    stack.window.edits.set_visible(stack.document.layers[4].id, visible=False)
    shown = Compositor(threads=1).render(stack.document)
    assert tuple(picture[15, 15]) == (255, 255, 255, 255)
    assert tuple(shown[15, 15]) == (0, 0, 0, 255)


def test_levels_by_channel_and_black_never_passes_white(stack: Rig) -> None:
    add(stack, Levels)
    panel = controls(stack)
    panel.channel.setCurrentIndex(panel.channel.findData("green"))
    panel.dials["gamma"].field.setValue(1.5)
    panel.dials["white_in"].field.setValue(100)
    panel.dials["black_in"].field.setValue(180)
    wanted = LevelsChannel(gamma=150, white_in=100, black_in=98)
    assert chosen(stack).adjustment == Levels(green=wanted)
    panel.channel.setCurrentIndex(0)
    assert panel.dials["gamma"].field.value() == 1
    panel.reset.click()
    assert chosen(stack).adjustment == Levels()


def test_a_logarithmic_slider_has_one_in_the_middle(stack: Rig) -> None:
    add(stack, Exposure)
    dial = controls(stack).dials["gamma"]
    assert dial.slider.value() == (dial.slider.minimum() + dial.slider.maximum()) // 2
    dial.slider.setValue(dial.slider.maximum())
    assert chosen(stack).adjustment == Exposure(gamma=9.99)
    controls(stack).dials["offset"].field.setValue(0.0123)
    assert chosen(stack).adjustment == Exposure(gamma=9.99, offset=0.0123)


def test_toggles(stack: Rig) -> None:
    panel = controls(stack)
    add(stack, HueSaturation)
    assert panel.toggle is not None
    panel.toggle.click()
    assert chosen(stack).adjustment == HueSaturation(colorize=True, saturation=25)
    assert panel.dials["hue"].field.maximum() == 360
    add(stack, BrightnessContrast)
    panel.dials["brightness"].field.setValue(150)
    panel.toggle.click()
    assert chosen(stack).adjustment == BrightnessContrast(brightness=100, legacy=True)
    add(stack, ChannelMixer)
    panel.channel.setCurrentIndex(1)
    panel.dials["blue"].field.setValue(30)
    panel.toggle.click()
    assert chosen(stack).adjustment == ChannelMixer(green=MixerRow(green=100, blue=30), monochrome=True)
    panel.dials["green"].field.setValue(20)
    assert chosen(stack).adjustment == ChannelMixer(
        red=MixerRow(red=100, green=20), green=MixerRow(green=100, blue=30), monochrome=True
    )


def test_black_and_white_has_six_weights(stack: Rig) -> None:
    add(stack, BlackAndWhite)
    controls(stack).dials["cyans"].field.setValue(-30)
    assert chosen(stack).adjustment == BlackAndWhite(cyans=-30)


def test_clipping_by_the_check_box_and_by_alt(stack: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    add(stack, Invert)
    controls(stack).clip.click()
    assert chosen(stack).props.clipping
    monkeypatch.setattr(
        "psdstudio.ui.adjustment_actions.QGuiApplication.keyboardModifiers",
        lambda: Qt.KeyboardModifier.AltModifier,
    )
    assert add(stack, Posterize).props.clipping


def test_a_locked_one_is_shown_but_not_set(stack: Rig) -> None:
    add(stack, Invert)
    stack.window.edits.set_lock(Lock.ALL, on=True)
    assert not controls(stack).isEnabled()
    stack.window.edits.set_lock(Lock.ALL, on=False)
    assert controls(stack).isEnabled()


def test_rows_say_what_they_are_and_have_no_pin(stack: Rig) -> None:
    layer = add(stack, Curves)
    delegate = stack.window.layers.delegate
    assert row_tip(layer) == "Curves 1\nAdjustment: Curves"
    assert delegate.tip(layer, Zone.KEEP, RowState()) == ""
    assert kind(layer) == "adjustment"
    assert stack.window.thumbnails.get(layer) is None


# ---- the curve


def editor(rig: Rig) -> CurveEditor:
    found = controls(rig).curve
    assert found is not None
    return found


def place(curve: CurveEditor, x: int, y: int) -> QPoint:
    """Where a value stands in the editor."""
    return curve._at(x, y).toPoint()


def test_points_are_added_dragged_and_dragged_out(stack: Rig, qtbot: QtBot) -> None:
    add(stack, Curves)
    made, curve = stack.document, editor(stack)
    QTest.mousePress(curve, Qt.MouseButton.LeftButton, pos=place(curve, 128, 60))
    for y in (100, 160, 200):
        QTest.mouseMove(curve, place(curve, 140, y))
    QTest.mouseRelease(curve, Qt.MouseButton.LeftButton, pos=place(curve, 140, 200))
    (x, y) = curve.curve.points[1]
    assert abs(x - 140) <= 1
    assert abs(y - 200) <= 1
    assert chosen(stack).adjustment == Curves(master=curve.curve)
    stack.window.undo()  # adding and dragging are one gesture
    assert stack.document is made
    stack.window.redo()
    QTest.mousePress(curve, Qt.MouseButton.LeftButton, pos=place(curve, x, y))
    QTest.mouseMove(curve, QPoint(curve.width() + 80, 20))
    QTest.mouseRelease(curve, Qt.MouseButton.LeftButton, pos=QPoint(curve.width() + 80, 20))
    assert chosen(stack).adjustment == Curves()


def test_a_point_stays_between_its_neighbours(stack: Rig) -> None:
    add(stack, Curves)
    curve = editor(stack)
    curve.show_curve(Curve(((0, 0), (100, 100), (200, 200), (255, 255))), "#ffffff")
    curve.chosen = 1
    curve.place_chosen(250, 300)
    assert curve.curve.points[1] == (199, 255)


def test_keys_move_choose_and_remove_points_not_layers(stack: Rig) -> None:
    layer = add(stack, Curves)
    curve = editor(stack)
    QTest.mouseClick(curve, Qt.MouseButton.LeftButton, pos=place(curve, 128, 90))
    curve.setFocus()
    before = curve.curve.points[1]
    QTest.keyClick(curve, Qt.Key.Key_Up)
    QTest.keyClick(curve, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert curve.curve.points[1] == (before[0] + 10, before[1] + 1)
    QTest.keyClick(curve, Qt.Key.Key_Plus)
    assert curve.chosen == 2
    QTest.keyClick(curve, Qt.Key.Key_Minus)
    QTest.keyClick(curve, Qt.Key.Key_Delete)
    assert chosen(stack).id == layer.id
    assert chosen(stack).adjustment == Curves()


def test_the_selected_point_can_be_typed(stack: Rig) -> None:
    add(stack, Curves)
    panel = controls(stack)
    panel.channel.setCurrentIndex(panel.channel.findData("red"))
    assert panel._spots is not None
    panel._spots[1].setValue(30)
    assert chosen(stack).adjustment == Curves(red=Curve(((0, 30), (255, 255))))


def test_a_curve_is_drawn(stack: Rig) -> None:
    add(stack, Curves)
    curve = editor(stack)
    QApplication.processEvents()
    image = curve.grab().toImage()
    at = curve._at(128, 128)
    scale = image.devicePixelRatio()
    near = [
        image.pixelColor(int(at.x() * scale) + dx, int(at.y() * scale) + dy).lightness()
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    ]
    assert max(near) > 150
    assert np.isclose(QPointF(curve._at(0, 0)).x(), 7)


# ---- merging


def test_an_adjustment_is_merged_down_into_the_picture_below(stack: Rig, qtbot: QtBot) -> None:
    add(stack, Invert)
    stack.window.merging.merge_selected()
    qtbot.waitUntil(lambda: len(stack.document.layers) == 4)
    assert [x.props.name for x in stack.document.layers] == ["a", "b", "c", "g"]
    merged = stack.document.layers[1]
    assert not isinstance(merged, AdjustmentLayer)
    shown = Compositor(threads=1).render_layers((merged,), stack.document.canvas)
    assert tuple(shown[15, 15]) == (0, 0, 0, 255)


def test_merging_all_that_is_seen_starts_at_the_first_picture(stack: Rig, qtbot: QtBot) -> None:
    add(stack, Invert)
    stack.window.edits.send_to_end(-1)
    assert isinstance(stack.document.layers[0], AdjustmentLayer)
    stack.window.merging.merge_visible()
    qtbot.waitUntil(lambda: len(stack.document.layers) == 1)
    assert stack.document.layers[0].props.name == "a"
    shown = Compositor(threads=1).render(stack.document)
    assert tuple(shown[15, 15]) == (255, 255, 255, 255)
