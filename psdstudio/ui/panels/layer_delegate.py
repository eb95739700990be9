"""Paints a layer's row: eye, colour, twirl, thumbnail, mask, name, what the engine does, badges, Keep pin."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QBrush, QColor, QHelpEvent, QImage, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from psdstudio.core.adjustments import TITLES, Adjustment
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Label, Layer, Lock, Mask, PixelLayer, Role
from psdstudio.core.wording import listed
from psdstudio.ui import theme
from psdstudio.ui.canvas.images import checkered
from psdstudio.ui.icons import paint_icon
from psdstudio.ui.models.layer_tree import IDLE, LayerRole, RowPhase, RowState
from psdstudio.ui.panels.row_layout import RowLayout, Zone, is_slim, row_height, row_layout
from psdstudio.ui.wording import LOCK_NAMES

Index = QModelIndex | QPersistentModelIndex
Thumbnail = Callable[[Layer], QImage | None]
"""Returns a layer's picture, or None while it is not made yet."""

LABEL_COLOURS = {
    Label.RED: "#c9504b",
    Label.ORANGE: "#cf7f3a",
    Label.YELLOW: "#c5ab3c",
    Label.GREEN: "#5d9b57",
    Label.BLUE: "#4d7fc4",
    Label.VIOLET: "#8c67b8",
    Label.GRAY: "#848484",
}
_ROLE_ICONS = {
    Role.BACKGROUND: "mountain",
    Role.SHADOW: "shadow",
    Role.REFLECTION: "reflection",
    Role.OBJECT: "image",
}
_DOTTED = (Role.BACKGROUND, Role.OBJECT_GROUP)
_TIPS = {
    Zone.EYE: "Show or hide. Alt-click shows this layer alone.",
    Zone.TWIRL: "Open or close. Alt-click does it for everything inside.",
    Zone.STALE: "Its shadow no longer fits what is around it. Click to refresh the contacts.",
    Zone.CHAIN: "Layer and mask move together. Click to part or join them.",
}


