"""The Move tool: picks what is under the pointer, drags it with its whole object, snaps, copies, nudges."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from psdstudio.core import tree
from psdstudio.core.commands import Command, Sequence
from psdstudio.core.geometry import Rect, union_of
from psdstudio.core.layers import LayerId, Role, new_layer_id
from psdstudio.core.parts import role_of
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.core.structure_commands import DuplicateLayers
from psdstudio.tools.base import (
    Button,
    Cursor,
    Key,
    KeyEvent,
    Kind,
    PointerEvent,
    ToolContext,
    ToolEffect,
)
from psdstudio.tools.dragging import drag_shift, is_drag, nudge
from psdstudio.tools.hit import layer_at, unit_of
from psdstudio.tools.snap import SnapLines, extent, layer_lines


class State(Enum):
    """Resting, pressed but not far enough to be a drag, dragging."""

    READY = "ready"
    PRESSED = "pressed"
    DRAGGING = "dragging"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    """What a drag needs to know of its start."""

    at: tuple[float, float]
    ids: tuple[LayerId, ...]
    extent: Rect
    lines: SnapLines
    duplicate: DuplicateLayers
    click_selects: tuple[LayerId, ...] | None


class MoveTool:
    """See the module text; one drag is one undo step."""

    def __init__(self) -> None:
        self.state = State.READY
        self._press: _Press | None = None

    @property
    def cursor(self) -> Cursor:
        """The four arrows."""
        return Cursor.MOVE

    def on_pointer(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        """Select, drag, duplicate."""
        match event.kind:
            case Kind.HOVER:
                return ToolEffect(cursor=Cursor.MOVE_COPY if event.modifiers.alt else Cursor.MOVE)
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
        """Escape gives the drag up; arrows nudge the selection by 1 px, with Shift by 10 px."""
        if event.key is Key.ESCAPE:
            return self.cancel()
        modifiers = event.modifiers
        if self.state is not State.READY or modifiers.alt or modifiers.ctrl or not ctx.selection:
            return ToolEffect.NONE
        dx, dy = nudge(event)
        return ToolEffect(apply=TranslateLayers(ids=ctx.selection, dx=dx, dy=dy, is_nudge=True))

    def cancel(self) -> ToolEffect:
        """Put everything back and rest."""
        was_dragging = self.state is State.DRAGGING
        self.state, self._press = State.READY, None
        return ToolEffect(abort=True, guides=()) if was_dragging else ToolEffect.NONE

    def _on_press(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        auto = ctx.auto_select != event.modifiers.ctrl
        if not auto:
            if not ctx.selection:
                return ToolEffect(message="Select a layer to move, or click with Auto-select on.")
            return self._pressed(event, ctx, ctx.selection)
        hit = layer_at(ctx.document, event.x, event.y)
        if hit is None:
            return ToolEffect.NONE if event.modifiers.shift else ToolEffect(select=())
        unit = unit_of(ctx.document, hit.id)
        chosen = next((i for i in (hit.id, unit) if i in ctx.selection), None)
        if event.modifiers.shift:
            if chosen is not None:
                return ToolEffect(select=tuple(i for i in ctx.selection if i != chosen))
            return self._pressed(event, ctx, (*ctx.selection, unit))
        if chosen is not None:
            return self._pressed(event, ctx, ctx.selection, click_selects=(chosen,))
        if role_of(hit) is Role.BACKGROUND:
            # Pulling at an empty spot must not tear the ground away: it moves only once it is selected.
            return ToolEffect(select=(unit,))
        return self._pressed(event, ctx, (unit,))

    def _pressed(
        self,
        event: PointerEvent,
        ctx: ToolContext,
        ids: tuple[LayerId, ...],
        click_selects: tuple[LayerId, ...] | None = None,
    ) -> ToolEffect:
        moving = tuple(layer.id for layer in tree.roots(ctx.document.layers, ids))
        self._press = _Press(
            at=(event.x, event.y),
            ids=moving,
            extent=union_of(extent(ctx.document.layer(layer_id)) for layer_id in moving),
            lines=layer_lines(ctx.document, moving),
            duplicate=DuplicateLayers(ids=moving, seed=new_layer_id()),
            click_selects=click_selects,
        )
        self.state = State.PRESSED
        return ToolEffect(select=ids if ids != ctx.selection else None)

    def _on_drag(self, event: PointerEvent, ctx: ToolContext) -> ToolEffect:
        press = self._press
        if press is None:
            return ToolEffect.NONE
        begin: str | None = None
        if self.state is State.PRESSED:
            if not is_drag(press.at, event, ctx):
                return ToolEffect.NONE
            self.state = State.DRAGGING
            begin = "Move"
        dx, dy, guides = drag_shift(press.at, press.extent, press.lines, event, ctx)
        copies = event.modifiers.alt
        return ToolEffect(
            begin=begin,
            update=_command(press, dx, dy, copies=copies),
            guides=guides,
            cursor=Cursor.MOVE_COPY if copies else Cursor.MOVE,
        )

    def _on_release(self) -> ToolEffect:
        state, press = self.state, self._press
        self.state, self._press = State.READY, None
        match state:
            case State.READY:
                return ToolEffect.NONE
            case State.PRESSED:
                return ToolEffect(select=press.click_selects if press is not None else None)
            case State.DRAGGING:
                return ToolEffect(commit=True, guides=(), cursor=Cursor.MOVE)
            case _:
                assert_never(state)


def _command(press: _Press, dx: int, dy: int, *, copies: bool) -> Command:
    if not copies:
        return TranslateLayers(ids=press.ids, dx=dx, dy=dy)
    ids = tuple(press.duplicate.copy_id(layer_id) for layer_id in press.ids)
    return Sequence(
        label="Duplicate and move", commands=(press.duplicate, TranslateLayers(ids=ids, dx=dx, dy=dy))
    )
