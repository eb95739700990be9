"""Draws the composited tiles of a document under a view transform, on a checkerboard."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSizeF
from PySide6.QtGui import QBrush, QColor, QImage, QPainter

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.tiles import tile_keys, tile_rect
from psdstudio.ui.canvas.tile_cache import LEVELS, TileCache
from psdstudio.ui.canvas.transform import ViewTransform

_SHARP_ZOOM = 2.0
"""From this zoom on canvas pixels are shown as squares."""


def paint_picture(
    painter: QPainter, doc: Document, view: ViewTransform, tiles: TileCache, checker: QImage, size: QSizeF
) -> None:
    """Draw what a view of `size` (logical units) shows of the document; tiles not rendered yet stay checkered."""
    frame = view.rect_to_view(doc.canvas)
    painter.fillRect(frame.adjusted(-1, -1, 1, 1), QColor("#1b1b1b"))
    painter.setBrushOrigin(frame.topLeft())
    painter.fillRect(frame, QBrush(checker))
    painter.setClipRect(frame)
    painter.save()
    # Tiles are drawn on whole screen pixels, so that their edges meet at every zoom and display scale.
    painter.scale(1 / view.ratio, 1 / view.ratio)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, view.zoom < _SHARP_ZOOM)
    level = pyramid_level(view.zoom)
    for key in tile_keys(view.visible(size).intersection(doc.canvas)):
        image = tiles.image(key, level)
        if image is not None:
            painter.drawImage(device_rect(view, tile_rect(key)), image)
    painter.restore()
    painter.setClipping(False)


def pyramid_level(zoom: float) -> int:
    """Return which halving of a tile to draw, so that no more than two of its pixels fall on one of the screen."""
    level = 0
    while level < LEVELS - 1 and zoom * 2 ** (level + 1) <= 1:
        level += 1
    return level


def device_rect(view: ViewTransform, rect: Rect) -> QRect:
    """Return the whole screen pixels that canvas pixels fall on; neighbours share an edge exactly."""
    left, top = view.origin.x() * view.ratio, view.origin.y() * view.ratio
    x0, y0 = round(left + rect.x * view.zoom), round(top + rect.y * view.zoom)
    x1, y1 = round(left + rect.right * view.zoom), round(top + rect.bottom * view.zoom)
    return QRect(x0, y0, x1 - x0, y1 - y0)
