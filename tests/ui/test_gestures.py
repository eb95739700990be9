"""Gestures that a hand trained on Photoshop makes, through the real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import GroupLayer, LayerId, LayerProps, PixelLayer
from psdstudio.core.parts import background_of
from psdstudio.ui.escape import PATIENCE_S
from psdstudio.ui.panels.row_layout import Zone
from tests.ui.hands import RUN_MS, click_zone, group_named, painted, part_of, props, type_sentence
from tests.ui.rig import Rig, make_rig

ALT, CTRL, SHIFT = (
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


# ---- Escape


def focus_targets(rig: Rig) -> dict[str, QWidget]:
    """Return where the keyboard may be while a run goes on."""
    window = rig.window
    return {"canvas": window.view, "layers": window.layers.view, "prompt": window.prompt.text}


@pytest.mark.parametrize("where", ["canvas", "layers", "prompt"])
def test_escape_twice_stops_a_run(qtbot: QtBot, tmp_path: Path, where: str) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.05, steps=60) as rig:
        rig.window.show()
        type_sentence(qtbot, rig)
        target = focus_targets(rig)[where]
        rig.window.generation.start()
        qtbot.waitUntil(lambda: rig.window.layers.model.rowCount() == 3)
        target.setFocus()
        QTest.keyClick(target, Qt.Key.Key_Escape)
        run = rig.window.generation.run
        assert run is not None
        assert not run.is_stopping
        assert rig.window.status.message.text() == "Press Esc again to stop the run."
        QTest.keyClick(target, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: rig.window.generation.run is None, timeout=RUN_MS)
        assert rig.document.layers == ()


def test_two_presses_far_apart_do_not_stop_it(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.05, steps=60) as rig:
        rig.window.show()
        now = [100.0]
        monkeypatch.setattr(rig.window.escape, "_clock", lambda: now[0])
        type_sentence(qtbot, rig)
        rig.window.generation.start()
        QTest.keyClick(rig.window.view, Qt.Key.Key_Escape)
        now[0] += PATIENCE_S + 0.1
        QTest.keyClick(rig.window.view, Qt.Key.Key_Escape)
        run = rig.window.generation.run
        assert run is not None
        assert not run.is_stopping
        now[0] += PATIENCE_S - 0.1
        QTest.keyClick(rig.window.view, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: rig.window.generation.run is None, timeout=RUN_MS)


def test_escape_leaves_an_insertion_and_closes_a_message(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    window.bridge.session.select((group_named(scene, "swan").id,))
    window.insert_above()
    QTest.keyClick(window.prompt.text, Qt.Key.Key_Escape)
    assert window.generation.insert_target is None
    window.placing.paste()  # the clipboard is empty: a message
    assert window.notices.isVisible()
    QTest.keyClick(window.prompt.text, Qt.Key.Key_Escape)
    assert not window.notices.isVisible()


# ---- the layer panel


def row_rect(rig: Rig, name: str) -> tuple[QWidget, QPoint, int]:
    """Return the panel's viewport, the middle of a row and its lower edge."""
    view = rig.window.layers.view
    rect = view.visualRect(rig.window.layers.model.index_of(LayerId(name)))
    return view.viewport(), rect.center(), rect.bottom()


@pytest.mark.parametrize("off", [-2, 2])
def test_alt_click_on_the_line_between_rows_clips_and_releases(qtbot: QtBot, stack: Rig, off: int) -> None:
    viewport, middle, bottom = row_rect(stack, "c")
    line = QPoint(middle.x(), bottom + off)
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, ALT, line)
    assert [props(stack, n).clipping for n in "abc"] == [False, False, True]
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, ALT, line)
    assert not props(stack, "c").clipping
    stack.window.undo()
    assert props(stack, "c").clipping
    assert stack.window.bridge.session.selection == (LayerId("b"),)


def test_alt_click_elsewhere_or_across_groups_clips_nothing(qtbot: QtBot, stack: Rig) -> None:
    before = stack.document
    for name in "abcd":
        viewport, middle, _ = row_rect(stack, name)
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, ALT, middle)
    for name in ("g", "d"):  # below the group stands its child, below that child another group's layer
        viewport, middle, bottom = row_rect(stack, name)
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, ALT, QPoint(middle.x(), bottom))
    assert stack.document is before


