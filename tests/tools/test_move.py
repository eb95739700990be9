"""The Move tool on a real session: picking, dragging, snapping, duplicating, nudging, giving up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import LayerId, Lock, PixelLayer, Role
from psdstudio.core.parts import children_with, object_groups, object_rect
from psdstudio.core.pixel_commands import AddMask
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.core.session import Session
from psdstudio.core.structure_commands import DeleteLayers
from psdstudio.tools.base import Button, Cursor, Guide, Key, KeyEvent, Kind, Modifiers, PointerEvent
from psdstudio.tools.driver import ToolDriver, ToolOptions
from psdstudio.tools.hit import layer_at
from psdstudio.tools.layout_box import LayoutBoxTool
from psdstudio.tools.move import MoveTool, State
from tests.strategies import scene_document, solid_layer

SWAN = Rect(40, 60, 50, 40)
TREE = Rect(200, 20, 60, 100)
CTRL = Modifiers(ctrl=True)
SHIFT = Modifiers(shift=True)
ALT = Modifiers(alt=True)


class Hand:
    """A session with the tool, and a hand that presses, drags and releases."""

    def __init__(self, doc: Document, *, snap: bool = False) -> None:
        self.session = Session(doc)
        self.tool = MoveTool()
        self.driver = ToolDriver(self.session, self.tool)
        self.driver.options = ToolOptions(snap=snap)

    @property
    def state(self) -> State:
        return self.tool.state

    def press(self, x: float, y: float, modifiers: Modifiers = Modifiers()) -> None:
        self.driver.pointer(PointerEvent(kind=Kind.PRESS, x=x, y=y, modifiers=modifiers))

    def drag(self, x: float, y: float, modifiers: Modifiers = Modifiers(), zoom: float = 1.0) -> None:
        self.driver.pointer(PointerEvent(kind=Kind.DRAG, x=x, y=y, modifiers=modifiers), zoom=zoom)

    def release(self, x: float, y: float) -> None:
        self.driver.pointer(PointerEvent(kind=Kind.RELEASE, x=x, y=y))

    def offset(self, layer_id: LayerId) -> Point:
        layer = self.session.document.layer(layer_id)
        assert isinstance(layer, PixelLayer)
        return layer.offset

    def rect(self, group_id: LayerId) -> Rect:
        group = next(x for x in object_groups(self.session.document) if x.id == group_id)
        return object_rect(group)


def _scene() -> Document:
    return scene_document(("swan", SWAN), ("tree", TREE))


def _ids(doc: Document) -> tuple[LayerId, LayerId]:
    swan, tree = object_groups(doc)
    return swan.id, tree.id


def test_a_drag_moves_the_whole_object_in_one_step() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc)
    hand.press(60, 70)
    assert list(hand.session.selection) == [swan]
    for x in (65, 80, 72.4):
        hand.drag(x, 75.6)
    assert hand.driver.is_dragging
    hand.release(72.4, 75.6)
    assert hand.rect(swan) == SWAN.shifted(12, 6)
    assert hand.session.history_labels == ("Move",)
    assert hand.state is State.READY
    hand.session.undo()
    assert hand.session.document is doc


def test_the_shadow_picks_its_object_too() -> None:
    doc = _scene()
    hand = Hand(doc)
    shadow = children_with(object_groups(doc)[0], Role.SHADOW)[0]
    below = SWAN.bottom + 5
    hit = layer_at(doc, 50, below)
    assert hit is not None
    assert hit.part is not None
    assert hit.part.role is Role.REFLECTION
    hand.press(50, below)
    assert list(hand.session.selection) == [_ids(doc)[0]]
    # A layer that is selected itself is dragged alone.
    hand = Hand(doc)
    hand.session.select((shadow.id,))
    hand.driver.options = ToolOptions(auto_select=False, snap=False)
    hand.press(50, below)
    hand.drag(60, below)
    hand.release(60, below)
    assert hand.offset(shadow.id) == shadow.offset.shifted(10, 0)
    assert hand.rect(_ids(doc)[0]) == SWAN


def test_a_click_is_no_drag() -> None:
    doc = _scene()
    hand = Hand(doc)
    hand.press(60, 70)
    hand.drag(61.5, 71)
    hand.release(61.5, 71)
    assert hand.session.document is doc
    assert not hand.session.can_undo
    # On the screen three pixels are far less than one of a magnified canvas.
    hand.press(60, 70)
    hand.drag(61.5, 71, zoom=8.0)
    assert hand.state is State.DRAGGING


def test_the_background_moves_only_once_selected() -> None:
    doc = _scene()
    ground = doc.layers[0].id
    hand = Hand(doc)
    hand.press(150, 10)
    assert list(hand.session.selection) == [ground]
    hand.drag(170, 10)
    hand.release(170, 10)
    assert hand.session.document is doc
    hand.press(150, 10)
    hand.drag(170, 10)
    hand.release(170, 10)
    assert hand.offset(ground) == Point(20, 0)


def test_ctrl_inverts_auto_select() -> None:
    doc = _scene()
    swan, tree = _ids(doc)
    hand = Hand(doc)
    hand.session.select((tree,))
    hand.press(60, 70, CTRL)
    hand.drag(70, 70)
    hand.release(70, 70)
    assert list(hand.session.selection) == [tree]
    assert hand.rect(tree) == TREE.shifted(10, 0)
    hand.driver.options = ToolOptions(auto_select=False)
    hand.press(60, 70, CTRL)
    assert list(hand.session.selection) == [swan]


def test_nothing_selected_and_no_auto_select_says_what_to_do() -> None:
    hand = Hand(_scene())
    hand.driver.options = ToolOptions(auto_select=False)
    hand.press(60, 70)
    assert hand.driver.message is not None
    assert hand.state is State.READY


def test_shift_adds_to_the_selection_and_takes_from_it() -> None:
    doc = _scene()
    swan, tree = _ids(doc)
    hand = Hand(doc)
    hand.press(60, 70)
    hand.release(60, 70)
    hand.press(220, 60, SHIFT)
    assert list(hand.session.selection) == [swan, tree]
    hand.drag(230, 61)
    hand.release(230, 61)
    assert (hand.rect(swan), hand.rect(tree)) == (SWAN.shifted(10, 1), TREE.shifted(10, 1))
    hand.press(70, 71, SHIFT)
    hand.release(70, 71)
    assert list(hand.session.selection) == [tree]
    hand.session.select((swan, tree))
    hand.press(70, 71)
    hand.release(70, 71)
    assert list(hand.session.selection) == [swan]


def test_shift_keeps_to_one_axis() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc, snap=True)
    hand.press(60, 70)
    hand.drag(67, 91, SHIFT)
    assert hand.rect(swan).x == SWAN.x
    hand.drag(60, 70)
    hand.release(60, 70)
    # The swan's middle is now 3 px from the tree's: a line that must not pull across the axis.
    hand.session.apply(TranslateLayers(ids=(swan,), dx=0, dy=-13))
    hand.press(60, 60)
    hand.drag(91, 69, SHIFT)
    assert hand.rect(swan).y == SWAN.y - 13
    hand.drag(91, 60)
    assert hand.rect(swan).y == SWAN.y - 10


def test_alt_duplicates_and_can_be_let_go() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc)
    hand.press(60, 70)
    hand.drag(90, 70, ALT)
    assert hand.driver.cursor is Cursor.MOVE_COPY
    assert len(object_groups(hand.session.document)) == 3
    hand.drag(90, 70)
    assert len(object_groups(hand.session.document)) == 2
    assert list(hand.session.selection) == [swan]
    hand.drag(100, 70, ALT)
    first = hand.session.selection
    hand.drag(110, 70, ALT)
    assert hand.session.selection == first
    hand.release(110, 70)
    assert hand.rect(swan) == SWAN
    assert hand.rect(first[0]) == SWAN.shifted(50, 0)
    hand.session.undo()
    assert hand.session.document is doc
    assert list(hand.session.selection) == [swan]


@pytest.mark.parametrize(
    ("to", "expected", "guides"),
    [
        ((60 - 37, 70), SWAN.shifted(-40, 0), {Guide(True, 0.0)}),
        ((60 + 92, 70), SWAN.shifted(95, 0), {Guide(True, 160.0)}),
        ((60 + 113, 70), SWAN.shifted(110, 0), {Guide(True, 200.0)}),
        ((60, 70 + 43), SWAN.shifted(0, 40), {Guide(False, 120.0)}),
        ((60 - 36, 70 - 57), SWAN.shifted(-40, -60), {Guide(True, 0.0), Guide(False, 0.0)}),
    ],
    ids=["canvas edge", "canvas centre", "edge of a neighbour", "centre line of the canvas", "corner"],
)
def test_edges_and_centres_attract(to: tuple[float, float], expected: Rect, guides: set[Guide]) -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc, snap=True)
    hand.press(60, 70)
    hand.drag(*to)
    assert hand.rect(swan) == expected
    assert guides <= set(hand.driver.guides)
    hand.drag(*to, CTRL)
    assert hand.rect(swan) == SWAN.shifted(round(to[0] - 60), round(to[1] - 70))
    assert hand.driver.guides == ()
    hand.drag(*to)
    hand.release(*to)
    assert hand.driver.guides == ()


def test_snapping_reaches_less_far_when_magnified() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc, snap=True)
    hand.press(60, 70)
    hand.drag(60 - 37, 70, zoom=4.0)
    assert hand.rect(swan).x == SWAN.x - 37


@given(
    st.lists(st.tuples(st.integers(-300, 600), st.integers(-300, 600)), min_size=1, max_size=5), st.booleans()
)
@settings(max_examples=30)
def test_escape_puts_the_very_document_back(path: list[tuple[int, int]], copies: bool) -> None:
    doc = _scene()
    hand = Hand(doc, snap=True)
    hand.press(60, 70)
    for x, y in path:
        hand.drag(x, y, ALT if copies else SHIFT)
    handled = hand.driver.key(KeyEvent(key=Key.ESCAPE))
    assert hand.session.document is doc
    assert not hand.session.can_undo
    assert hand.state is State.READY
    assert handled or all(max(abs(x - 60), abs(y - 70)) < 3 for x, y in path)
    hand.release(0, 0)
    assert hand.session.document is doc


def test_changing_the_tool_gives_the_drag_up() -> None:
    doc = _scene()
    hand = Hand(doc)
    hand.press(60, 70)
    hand.drag(90, 70)
    hand.driver.set_tool(LayoutBoxTool())
    assert hand.session.document is doc
    assert hand.session.transaction is None
    assert hand.driver.cursor is Cursor.ARROW


def test_a_locked_layer_stays_and_the_message_says_why() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    doc = SetProps(ids=(swan,), locks=frozenset({Lock.POSITION})).apply(doc)
    hand = Hand(doc)
    hand.press(60, 70)
    hand.drag(90, 70)
    assert hand.driver.message == "“swan” is locked against moving. Unlock its position first."
    assert hand.session.document is doc
    assert hand.session.transaction is None
    assert hand.state is State.READY
    hand.drag(95, 70)
    hand.release(95, 70)
    assert hand.session.document is doc


def test_a_drag_whose_layer_vanishes_is_over() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc)
    hand.press(60, 70)
    hand.drag(90, 70)
    hand.session.apply(DeleteLayers(ids=(swan,)))
    hand.drag(95, 70)
    hand.release(95, 70)
    assert hand.session.history_labels == ("Delete layer",)
    assert hand.state is State.READY


def test_arrow_keys_nudge_in_one_step() -> None:
    doc = _scene()
    swan, _ = _ids(doc)
    hand = Hand(doc)
    assert not hand.driver.key(KeyEvent(key=Key.LEFT))
    hand.session.select((swan,))
    hand.driver.key(KeyEvent(key=Key.RIGHT))
    hand.driver.key(KeyEvent(key=Key.DOWN, modifiers=SHIFT))
    hand.driver.key(KeyEvent(key=Key.UP))
    assert hand.rect(swan) == SWAN.shifted(1, 9)
    assert hand.session.history_labels == ("Nudge",)
    assert not hand.driver.key(KeyEvent(key=Key.LEFT, modifiers=ALT))
    hand.session.undo()
    assert hand.session.document is doc


def test_other_buttons_do_nothing() -> None:
    doc = _scene()
    hand = Hand(doc)
    for button in (Button.RIGHT, Button.MIDDLE):
        hand.driver.pointer(PointerEvent(kind=Kind.PRESS, x=60, y=70, button=button))
        hand.driver.pointer(PointerEvent(kind=Kind.DRAG, x=99, y=70, button=button))
    assert hand.session.document is doc
    assert list(hand.session.selection) == []


def test_the_pointer_hits_what_is_seen() -> None:
    low, high = solid_layer("low", Rect(0, 0, 50, 50)), solid_layer("high", Rect(10, 10, 20, 20))
    clipped = solid_layer("clipped", Rect(0, 0, 99, 99)).with_props(clipping=True)
    doc = Document(size=Size(99, 99), layers=(low, high))

    def hit(document: Document, x: float, y: float) -> str | None:
        found = layer_at(document, x, y)
        return None if found is None else found.props.name

    assert hit(doc, 15.9, 15.9) == "high"
    assert hit(doc, 30.0, 15) == "low"
    assert hit(doc, 60, 60) is None
    assert hit(SetProps(ids=(high.id,), visible=False).apply(doc), 15, 15) == "low"
    assert hit(SetProps(ids=(high.id,), opacity=0).apply(doc), 15, 15) == "low"
    half = np.zeros((99, 15), np.uint8)
    half[:] = 255
    masked = AddMask(layer_id=high.id, grey=half).apply(doc)
    assert hit(masked, 14, 15) == "high"
    assert hit(masked, 16, 15) == "low"
    over = replace(doc, layers=(low, high, clipped))
    assert hit(over, 15, 15) == "clipped"
    assert hit(over, 40, 40) == "low"
