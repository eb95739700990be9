"""What an engine with more abilities changes in the window: words as written, negative words, LoRAs, prices, notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from psdstudio.core.layers import LoraUse, Part
from psdstudio.gen.costs import cost_sentence, estimated
from psdstudio.gen.engine import CostModel
from psdstudio.gen.fake import FakeScript
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY
from psdstudio.gen.request import GenerationRequest
from psdstudio.gen.verbs import EMBEDDED_CAPABILITIES
from psdstudio.ui.panels.part_prompts import PartPrompts
from tests.ui.hands import RUN_MS, generate, group_named, part_of, type_sentence
from tests.ui.model_files import MORE, NEEDED, listed
from tests.ui.rig import Rig, make_rig

COSTS = CostModel(
    device="a small card", seconds_fixed=1.0, seconds_per_row_step=0.25, native_pixels=640 * 480,
    bytes_per_row=2**28, plans=(("all on the GPU", 2**33), ("model offload", 2**32)), free_bytes=2**34,
)  # fmt: skip
WATER, LIGHT = "Watercolour sketch", "Soft studio light with a very long name that goes on"


@pytest.fixture
def photoreal(qtbot: QtBot, tmp_path: Path) -> Iterator[Rig]:
    """A window on the photoreal engine (as the script plays it), with prices and a note to every result."""
    models = listed(tmp_path / "files", *NEEDED, *MORE)
    script = FakeScript(costs=COSTS, notes=("The swan came out empty; try another seed.",))
    with make_rig(tmp_path / "u", inline=True, engine=PHOTOREAL_KEY, models=models, script=script) as rig:
        rig.window.show()
        qtbot.waitUntil(lambda: rig.window.generation.engine is not None)
        yield rig


@pytest.fixture
def painted(qtbot: QtBot, photoreal: Rig) -> Rig:
    """The same with a scene; the swan is selected."""
    type_sentence(qtbot, photoreal)
    generate(qtbot, photoreal)
    photoreal.window.bridge.session.select((group_named(photoreal, "swan").id,))
    return photoreal


def prompts_of(rig: Rig) -> PartPrompts:
    return rig.window.properties.prompts


def start(qtbot: QtBot, rig: Rig) -> GenerationRequest:
    """Run the primary action to its end and return its request."""
    rig.window.generation.start()
    assert rig.window.generation.run is not None
    request = rig.window.generation.run.request
    qtbot.waitUntil(lambda: rig.window.generation.run is None, timeout=RUN_MS)
    return request


@pytest.mark.parametrize(
    ("key", "read", "notes"),
    [(EMBEDDED_KEY, ["leopard", "cat"], ["not known"]), (PHOTOREAL_KEY, ["leopard", "kitty"], [])],
)
def test_words_are_replaced_for_the_embedded_engine_alone(
    qtbot: QtBot, tmp_path: Path, key: str, read: list[str], notes: list[str]
) -> None:
    with make_rig(tmp_path, inline=True, engine=key) as rig:
        rig.window.show()
        type_sentence(qtbot, rig, "a leopard and a kitty on a hill")  # the engine may still be loading
        chips = rig.window.prompt.chips()
        said = [label.text() for chip in chips for label in chip.findChildren(QLabel) if label.text()]
        assert said == ["hill", "leopard", *notes, "kitty"]
        request = start(qtbot, rig)
        assert [part.engine_words for part in request.objects] == read


def test_the_fields_are_there_for_engines_that_read_them(qtbot: QtBot, scene: Rig, painted: Rig) -> None:
    scene.window.bridge.session.select((group_named(scene, "swan").id,))
    assert not prompts_of(scene).isVisibleTo(scene.window)
    prompts = prompts_of(painted)
    assert prompts.negative.isVisibleTo(painted.window)
    assert prompts.add.isVisibleTo(painted.window)
    painted.window.bridge.session.select(())
    assert not prompts.isVisibleTo(painted.window)
    shadow = group_named(painted, "swan").children[0]
    painted.window.bridge.session.select((shadow.id,))
    assert not prompts.isVisibleTo(painted.window)
    engines = painted.window.engine_view.engines
    painted.window.bridge.session.select((group_named(painted, "swan").id,))
    engines.choose(EMBEDDED_KEY, engines.options)
    assert not prompts.isVisibleTo(painted.window)


def test_what_is_typed_is_held_undone_and_asked_for(qtbot: QtBot, painted: Rig) -> None:
    window, prompts = painted.window, prompts_of(painted)
    before = part_of(painted, "swan")
    prompts.negative.setFocus()
    QTest.keyClicks(prompts.negative, "text, a  boat ")
    assert part_of(painted, "swan").negative == "text, a boat"
    assert prompts.negative.text() == "text, a  boat "  # the field is not changed under the fingers
    prompts.add.setCurrentIndex(prompts.add.findText(WATER))
    prompts.add.activated.emit(prompts.add.currentIndex())
    assert part_of(painted, "swan").loras == (LoraUse(title=WATER),)
    assert prompts.add.findText(WATER) == -1
    (row,) = prompts.rows()
    for _ in range(3):
        QTest.keyClick(row.weight, Qt.Key.Key_Down)
    assert part_of(painted, "swan").loras == (LoraUse(title=WATER, weight=0.85),)
    request = start(qtbot, painted)
    swan, flamingo = request.objects
    assert (swan.negative_words, swan.loras) == ("text, a boat", (LoraUse(title=WATER, weight=0.85),))
    assert (flamingo.negative_words, flamingo.loras) == ("", ())
    window.undo()  # the run
    window.undo()  # the weight: three steps of the wheel are one
    assert part_of(painted, "swan").loras == (LoraUse(title=WATER),)
    assert prompts.rows()[0].weight.value() == 1.0
    window.undo()
    window.undo()
    assert part_of(painted, "swan") == before
    assert prompts.negative.text() == ""
    assert prompts.rows() == []


def test_loras_are_taken_away_and_one_that_is_not_listed_is_marked(qtbot: QtBot, painted: Rig) -> None:
    prompts, window = prompts_of(painted), painted.window
    group = group_named(painted, "swan")
    gone = LoraUse(title="From another machine", weight=0.5)
    part = group.part
    assert isinstance(part, Part)
    edited = replace(group, part=replace(part, loras=(gone, LoraUse(title=LIGHT))))
    window.bridge.session.replace_document(painted.document.with_layer(edited))
    window.bridge.session.select((group.id,))
    first, second = prompts.rows()
    assert [label.text() for label in first.findChildren(QLabel)] == ["From another machine", "not listed"]
    assert [label.text() for label in second.findChildren(QLabel)] == [LIGHT]
    QTest.mouseClick(first.cross, Qt.MouseButton.LeftButton)
    assert part_of(painted, "swan").loras == (LoraUse(title=LIGHT),)
    assert len(prompts.rows()) == 1
    listed_now = window.engine_view.engines.model_list
    listed_now.remove(next(model for model in listed_now.models if model.title == LIGHT))
    assert "not listed" in [label.text() for label in prompts.rows()[0].findChildren(QLabel)]


def test_the_price_stands_beside_the_button_and_counts_what_is_free(qtbot: QtBot, painted: Rig) -> None:
    window = painted.window
    shown = window.prompt.note.text()
    assert shown.endswith("on a small card.")
    assert shown in window.prompt.button.toolTip()
    window.edits.toggle_keep()  # the swan
    cost = window.generation.cost
    assert cost is not None
    request = start(qtbot, painted)
    assert cost == estimated(COSTS, request)
    assert cost_sentence(cost) in window.prompt.note.text()
    assert request.known_ids == {group_named(painted, "swan").id}


def test_there_is_no_price_without_an_engine_that_has_one(qtbot: QtBot, scene: Rig) -> None:
    assert scene.window.generation.cost is None
    assert "About" not in scene.window.prompt.note.text()


def test_notes_of_the_engine_are_shown_after_the_run(painted: Rig) -> None:
    assert painted.window.notices.isVisibleTo(painted.window)
    assert painted.window.notices.message.text() == "The swan came out empty; try another seed."


def test_an_engine_that_only_splits_says_so_where_a_scene_is_asked(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, engine=QWEN_KEY) as rig:
        rig.window.show()
        type_sentence(qtbot, rig)
        assert not rig.window.prompt.button.isEnabled()
        assert "only splits pictures" in rig.window.prompt.note.text()
        assert "Scene, Models" in rig.window.prompt.note.text()


def test_the_script_can_what_the_embedded_engine_can() -> None:
    assert FakeScript().capabilities == EMBEDDED_CAPABILITIES
