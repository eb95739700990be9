"""What every dragging tool shares: when a press becomes a drag, how a drag is constrained and snapped, nudges."""

from __future__ import annotations

from psdstudio.core.geometry import Rect
from psdstudio.tools.base import Guide, Key, KeyEvent, PointerEvent, ToolContext
from psdstudio.tools.snap import SNAP_SCREEN_PX, SnapLines, snap_rect

DRAG_SCREEN_PX = 3.0
"""A press becomes a drag once the pointer is this far away on the screen; below that it is a click."""
NUDGE_PX = 1
BIG_NUDGE_PX = 10
_ARROWS = {Key.LEFT: (-1, 0), Key.RIGHT: (1, 0), Key.UP: (0, -1), Key.DOWN: (0, 1)}


def is_drag(start: tuple[float, float], event: PointerEvent, ctx: ToolContext) -> bool:
    """Whether the pointer has left the place of the press, `start` in canvas pixels, far enough."""
    return max(abs(event.x - start[0]), abs(event.y - start[1])) >= ctx.screen_px(DRAG_SCREEN_PX)


def drag_shift(
    start: tuple[float, float], extent: Rect, lines: SnapLines, event: PointerEvent, ctx: ToolContext
) -> tuple[int, int, tuple[Guide, ...]]:
    """Return the whole-pixel shift of a drag and the lines it snapped to.

    Shift keeps it on one axis, Ctrl suspends snapping.

    Args:
        start: Where the press was, canvas pixels.
        extent: What snaps, where it was at the press.
        lines: What it snaps to.
        event: The pointer now.
        ctx: Snapping on or off, and the zoom.
    """
    dx, dy = round(event.x - start[0]), round(event.y - start[1])
    if event.modifiers.shift:
        along_x = abs(dx) >= abs(dy)
        dx, dy = (dx, 0) if along_x else (0, dy)
        lines = SnapLines(lines.xs if along_x else (), () if along_x else lines.ys)
    if not ctx.snap or event.modifiers.ctrl:
        return dx, dy, ()
    snap = snap_rect(extent.shifted(dx, dy), lines, ctx.screen_px(SNAP_SCREEN_PX))
    return dx + snap.dx, dy + snap.dy, snap.guides


def nudge(event: KeyEvent) -> tuple[int, int]:
    """Return the shift in canvas pixels that an arrow key asks for: 1 px, with Shift 10 px."""
    step = BIG_NUDGE_PX if event.modifiers.shift else NUDGE_PX
    dx, dy = _ARROWS[event.key]
    return dx * step, dy * step
