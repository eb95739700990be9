"""New look in the same outline, new place, fill and split in the real window; and what is off, with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMenu
from pytestqt.qtbot import QtBot

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LayerProps, PixelLayer, Role
from psdstudio.core.pixel_commands import WritePixels
from psdstudio.core.tiles import TileGrid
from psdstudio.gen.fake import FakeScript
from psdstudio.gen.request import GenerationRequest
from psdstudio.gen.verbs import Capability
from psdstudio.render.compositor import Compositor
from psdstudio.ui.canvas.controller import ToolName
from tests.ui.hands import RUN_MS, generate, group_named, painted, type_sentence
from tests.ui.rig import Rig, make_rig

NEW = ("same_outline", "new_place", "fill_behind", "fill_hidden", "split")


def trigger(qtbot: QtBot, rig: Rig, action_id: str) -> None:
    """Choose a menu entry and wait for the result."""
    rig.window.actions_table.refresh()
    action = rig.window.actions_table[action_id]
    assert action.isEnabled(), action.toolTip()
    with qtbot.waitSignal(rig.window.generation.accepted, timeout=RUN_MS):
        action.trigger()


def look(rig: Rig, name: str) -> PixelLayer:
    """The layer that shows an object."""
    found = [x for x in painted(group_named(rig, name)) if x.part is not None and x.part.role is Role.OBJECT]
    return found[0]


def undo_label(rig: Rig) -> str:
    """What the Edit menu offers to undo."""
    return rig.window.actions_table["undo"].text()


def why(rig: Rig, action_id: str) -> str:
    """The reason in the tip of an entry that is off."""
    rig.window.actions_table.refresh()
    action = rig.window.actions_table[action_id]
    assert not action.isEnabled()
    return action.toolTip().splitlines()[-1]


def says(rig: Rig, action_id: str) -> str:
    """What an entry says in the menu that opens now."""
    rig.window.row_menu().deleteLater()
    return rig.window.actions_table[action_id].text()


def photo(rig: Rig) -> Document:
    """Open a flat picture."""
    rgba = np.full((480, 640, 4), 255, np.uint8)
    rgba[..., 0] = np.linspace(0, 255, 640).astype(np.uint8)
    layer = PixelLayer(props=LayerProps(name="photo"), pixels=TileGrid.from_array(rgba))
    doc = Document(size=Size(640, 480), layers=(layer,))
    rig.window.bridge.session.replace_document(doc)
    return doc


def test_an_object_gets_another_look_in_its_outline_and_then_another_place(qtbot: QtBot, scene: Rig) -> None:
    session = scene.window.bridge.session
    before, old = scene.document, look(scene, "swan")
    session.select((group_named(scene, "swan").id,))
    trigger(qtbot, scene, "same_outline")
    new, box = look(scene, "swan"), layer_bounds(old)
    assert undo_label(scene) == "Undo New look, same outline"
    assert new.pixels != old.pixels
    assert (new.pixels.read(box)[..., 3] == old.pixels.read(box)[..., 3]).all()
    seeds = [scene.document.scene.seed]
    places = [layer_bounds(new)]
    for _ in range(2):
        trigger(qtbot, scene, "new_place")
        assert undo_label(scene) == "Undo New place"
        seeds.append(scene.document.scene.seed)
        places.append(layer_bounds(look(scene, "swan")))
    assert len(set(places)) == 3  # asked again, it is another place
    assert len(set(seeds)) == 3
    for _ in range(3):
        session.undo()
    assert scene.document is before


def test_a_hole_is_filled_and_what_is_filled_is_said(qtbot: QtBot, scene: Rig) -> None:
    window, session = scene.window, scene.window.bridge.session
    ground = scene.document.layers[0]
    clear = np.zeros((60, 80, 4), np.uint8)
    session.apply(WritePixels(layer_id=ground.id, at=Point(100, 100), rgba=clear))
    said: list[str] = []
    assert says(scene, "fill_behind") == "Fill the transparent part of the background"
    window.generation.run_changed.connect(lambda _: said.append(window.status.message.text()))
    trigger(qtbot, scene, "fill_behind")
    filled = scene.document.layers[0]
    assert isinstance(filled, PixelLayer)
    assert (filled.pixels.read(scene.document.canvas)[..., 3] == 255).all()
    assert undo_label(scene) == "Undo Fill the transparent part of the background"
    assert "Fill the transparent part of the background" in said
    session.select((group_named(scene, "swan").id,))
    assert says(scene, "fill_behind") == "Fill the background behind swan"
    assert says(scene, "fill_hidden") == "Fill the hidden part of swan"
    session.select(())
    assert says(scene, "fill_behind") == "Fill behind"
    window.actions_table["fill_behind"].trigger()  # nothing left to fill, nothing selected
    assert "no transparent place" in window.notices.message.text()
    assert window.generation.run is None


def test_what_is_off_says_why(qtbot: QtBot, scene: Rig) -> None:
    session = scene.window.bridge.session
    session.select(())
    assert why(scene, "new_place") == "Select an object of the scene first."
    swan = group_named(scene, "swan").id
    session.apply(SetKeep(ids=(swan,), keep=True))
    session.select((swan,))
    for action_id in ("same_outline", "new_place", "fill_hidden"):
        assert why(scene, action_id) == "The object is kept; stop keeping it first."
    photo(scene)
    assert why(scene, "fill_behind") == "Generate a scene, or split a picture into layers, first."


def test_an_engine_that_cannot_is_not_asked(qtbot: QtBot, tmp_path: Path) -> None:
    script = FakeScript(capabilities=frozenset({Capability.NEW_PLACE}))
    with make_rig(tmp_path, inline=True, script=script) as rig:
        assert why(rig, "split") == "Open or paste a picture first."
        photo(rig)
        assert why(rig, "split") == "The engine is still starting."
        rig.window.show()
        qtbot.waitUntil(lambda: rig.window.generation.engine is not None)
        assert why(rig, "split") == "This engine cannot split a picture into layers."
        type_sentence(qtbot, rig)
        generate(qtbot, rig)
        rig.window.bridge.session.select((group_named(rig, "swan").id,))
        assert why(rig, "fill_hidden") == "This engine cannot fill a part of a layer."
        trigger(qtbot, rig, "new_place")


def test_a_picture_is_split_by_a_sentence_with_a_box(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    qtbot.waitUntil(lambda: window.generation.engine is not None)
    doc = photo(rig)
    window.actions_table.refresh()
    window.actions_table["split"].trigger()
    assert window.generation.is_splitting
    assert window.prompt.target_label.isVisibleTo(window)
    assert not window.prompt.button.isEnabled()
    QTest.keyClicks(window.prompt.text, "a swan and a flamingo on calm water")
    qtbot.waitUntil(lambda: not window.generation.is_reading)
    assert window.prompt.button.text() == "Split into 3 layers: swan, flamingo and background"
    window.canvas.set_tool(ToolName.BOX)
    assert len(window.view.overlays.boxes) == 2
    middle = window.view.transform.rect_to_view(window.view.overlays.boxes[0].rect).center().toPoint()
    QTest.mousePress(window.view, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseMove(window.view, middle + middle / 10)
    QTest.mouseRelease(window.view, Qt.MouseButton.LeftButton, pos=middle + middle / 10)
    boxes = dict(window.generation.edits.boxes)
    assert len(boxes) == 1
    generate(qtbot, rig)
    names = [layer.props.name for layer in rig.document.layers]
    assert names == ["Background", "swan", "flamingo", "Original"]
    assert [layer.props.visible for layer in rig.document.layers] == [True, True, True, False]
    (key, box) = next(iter(boxes.items()))
    assert layer_bounds(look(rig, key.removeprefix("a "))) == box.to_rect(rig.document.size)
    shown = Compositor().render(rig.document).astype(int)
    assert np.abs(shown - Compositor().render(doc)).max() <= 1
    assert not window.generation.is_splitting
    assert window.prompt.text.text() == rig.document.scene.prompt
    assert undo_label(rig) == "Undo Split into layers"
    window.actions_table["undo"].trigger()
    assert rig.document is doc


def test_chips_alone_will_do_and_escape_leaves(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    qtbot.waitUntil(lambda: window.generation.engine is not None)
    photo(rig)
    window.actions_table.refresh()
    window.actions_table["split"].trigger()
    assert [chip.text for chip in window.prompt.chips()] == ["background"]
    window.generation.edit_chips(window.generation.edits.with_added("a lantern"))
    assert window.prompt.button.text() == "Split into 2 layers: a lantern and background"
    window.escape.press()
    assert not window.generation.is_splitting
    assert not window.prompt.target_label.isVisibleTo(window)
    window.actions_table["split"].trigger()
    window.generation.edit_chips(window.generation.edits.with_added("a lantern"))
    generate(qtbot, rig)
    assert [layer.props.name for layer in rig.document.layers] == ["Background", "a lantern", "Original"]


def test_too_many_things_are_refused_before_the_run(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    qtbot.waitUntil(lambda: window.generation.engine is not None)
    photo(rig)
    window.generation.set_split(True)
    edits = window.generation.edits
    for number in range(7):
        edits = edits.with_added(f"thing {number}")
    window.generation.edit_chips(edits)
    problem = window.generation.problem
    assert problem is not None
    assert problem.user_message.startswith("7 things are named")


def test_an_edit_while_the_picture_is_flattened_ends_the_splitting(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    qtbot.waitUntil(lambda: window.generation.engine is not None)
    photo(rig)
    window.generation.set_split(True)
    window.generation.edit_chips(window.generation.edits.with_added("a lantern"))
    window.generation.start()
    window.generation.start()  # pressed twice
    window.edits.add_layer()
    with qtbot.waitSignal(window.generation.failed, timeout=RUN_MS) as heard:
        pass
    assert heard.args is not None
    assert "changed before it could be split" in heard.args[0].user_message
    assert window.generation.run is None


@pytest.mark.parametrize("action_id", NEW)
def test_every_new_verb_is_in_the_scene_menu(rig: Rig, action_id: str) -> None:
    scene_menu = next(x.menu() for x in rig.window.menuBar().actions() if x.text() == "Scene")
    assert isinstance(scene_menu, QMenu)
    assert rig.window.actions_table[action_id] in scene_menu.actions()


def test_an_object_gets_its_look_from_a_picture_of_the_users(
    qtbot: QtBot, scene: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp, flat = tmp_path / "lamp.png", tmp_path / "flat.png"
    rgba = np.zeros((90, 60, 4), np.uint8)
    rgba[10:80, 10:50] = (200, 30, 40, 255)
    Image.fromarray(rgba).save(lamp)
    Image.fromarray(rgba[20:60, 20:40]).save(flat)
    asked: list[GenerationRequest] = []
    scene.window.generation.run_changed.connect(lambda run: asked.append(run.request) if run else None)
    session, before = scene.window.bridge.session, look(scene, "swan")
    session.select((group_named(scene, "swan").id,))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(flat), ""))
    scene.window.actions_table["look_from_picture"].trigger()
    qtbot.waitUntil(lambda: "no transparent surroundings" in scene.window.notices.message.text())
    assert not asked
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(lamp), ""))
    trigger(qtbot, scene, "look_from_picture")
    assert look(scene, "swan").pixels != before.pixels
    part = next(one for one in asked[0].objects if one.reference is not None)
    assert part.name == "swan"
    assert part.follow_reference
    assert part.reference is not None
    assert np.array_equal(part.reference, rgba)
