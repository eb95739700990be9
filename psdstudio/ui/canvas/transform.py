"""How the canvas lies in the view: zoom and place, as a value. 100 % means one canvas pixel on one screen pixel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from PySide6.QtCore import QPointF, QRectF, QSizeF

from psdstudio.core.geometry import Rect, Size

MIN_ZOOM, MAX_ZOOM = 1 / 64, 64.0
STEPS = (
    1 / 32,
    1 / 16,
    1 / 12,
    1 / 8,
    1 / 6,
    1 / 4,
    1 / 3,
    1 / 2,
    2 / 3,
    1,
    1.5,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    32,
    64,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTransform:
    """`zoom` in screen pixels per canvas pixel; `origin` is the canvas' top left corner in logical view units.

    `ratio` is the screen's device pixel ratio: logical units times ratio are screen pixels.
    """

    zoom: float = 1.0
    origin: QPointF = field(default_factory=QPointF)
    ratio: float = 1.0

    @property
    def scale(self) -> float:
        """Logical units per canvas pixel."""
        return self.zoom / self.ratio

    def to_view(self, x: float, y: float) -> QPointF:
        """Return the logical view position of a canvas position."""
        return QPointF(self.origin.x() + x * self.scale, self.origin.y() + y * self.scale)

    def to_canvas(self, pos: QPointF) -> QPointF:
        """Return the canvas position (fractional pixels) under a logical view position."""
        return QPointF((pos.x() - self.origin.x()) / self.scale, (pos.y() - self.origin.y()) / self.scale)

    def rect_to_view(self, rect: Rect) -> QRectF:
        """Return where canvas pixels lie in the view."""
        top_left = self.to_view(rect.x, rect.y)
        return QRectF(top_left, QSizeF(rect.width * self.scale, rect.height * self.scale))

    def visible(self, view: QSizeF) -> Rect:
        """Return the canvas pixels that a view of this size shows, rounded outwards."""
        a, b = self.to_canvas(QPointF(0, 0)), self.to_canvas(QPointF(view.width(), view.height()))
        return Rect.from_edges(int(a.x() // 1), int(a.y() // 1), int(b.x() // 1) + 1, int(b.y() // 1) + 1)

    def zoomed(self, zoom: float, anchor: QPointF) -> ViewTransform:
        """Return the transform at another zoom with the canvas point under `anchor` staying there."""
        zoom = min(MAX_ZOOM, max(MIN_ZOOM, zoom))
        fixed = self.to_canvas(anchor)
        scale = zoom / self.ratio
        origin = QPointF(anchor.x() - fixed.x() * scale, anchor.y() - fixed.y() * scale)
        return replace(self, zoom=zoom, origin=origin)

    def stepped(self, direction: int, anchor: QPointF) -> ViewTransform:
        """Return the next larger (+1) or smaller (-1) preset zoom."""
        if direction > 0:
            zoom = next((s for s in STEPS if s > self.zoom * 1.001), MAX_ZOOM)
        else:
            zoom = next((s for s in reversed(STEPS) if s < self.zoom * 0.999), MIN_ZOOM)
        return self.zoomed(zoom, anchor)

    def panned(self, delta: QPointF) -> ViewTransform:
        """Return the transform moved by logical units."""
        return replace(self, origin=self.origin + delta)


def fitted(canvas: Size, view: QRectF, *, ratio: float) -> ViewTransform:
    """Return the transform that shows the whole canvas inside the logical rectangle `view`, centred."""
    width, height = max(1.0, view.width()), max(1.0, view.height())
    zoom = min(width * ratio / canvas.width, height * ratio / canvas.height)
    return centred(canvas, view, zoom=min(MAX_ZOOM, max(MIN_ZOOM, zoom)), ratio=ratio)


def centred(canvas: Size, view: QRectF, *, zoom: float, ratio: float) -> ViewTransform:
    """Return the transform that shows the canvas centred in `view` at `zoom`, on whole screen pixels."""
    left = view.x() + (view.width() - canvas.width * zoom / ratio) / 2
    top = view.y() + (view.height() - canvas.height * zoom / ratio) / 2
    origin = QPointF(round(left * ratio) / ratio, round(top * ratio) / ratio)
    return ViewTransform(zoom=zoom, origin=origin, ratio=ratio)
