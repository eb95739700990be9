"""The tree view of the layer panel: clicks by zone, eye dragging, selection by layer id, drag order, renaming."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QDragMoveEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractItemView, QTreeView, QWidget

from psdstudio.core.layers import GroupLayer, Layer, LayerId
from psdstudio.ui import theme
from psdstudio.ui.models.layer_tree import LayerTreeModel
from psdstudio.ui.panels.layer_delegate import LayerDelegate
from psdstudio.ui.panels.row_layout import Zone

_LINE_HIT_PX = 3
"""Alt-click this near to the line between two rows means the line."""
_SWITCHES = (Zone.EYE, Zone.KEEP, Zone.STALE, Zone.MASK, Zone.CHAIN)


class LayerTreeView(QTreeView):
    """Rows of layers. It tells what was asked for; the panel acts. GUI thread."""

    eye_asked = Signal(str, bool, bool)
    """Layer id, the visibility to set, whether Alt was held (show it alone)."""
    keep_asked = Signal(str)
    stale_asked = Signal(str)
    mask_asked = Signal(str)
    """Shift-click on a mask: switch it off or on."""
    chain_asked = Signal(str)
    clip_asked = Signal(str)
    """Alt-click on the line below this layer: clip it to the next one down, or release it."""
    picked = Signal(object)
    """The selected layer ids, in row order, by the user's hand."""
    menu_asked = Signal(QPoint)
    deleted = Signal()

    def __init__(self, model: LayerTreeModel, delegate: LayerDelegate, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._delegate = delegate
        self._eye_target: bool | None = None
        self._eyes_done: set[LayerId] = set()
        self._is_syncing = False
        self._known_groups: set[LayerId] = set()
        self.setModel(model)
        self.setItemDelegate(delegate)
        self.setHeaderHidden(True)
        self.setIndentation(0)
        self.setRootIsDecorated(False)
        self.setItemsExpandable(False)
        self.setExpandsOnDoubleClick(False)
        self.setUniformRowHeights(False)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDragDropOverwriteMode(False)
        self.setDropIndicatorShown(False)  # drawn here: the style's is hard to see on dark rows
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setAccessibleName("Layers")
        self.setIconSize(QSize(32, 32))
        self.customContextMenuRequested.connect(self._on_menu)
        self.selectionModel().selectionChanged.connect(self._on_selection)

    # ---- in step with the session

    def show_layers(self, layers: Sequence[Layer], selection: Sequence[LayerId]) -> None:
        """Bring the rows in step; a row that moves into a group must not seem to be deselected by the user."""
        self._is_syncing = True
        self._model.show(layers)
        self._is_syncing = False
        self.open_new_groups()
        if set(self.selected_ids()) != set(selection):  # not always: it scrolls to the selection
            self.show_selection(selection)

    def open_new_groups(self) -> None:
        """Open groups that are new and meant to be open; what the user opened or closed stays as it is."""
        groups: set[LayerId] = set()
        for index in self._rows(QModelIndex()):
            layer = self._model.layer(index)
            if isinstance(layer, GroupLayer):
                groups.add(layer.id)
                if layer.id not in self._known_groups:
                    self.setExpanded(index, layer.props.expanded)
        self._known_groups = groups

    def show_selection(self, ids: Sequence[LayerId]) -> None:
        """Select exactly these rows without telling anybody."""
        self._is_syncing = True
        selection = QItemSelection()
        for layer_id in ids:
            index = self._model.index_of(layer_id)
            if index.isValid():
                selection.select(index, index)
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(selection, flag.ClearAndSelect)
        if ids and (last := self._model.index_of(ids[-1])).isValid():
            self.selectionModel().setCurrentIndex(last, flag.NoUpdate)
            self.scrollTo(last)
        self._is_syncing = False

    def selected_ids(self) -> tuple[LayerId, ...]:
        """Return the selected layers in row order."""
        rows = {index.internalId() for index in self.selectionModel().selectedIndexes()}
        ids = (self._model.layer_id(i) for i in self._rows(QModelIndex()) if i.internalId() in rows)
        return tuple(layer_id for layer_id in ids if layer_id is not None)

    def rename(self, layer_id: LayerId) -> None:
        """Open the name editor of a row."""
        index = self._model.index_of(layer_id)
        if index.isValid() and self._model.flags(index) & Qt.ItemFlag.ItemIsEditable:
            self.scrollTo(index)
            self.edit(index)

    def _rows(self, parent: QModelIndex) -> list[QModelIndex]:
        out: list[QModelIndex] = []
        for row in range(self._model.rowCount(parent)):
            index = self._model.index(row, 0, parent)
            out += [index, *self._rows(index)]
        return out

    def _on_selection(self) -> None:
        if not self._is_syncing:
            self.picked.emit(self.selected_ids())

    # ---- mouse

    def zone_at(self, pos: QPoint) -> tuple[QModelIndex, Zone]:
        """Return the row and the part of it under a position."""
        index = self.indexAt(pos)
        if not index.isValid():
            return index, Zone.NAME
        return index, self._delegate.layout_of(index, self.visualRect(index)).zone(pos)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index, zone = self.zone_at(event.position().toPoint())
        layer_id = self._model.layer_id(index) if index.isValid() else None
        if event.button() is not Qt.MouseButton.LeftButton or layer_id is None:
            super().mousePressEvent(event)
            return
        is_alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        upper = self.layer_above_line(event.position().toPoint()) if is_alt else None
        if upper is not None:
            self.clip_asked.emit(upper)
            return
        if zone in _SWITCHES and self._model.is_pending(index):
            return  # the run is still making this layer
        match zone:
            case Zone.EYE:
                self._press_eye(layer_id, is_alt=is_alt)
            case Zone.KEEP:
                self.keep_asked.emit(layer_id)
            case Zone.STALE:
                self.stale_asked.emit(layer_id)
            case Zone.CHAIN:
                self.chain_asked.emit(layer_id)
            case Zone.TWIRL:
                self._twirl(index, deep=is_alt)
            case Zone.MASK if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.mask_asked.emit(layer_id)
            case _:
                super().mousePressEvent(event)

    def layer_above_line(self, pos: QPoint) -> LayerId | None:
        """Return the layer whose line to the row below it lies here; None away from lines that could clip.

        Both rows must stand in the same group, and not at its switches at the left.
        """
        upper = self.indexAt(pos - QPoint(0, _LINE_HIT_PX))
        lower = self.indexAt(pos + QPoint(0, _LINE_HIT_PX))
        if not (upper.isValid() and lower.isValid()) or upper == lower or upper.parent() != lower.parent():
            return None
        if lower.row() != upper.row() + 1 or isinstance(self._model.layer(upper), GroupLayer):
            return None
        if self._delegate.layout_of(upper, self.visualRect(upper)).eye.right() >= pos.x():
            return None
        return self._model.layer_id(upper)

    def _point_at(self, event: QMouseEvent) -> None:
        is_alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        clips = is_alt and self.layer_above_line(event.position().toPoint()) is not None
        self.viewport().setCursor(Qt.CursorShape.SplitVCursor if clips else Qt.CursorShape.ArrowCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point_at(event)
        index, zone = self.zone_at(event.position().toPoint())
        layer_id = self._model.layer_id(index) if index.isValid() else None
        if self._eye_target is None:
            super().mouseMoveEvent(event)
        elif zone is Zone.EYE and layer_id is not None and layer_id not in self._eyes_done:
            self._eyes_done.add(layer_id)
            self.eye_asked.emit(layer_id, self._eye_target, False)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._eye_target = None
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index, zone = self.zone_at(event.position().toPoint())
        layer_id = self._model.layer_id(index) if index.isValid() else None
        if zone is Zone.NAME and layer_id is not None:
            self.rename(layer_id)
        elif zone in (Zone.EYE, Zone.KEEP, Zone.TWIRL, Zone.CHAIN, Zone.MASK):
            self.mousePressEvent(event)  # fast clicking on a switch is two clicks

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.state() is QAbstractItemView.State.EditingState:
            return  # Enter ends the editing a moment later; it must not begin another
        index = self.currentIndex()
        layer_id = self._model.layer_id(index) if index.isValid() else None
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and layer_id is not None:
            self.rename(layer_id)
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right) and isinstance(
            self._model.layer(index), GroupLayer
        ):
            self.setExpanded(index, event.key() == Qt.Key.Key_Right)
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.deleted.emit()
        else:
            super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:
        """Do nothing: letters are the application's shortcuts."""

    def _press_eye(self, layer_id: LayerId, *, is_alt: bool) -> None:
        layer = self._model.layer(self._model.index_of(layer_id))
        assert layer is not None
        self._eye_target = None if is_alt else not layer.props.visible
        self._eyes_done = {layer_id}
        self.eye_asked.emit(layer_id, not layer.props.visible, is_alt)

    def _twirl(self, index: QModelIndex, *, deep: bool) -> None:
        is_open = not self.isExpanded(index)
        self.setExpanded(index, is_open)
        if deep:
            for inner in self._rows(index):
                self.setExpanded(inner, is_open)

    def _on_menu(self, pos: QPoint) -> None:
        index = self.indexAt(pos)
        if index.isValid() and not self.selectionModel().isSelected(index):
            self.setCurrentIndex(index)
        self.menu_asked.emit(self.viewport().mapToGlobal(pos))

    # ---- the line that shows where a drop goes

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        super().dragMoveEvent(event)
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._model.rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.TEXT_FAINT))
            area = self.viewport().rect().adjusted(24, 24, -24, 0)
            flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(
                area, flags, "Layers appear here: the background and every object of your scene."
            )
            painter.end()
        if self.state() is not QAbstractItemView.State.DraggingState:
            return
        pos = self.viewport().mapFromGlobal(self.cursor().pos())
        index = self.indexAt(pos)
        if not index.isValid():
            return
        painter = QPainter(self.viewport())
        painter.setPen(QPen(QColor(theme.TEXT), 2))
        rect = self.visualRect(index)
        match self.dropIndicatorPosition():
            case QAbstractItemView.DropIndicatorPosition.OnItem:
                painter.drawRect(rect.adjusted(1, 1, -1, -1))
            case QAbstractItemView.DropIndicatorPosition.AboveItem:
                painter.drawLine(rect.left(), rect.top(), rect.right(), rect.top())
            case QAbstractItemView.DropIndicatorPosition.BelowItem:
                painter.drawLine(rect.left(), rect.bottom(), rect.right(), rect.bottom())
            case _:
                pass
        painter.end()

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DragLeave:
            self.viewport().update()
        return super().viewportEvent(event)