def test_alt_click_on_an_eye_shows_one_layer_alone_and_back(qtbot: QtBot, stack: Rig) -> None:
    stack.window.edits.set_visible(LayerId("a"), visible=False)
    view = stack.window.layers.view
    index = stack.window.layers.model.index_of(LayerId("b"))
    at = view.itemDelegate().layout_of(index, view.visualRect(index))  # type: ignore[attr-defined]  # our delegate
    for shown in ("b", "bcdg"):
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, ALT, at.eye.center())
        assert "".join(n for n in "abcdg" if props(stack, n).visible) == shown


# ---- Keep during a run


def test_a_pin_set_during_a_run_holds_and_loses_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.02, steps=30) as rig:
        window = rig.window
        window.show()
        type_sentence(qtbot, rig)
        with qtbot.waitSignal(window.generation.accepted, timeout=RUN_MS):
            window.generation.start()
        swan, flamingo = group_named(rig, "swan"), group_named(rig, "flamingo")
        window.edits.toggle_keep((flamingo.id,))
        window.generation.start()
        qtbot.waitUntil(lambda: bool(window.generation.run and window.generation.run.fraction > 0))
        request = window.generation.run.request if window.generation.run else None
        tip = window.layers.delegate.tip(swan, Zone.KEEP, window.layers.model.state(swan.id))
        assert "put aside" in tip
        click_zone(qtbot, rig, swan.id, Zone.KEEP)
        assert part_of(rig, "swan").keep
        click_zone(qtbot, rig, flamingo.id, Zone.KEEP)
        assert not part_of(rig, "flamingo").keep
        run = window.generation.run
        assert run is not None
        assert run.request is request  # the run itself goes on as it was asked
        with qtbot.waitSignal(window.generation.accepted, timeout=RUN_MS):
            pass
        for old in (swan, flamingo):
            new = group_named(rig, old.props.name)
            looks = [[p for p in painted(group) if p.props.name == old.props.name] for group in (old, new)]
            assert looks[0][0].pixels is looks[1][0].pixels
        assert "hidden group" in window.notices.message.text()
        assert rig.document.layers[-1].props.name == "Generated"
        assert "swan kept" in window.prompt.button.text()


def test_rows_in_the_making_take_no_clicks(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.05, steps=60) as rig:
        window = rig.window
        window.show()
        type_sentence(qtbot, rig)
        window.generation.start()
        qtbot.waitUntil(lambda: window.layers.model.rowCount() == 3)
        run = window.generation.run
        assert run is not None
        background = background_of(run.planned)
        assert background is not None
        click_zone(qtbot, rig, background.id, Zone.KEEP)
        click_zone(qtbot, rig, background.id, Zone.EYE)
        assert not window.notices.isVisible()
        state = window.layers.model.state(background.id)
        assert "as soon as it is there" in window.layers.delegate.tip(background, Zone.KEEP, state)
        window.generation.stop()
        qtbot.waitUntil(lambda: window.generation.run is None, timeout=RUN_MS)


# ---- keys


@pytest.mark.parametrize("target", [lambda rig: rig.window.view, lambda rig: rig.window.layers.view])
def test_layer_keys_work_from_canvas_and_panel(
    qtbot: QtBot, stack: Rig, target: Callable[[Rig], QWidget]
) -> None:
    widget = target(stack)
    widget.setFocus()
    QTest.keyClick(widget, Qt.Key.Key_4)
    QTest.keyClick(widget, Qt.Key.Key_2)
    assert props(stack, "b").opacity == 107
    QTest.keyClick(widget, Qt.Key.Key_J, CTRL)
    assert len(stack.document.layers) == 5
    QTest.keyClick(widget, Qt.Key.Key_G, CTRL)
    group = stack.document.layer(stack.window.bridge.session.selection[-1])
    assert isinstance(group, GroupLayer)
    QTest.keyClick(widget, Qt.Key.Key_G, CTRL | SHIFT)
    assert stack.document.find(group.id) is None
    QTest.keyClick(widget, Qt.Key.Key_Delete)
    assert [layer.props.name for layer in stack.document.layers] == ["a", "b", "c", "g"]


def test_shift_arrows_nudge_by_ten(qtbot: QtBot, stack: Rig) -> None:
    view = stack.window.view
    QTest.keyClick(view, Qt.Key.Key_Right, SHIFT)
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert layer_bounds(stack.document.layer(LayerId("b"))) == Rect(20, 9, 20, 20)


def test_f2_opens_the_name_editor(qtbot: QtBot, stack: Rig) -> None:
    QTest.keyClick(stack.window.view, Qt.Key.Key_F2)
    editor = QApplication.focusWidget()
    assert editor is not None
    assert editor.accessibleName() == "Layer name"
    QTest.keyClicks(editor, "bee")
    stack.window.layers.model.touch([LayerId("b")])  # as a new thumbnail does
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: props(stack, "b").name == "bee")


