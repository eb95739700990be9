"""A curve to be drawn by its points: drag them, click to add one, drag one out or press Delete to take it away."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from psdstudio.core.adjustments import MAX_CURVE_POINTS, Curve
from psdstudio.render.adjust import curve_values
from psdstudio.ui import theme

_MARGIN, _REACH, _OUT = 7, 10, 24
_KEYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}
_REMOVING = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_CHOOSING = {Qt.Key.Key_Plus: 1, Qt.Key.Key_Minus: -1}


class CurveEditor(QWidget):
    """Edits one curve. GUI thread."""

    changed = Signal(object, int)
    """The new curve, and a number that is the same for all moves of one drag."""
    picked = Signal()
    """Another point is selected."""

    def __init__(self) -> None:
        super().__init__()
        self.curve = Curve()
        self.chosen = 0
        self._colour = theme.TEXT
        self._grip = 0
        self._held: tuple[tuple[int, int], ...] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(196)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Curve")
        self.setToolTip(
            "Click to add a point, drag it, or drag it out to remove it.\n"
            "Arrow keys move the selected point, + and - select another, Delete removes it."
        )

    def sizeHint(self) -> QSize:
        return QSize(240, 196)

    def show_curve(self, curve: Curve, colour: str) -> None:
        """Show a curve in a colour."""
        self.curve, self._colour = curve, colour
        self.chosen = min(self.chosen, len(curve.points) - 1)
        self.update()

    def place_chosen(self, x: int, y: int) -> None:
        """Move the selected point, as far as its neighbours let it."""
        self._grip += 1
        self._move(self.curve.points, x, y)

    # ---- geometry

    def _field(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)

    def _at(self, x: float, y: float) -> QPointF:
        field = self._field()
        return QPointF(field.left() + x / 255 * field.width(), field.bottom() - y / 255 * field.height())

    def _value(self, pos: QPointF) -> tuple[int, int]:
        field = self._field()
        x = round((pos.x() - field.left()) / field.width() * 255)
        y = round((field.bottom() - pos.y()) / field.height() * 255)
        return max(0, min(255, x)), max(0, min(255, y))

    def _near(self, pos: QPointF) -> int | None:
        gaps = [(self._at(x, y) - pos).manhattanLength() for x, y in self.curve.points]
        best = min(range(len(gaps)), key=gaps.__getitem__)
        return best if gaps[best] <= _REACH else None

    # ---- editing

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        self._grip += 1
        found = self._near(event.position())
        if found is None:
            found = self._added(*self._value(event.position()))
        if found is None:
            return
        self.chosen, self._held = found, self.curve.points
        self.picked.emit()
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held is None:
            return
        outer = QRectF(self.rect()).adjusted(-_OUT, -_OUT, _OUT, _OUT)
        if not outer.contains(event.position()) and len(self._held) > 2:
            self._tell((*self._held[: self.chosen], *self._held[self.chosen + 1 :]))
        else:
            self._move(self._held, *self._value(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._held = None
        self.chosen = min(self.chosen, len(self.curve.points) - 1)
        self.picked.emit()
        self.update()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.ShortcutOverride:
            keys = {*_KEYS, *_REMOVING, *_CHOOSING}
            if event.key() in keys and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                event.accept()  # here they mean a point, not a layer
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        points = self.curve.points
        if key in _KEYS:
            step = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
            (x, y), (dx, dy) = points[self.chosen], _KEYS[key]
            self._move(points, x + step * dx, y + step * dy)
        elif key in _REMOVING and len(points) > 2:
            self._grip += 1
            self._tell((*points[: self.chosen], *points[self.chosen + 1 :]))
            self.chosen = min(self.chosen, len(self.curve.points) - 1)
            self.picked.emit()
        elif key in _CHOOSING:
            self.chosen = (self.chosen + _CHOOSING[key]) % len(points)
            self._grip += 1
            self.picked.emit()
            self.update()
        else:
            super().keyPressEvent(event)

    def _added(self, x: int, y: int) -> int | None:
        """Add a point and return its number; None where there is no room for one."""
        points = self.curve.points
        if len(points) >= MAX_CURVE_POINTS or any(abs(x - other) < 4 for other, _ in points):
            return None
        at = sum(other < x for other, _ in points)
        self._tell((*points[:at], (x, y), *points[at:]))
        return at

    def _move(self, points: tuple[tuple[int, int], ...], x: int, y: int) -> None:
        low = points[self.chosen - 1][0] + 1 if self.chosen else 0
        high = points[self.chosen + 1][0] - 1 if self.chosen + 1 < len(points) else 255
        moved = max(low, min(high, x)), max(0, min(255, y))
        self._tell((*points[: self.chosen], moved, *points[self.chosen + 1 :]))

    def _tell(self, points: tuple[tuple[int, int], ...]) -> None:
        if points != self.curve.points:
            self.curve = Curve(points)
            self.update()
            self.changed.emit(self.curve, self._grip)

    # ---- showing

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        field = self._field()
        painter.fillRect(field, QColor(theme.FIELD))
        painter.setPen(QPen(QColor("#3d3d3d"), 1))
        for quarter in (64, 128, 191):
            painter.drawLine(self._at(quarter, 0), self._at(quarter, 255))
            painter.drawLine(self._at(0, quarter), self._at(255, quarter))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor("#565656"), 1))
        painter.drawLine(self._at(0, 0), self._at(255, 255))
        edge = theme.ACCENT_TEXT if self.hasFocus() else theme.LINE_LIGHT
        painter.setPen(QPen(QColor(edge), 1))
        painter.drawRect(field.adjusted(0.5, 0.5, -0.5, -0.5))
        values = curve_values(self.curve, np.arange(256, dtype=np.float32))
        painter.setPen(QPen(QColor(self._colour if self.isEnabled() else theme.TEXT_FAINT), 1.6))
        painter.drawPolyline(QPolygonF([self._at(x, float(y)) for x, y in enumerate(values)]))
        for number, (x, y) in enumerate(self.curve.points):
            place = self._at(x, y)
            square = QRectF(place.x() - 3.5, place.y() - 3.5, 7, 7)
            painter.setBrush(QColor(theme.TEXT if number == self.chosen else theme.FIELD))
            painter.setPen(QPen(QColor(theme.TEXT), 1.2))
            painter.drawRect(square)
        painter.end()
