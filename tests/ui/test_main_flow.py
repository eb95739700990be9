"""The designer's way through the real window: a sentence, layers, keep one, regenerate, undo; and what can go wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import Role
from psdstudio.io.formats import ExportFormat
from psdstudio.render.compositor import Compositor
from psdstudio.ui.dialogs.export import ExportChoice
from psdstudio.ui.panels.row_layout import Zone
from tests.ui.hands import RUN_MS, click_zone, generate, group_named, painted, part_of, type_sentence
from tests.ui.rig import SENTENCE, Rig, make_rig


def test_from_a_sentence_to_layers_kept_and_regenerated_and_back(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    assert window.area.is_empty
    type_sentence(qtbot, rig)
    assert [chip.text for chip in window.prompt.chips()] == ["calm water at sunset", "swan", "flamingo"]
    assert window.prompt.button.text() == "Generate scene, 3 layers"
    empty = rig.document
    generate(qtbot, rig)
    assert not window.area.is_empty
    assert [layer.props.name for layer in rig.document.layers] == ["Background", "swan", "flamingo"]
    assert window.layers.model.rowCount() == 3
    first = rig.document

    swan = group_named(rig, "swan")
    click_zone(qtbot, rig, swan.id, Zone.KEEP)
    assert window.prompt.button.text() == "Regenerate 2 layers, swan kept, its contacts refreshed"
    kept = [layer.pixels for layer in painted(group_named(rig, "swan")) if layer.part.role is Role.OBJECT]
    flamingo = painted(group_named(rig, "flamingo"))[-1].pixels
    generate(qtbot, rig)
    assert kept[0] == next(x.pixels for x in painted(group_named(rig, "swan")) if x.part.role is Role.OBJECT)
    assert painted(group_named(rig, "flamingo"))[-1].pixels != flamingo

    window.actions_table["undo"].trigger()
    assert painted(group_named(rig, "flamingo"))[-1].pixels == flamingo
    window.actions_table["undo"].trigger()  # the pin
    assert rig.document is first
    window.actions_table["undo"].trigger()  # accepting the first result is one step
    assert rig.document is empty
    assert window.area.is_empty
    window.actions_table["redo"].trigger()
    assert rig.document is first


def test_a_result_is_on_disk_before_it_is_shown(qtbot: QtBot, rig: Rig) -> None:
    stored: list[int] = []
    rig.window.bridge.changed.connect(
        lambda _: stored.append(len(list((rig.folder / "recovery").glob("*.psdstudio"))))
    )
    type_sentence(qtbot, rig)
    generate(qtbot, rig)
    assert stored == [1]


def test_chips_can_be_removed_added_and_renamed(qtbot: QtBot, rig: Rig) -> None:
    type_sentence(qtbot, rig)
    window = rig.window
    window.prompt.chips()[2].removed.emit()
    assert window.prompt.button.text() == "Generate scene, 2 layers"
    window.prompt.chips()[1].renamed.emit("black swan")
    window.generation.edit_chips(window.generation.edits.with_added("lantern"))
    assert [chip.text for chip in window.prompt.chips()] == ["calm water at sunset", "black swan", "lantern"]
    generate(qtbot, rig)
    assert [layer.props.name for layer in rig.document.layers] == ["Background", "black swan", "lantern"]


def test_impossible_prompts_say_why_and_cannot_be_run(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    assert not window.prompt.button.isEnabled()
    window.prompt.text.setText("a" * 10_000)
    window.generation.set_text("a" * 10_000)
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    assert "10000 characters" in window.prompt.note.text()
    assert not window.prompt.button.isEnabled()
    window.generation.set_text("ten ducks")
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    assert "at most 6" in window.prompt.note.text()
    assert not window.prompt.button.isEnabled()


def test_stop_leaves_nothing_behind(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.1) as rig:
        rig.window.show()
        type_sentence(qtbot, rig)
        before = rig.document
        QTest.mouseClick(rig.window.prompt.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: rig.window.layers.model.rowCount() == 3)
        assert rig.window.prompt.button.text() == "Stop"
        assert rig.window.prompt.button.is_running
        QTest.mouseClick(rig.window.prompt.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: rig.window.generation.run is None, timeout=RUN_MS)
        assert rig.document is before
        assert rig.window.layers.model.rowCount() == 0
        assert rig.window.prompt.button.text() == "Generate scene, 3 layers"


def test_edits_during_a_run_stay(qtbot: QtBot, scene: Rig, tmp_path: Path) -> None:
    window = scene.window
    window.generation.start()
    window.edits.rename(group_named(scene, "swan").id, "Odette")
    with qtbot.waitSignal(window.generation.accepted, timeout=RUN_MS):
        pass
    assert group_named(scene, "Odette").part is not None


def test_one_layer_gets_a_new_look_with_its_own_words(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    swan, flamingo = group_named(scene, "swan"), group_named(scene, "flamingo")
    window.bridge.session.select((swan.id,))
    window.properties.words.setPlainText("black swan")
    assert part_of(scene, "swan").words == "black swan"
    with qtbot.waitSignal(window.generation.accepted, timeout=RUN_MS):
        window.properties.words.setFocus()
        QTest.keyClick(window.properties.words, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    look = [
        x for x in painted(group_named(scene, "swan")) if x.part is not None and x.part.role is Role.OBJECT
    ]
    assert look[0].part is not None
    assert look[0].part.recipe is not None
    assert look[0].part.recipe.words == "black swan"
    assert painted(group_named(scene, "flamingo"))[-1].pixels == painted(flamingo)[-1].pixels


def test_an_object_is_inserted_between(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    window.bridge.session.select((group_named(scene, "swan").id,))
    window.actions_table["insert"].trigger()
    QTest.keyClicks(window.prompt.text, "a lantern")
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    assert window.prompt.button.text() == "Insert lantern"
    generate(qtbot, scene)
    assert [layer.props.name for layer in scene.document.layers] == [
        "Background",
        "swan",
        "lantern",
        "flamingo",
    ]
    assert window.generation.insert_target is None
    assert window.prompt.text.text() == SENTENCE


def test_dragging_a_layer_moves_its_shadow_along(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    swan = group_named(scene, "swan")
    window.view.fit()
    look = next(x for x in painted(swan) if x.part is not None and x.part.role is Role.OBJECT)
    box = look.pixels.bounds()
    start = window.view.transform.to_view(
        box.x + look.offset.x + box.width * 0.15, box.y + look.offset.y + box.height / 2
    )
    window.options.snap.setChecked(False)
    _drag(qtbot, window.view, start, QPointF(60, -30) * window.view.transform.scale)
    moved = painted(group_named(scene, "swan"))
    assert {x.offset for x in moved} == {(60, -30)}
    assert part_of(scene, "swan").stale_contacts
    window.actions_table["undo"].trigger()
    assert group_named(scene, "swan") is swan


def test_arrow_keys_nudge_and_are_one_step(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    before = scene.document
    window.bridge.session.select((group_named(scene, "swan").id,))
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_Right)
    QTest.keyClick(window.view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert {x.offset for x in painted(group_named(scene, "swan"))} == {(1, 10)}
    window.actions_table["undo"].trigger()
    assert scene.document is before


def test_boxes_can_be_dragged_before_the_first_run(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    type_sentence(qtbot, rig)
    window.actions_table["tool_box"].trigger()
    assert not window.area.is_empty
    box = next(b for b in window.view.overlays.boxes if b.name.startswith("swan"))
    start = window.view.transform.to_view(box.rect.x + box.rect.width / 2, box.rect.y + box.rect.height / 2)
    window.options.snap.setChecked(False)
    _drag(qtbot, window.view, start, QPointF(-40, -40) * window.view.transform.scale)
    boxes = dict(window.generation.edits.boxes)
    assert list(boxes) == ["swan"]
    rect = boxes["swan"].to_rect(rig.document.size)
    assert abs(rect.x - (box.rect.x - 40)) <= 10
    assert abs(rect.y - (box.rect.y - 40)) <= 10
    generate(qtbot, rig)
    swan = group_named(rig, "swan").part
    assert swan is not None
    assert swan.box == boxes["swan"]


def test_undoing_the_first_run_leaves_the_words_and_boxes_it_was_made_from(qtbot: QtBot, rig: Rig) -> None:
    window, box = rig.window, BoxF(0.1, 0.3, 0.3, 0.4)
    type_sentence(qtbot, rig)
    window.generation.edit_chips(window.generation.edits.with_box("swan", box))
    generate(qtbot, rig)
    made = rig.document
    window.actions_table["undo"].trigger()
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    assert window.area.is_empty
    assert window.prompt.text.text() == SENTENCE
    assert [chip.text for chip in window.prompt.chips()] == ["calm water at sunset", "swan", "flamingo"]
    assert dict(window.generation.edits.boxes) == {"swan": box}
    window.actions_table["redo"].trigger()
    assert rig.document is made
    assert window.prompt.text.text() == SENTENCE
    assert window.prompt.button.text() == "Regenerate scene, 3 layers"


def test_rows_are_dragged_renamed_and_made_transparent(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    swan = group_named(scene, "swan")
    data = window.layers.model.mimeData([window.layers.model.index_of(swan.id)])
    window.layers.model.dropMimeData(data, Qt.DropAction.MoveAction, 0, 0, window.layers.model.index(-1, -1))
    assert [layer.props.name for layer in scene.document.layers] == ["Background", "flamingo", "swan"]
    assert window.layers.model.index(0, 0).data() == "swan"
    window.layers.model.setData(window.layers.model.index_of(swan.id), "Odette")
    assert group_named(scene, "Odette").id == swan.id
    window.bridge.session.select((swan.id,))
    window.layers.opacity.setValue(50)
    assert scene.document.layer(swan.id).props.opacity == 128
    window.actions_table["opacity_4"].trigger()
    window.actions_table["opacity_2"].trigger()
    assert scene.document.layer(swan.id).props.opacity == 107
    assert window.layers.opacity.value() == 42


def test_merging_shows_the_same_picture(qtbot: QtBot, scene: Rig) -> None:
    before = Compositor().render(scene.document)
    scene.window.actions_table["merge_visible"].trigger()
    qtbot.waitUntil(lambda: len(scene.document.layers) == 1)
    after = Compositor().render(scene.document)
    assert int(np.abs(after.astype(int) - before.astype(int)).max()) <= 1
    scene.window.actions_table["undo"].trigger()
    assert len(scene.document.layers) == 3


def test_eye_lock_and_selection_from_the_panel(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    swan = group_named(scene, "swan")
    click_zone(qtbot, scene, swan.id, Zone.EYE)
    assert not scene.document.layer(swan.id).props.visible
    assert window.prompt.note.text() == "Hidden and left out: swan"
    click_zone(qtbot, scene, swan.id, Zone.EYE)
    click_zone(qtbot, scene, swan.id, Zone.THUMB)
    assert window.bridge.session.selection == (swan.id,)
    window.actions_table["lock"].trigger()
    assert scene.document.layer(swan.id).props.locks
    assert window.properties.title.text() == "swan"


def test_a_picture_becomes_a_kept_layer(qtbot: QtBot, scene: Rig, tmp_path: Path) -> None:

    from psdstudio.io.images import write_png

    path = tmp_path / "logo.png"
    write_png(path, np.full((40, 60, 4), 200, np.uint8))
    scene.window.placing.place_files([path])
    qtbot.waitUntil(lambda: scene.document.layers[-1].props.name == "logo")
    assert "logo kept" in scene.window.prompt.button.text()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    scene.window.placing.place_files([tmp_path / "broken.png"])
    qtbot.waitUntil(scene.window.notices.isVisible)
    assert "broken.png" in scene.window.notices.message.text()


def test_export_says_what_it_will_and_what_it_did(qtbot: QtBot, scene: Rig, tmp_path: Path) -> None:
    dialog = scene.window.files.export(ExportFormat.PSD)
    assert "5 layers and 2 groups" in dialog.lines.text()
    path = tmp_path / "out.psd"
    dialog.path.setText(str(path))
    QTest.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.heading.text() == "Written: out.psd", timeout=RUN_MS)
    assert path.read_bytes()[:4] == b"8BPS"
    assert "Nothing was lost." in dialog.lines.text()
    dialog.reject()
    dialog = scene.window.files.export(ExportFormat.PNG)
    dialog.export_asked.emit(ExportChoice(path=tmp_path / "no" / "folder.png", format=ExportFormat.PNG))
    qtbot.waitUntil(lambda: not dialog.problem.isHidden(), timeout=RUN_MS)
    dialog.problem.hide()
    flat = ExportChoice(path=tmp_path / "flat.png", format=ExportFormat.PNG, strip_prompts=True)
    dialog.export_asked.emit(flat)
    qtbot.waitUntil(lambda: dialog.heading.text() == "Written: flat.png", timeout=RUN_MS)
    dialog.reject()
    with Image.open(flat.path) as image:
        properties = image.info["XML:com.adobe.xmp"]
    assert "trainedAlgorithmicMedia" in properties
    assert "swan" not in properties


def test_save_open_and_recover(qtbot: QtBot, scene: Rig, tmp_path: Path) -> None:
    window, path = scene.window, tmp_path / "swans.psdstudio"
    window.files.save_to(path)
    qtbot.waitUntil(lambda: window.files.path == path and not window.bridge.session.is_dirty)
    assert window.windowTitle() == "swans — PSDStudio"
    saved = scene.document
    window.edits.rename(group_named(scene, "swan").id, "Odette")
    assert window.windowTitle() == "swans* — PSDStudio"
    window.bridge.session.mark_saved()
    window.files.open_path(path)
    qtbot.waitUntil(lambda: scene.document == saved)
    assert window.prompt.text.text() == SENTENCE
    path.write_bytes(path.read_bytes()[:5000])
    window.files.open_path(path)
    qtbot.waitUntil(window.notices.isVisible)
    assert scene.document == saved


@pytest.mark.expects_logs
def test_a_crash_of_the_engine_is_one_bar_with_one_button(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, step_delay_s=0.2) as rig:
        rig.window.show()
        type_sentence(qtbot, rig)
        before = rig.document
        rig.window.generation.start()
        qtbot.waitUntil(_is_painting(rig), timeout=RUN_MS)
        rig.kill_engine()
        qtbot.waitUntil(rig.window.notices.isVisible, timeout=RUN_MS)
        assert rig.window.notices.message.text() == "The engine stopped unexpectedly. Your layers are safe."
        assert rig.document is before
        shown = [b.text() for b in rig.window.notices.findChildren(QPushButton) if b.isVisible()]
        assert [text for text in shown if text != "Details"] == ["Restart the engine"]
        QTest.mouseClick(rig.window.notices.button, Qt.MouseButton.LeftButton)
        assert not rig.window.notices.isVisible()
        rig.window.generation.start()
        with qtbot.waitSignal(rig.window.generation.accepted, timeout=20_000):
            pass
        assert len(rig.document.layers) == 3


def _is_painting(rig: Rig) -> Callable[[], bool]:
    return lambda: rig.window.generation.run is not None and rig.window.generation.run.fraction > 0.2


def test_the_window_needs_no_torch() -> None:
    code = "import sys, psdstudio.ui.main_window, psdstudio.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _drag(qtbot: QtBot, view: object, start: QPointF, way: QPointF) -> None:
    from PySide6.QtWidgets import QWidget

    assert isinstance(view, QWidget)
    begin, end = start.toPoint(), (start + way).toPoint()
    QTest.mouseMove(view, begin)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=begin)
    for share in (0.3, 0.6, 1.0):
        QTest.mouseMove(
            view, begin + QPoint(round((end - begin).x() * share), round((end - begin).y() * share))
        )
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=end)
