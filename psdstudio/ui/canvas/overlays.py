"""What is drawn over the picture: layout boxes, selection frame, snap lines, the frame of a live preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import LayerId
from psdstudio.ui import theme
from psdstudio.ui.canvas.transform import ViewTransform

HANDLE = 8.0
"""Edge of a drawn handle in logical view units; how near a click must come is the tool's to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutBox:
    """A layout box as the canvas shows it; `key` is the layer's id, or a chip's before its first run."""

    key: LayerId
    name: str
    rect: Rect
    is_selected: bool = False
    is_users: bool = False
    is_kept: bool = False


def corners(rect: QRectF) -> tuple[QPointF, ...]:
    """Return the eight handle positions: top left, top, top right, right, bottom right, bottom, bottom left, left."""
    centre = rect.center()
    return (
        rect.topLeft(),
        QPointF(centre.x(), rect.top()),
        rect.topRight(),
        QPointF(rect.right(), centre.y()),
        rect.bottomRight(),
        QPointF(centre.x(), rect.bottom()),
        rect.bottomLeft(),
        QPointF(rect.left(), centre.y()),
    )


def draw_boxes(painter: QPainter, view: ViewTransform, boxes: Sequence[LayoutBox], *, editable: bool) -> None:
    """Draw layout boxes with name tags; handles on the selected one while they can be dragged."""
    for box in sorted(boxes, key=lambda b: b.is_selected):
        frame = view.rect_to_view(box.rect)
        solid = box.is_users or box.is_selected
        _line(
            painter,
            frame,
            QColor(theme.ACCENT_TEXT),
            Qt.PenStyle.SolidLine if solid else Qt.PenStyle.DashLine,
        )
        if editable:
            _tag(painter, frame, box.name, strong=box.is_selected)
        if editable and box.is_selected:
            _handles(painter, frame)


def draw_selection(painter: QPainter, view: ViewTransform, rect: Rect) -> None:
    """Draw the thin frame around what is selected."""
    if not rect.is_empty:
        _line(painter, view.rect_to_view(rect), QColor(255, 255, 255, 170), Qt.PenStyle.SolidLine)


def draw_snap_lines(
    painter: QPainter, view: ViewTransform, xs: Sequence[float], ys: Sequence[float], area: QRectF
) -> None:
    """Draw the lines that a dragged layer snapped to, across the whole view."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(QColor("#ff5fa8"), 1))
    for x in xs:
        at = round(view.to_view(x, 0).x())
        painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()))
    for y in ys:
        at = round(view.to_view(0, y).y())
        painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))


def draw_preview_frame(painter: QPainter, view: ViewTransform, rect: Rect, words: str) -> None:
    """Draw the dashed frame that says: this is not in the document yet."""
    frame = view.rect_to_view(rect)
    _line(painter, frame, QColor("#ffffff"), Qt.PenStyle.DashLine, width=2)
    _tag(painter, frame, words, strong=False)


def _line(painter: QPainter, frame: QRectF, colour: QColor, style: Qt.PenStyle, width: int = 1) -> None:
    """Draw a frame of whole screen pixels: at 150 % a pen of 1.5 would come out as 1 here and 2 there."""
    ratio = painter.device().devicePixelRatio()
    thick = max(1, round(width * ratio))
    painter.save()
    painter.scale(1 / ratio, 1 / ratio)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    edge = QRectF(
        QPointF(round(frame.left() * ratio), round(frame.top() * ratio)),
        QPointF(round(frame.right() * ratio), round(frame.bottom() * ratio)),
    )
    painter.setPen(QPen(QColor(0, 0, 0, 110), thick + 2))
    painter.drawRect(edge)
    painter.setPen(QPen(colour, thick, style))
    painter.drawRect(edge)
    painter.restore()


def _tag(painter: QPainter, frame: QRectF, text: str, *, strong: bool) -> None:
    metrics = QFontMetricsF(painter.font())
    text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, 260)
    width, height = metrics.horizontalAdvance(text) + 12, 18.0
    top = frame.top() - height if frame.top() - height > 4 else frame.top()
    tag = QRectF(max(frame.left(), 0.0), max(top, 0.0), width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.ACCENT) if strong else QColor(20, 20, 20, 210))
    painter.drawRect(tag)
    painter.setPen(QColor("white"))
    painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, text)


def _handles(painter: QPainter, frame: QRectF) -> None:
    painter.setPen(QPen(QColor(theme.ACCENT), 1))
    painter.setBrush(QColor("white"))
    for point in corners(frame):
        painter.drawRect(QRectF(point.x() - HANDLE / 2, point.y() - HANDLE / 2, HANDLE, HANDLE))
