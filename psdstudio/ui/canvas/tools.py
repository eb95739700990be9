"""Canvas tools: adapters of the pure tools to the view, and Hand and Zoom, which move the view alone."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, Qt

from psdstudio.tools.base import Button, Cursor, Key, KeyEvent, Kind, Modifiers, PointerEvent
from psdstudio.tools.driver import ToolDriver
from psdstudio.ui.canvas.model import Pointer
from psdstudio.ui.canvas.view import CanvasView

CURSORS = {
    Cursor.ARROW: Qt.CursorShape.ArrowCursor,
    Cursor.MOVE: Qt.CursorShape.SizeAllCursor,
    Cursor.MOVE_COPY: Qt.CursorShape.DragCopyCursor,
    Cursor.SIZE_HORIZONTAL: Qt.CursorShape.SizeHorCursor,
    Cursor.SIZE_VERTICAL: Qt.CursorShape.SizeVerCursor,
    Cursor.SIZE_FALLING: Qt.CursorShape.SizeFDiagCursor,
    Cursor.SIZE_RISING: Qt.CursorShape.SizeBDiagCursor,
}
_KEYS = {
    Qt.Key.Key_Left: Key.LEFT,
    Qt.Key.Key_Right: Key.RIGHT,
    Qt.Key.Key_Up: Key.UP,
    Qt.Key.Key_Down: Key.DOWN,
}


class DriverTool:
    """Hands the view's input to a `ToolDriver` and tells when its answer should be shown. GUI thread."""

    def __init__(self, driver: ToolDriver, answered: Callable[[ToolDriver], None]) -> None:
        self.driver = driver
        self._answered = answered

    def press(self, at: Pointer) -> None:
        """Hand a press on."""
        self._point(Kind.PRESS, at)

    def move(self, at: Pointer) -> None:
        """Hand a drag on."""
        self._point(Kind.DRAG, at)

    def release(self, at: Pointer) -> None:
        """Hand a release on."""
        self._point(Kind.RELEASE, at)

    def arrow(self, key: Qt.Key, modifiers: Qt.KeyboardModifier, scale: float) -> None:
        """Hand an arrow key on."""
        self.driver.key(KeyEvent(key=_KEYS[key], modifiers=_modifiers(modifiers)), zoom=scale)
        self._answered(self.driver)

    def cancel(self) -> None:
        """Give up the drag."""
        self.driver.cancel()
        self._answered(self.driver)

    def cursor(self, at: Pointer) -> Qt.CursorShape:
        """Return the shape that says what a press would do."""
        if not self.driver.is_dragging:
            self._point(Kind.HOVER, at, is_told=False)
        return CURSORS[self.driver.cursor]

    def _point(self, kind: Kind, at: Pointer, *, is_told: bool = True) -> None:
        event = PointerEvent(
            kind=kind,
            x=at.canvas.x(),
            y=at.canvas.y(),
            button=Button.NONE if kind is Kind.HOVER else Button.LEFT,
            modifiers=_modifiers(at.modifiers),
        )
        self.driver.pointer(event, zoom=at.scale)
        if is_told:
            self._answered(self.driver)


class ZoomTool:
    """Click to zoom in, Alt-click to zoom out, drag sideways to zoom smoothly. GUI thread."""

    def __init__(self, view: CanvasView) -> None:
        self._view = view
        self._from: QPointF | None = None
        self._start = 1.0
        self._has_moved = False

    def press(self, at: Pointer) -> None:
        """Remember where."""
        self._from, self._start, self._has_moved = at.view, self._view.transform.zoom, False

    def move(self, at: Pointer) -> None:
        """Zoom by the way dragged."""
        if self._from is None:
            return
        way = at.view.x() - self._from.x()
        self._has_moved = self._has_moved or abs(way) > 3
        if self._has_moved:
            self._view.zoom_at(self._start * 2 ** (way / 120), self._from)

    def release(self, at: Pointer) -> None:
        """A click without a drag is one step."""
        if self._from is not None and not self._has_moved:
            is_out = bool(at.modifiers & Qt.KeyboardModifier.AltModifier)
            self._view.zoom_step(-1 if is_out else 1, at.view)
        self._from = None

    def arrow(self, key: Qt.Key, modifiers: Qt.KeyboardModifier, scale: float) -> None:
        """Do nothing: arrows belong to layers."""

    def cancel(self) -> None:
        """Forget the press."""
        self._from = None

    def cursor(self, at: Pointer) -> Qt.CursorShape:
        """Return the cross."""
        return Qt.CursorShape.CrossCursor


def _modifiers(modifiers: Qt.KeyboardModifier) -> Modifiers:
    flag = Qt.KeyboardModifier
    return Modifiers(
        shift=bool(modifiers & flag.ShiftModifier),
        ctrl=bool(modifiers & flag.ControlModifier),
        alt=bool(modifiers & flag.AltModifier),
    )
