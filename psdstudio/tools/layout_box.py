"""The Layout box tool: places and sizes the boxes that steer the next run. Pixels stay where they are.

A box that was dragged is the user's: the engine takes it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from psdstudio.core.commands import SetBox
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Rect
from psdstudio.core.layers import GroupLayer, LayerId
from psdstudio.core.parts import object_group_of, object_groups, object_rect
from psdstudio.tools.base import (
    Button,
    Cursor,
    Guide,
    Key,
    KeyEvent,
    Kind,
    PointerEvent,
    ToolContext,
    ToolEffect,
)
from psdstudio.tools.dragging import drag_shift, is_drag, nudge
from psdstudio.tools.snap import SNAP_SCREEN_PX, SnapLines, lines_of, snap_value

HANDLE_SCREEN_PX = 7.0
"""How near the pointer must come to a handle, on the screen."""
MIN_SIDE_PX = 8


class Handle(Enum):
    """The eight handles; the value tells which edges they pull: (-1, 0, 1) across and down."""

    TOP_LEFT = (-1, -1)
    TOP = (0, -1)
    TOP_RIGHT = (1, -1)
    RIGHT = (1, 0)
    BOTTOM_RIGHT = (1, 1)
    BOTTOM = (0, 1)
    BOTTOM_LEFT = (-1, 1)
    LEFT = (-1, 0)


class State(Enum):
    """Resting, pressed but not far enough to be a drag, dragging the box or one of its handles."""

    READY = "ready"
    PRESSED = "pressed"
    MOVING = "moving"
    RESIZING = "resizing"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    at: tuple[float, float]
    group: LayerId
    rect: Rect
    handle: Handle | None
    lines: SnapLines


def box_rect(doc: Document, group: GroupLayer) -> Rect | None:
    """Return an object's layout box in canvas pixels; without one that of its pixels.

    None when it has neither.
    """
    if group.part is not None and group.part.box is not None:
        return group.part.box.to_rect(doc.size)
    painted = object_rect(group)
    return None if painted.is_empty else painted


def boxes(doc: Document) -> tuple[tuple[LayerId, Rect], ...]:
    """Return the boxes of all visible objects, back to front, for the overlay."""
    found = ((group, box_rect(doc, group)) for group in object_groups(doc) if group.props.visible)
    return tuple((group.id, rect) for group, rect in found if rect is not None)


def handle_points(rect: Rect) -> dict[Handle, tuple[float, float]]:
    """Return where the handles of a box are, in canvas pixels."""
    return {
        handle: (
            rect.x + rect.width * (handle.value[0] + 1) / 2,
            rect.y + rect.height * (handle.value[1] + 1) / 2,
        )
        for handle in Handle
    }


def selected_object(doc: Document, selection: tuple[LayerId, ...]) -> LayerId | None:
    """Return the object whose handles are shown: that of the layer selected last."""
    group = object_group_of(doc, selection[-1]) if selection else None
    return None if group is None else group.id


class LayoutBoxTool:
    """See the module text; one drag is one undo step."""

    def __init__(self) -> None:
        self.state = State.READY
        self._press: _Press | None = None

    @property
    def cursor(self) -> Cursor:
        """The arrow; over boxes and handles the shape tells what a drag would do."""
        return Cursor.ARROW

    def on_pointer(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        """Select, drag or resize a box."""
        match event.kind:
            case Kind.HOVER:
                return ToolEffect(cursor=_cursor_at(event, ctx))
            case Kind.PRESS:
                if self.state is State.READY and event.button is Button.LEFT:
                    return self._on_press(event, ctx)
                return ToolEffect.NONE
            case Kind.DRAG:
                return self._on_drag(event, ctx)
            case Kind.RELEASE:
                return self._on_release() if event.button is Button.LEFT else ToolEffect.NONE
            case _:
                assert_never(event.kind)

    def on_key(self, event: KeyEvent, ctx: ToolContext) -> ToolEffect:
        """Escape gives the drag up; arrows nudge the selected box by 1 px, with Shift by 10 px."""
        if event.key is Key.ESCAPE:
            return self.cancel()
        chosen = selected_object(ctx.document, ctx.selection)
        rect = dict(boxes(ctx.document)).get(chosen) if chosen is not None else None
        if self.state is not State.READY or event.modifiers.alt or chosen is None or rect is None:
            return ToolEffect.NONE
        moved = _on_canvas(rect.shifted(*nudge(event)), ctx.document.canvas)
        return ToolEffect(apply=replace(_set_box(chosen, moved, ctx.document), is_nudge=True))

    def cancel(self) -> ToolEffect:
        """Put the box back and rest."""
        was_dragging = self.state in (State.MOVING, State.RESIZING)
        self.state, self._press = State.READY, None
        return ToolEffect(abort=True, guides=()) if was_dragging else ToolEffect.NONE

    def _on_press(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        target = _target_at(event, ctx)
        if target is None:
            return ToolEffect(select=())
        group, rect, handle = target
        others = (other for i, other in boxes(ctx.document) if i != group)
        lines = lines_of((ctx.document.canvas, *others))
        self._press = _Press(at=(event.x, event.y), group=group, rect=rect, handle=handle, lines=lines)
        self.state = State.PRESSED
        is_selected = selected_object(ctx.document, ctx.selection) == group
        return ToolEffect(select=None if is_selected else (group,))

    def _on_drag(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        press = self._press
        if press is None:
            return ToolEffect.NONE
        begin: str | None = None
        if self.state is State.PRESSED:
            if not is_drag(press.at, event, ctx):
                return ToolEffect.NONE
            self.state = State.MOVING if press.handle is None else State.RESIZING
            begin = "Move layout box" if press.handle is None else "Resize layout box"
        if press.handle is None:
            dx, dy, guides = drag_shift(press.at, press.rect, press.lines, event, ctx)
            rect = press.rect.shifted(dx, dy)
        else:
            rect, guides = _resized(press, press.handle, event, ctx)
        rect = _on_canvas(rect, ctx.document.canvas)
        return ToolEffect(begin=begin, update=_set_box(press.group, rect, ctx.document), guides=guides)

    def _on_release(self) -> ToolEffect:
        was_dragging = self.state in (State.MOVING, State.RESIZING)
        self.state, self._press = State.READY, None
        return ToolEffect(commit=True, guides=()) if was_dragging else ToolEffect.NONE


def _set_box(group: LayerId, rect: Rect, doc: Document) -> SetBox:
    return SetBox(layer_id=group, box=BoxF.from_rect(rect, doc.size))


def _target_at(event: PointerEvent, ctx: ToolContext) -> tuple[LayerId, Rect, Handle | None] | None:
    """Return box and handle under the pointer: handles of the selected box first, then the smallest box
    around it.
    """
    shown = boxes(ctx.document)
    chosen = selected_object(ctx.document, ctx.selection)
    reach = ctx.screen_px(HANDLE_SCREEN_PX)
    for group, rect in shown:
        if group != chosen:
            continue
        for handle, (x, y) in handle_points(rect).items():
            if abs(event.x - x) <= reach and abs(event.y - y) <= reach:
                return group, rect, handle
    around = [
        (group, rect)
        for group, rect in shown
        if rect.x <= event.x < rect.right and rect.y <= event.y < rect.bottom
    ]
    if not around:
        return None
    selected = next((item for item in around if item[0] == chosen), None)
    group, rect = selected or min(around, key=lambda item: item[1].width * item[1].height)
    return group, rect, None


_HANDLE_CURSORS = {
    Handle.TOP_LEFT: Cursor.SIZE_FALLING,
    Handle.BOTTOM_RIGHT: Cursor.SIZE_FALLING,
    Handle.TOP_RIGHT: Cursor.SIZE_RISING,
    Handle.BOTTOM_LEFT: Cursor.SIZE_RISING,
    Handle.TOP: Cursor.SIZE_VERTICAL,
    Handle.BOTTOM: Cursor.SIZE_VERTICAL,
    Handle.LEFT: Cursor.SIZE_HORIZONTAL,
    Handle.RIGHT: Cursor.SIZE_HORIZONTAL,
}


def _cursor_at(event: PointerEvent, ctx: ToolContext) -> Cursor:
    target = _target_at(event, ctx)
    if target is None:
        return Cursor.ARROW
    return Cursor.MOVE if target[2] is None else _HANDLE_CURSORS[target[2]]


def _resized(
    press: _Press, handle: Handle, event: PointerEvent, ctx: ToolContext
) -> tuple[Rect, tuple[Guide, ...]]:
    """Return the box with the handle's edges pulled.

    Shift keeps the proportions at a corner, Alt the centre.
    """
    across, down = handle.value
    snaps = ctx.snap and not event.modifiers.ctrl
    reach = ctx.screen_px(SNAP_SCREEN_PX) if snaps else -1.0
    rect, guides = press.rect, []
    x0, x1, guide_x = _pulled(rect.x, rect.right, across, event.x - press.at[0], press.lines.xs, reach)
    y0, y1, guide_y = _pulled(rect.y, rect.bottom, down, event.y - press.at[1], press.lines.ys, reach)
    if event.modifiers.shift and across and down:
        scale = max((x1 - x0) / rect.width, (y1 - y0) / rect.height)
        width, height = max(MIN_SIDE_PX, rect.width * scale), max(MIN_SIDE_PX, rect.height * scale)
        x0, x1 = (x1 - width, x1) if across < 0 else (x0, x0 + width)
        y0, y1 = (y1 - height, y1) if down < 0 else (y0, y0 + height)
        guide_x = guide_y = None
    if event.modifiers.alt:
        if across:
            x0, x1 = _mirrored(rect.x, rect.right, across, x0, x1)
        if down:
            y0, y1 = _mirrored(rect.y, rect.bottom, down, y0, y1)
    if guide_x is not None:
        guides.append(Guide(True, guide_x))
    if guide_y is not None:
        guides.append(Guide(False, guide_y))
    return Rect.from_edges(round(x0), round(y0), round(x1), round(y1)), tuple(guides)


def _pulled(
    low: float, high: float, side: int, by: float, lines: tuple[float, ...], reach: float
) -> tuple[float, float, float | None]:
    """Return the two edges of one axis after pulling `side` (-1 low, 1 high, 0 none), and the line it snapped
    to.
    """
    if side == 0:
        return low, high, None
    edge = (low if side < 0 else high) + by
    line = snap_value(edge, lines, reach)
    edge = edge if line is None else line
    limit = high - MIN_SIDE_PX if side < 0 else low + MIN_SIDE_PX
    edge = min(edge, limit) if side < 0 else max(edge, limit)
    guide = line if edge == line else None
    return (edge, high, guide) if side < 0 else (low, edge, guide)


def _mirrored(low: int, high: int, side: int, new_low: float, new_high: float) -> tuple[float, float]:
    """Return the edges with the opposite one pulled as far, so that the centre stays; never below the least
    side.
    """
    pull = low - new_low if side < 0 else new_high - high
    pull = max(pull, (MIN_SIDE_PX - (high - low)) / 2)
    return low - pull, high + pull


def _on_canvas(rect: Rect, canvas: Rect) -> Rect:
    """Return the box shifted so far that at least a strip of the least side stays on the canvas."""
    x = min(max(rect.x, MIN_SIDE_PX - rect.width), canvas.right - MIN_SIDE_PX)
    y = min(max(rect.y, MIN_SIDE_PX - rect.height), canvas.bottom - MIN_SIDE_PX)
    return Rect(x, y, rect.width, rect.height)
