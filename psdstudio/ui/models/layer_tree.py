"""The layers of a document as a Qt tree, kept in step with immutable snapshots by layer id.

Rows run top to bottom (the reverse of `children`). Indexes carry interned integers, never pointers: every edit
replaces nodes, so a pointer would dangle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from PySide6.QtCore import (
    QAbstractItemModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QImage

from psdstudio.core.layers import GroupLayer, Layer, LayerId
from psdstudio.core.ordering import longest_rising
from psdstudio.ui.wording import spoken_row

Index = QModelIndex | QPersistentModelIndex
MIME_LAYERS = "application/x-psdstudio-layers"
_ROOT = 0


class LayerRole(IntEnum):
    """Item data roles of a row."""

    LAYER = Qt.ItemDataRole.UserRole + 1
    STATE = Qt.ItemDataRole.UserRole + 2


class RowPhase(Enum):
    """What an engine is doing to a row; the value is what the row says."""

    IDLE = ""
    QUEUED = "Waiting"
    RUNNING = "Painting"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState:
    """What a row shows beside its layer: phase of a run, its share done (0..1) and the live picture.

    A pending row stands for a layer that the run will make: it cannot be edited yet.
    """

    phase: RowPhase = RowPhase.IDLE
    fraction: float = 0.0
    live: QImage | None = None
    words: str = ""
    is_pending: bool = False


IDLE = RowState()


@dataclass(slots=True)
class _Node:
    layer: Layer | None
    parent: int
    children: list[int] = field(default_factory=list)  # keys, top row first


class LayerTreeModel(QAbstractItemModel):
    """Shows a tuple of layers; edits are signals, never made here. GUI thread."""

    rename_asked = Signal(str, str)
    """Layer id and the new name."""
    move_asked = Signal(list, object, int)
    """Layer ids (top first), the group id or None for the top level, and the row they shall stand at."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._nodes: dict[int, _Node] = {_ROOT: _Node(layer=None, parent=-1)}
        self._keys: dict[LayerId, int] = {}
        self._states: dict[LayerId, RowState] = {}

    # ---- snapshots

    def show(self, layers: Sequence[Layer]) -> None:
        """Bring the rows in step with `layers` (bottom to top) by the fewest removals and insertions."""
        wanted = _wanted(layers, self._key)
        self._remove_stale(_ROOT, wanted)
        self._insert_missing(_ROOT, wanted)
        self._refresh(wanted)

    def set_states(self, states: dict[LayerId, RowState]) -> None:
        """Replace what rows show of a run; rows without an entry are idle."""
        changed = [i for i in states.keys() | self._states.keys() if states.get(i) is not self._states.get(i)]
        self._states = dict(states)
        self.touch(changed, [LayerRole.STATE])

    def touch(self, ids: Iterable[LayerId], roles: Sequence[int] = ()) -> None:
        """Have the rows of `ids` painted again."""
        for layer_id in ids:
            index = self.index_of(layer_id)
            if index.isValid():
                self.dataChanged.emit(index, index, list(roles))

    # ---- look-ups

    def layer_id(self, index: Index) -> LayerId | None:
        """Return the id of the layer at `index`; None for the invisible root."""
        layer = self._node(index).layer
        return None if layer is None else layer.id

    def layer(self, index: Index) -> Layer | None:
        """Return the layer at `index`."""
        return self._node(index).layer

    def is_pending(self, index: Index) -> bool:
        """Whether the row stands for a layer that a run is still making."""
        layer = self._node(index).layer
        return layer is not None and self.state(layer.id).is_pending

    def state(self, layer_id: LayerId) -> RowState:
        """Return what a run does to a layer."""
        return self._states.get(layer_id, IDLE)

    def index_of(self, layer_id: LayerId) -> QModelIndex:
        """Return the row of a layer; invalid when it is not shown."""
        key = self._keys.get(layer_id)
        if key is None or key not in self._nodes:
            return QModelIndex()
        row = self._nodes[self._nodes[key].parent].children.index(key)
        return self.createIndex(row, 0, key)

    # ---- QAbstractItemModel

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:
        children = self._node(parent).children
        if column != 0 or not 0 <= row < len(children):
            return QModelIndex()
        return self.createIndex(row, column, children[row])

    def parent(self, child: Index = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # QObject.parent() overload
        if not child.isValid():
            return QModelIndex()
        node = self._nodes.get(child.internalId())
        if node is None or node.parent == _ROOT:
            return QModelIndex()
        grand = self._nodes[self._nodes[node.parent].parent]
        return self.createIndex(grand.children.index(node.parent), 0, node.parent)

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() and parent.column() > 0 else len(self._node(parent).children)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        layer = self._node(index).layer
        if layer is None:
            return None
        state = self._states.get(layer.id, IDLE)
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.EditRole:
                return layer.props.name
            case LayerRole.LAYER:
                return layer
            case LayerRole.STATE:
                return state
            case Qt.ItemDataRole.AccessibleTextRole:
                siblings = self.rowCount(index.parent())
                return spoken_row(layer, position=index.row() + 1, total=siblings, state=state.phase.value)
            case _:
                return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        layer = self._node(index).layer
        flag = Qt.ItemFlag
        if layer is None:
            return flag.ItemIsDropEnabled
        flags = flag.ItemIsEnabled | flag.ItemIsSelectable
        if self._states.get(layer.id, IDLE).is_pending:
            return flags
        flags |= flag.ItemIsEditable | flag.ItemIsDragEnabled
        return flags | flag.ItemIsDropEnabled if isinstance(layer, GroupLayer) else flags

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        layer = self._node(index).layer
        name = str(value).strip()
        if layer is None or role != Qt.ItemDataRole.EditRole or not name:
            return False
        if name != layer.props.name:
            self.rename_asked.emit(layer.id, name)
        return True

    # ---- drag and drop

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        return [MIME_LAYERS]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        ids = [layer_id for index in indexes if (layer_id := self.layer_id(index)) is not None]
        data = QMimeData()
        data.setData(MIME_LAYERS, "\n".join(ids).encode())
        return data

    def dropMimeData(
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index
    ) -> bool:
        if not data.hasFormat(MIME_LAYERS):
            return False
        ids = bytes(data.data(MIME_LAYERS).data()).decode().split("\n")
        # Dropped on a group: its top layer. Dropped below all rows: the bottom.
        at = row if row >= 0 else 0 if parent.isValid() else self.rowCount()
        self.move_asked.emit(ids, self.layer_id(parent), at)
        return False  # the session moves them; a True would make the view delete the old rows

    # ---- keeping in step

    def _node(self, index: Index) -> _Node:
        return self._nodes[index.internalId() if index.isValid() else _ROOT]

    def _key(self, layer_id: LayerId) -> int:
        return self._keys.setdefault(layer_id, len(self._keys) + 1)

    def _index(self, key: int) -> QModelIndex:
        if key == _ROOT:
            return QModelIndex()
        return self.createIndex(self._nodes[self._nodes[key].parent].children.index(key), 0, key)

    def _remove_stale(self, key: int, wanted: dict[int, tuple[Layer | None, list[int]]]) -> None:
        node = self._nodes[key]
        kept = longest_rising(node.children, {child: at for at, child in enumerate(wanted[key][1])})
        for row in reversed(range(len(node.children))):
            child = node.children[row]
            if child not in kept:
                self.beginRemoveRows(self._index(key), row, row)
                del node.children[row]
                self._forget(child)
                self.endRemoveRows()
        for child in list(node.children):
            self._remove_stale(child, wanted)

    def _insert_missing(self, key: int, wanted: dict[int, tuple[Layer | None, list[int]]]) -> None:
        node = self._nodes[key]
        for row, child in enumerate(wanted[key][1]):
            if row >= len(node.children) or node.children[row] != child:
                self.beginInsertRows(self._index(key), row, row)
                node.children.insert(row, child)
                self._nodes[child] = _Node(layer=wanted[child][0], parent=key)
                self.endInsertRows()
            self._insert_missing(child, wanted)

    def _refresh(self, wanted: dict[int, tuple[Layer | None, list[int]]]) -> None:
        for key, (layer, _) in wanted.items():
            node = self._nodes[key]
            if key != _ROOT and node.layer is not layer:
                node.layer = layer
                index = self._index(key)
                self.dataChanged.emit(index, index)

    def _forget(self, key: int) -> None:
        for child in self._nodes[key].children:
            self._forget(child)
        del self._nodes[key]


def _wanted(
    layers: Sequence[Layer], key_of: Callable[[LayerId], int]
) -> dict[int, tuple[Layer | None, list[int]]]:
    """Return key -> (layer, child keys top first) for the whole tree, the root under key 0."""
    out: dict[int, tuple[Layer | None, list[int]]] = {}

    def visit(key: int, layer: Layer | None, children: Sequence[Layer]) -> None:
        out[key] = (layer, [key_of(child.id) for child in reversed(children)])
        for child in children:
            visit(key_of(child.id), child, child.children if isinstance(child, GroupLayer) else ())

    visit(_ROOT, None, layers)
    return out