class LayerDelegate(QStyledItemDelegate):
    """Paints rows; it changes nothing. GUI thread."""

    def __init__(
        self,
        thumbnail: Thumbnail,
        mask_thumbnail: Thumbnail,
        is_kept: Callable[[Layer], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._thumbnail, self._mask_thumbnail = thumbnail, mask_thumbnail
        self._is_kept = is_kept

    def layout_of(self, index: Index, rect: QRect) -> RowLayout:
        """Return where the parts of the row at `index` stand inside `rect`."""
        layer = index.data(LayerRole.LAYER)
        return row_layout(rect, layer, depth=_depth(index))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, row_height(index.data(LayerRole.LAYER)))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        layer: Layer = index.data(LayerRole.LAYER)
        state: RowState = index.data(LayerRole.STATE) or IDLE
        rect: QRect = option.rect
        at = row_layout(rect, layer, depth=_depth(index))
        painter.save()
        self._paint_ground(painter, option, rect)
        if not state.is_pending:
            self._paint_icons(painter, layer, at, option)
        self._paint_picture(painter, layer, state, at)
        self._paint_text(painter, layer, state, at)
        if state.phase is RowPhase.RUNNING:
            _paint_bar(painter, rect, state.fraction)
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        editor = QLineEdit(parent)
        editor.setAccessibleName("Layer name")
        editor.setMaxLength(255)
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        # A new thumbnail, or a step of a run, touches the row: what is being typed must stay.
        if isinstance(editor, QLineEdit) and not editor.isModified():
            super().setEditorData(editor, index)

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        rect: QRect = option.rect
        text = self.layout_of(index, rect).text
        editor.setGeometry(QRect(text.left() - 5, text.center().y() - 12, max(80, text.width() + 4), 26))

    def helpEvent(
        self, event: QHelpEvent, view: QAbstractItemView, option: QStyleOptionViewItem, index: Index
    ) -> bool:
        if event.type() != QEvent.Type.ToolTip or not index.isValid():
            return False
        layer: Layer = index.data(LayerRole.LAYER)
        zone = self.layout_of(index, view.visualRect(_plain(index))).zone(event.pos())
        state: RowState = index.data(LayerRole.STATE) or IDLE
        QToolTip.showText(event.globalPos(), self.tip(layer, zone, state), view)
        return True

    def tip(self, layer: Layer, zone: Zone, state: RowState = IDLE) -> str:
        """Return what a part of a row says of itself."""
        if state.is_pending and zone in (Zone.KEEP, Zone.EYE):
            return "The run is still making this layer; it can be kept as soon as it is there."
        match zone:
            case Zone.KEEP:
                return self._keep_tip(layer, state)
            case Zone.LOCK:
                names = [LOCK_NAMES[lock] for lock in Lock if lock in layer.props.locks]
                return f"Locked: {listed(names)}."
            case Zone.MASK:
                is_on = layer.mask is not None and layer.mask.enabled
                return (
                    "Layer mask. Shift-click switches it off."
                    if is_on
                    else "Layer mask, switched off. Shift-click switches it on."
                )
            case Zone.NAME:
                return row_tip(layer)
            case _:
                return _TIPS.get(zone, "")

    def _keep_tip(self, layer: Layer, state: RowState) -> str:
        if isinstance(layer, AdjustmentLayer) and not self._is_kept(layer):
            return ""
        if self._is_kept(layer):
            return "Kept: no run changes it (N). Click to release."
        if state.phase is not RowPhase.IDLE:
            return (
                "Keep this layer as it is now, from this run on (N). What the run paints for it is put aside"
                " in a hidden group."
            )
        return "Keep this layer as it is in every run (N)."

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, rect: QRect) -> None:
        state: QStyle.StateFlag = option.state
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(theme.ROW_SELECTED))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(theme.ROW_HOVER))
        painter.fillRect(QRect(rect.left(), rect.bottom(), rect.width(), 1), QColor(theme.PANEL_DEEP))
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(theme.ACCENT_TEXT), 1))
            painter.drawRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -1.5))

    def _paint_icons(
        self, painter: QPainter, layer: Layer, at: RowLayout, option: QStyleOptionViewItem
    ) -> None:
        props = layer.props
        eye = "eye" if props.visible else "eye-off"
        paint_icon(painter, eye, _centred(at.eye, 16), theme.TEXT_DIM if props.visible else theme.TEXT_FAINT)
        if props.label is not Label.NONE:
            painter.fillRect(at.strip.adjusted(0, 3, 0, -4), QColor(LABEL_COLOURS[props.label]))
        if isinstance(layer, GroupLayer) and layer.children:
            twirl = "chevron-down" if props.expanded else "chevron-right"
            paint_icon(painter, twirl, _centred(at.twirl, 14), theme.TEXT_DIM)
        if props.clipping:  # at the indent: it hangs on the layer below
            beside = QRect(at.thumb.left() - 18, at.thumb.top(), 18, at.thumb.height())
            paint_icon(painter, "clip", _centred(beside, 14), theme.TEXT_DIM)
        if props.locks:
            colour = theme.TEXT if Lock.ALL in props.locks else theme.TEXT_DIM
            paint_icon(painter, "lock", _centred(at.lock, 14), colour)
        if not at.stale.isEmpty():
            paint_icon(painter, "wave", _centred(at.stale, 16), theme.AMBER)
        state: QStyle.StateFlag = option.state
        is_warm = bool(state & (QStyle.StateFlag.State_MouseOver | QStyle.StateFlag.State_Selected))
        if self._is_kept(layer):
            paint_icon(painter, "pin-filled", _centred(at.keep, 18), theme.ACCENT_TEXT)
        elif not isinstance(layer, AdjustmentLayer):  # it is never painted, so there is nothing to keep
            paint_icon(painter, "pin", _centred(at.keep, 16), theme.TEXT_DIM if is_warm else "#6f6f6f")

    def _paint_picture(self, painter: QPainter, layer: Layer, state: RowState, at: RowLayout) -> None:
        box = at.thumb
        painter.setOpacity(1.0 if layer.props.visible else 0.45)
        image = state.live if state.live is not None else self._thumbnail(layer)
        if isinstance(layer, AdjustmentLayer):
            painter.fillRect(box, QColor(theme.FIELD))
            paint_icon(painter, adjustment_icon(layer.adjustment), _centred(box, 20), theme.TEXT_DIM)
        elif isinstance(layer, GroupLayer) and layer.part is None:
            paint_icon(painter, "folder", _centred(box, 20), theme.TEXT_DIM)
        else:
            painter.fillRect(box, QBrush(_checker()))
            if image is not None and not image.isNull():
                _draw_fitted(painter, image, box)
            elif layer.part is not None and (image is None or image.isNull()):
                painter.fillRect(box, QColor(theme.FIELD))
                name = _ROLE_ICONS.get(layer.part.role, "image")
                paint_icon(painter, name, _centred(box, 16), theme.TEXT_FAINT)
            painter.setPen(QPen(QColor("#5c5c5c"), 1))
            painter.drawRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5))
        if self._is_kept(layer):
            painter.fillRect(QRect(box.left(), box.bottom() - 1, box.width(), 2), QColor(theme.ACCENT_TEXT))
        if layer.mask is not None:
            self._paint_mask(painter, layer, layer.mask, at)
        painter.setOpacity(1.0)

    def _paint_mask(self, painter: QPainter, layer: Layer, mask: Mask, at: RowLayout) -> None:
        painter.fillRect(at.mask, QColor("#5c5c5c"))
        image = self._mask_thumbnail(layer)
        if image is not None:
            _draw_fitted(painter, image, at.mask)
        painter.setPen(QPen(QColor("#8a8a8a"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(at.mask).adjusted(0.5, 0.5, -0.5, -0.5))
        if mask.linked:
            paint_icon(painter, "chain", _centred(at.chain, 12), theme.TEXT_FAINT)
        if not mask.enabled:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor("#e04a40"), 2))
            cross = QRectF(at.mask).adjusted(2, 2, -2, -2)
            painter.drawLine(cross.topLeft(), cross.bottomRight())
            painter.drawLine(cross.bottomLeft(), cross.topRight())

    def _paint_text(self, painter: QPainter, layer: Layer, state: RowState, at: RowLayout) -> None:
        name, second = layer.props.name, second_line(layer, state)
        metrics = painter.fontMetrics()
        colour = theme.TEXT if layer.props.visible else theme.TEXT_FAINT
        text = at.text
        first = (
            text if not second else QRect(text.left(), text.top() + 4, text.width(), text.height() // 2 - 3)
        )
        if layer.part is not None and layer.part.is_new and layer.part.role in _DOTTED:
            painter.setBrush(QColor(theme.TEXT))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(QPointF(first.left() + 3, first.center().y() + 1.5), 2.5, 2.5)
            first = first.adjusted(11, 0, 0, 0)
        painter.setPen(QColor(theme.TEXT_DIM if is_slim(layer) and layer.props.visible else colour))
        elided = metrics.elidedText(name, Qt.TextElideMode.ElideRight, first.width())
        painter.drawText(first, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, elided)
        if second:
            font = painter.font()
            font.setPixelSize(theme.FONT_PX - 1)
            painter.setFont(font)
            painter.setPen(QColor(theme.TEXT_DIM))
            lower = QRect(text.left(), text.center().y() + 1, text.width(), text.height() // 2 - 3)
            elided = painter.fontMetrics().elidedText(second, Qt.TextElideMode.ElideRight, lower.width())
            painter.drawText(lower, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, elided)


def adjustment_icon(adjustment: Adjustment) -> str:
    """Return the name of the outline that stands for a kind of adjustment."""
    return f"adjust-{type(adjustment).__name__.lower()}"


def second_line(layer: Layer, state: RowState) -> str:
    """Return the small line under a name: what the engine does, or at which size the layer was painted."""
    if state.words:
        return state.words
    if is_slim(layer) or layer.part is None:
        return ""
    if layer.part.stale_contacts:
        return "Contacts out of date"
    return native_size_text(layer) or ""


def native_size_text(layer: Layer) -> str | None:
    """Return "Painted at 128 × 128" when a layer shows more pixels than the engine painted, else None."""
    native = layer.part.native_size if layer.part is not None else None
    if native is None or not isinstance(layer, PixelLayer):
        return None
    box = layer.pixels.bounds()
    if max(box.width, box.height) <= max(native.width, native.height):
        return None
    return f"Painted at {native.width} × {native.height}"


def row_tip(layer: Layer) -> str:
    """Return what a row's tooltip says."""
    lines = [layer.props.name]
    if isinstance(layer, AdjustmentLayer):
        lines.append(f"Adjustment: {TITLES[type(layer.adjustment)]}")
    if layer.part is not None:
        if layer.part.words and layer.part.words != layer.props.name:
            lines.append(f"Words: {layer.part.words}")
        if layer.part.recipe is not None:
            lines.append(f"Seed {layer.part.recipe.seed}")
            if layer.part.recipe.library_item:
                lines.append(f"From the library: {layer.part.recipe.library_item}")
        native = native_size_text(layer)
        if native:
            lines.append(f"{native}, enlarged to the document")
    return "\n".join(lines)


def _plain(index: Index) -> QModelIndex:
    """Return an index that is not persistent, as views want it."""
    return index.model().index(index.row(), index.column(), index.parent())


def _depth(index: Index) -> int:
    depth, parent = 0, index.parent()
    while parent.isValid():
        depth, parent = depth + 1, parent.parent()
    return depth


def _centred(rect: QRect, edge: int) -> QRectF:
    return QRectF(
        rect.left() + (rect.width() - edge) / 2, rect.top() + (rect.height() - edge) / 2, edge, edge
    )


def _draw_fitted(painter: QPainter, image: QImage, box: QRect) -> None:
    scale = min(box.width() / image.width(), box.height() / image.height())
    width, height = image.width() * scale, image.height() * scale
    target = QRectF(
        box.left() + (box.width() - width) / 2, box.top() + (box.height() - height) / 2, width, height
    )
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(target, image)


def _paint_bar(painter: QPainter, rect: QRect, fraction: float) -> None:
    ground = QRect(rect.left(), rect.bottom() - 1, rect.width(), 2)
    painter.fillRect(ground, QColor(theme.LINE))
    painter.fillRect(
        ground.adjusted(0, 0, -round(rect.width() * (1 - fraction)), 0), QColor(theme.ACCENT_TEXT)
    )


def _checker() -> QImage:
    return checkered(QSize(8, 8), 4, "#6a6a6a", "#8a8a8a")
