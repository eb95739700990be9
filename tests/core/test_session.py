"""Session and history: transactions, merging, saving, listeners, budget."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from psdstudio.core.changes import Change, Origin
from psdstudio.core.commands import SetProps, SetScene
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import LayerId, LayerProps, PixelLayer
from psdstudio.core.pixel_commands import WritePixels
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.core.session import Session
from psdstudio.core.structure_commands import (
    AddLayer,
    DeleteLayers,
    DuplicateLayers,
    GroupLayers,
    UngroupLayer,
)
from psdstudio.core.tiles import TILE, TileGrid
from psdstudio.errors import CommandError
from tests.strategies import solid_layer, tile_ids


def _doc(*names: str) -> Document:
    return Document(size=Size(100, 80), layers=tuple(solid_layer(name, Rect(5, 5, 20, 20)) for name in names))


def _name(doc: Document, name: str) -> PixelLayer:
    found = next(layer for layer in doc.walk() if layer.props.name == name)
    assert isinstance(found, PixelLayer)
    return found


def test_turning_one_dial_is_one_step() -> None:
    doc = _doc("a", "b")
    a, b = (layer.id for layer in doc.layers)
    session = Session(doc)
    for opacity in (200, 150, 100):
        session.apply(SetProps(ids=(a,), opacity=opacity))
    session.apply(SetProps(ids=(b,), opacity=3))
    assert session.history_labels == ("Opacity", "Opacity")
    session.undo()
    assert session.document.layer(a).props.opacity == 100
    session.undo()
    assert session.document is doc


def test_selecting_saving_and_undoing_end_the_merging() -> None:
    doc = _doc("a")
    ids = (doc.layers[0].id,)
    session = Session(doc)
    session.apply(SetProps(ids=ids, opacity=1))
    session.select(ids)
    session.apply(SetProps(ids=ids, opacity=2))
    session.mark_saved()
    saved = session.document
    session.apply(SetProps(ids=ids, opacity=3))
    assert len(session.history_labels) == 3
    session.undo()
    assert session.document is saved
    assert not session.is_dirty
    session.apply(SetProps(ids=ids, opacity=4))
    assert session.history_labels == ("Opacity", "Opacity", "Opacity")
    assert not session.can_redo


def test_dirty_follows_the_saved_value() -> None:
    session = Session(_doc("a"))
    assert not session.is_dirty
    session.apply(SetScene(prompt="a swan"))
    assert session.is_dirty
    earlier = session.document
    session.apply(SetScene(seed=9))
    session.mark_saved(earlier)  # a save that started before the last edit
    assert session.is_dirty
    session.undo()
    assert not session.is_dirty


def test_a_command_that_changes_nothing_is_no_step() -> None:
    doc = _doc("a")
    session = Session(doc)
    seen: list[Change] = []
    session.subscribe(seen.append)
    assert session.apply(SetProps(ids=(doc.layers[0].id,), opacity=255)).is_empty
    assert session.document is doc
    assert not session.can_undo
    assert seen == []


def test_a_refused_command_leaves_everything() -> None:
    doc = _doc("a")
    session = Session(doc)
    session.apply(SetScene(prompt="x"))
    session.undo()
    with pytest.raises(CommandError):
        session.apply(DeleteLayers(ids=(LayerId("gone"),)))
    assert session.document is doc
    assert session.can_redo


def test_a_drag_shows_previews_and_is_one_step() -> None:
    doc = _doc("a")
    ids = (doc.layers[0].id,)
    session = Session(doc)
    seen: list[tuple[Origin, bool]] = []
    session.subscribe(lambda change: seen.append((change.origin, change.is_empty)))
    drag = session.begin("Move")
    for dx in (3, 6, 10):
        drag.update(TranslateLayers(ids=ids, dx=dx, dy=0))
    assert session.undo_label == "Move"
    drag.commit()
    assert seen == [(Origin.PREVIEW, False)] * 3 + [(Origin.USER, True)]
    moved = session.document.layer(ids[0])
    assert isinstance(moved, PixelLayer)
    assert moved.offset == Point(15, 5)
    session.undo()
    assert session.document is doc


def test_undo_during_a_drag_takes_the_drag_back() -> None:
    doc = _doc("a")
    session = Session(doc)
    session.apply(SetScene(prompt="x"))
    before = session.document
    drag = session.begin("Move")
    drag.update(TranslateLayers(ids=(doc.layers[0].id,), dx=4, dy=4))
    session.undo()
    assert session.document is before
    assert not drag.is_open
    assert session.undo_label == "Change prompt"


def test_a_result_that_arrives_during_a_drag_is_a_step_of_its_own() -> None:
    doc = _doc("a")
    a = doc.layers[0].id
    session = Session(doc)
    drag = session.begin("Move")
    drag.update(TranslateLayers(ids=(a,), dx=7, dy=0))
    session.apply(AddLayer(name="result"), Origin.GENERATION)
    assert drag.is_open
    drag.update(TranslateLayers(ids=(a,), dx=9, dy=0))
    drag.commit()
    assert _name(session.document, "a").offset == Point(14, 5)
    assert session.history_labels == ("New layer", "Move")
    session.undo()
    assert _name(session.document, "a").offset == Point(5, 5)
    assert session.document.find(_name(session.document, "result").id) is not None
    session.undo()
    assert session.document is doc


def test_a_drag_ends_when_its_layer_is_deleted_meanwhile() -> None:
    doc = _doc("a", "b")
    a = doc.layers[0].id
    session = Session(doc)
    drag = session.begin("Move")
    drag.update(TranslateLayers(ids=(a,), dx=7, dy=0))
    session.apply(DeleteLayers(ids=(a,)))
    assert not drag.is_open
    assert session.transaction is None
    assert session.history_labels == ("Delete layer",)
    session.undo()
    assert session.document is doc


def test_a_stroke_extends_and_a_drag_replaces() -> None:
    doc = _doc("a")
    a = doc.layers[0].id
    session = Session(doc)
    stroke = session.begin("Brush")
    for x in (50, 60):
        stroke.extend(WritePixels(layer_id=a, at=Point(x, 50), rgba=np.full((1, 1, 4), 255, np.uint8)))
    stroke.commit()
    pixels = _name(session.document, "a").pixels
    assert pixels.read(Rect(45, 45, 1, 1))[0, 0, 3] == 255
    assert pixels.read(Rect(55, 45, 1, 1))[0, 0, 3] == 255
    assert len(session.history_labels) == 1


@pytest.mark.expects_logs
def test_a_listener_that_raises_breaks_nobody(caplog: pytest.LogCaptureFixture) -> None:
    session = Session(_doc("a"))
    seen: list[str] = []

    def broken(_: Change) -> None:
        raise RuntimeError("listener bug")

    session.subscribe(broken)
    unsubscribe = session.subscribe(lambda change: seen.append(change.label))
    session.apply(SetScene(prompt="x"))
    assert seen == ["Change prompt"]
    assert "listener bug" in caplog.text
    unsubscribe()
    unsubscribe()
    session.apply(SetScene(seed=3))
    assert seen == ["Change prompt"]


def test_listeners_see_changes_in_order_even_if_one_edits() -> None:
    session = Session(_doc("a"))
    seen: list[str] = []

    def meddling(change: Change) -> None:
        if change.label == "Change prompt":
            session.apply(SetScene(seed=5))

    session.subscribe(meddling)
    session.subscribe(lambda change: seen.append(change.label))
    session.apply(SetScene(prompt="x"))
    assert seen == ["Change prompt", "Change seed"]


def test_rows_are_told_before_they_are_selected() -> None:
    session = Session(_doc("a"))
    news: list[object] = []
    session.subscribe(lambda change: news.append("document"))
    session.subscribe_selection(news.append)
    change = session.apply(AddLayer())
    assert news == ["document", tuple(change.added)]


def test_selection_follows_structure() -> None:
    doc = _doc("a", "b", "c")
    a, b, c = (layer.id for layer in doc.layers)
    session = Session(doc)
    session.select((b, c, b, LayerId("gone")))
    assert list(session.selection) == [b, c]
    session.apply(DeleteLayers(ids=(b, c)))
    assert list(session.selection) == [a]
    session.undo()
    assert list(session.selection) == [b, c]
    copy = DuplicateLayers(ids=(a,))
    session.apply(copy)
    assert list(session.selection) == [copy.copy_id(a)]
    session.undo()
    group = GroupLayers(ids=(a, b))
    session.apply(group)
    assert list(session.selection) == [group.group_id]
    session.apply(UngroupLayer(layer_id=group.group_id))
    assert list(session.selection) == [a, b]
    session.apply(AddLayer(), Origin.GENERATION)
    assert list(session.selection) == [a, b]


def test_another_document_starts_afresh() -> None:
    session = Session(_doc("a"))
    session.apply(SetScene(prompt="x"))
    session.select((session.document.layers[0].id,))
    drag = session.begin("Move")
    other = _doc("z")
    change = session.replace_document(other)
    assert change.origin is Origin.REPLACED
    assert session.document is other
    assert not session.can_undo
    assert not session.is_dirty
    assert session.selection == ()
    assert not drag.is_open
    session.replace_document(_doc("recovered"), is_saved=False)
    assert session.is_dirty


def test_another_thread_is_refused() -> None:
    session = Session(_doc("a"))
    caught: list[BaseException] = []

    def work() -> None:
        try:
            session.apply(SetScene(prompt="x"))
        except AssertionError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert session.document.scene.prompt == ""


def test_an_unsound_document_from_a_command_is_a_bug_and_changes_nothing() -> None:
    class Broken:
        label = "Broken"
        merge_key = None

        def apply(self, doc: Document) -> Document:
            return doc.with_layers((*doc.layers, doc.layers[0]))

    doc = _doc("a")
    session = Session(doc)
    with pytest.raises(AssertionError, match="occurs twice"):
        session.apply(Broken())
    assert session.document is doc
    assert not session.can_undo


def test_history_costs_only_what_it_alone_keeps() -> None:
    """Sixteen tiles, one painted on each step: a step keeps one old tile alive, whatever the layer weighs."""
    big = TileGrid.from_array(np.full((4 * TILE, 4 * TILE, 4), 9, np.uint8))
    layer = PixelLayer(props=LayerProps(name="big"), pixels=big)
    doc = Document(size=Size(1024, 1024), layers=(layer,))
    tile_bytes = TILE * TILE * 4
    session = Session(doc, budget_bytes=3 * tile_bytes)
    documents = [doc]
    for value in range(5):
        dot = np.full((1, 1, 4), value, np.uint8)
        session.apply(WritePixels(layer_id=layer.id, at=Point(0, 0), rgba=dot))
        documents.append(session.document)
    before, after = tile_ids(documents[-2]), tile_ids(documents[-1])
    assert sum(size for key, size in before.items() if key not in after) == tile_bytes
    assert len(session.history_labels) == 3
    for expected in reversed(documents[2:5]):
        session.undo()
        assert session.document is expected
    assert not session.can_undo


def test_the_newest_step_stays_however_large() -> None:
    doc = _doc("a")
    session = Session(doc, budget_bytes=0)
    session.apply(DeleteLayers(ids=(doc.layers[0].id,)))
    session.undo()
    assert session.document is doc
