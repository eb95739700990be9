"""New canvases, inserted objects, what the engine says of itself: nothing that was typed or set is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.ui.dialogs.new_document import NewDocumentDialog
from tests.ui.hands import generate, group_named, type_sentence
from tests.ui.rig import SENTENCE, Rig, make_rig


def test_another_canvas_size_leaves_sentence_and_settings(qtbot: QtBot, rig: Rig) -> None:
    window = rig.window
    session = window.bridge.session
    session.replace_document(replace(rig.document, resolution_dpi=300.0, scene=Scene(use_library=False)))
    type_sentence(qtbot, rig)
    for ask in (window.files.resize_empty, window.files.new):
        ask()
        dialog = next(x for x in window.findChildren(NewDocumentDialog) if x.isVisible())
        dialog.width_box.setValue(320 if rig.document.size.width != 320 else 330)
        dialog.accept()
        assert rig.document.size.width == dialog.width_box.value()
        assert window.prompt.text.text() == SENTENCE
        assert window.prompt.button.text() == "Generate scene, 3 layers"
        dialog.deleteLater()
        if ask == window.files.resize_empty:
            assert rig.document.scene.use_library is False
            assert rig.document.resolution_dpi == 300.0


def test_new_documents_follow_the_settings(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, scene=Scene(use_library=False)) as rig:
        rig.window.show()
        rig.window.bridge.session.replace_document(Document(size=Size(40, 30), scene=Scene(prompt="a fox")))
        rig.window.files.new()
        dialog = next(x for x in rig.window.findChildren(NewDocumentDialog) if x.isVisible())
        dialog.accept()
        assert rig.document.scene == Scene(use_library=False)
        assert rig.window.prompt.text.text() == ""


def test_an_inserted_object_is_selected(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    window.bridge.session.select((group_named(scene, "swan").id,))
    window.actions_table["insert"].trigger()
    type_sentence(qtbot, scene, "a lantern")
    generate(qtbot, scene)
    assert window.bridge.session.selection == (group_named(scene, "lantern").id,)
    window.actions_table["undo"].trigger()
    assert window.bridge.session.selection == (group_named(scene, "swan").id,)


def test_what_the_engine_can_do_is_told_where_it_is_named(qtbot: QtBot, scene: Rig) -> None:
    window = scene.window
    assert "64 px" in window.status.engine.toolTip()
    assert "at most 6 objects" in window.status.engine.toolTip()
    window.actions_table["about"].trigger()
    box = next(box for box in window.findChildren(QMessageBox) if box.isVisible())
    assert "64 px" in box.informativeText()
    box.close()