def test_alt_shift_brackets_extend_the_selection(qtbot: QtBot, stack: Rig) -> None:
    view, session = stack.window.view, stack.window.bridge.session
    QTest.keyClick(view, Qt.Key.Key_BracketRight, ALT | SHIFT)
    assert session.selection == (LayerId("b"), LayerId("c"))
    QTest.keyClick(view, Qt.Key.Key_BracketLeft, ALT)
    assert len(session.selection) == 1
    QTest.keyClick(view, Qt.Key.Key_BracketLeft, ALT | SHIFT)
    QTest.keyClick(view, Qt.Key.Key_BracketLeft, ALT | SHIFT)
    assert session.selection == (LayerId("b"), LayerId("a"))


def wheel(rig: Rig, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
    """Turn the wheel one notch away from the hand."""
    view = rig.window.view
    turn, phase = QPoint(0, 120), Qt.ScrollPhase.NoScrollPhase
    where = QPointF(view.mapToGlobal(at.toPoint()))
    button = Qt.MouseButton.NoButton
    QApplication.sendEvent(view, QWheelEvent(at, where, QPoint(), turn, button, modifiers, phase, False))


def test_ctrl_wheel_zooms_at_the_pointer_and_space_drags(qtbot: QtBot, stack: Rig) -> None:
    view = stack.window.view
    at = QPointF(300, 200)
    under, zoom = view.transform.to_canvas(at), view.transform.zoom
    wheel(stack, at, CTRL)
    assert view.transform.zoom == pytest.approx(zoom * 1.2)
    after = view.transform.to_canvas(at)
    assert (after.x(), after.y()) == pytest.approx((under.x(), under.y()), abs=1e-6)
    before, doc = view.transform.origin, stack.document
    QTest.keyPress(view, Qt.Key.Key_Space)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(300, 200))
    QTest.mouseMove(view, QPoint(330, 215))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(330, 215))
    QTest.keyRelease(view, Qt.Key.Key_Space)
    assert view.transform.origin - before == QPointF(30, 15)
    assert stack.document is doc


def test_space_with_ctrl_or_alt_is_the_zoom_tool_for_a_moment(qtbot: QtBot, stack: Rig) -> None:
    view = stack.window.view
    start = view.transform.zoom
    QTest.keyPress(view, Qt.Key.Key_Space)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, CTRL, QPoint(300, 200))
    nearer = view.transform.zoom
    assert nearer > start
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, ALT, QPoint(300, 200))
    assert view.transform.zoom < nearer
    QTest.keyRelease(view, Qt.Key.Key_Space)


def test_home_end_and_page_keys_go_round_a_large_picture(qtbot: QtBot, rig: Rig) -> None:
    big = Document(size=Size(4000, 4000), layers=(PixelLayer(props=LayerProps(name="a")),))
    rig.window.bridge.session.replace_document(big)
    view = rig.window.view
    view.actual_size()
    QTest.keyClick(view, Qt.Key.Key_Home)
    home = view.transform.origin
    assert home.x() > 0
    assert home.y() > 0
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    assert view.transform.origin == home - QPointF(0, view.height())
    QTest.keyClick(view, Qt.Key.Key_PageDown, CTRL)
    assert view.transform.origin == home - QPointF(view.width(), view.height())
    QTest.keyClick(view, Qt.Key.Key_PageUp, SHIFT)
    assert view.transform.origin == home - QPointF(view.width(), view.height() - 10)
    QTest.keyClick(view, Qt.Key.Key_End)
    corner = view.transform.to_view(4000, 4000)
    assert 0 < corner.x() < view.width()
    assert 0 < corner.y() < view.height()


def test_escape_closes_the_field_of_a_new_chip(qtbot: QtBot, rig: Rig) -> None:
    type_sentence(qtbot, rig)
    add = next(w for w in rig.window.prompt.findChildren(QWidget) if w.accessibleName() == "Add an object")
    QTest.mouseClick(add, Qt.MouseButton.LeftButton)
    editor = QApplication.focusWidget()
    assert editor is not None
    assert editor.accessibleName() == "Words of the new object"
    QTest.keyClicks(editor, "a dog")
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert not editor.isVisible()
    assert [chip.text for chip in rig.window.prompt.chips()] == ["calm water at sunset", "swan", "flamingo"]
