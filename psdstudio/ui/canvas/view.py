"""CanvasView: shows the picture under a ViewTransform, pans and zooms, hands pointer input to the active tool."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from psdstudio.core.changes import Change
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.core.tiles import tile_keys
from psdstudio.ui import theme
from psdstudio.ui.canvas import overlays
from psdstudio.ui.canvas.images import checkered
from psdstudio.ui.canvas.model import CanvasTool, LivePicture, Overlays, Pointer
from psdstudio.ui.canvas.painting import paint_picture, pyramid_level
from psdstudio.ui.canvas.tile_cache import TileCache
from psdstudio.ui.canvas.transform import ViewTransform, centred, fitted

_MARGIN = 28
"""Logical units kept free around a fitted canvas."""
_CHECKER = 8
_SCROLLS = (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
_CTRL, _ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier


class CanvasView(QWidget):
    """One document on screen. GUI thread."""

    zoom_changed = Signal(float)
    panels_toggled = Signal()
    """Tab was pressed on the canvas."""

    def __init__(self, tiles: TileCache, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tiles = tiles
        self._doc: Document | None = None
        self._view = ViewTransform()
        self._is_fitted = True
        self._bottom_inset = 0
        self._tool: CanvasTool | None = None
        self._pan_from: QPointF | None = None
        self._is_space = False
        self._is_dragging = False
        self._overlays = Overlays()
        self._live: LivePicture | None = None
        self._is_live_ending = False
        self._checker = checkered(
            QSize(_CHECKER * 2, _CHECKER * 2), _CHECKER, theme.CHECKER_B, theme.CHECKER_A
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Canvas")
        self.setMinimumSize(320, 240)
        tiles.updated.connect(self._on_tiles)

    # ---- what is shown

    @property
    def transform(self) -> ViewTransform:
        """How the canvas lies in the view."""
        return self._view

    @property
    def overlays(self) -> Overlays:
        """What is drawn over the picture."""
        return self._overlays

    def open(self, doc: Document) -> None:
        """Show another document, fitted."""
        self._doc = doc
        self._tiles.reset(doc)
        self.fit()

    def show_change(self, change: Change) -> None:
        """Follow an edit; only dirty tiles are rendered again."""
        self._doc = change.after
        self._tiles.show(change.after, change.dirty)
        if change.before.size != change.after.size:
            self.fit()
        self._want()

    def set_overlays(self, overlay: Overlays) -> None:
        """Draw these from now on."""
        if overlay != self._overlays:
            self._overlays = overlay
            self.update()

    def set_live(self, live: LivePicture | None) -> None:
        """Show a prediction inside its dashed frame; None takes it away at once."""
        self._live = live
        self._is_live_ending = False
        self.update()

    def end_live(self) -> None:
        """Take the prediction away as soon as the tiles below it show the newest document."""
        self._is_live_ending = self._live is not None
        self._on_tiles(EMPTY_RECT)

    def set_tool(self, tool: CanvasTool | None) -> None:
        """Hand the left button to a tool; None pans."""
        if self._tool is not None:
            self._tool.cancel()
        self._tool = tool
        self._update_cursor()

    def set_bottom_inset(self, pixels: int) -> None:
        """Keep the lowest logical units free of a fitted canvas: the prompt bar floats there."""
        self._bottom_inset = pixels
        if self._is_fitted:
            self.fit()

    # ---- zoom and pan

    def fit(self) -> None:
        """Show the whole canvas (Ctrl+0)."""
        if self._doc is None:
            return
        self._is_fitted = True
        self._set_view(fitted(self._doc.size, self._free_area(), ratio=self.devicePixelRatioF()))

    def actual_size(self) -> None:
        """Show one canvas pixel on one screen pixel (Ctrl+1)."""
        self.zoom_to(1.0)

    def zoom_to(self, zoom: float) -> None:
        """Zoom around the middle of the view; the canvas is centred when it fits."""
        if self._doc is None:
            return
        self._is_fitted = False
        area = self._free_area()
        ratio = self.devicePixelRatioF()
        if (
            self._doc.size.width * zoom / ratio <= area.width()
            and self._doc.size.height * zoom / ratio <= area.height()
        ):
            self._set_view(centred(self._doc.size, area, zoom=zoom, ratio=ratio))
        else:
            self._set_view(self._view.zoomed(zoom, QPointF(self.rect().center())))

    def zoom_step(self, direction: int, anchor: QPointF | None = None) -> None:
        """Go to the next preset zoom, larger (+1) or smaller (-1)."""
        self._is_fitted = False
        self._set_view(self._view.stepped(direction, anchor or QPointF(self.rect().center())))

    def zoom_at(self, zoom: float, anchor: QPointF) -> None:
        """Zoom with the canvas point under `anchor` staying where it is."""
        self._is_fitted = False
        self._set_view(self._view.zoomed(zoom, anchor))

    def pan(self, delta: QPointF) -> None:
        """Move the picture by logical units, never wholly out of sight."""
        self._is_fitted = False
        self._set_view(self._view.panned(delta))

    def _free_area(self) -> QRectF:
        return QRectF(
            _MARGIN, _MARGIN, self.width() - 2 * _MARGIN, self.height() - 2 * _MARGIN - self._bottom_inset
        )

    def _set_view(self, view: ViewTransform) -> None:
        view = self._in_sight(view)
        zoomed = view.zoom != self._view.zoom
        self._view = view
        self._want()
        self.update()
        if zoomed:
            self.zoom_changed.emit(view.zoom)

    def _in_sight(self, view: ViewTransform) -> ViewTransform:
        if self._doc is None:
            return view
        size = QSizeF(self._doc.size.width * view.scale, self._doc.size.height * view.scale)
        margin = 48.0
        x = min(max(view.origin.x(), margin - size.width()), self.width() - margin)
        y = min(max(view.origin.y(), margin - size.height()), self.height() - margin)
        return replace(view, origin=QPointF(x, y))

    def _want(self) -> None:
        if self._doc is not None:
            seen = self._view.visible(QSizeF(self.size())).intersection(self._doc.canvas)
            self._tiles.want(list(tile_keys(seen)), level=pyramid_level(self._view.zoom))

    def _on_tiles(self, area: Rect) -> None:
        if self._is_live_ending and self._tiles.is_settled:
            self.set_live(None)
        self.update(self._view.rect_to_view(area).toAlignedRect().adjusted(-1, -1, 1, 1))

    # ---- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.CANVAS))
        if self._doc is not None and self.isEnabled():
            paint_picture(painter, self._doc, self._view, self._tiles, self._checker, QSizeF(self.size()))
            self._paint_live(painter)
            self._paint_overlays(painter)
        painter.end()

    def _paint_live(self, painter: QPainter) -> None:
        if self._live is None:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self._view.rect_to_view(self._live.rect), self._live.image)
        overlays.draw_preview_frame(painter, self._view, self._live.rect, self._live.words)

    def _paint_overlays(self, painter: QPainter) -> None:
        shown = self._overlays
        overlays.draw_selection(painter, self._view, shown.selection)
        overlays.draw_boxes(painter, self._view, shown.boxes, editable=shown.boxes_editable)
        overlays.draw_snap_lines(painter, self._view, shown.snap_xs, shown.snap_ys, QRectF(self.rect()))

    # ---- input

    def pointer(self, event: QMouseEvent) -> Pointer:
        """Return the event in canvas pixels too."""
        return Pointer(
            view=event.position(),
            canvas=self._view.to_canvas(event.position()),
            modifiers=event.modifiers(),
            scale=self._view.scale,
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        zooms = event.modifiers() & (_CTRL | _ALT) if self._is_space else None
        if zooms:  # Ctrl+Space-click zooms in, Alt+Space-click out, as in Photoshop
            self.zoom_step(1 if zooms & _CTRL else -1, event.position())
            return
        pans = event.button() is Qt.MouseButton.MiddleButton or self._is_space or self._tool is None
        if pans:
            self._pan_from = event.position()
        elif event.button() is Qt.MouseButton.LeftButton and self._tool is not None:
            self._is_dragging = True
            self._tool.press(self.pointer(event))
        self._update_cursor()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pan_from is not None:
            self.pan(event.position() - self._pan_from)
            self._pan_from = event.position()
        elif self._tool is not None:
            at = self.pointer(event)
            if self._is_dragging:
                self._tool.move(at)
            self.setCursor(Qt.CursorShape.OpenHandCursor if self._is_space else self._tool.cursor(at))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pan_from is not None:
            self._pan_from = None
        elif self._is_dragging and self._tool is not None:
            self._is_dragging = False
            self._tool.release(self.pointer(event))
        self._update_cursor()

    def wheelEvent(self, event: QWheelEvent) -> None:
        modifiers = event.modifiers()
        delta, pixels = event.angleDelta(), event.pixelDelta()
        plain = modifiers == Qt.KeyboardModifier.NoModifier
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            self.pan(QPointF(delta.y() or delta.x(), 0) / 2)
        elif plain and not pixels.isNull() and event.phase() is not Qt.ScrollPhase.NoScrollPhase:
            self.pan(QPointF(pixels))  # two fingers on a touchpad
        else:
            steps = (delta.y() or delta.x()) / 120
            self.zoom_at(self._view.zoom * 1.2**steps, event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrows = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down)
        key = Qt.Key(event.key())
        if key is Qt.Key.Key_Space and not event.isAutoRepeat():
            self._is_space = True
            self._update_cursor()
        elif key is Qt.Key.Key_Escape and self._tool is not None and self._is_dragging:
            self._is_dragging = False
            self._tool.cancel()
        elif key in _SCROLLS:
            self._scroll(key, event.modifiers())
        elif key in arrows and self._tool is not None:
            self._tool.arrow(key, event.modifiers(), self._view.scale)
        elif key is not Qt.Key.Key_Space:
            super().keyPressEvent(event)

    def _scroll(self, key: Qt.Key, modifiers: Qt.KeyboardModifier) -> None:
        """Home and End show a corner; Page keys go a view up or down, with Ctrl sideways, with Shift a little."""
        if self._doc is None:
            return
        scale, size = self._view.scale, self._doc.size
        if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            is_home, edge = key is Qt.Key.Key_Home, _MARGIN
            right, bottom = (
                self.width() - size.width * scale - edge,
                self.height() - size.height * scale - edge,
            )
            corner = QPointF(edge, edge) if is_home else QPointF(right, bottom - self._bottom_inset)
            self.pan(corner - self._view.origin)
            return
        is_aside = bool(modifiers & _CTRL)
        step = (
            10
            if modifiers & Qt.KeyboardModifier.ShiftModifier
            else self.width()
            if is_aside
            else self.height()
        )
        way = float(step if key is Qt.Key.Key_PageUp else -step)
        self.pan(QPointF(way, 0) if is_aside else QPointF(0, way))

    def focusNextPrevChild(self, is_next: bool) -> bool:  # Qt's signature
        """Tab on the canvas hides the panels, as in Photoshop; F6 goes on to the next part of the window."""
        if is_next:
            self.panels_toggled.emit()
            return True
        return super().focusNextPrevChild(is_next)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._is_space = False
            self._update_cursor()
        else:
            super().keyReleaseEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_fitted:
            self.fit()
        else:
            self._want()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._view = replace(self._view, ratio=self.devicePixelRatioF())
            self.fit()

    def _update_cursor(self) -> None:
        if self._pan_from is not None:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._is_space or self._tool is None:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            self.unsetCursor()
