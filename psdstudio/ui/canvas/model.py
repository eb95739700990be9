"""What canvas, tools and overlays exchange: pointer positions, the tool protocol, what is drawn over the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage

from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.ui.canvas.overlays import LayoutBox


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A pointer event in both worlds: logical view units and fractional canvas pixels."""

    view: QPointF
    canvas: QPointF
    modifiers: Qt.KeyboardModifier
    scale: float


class CanvasTool(Protocol):
    """What the left button does. Tools act on the session themselves; the view only routes."""

    def press(self, at: Pointer) -> None:
        """The left button went down."""

    def move(self, at: Pointer) -> None:
        """The pointer moved with the button down."""

    def release(self, at: Pointer) -> None:
        """The button came up."""

    def cancel(self) -> None:
        """Escape: leave everything as it was before the press."""

    def arrow(self, key: Qt.Key, modifiers: Qt.KeyboardModifier, scale: float) -> None:
        """An arrow key went down."""

    def cursor(self, at: Pointer) -> Qt.CursorShape:
        """What the pointer looks like here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlays:
    """Everything drawn over the picture."""

    boxes: tuple[LayoutBox, ...] = ()
    boxes_editable: bool = False
    selection: Rect = EMPTY_RECT
    snap_xs: tuple[float, ...] = ()
    snap_ys: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LivePicture:
    """The present prediction of the whole picture, at its place."""

    image: QImage
    rect: Rect
    words: str
