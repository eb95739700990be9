"""The Layout box tool on a real session: selecting, dragging and sizing boxes; pixels never move."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import GroupLayer, LayerId, Part
from psdstudio.core.parts import object_groups
from psdstudio.core.session import Session
from psdstudio.tools.base import Cursor, Key, KeyEvent, Kind, Modifiers, PointerEvent
from psdstudio.tools.driver import ToolDriver, ToolOptions
from psdstudio.tools.layout_box import MIN_SIDE_PX, Handle, LayoutBoxTool, State, boxes, handle_points
from tests.strategies import scene_document

SWAN = Rect(40, 60, 100, 80)
TREE = Rect(200, 20, 60, 100)
SIZE = Size(320, 240)


def _open(*, snap: bool = False) -> tuple[Session, ToolDriver, LayoutBoxTool, LayerId]:
    doc = scene_document(("swan", SWAN), ("tree", TREE), size=SIZE)
    session = Session(doc)
    tool = LayoutBoxTool()
    driver = ToolDriver(session, tool)
    driver.options = ToolOptions(snap=snap)
    return session, driver, tool, object_groups(doc)[0].id


def _at(driver: ToolDriver, kind: Kind, x: float, y: float, modifiers: Modifiers = Modifiers()) -> None:
    driver.pointer(PointerEvent(kind=kind, x=x, y=y, modifiers=modifiers))


def _drag(
    driver: ToolDriver,
    start: tuple[float, float],
    end: tuple[float, float],
    modifiers: Modifiers = Modifiers(),
) -> None:
    _at(driver, Kind.PRESS, *start)
    _at(driver, Kind.DRAG, *end, modifiers)
    _at(driver, Kind.RELEASE, *end, modifiers)


def _box(doc: Document, group: LayerId) -> Rect:
    return dict(boxes(doc))[group]


def _part(doc: Document, group: LayerId) -> Part:
    part = doc.layer(group).part
    assert part is not None
    return part


def test_a_dragged_box_is_the_users_and_pixels_stay() -> None:
    session, driver, tool, swan = _open()
    doc = session.document
    _drag(driver, (90, 100), (110, 90))
    assert list(session.selection) == [swan]
    assert _box(session.document, swan) == SWAN.shifted(20, -10)
    assert _part(session.document, swan).box_is_users
    before, after = doc.layer(swan), session.document.layer(swan)
    assert isinstance(before, GroupLayer)
    assert isinstance(after, GroupLayer)
    assert after.children == before.children
    assert not _part(session.document, swan).stale_contacts
    assert session.history_labels == ("Move layout box",)
    assert tool.state is State.READY
    session.undo()
    assert session.document is doc


@pytest.mark.parametrize("handle", list(Handle))
def test_every_handle_pulls_its_own_edges(handle: Handle) -> None:
    session, driver, _, swan = _open()
    session.select((swan,))
    start = handle_points(SWAN)[handle]
    _drag(driver, start, (start[0] + 12, start[1] + 9))
    across, down = handle.value
    expected = Rect.from_edges(
        SWAN.x + (12 if across < 0 else 0),
        SWAN.y + (9 if down < 0 else 0),
        SWAN.right + (12 if across > 0 else 0),
        SWAN.bottom + (9 if down > 0 else 0),
    )
    assert _box(session.document, swan) == expected
    assert session.history_labels == ("Resize layout box",)


@given(
    st.sampled_from(list(Handle)),
    st.integers(-500, 500),
    st.integers(-500, 500),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=80)
def test_a_box_never_turns_inside_out_nor_leaves_the_canvas(
    handle: Handle, dx: int, dy: int, shift: bool, alt: bool, snap: bool
) -> None:
    session, driver, _, swan = _open(snap=snap)
    session.select((swan,))
    start = handle_points(SWAN)[handle]
    _at(driver, Kind.PRESS, *start)
    _at(driver, Kind.DRAG, start[0] + dx, start[1] + dy, Modifiers(shift=shift, alt=alt))
    assert driver.message is None
    box = _box(session.document, swan)
    assert box.width >= MIN_SIDE_PX
    assert box.height >= MIN_SIDE_PX
    assert not box.intersection(session.document.canvas).is_empty
    assert session.document.validate() == []


def test_shift_keeps_proportions_alt_keeps_the_centre() -> None:
    session, driver, _, swan = _open()
    session.select((swan,))
    start = handle_points(SWAN)[Handle.BOTTOM_RIGHT]
    _drag(driver, start, (start[0] + 50, start[1] + 3), Modifiers(shift=True))
    assert _box(session.document, swan) == Rect(40, 60, 150, 120)
    session.undo()
    _drag(driver, start, (start[0] + 10, start[1] + 5), Modifiers(alt=True))
    assert _box(session.document, swan) == Rect(30, 55, 120, 90)


def test_edges_snap_to_canvas_and_other_boxes() -> None:
    session, driver, _, swan = _open(snap=True)
    session.select((swan,))
    start = handle_points(SWAN)[Handle.RIGHT]
    _at(driver, Kind.PRESS, *start)
    _at(driver, Kind.DRAG, 197, start[1])
    assert _box(session.document, swan).right == TREE.x
    assert [guide.position for guide in driver.guides] == [200.0]
    _at(driver, Kind.DRAG, 197, start[1], Modifiers(ctrl=True))
    assert _box(session.document, swan).right == 197
    _at(driver, Kind.RELEASE, 197, start[1])
    session.undo()
    _drag(driver, (90, 100), (90 - 37, 100))
    assert _box(session.document, swan).x == 0


def test_the_smallest_box_wins_and_empty_ground_deselects() -> None:
    doc = scene_document(("big", Rect(0, 0, 200, 200)), ("small", Rect(50, 50, 40, 40)), size=SIZE)
    doc = doc.with_layers((doc.layers[0], doc.layers[2], doc.layers[1]))
    session = Session(doc)
    driver = ToolDriver(session, LayoutBoxTool())
    ids = {group.props.name: group.id for group in object_groups(doc)}
    _drag(driver, (70, 70), (70, 70))
    assert list(session.selection) == [ids["small"]]
    _drag(driver, (10, 10), (10, 10))
    assert list(session.selection) == [ids["big"]]
    # The selected box keeps the pointer, so that it can be dragged where boxes overlap.
    _drag(driver, (70, 70), (90, 70))
    assert _box(session.document, ids["big"]).x == 20
    _drag(driver, (300, 230), (300, 230))
    assert list(session.selection) == []


def test_an_object_without_a_box_gets_that_of_its_pixels() -> None:
    session, driver, _, swan = _open()
    doc = session.document
    part = _part(doc, swan)
    layer = doc.layer(swan)
    session.replace_document(doc.with_layer(replace(layer, part=replace(part, box=None))))
    assert _box(session.document, swan) == SWAN
    _drag(driver, (90, 100), (95, 100))
    assert _box(session.document, swan) == SWAN.shifted(5, 0)


def test_escape_puts_the_box_back() -> None:
    session, driver, tool, _ = _open()
    doc = session.document
    _at(driver, Kind.PRESS, 90, 100)
    _at(driver, Kind.DRAG, 150, 150)
    assert tool.state is State.MOVING
    assert driver.key(KeyEvent(key=Key.ESCAPE))
    assert session.document is doc
    _at(driver, Kind.RELEASE, 150, 150)
    assert not session.can_undo


def test_arrow_keys_nudge_the_box_in_one_step() -> None:
    session, driver, _, swan = _open()
    session.select((swan,))
    driver.key(KeyEvent(key=Key.RIGHT, modifiers=Modifiers(shift=True)))
    driver.key(KeyEvent(key=Key.UP))
    assert _box(session.document, swan) == SWAN.shifted(10, -1)
    assert len(session.history_labels) == 1


def test_the_cursor_tells_what_a_drag_would_do() -> None:
    session, driver, _, swan = _open()
    session.select((swan,))
    seen = []
    for x, y in ((10, 10), (90, 100), (40, 60), (140, 60), (90, 60), (40, 100)):
        _at(driver, Kind.HOVER, x, y)
        seen.append(driver.cursor)
    assert seen == [
        Cursor.ARROW,
        Cursor.MOVE,
        Cursor.SIZE_FALLING,
        Cursor.SIZE_RISING,
        Cursor.SIZE_VERTICAL,
        Cursor.SIZE_HORIZONTAL,
    ]
