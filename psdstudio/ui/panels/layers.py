"""The layer panel: blend mode, opacity, fill, locks, the rows, and the buttons below them."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from psdstudio.core.changes import Change
from psdstudio.core.document import Document
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerId, Lock, PixelLayer, Role
from psdstudio.core.parts import is_kept, object_group_of
from psdstudio.core.wording import counted
from psdstudio.gen.scene_parts import read_scene
from psdstudio.ui import theme
from psdstudio.ui.bridge import SessionBridge
from psdstudio.ui.canvas.thumbnails import Thumbnails
from psdstudio.ui.icons import icon
from psdstudio.ui.layer_edits import LayerEdits
from psdstudio.ui.models.layer_tree import LayerTreeModel, RowState
from psdstudio.ui.panels.layer_delegate import LayerDelegate
from psdstudio.ui.panels.layer_tree_view import LayerTreeView
from psdstudio.ui.widgets import ChoiceBox, number_box
from psdstudio.ui.wording import MODE_GROUPS, mode_name, percent

_LOCKS = (
    (Lock.TRANSPARENCY, "lock-alpha", "Lock transparent pixels (/)"),
    (Lock.PIXELS, "lock-pixels", "Lock image pixels; such a layer is kept in every run"),
    (Lock.POSITION, "lock-position", "Lock position"),
    (Lock.ALL, "lock", "Lock everything; a fully locked layer is kept in every run"),
)


class LayersPanel(QWidget):
    """Shows the session's layers and turns gestures into edits. GUI thread."""

    menu_asked = Signal(QPoint)
    refresh_asked = Signal(str)
    """The amber wave of an object was clicked: its contacts shall be refreshed."""

    def __init__(
        self, bridge: SessionBridge, edits: LayerEdits, thumbnails: Thumbnails, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._bridge = bridge
        self._edits = edits
        self.model = LayerTreeModel(self)
        self.delegate = LayerDelegate(
            thumbnails.get,
            lambda layer: thumbnails.mask(layer, bridge.session.document.size),
            self._shows_pin,
            self,
        )
        self.view = LayerTreeView(self.model, self.delegate, self)
        self._planned: Document | None = None
        self._foreign: frozenset[LayerId] = frozenset()
        self._build()
        controls: tuple[QWidget, ...] = (self.mode, self.opacity, self.fill, *self.locks.values())
        self._tips = {widget: widget.toolTip() for widget in controls}
        self._connect(thumbnails)
        self.show_document(bridge.session.document)

    # ---- construction

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header())
        column.addLayout(self._mode_row())
        column.addLayout(self._lock_row())
        line = QFrame()
        line.setObjectName("line")
        column.addWidget(line)
        self.view.setMinimumHeight(2 * theme.ROW_PX + 2)
        column.addWidget(self.view, 1)
        self.footer = QHBoxLayout()
        self.footer.setContentsMargins(6, 2, 6, 2)
        self.footer.setSpacing(2)
        foot = QWidget()
        foot.setObjectName("panelHeader")
        foot.setLayout(self.footer)
        foot.setFixedHeight(34)
        column.addWidget(foot)

    def _header(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("panelHeader")
        bar.setFixedHeight(28)
        row = QHBoxLayout(bar)
        row.setContentsMargins(10, 0, 10, 0)
        title = QLabel("Layers")
        title.setObjectName("heading")
        self.kept_label = QLabel("")
        self.kept_label.setObjectName("dim")
        row.addWidget(title)
        row.addStretch(1)
        row.addWidget(self.kept_label)
        return bar

    def _mode_row(self) -> QHBoxLayout:
        self.mode = ChoiceBox()
        self.mode.setAccessibleName("Blend mode")
        self.mode.setToolTip("Blend mode (Shift + and Shift - step through)")
        self.mode.setMinimumWidth(128)
        self.mode.setMaxVisibleItems(32)
        self.opacity = _percent_box("Opacity", "Opacity of the layer (digits set it)")
        return _row(self.mode, None, _caption("Opacity"), self.opacity)

    def _lock_row(self) -> QHBoxLayout:
        self.locks: dict[Lock, QToolButton] = {}
        for lock, name, tip in _LOCKS:
            button = QToolButton()
            button.setIcon(icon(name))
            button.setCheckable(True)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFixedSize(26, 26)
            self.locks[lock] = button
        self.fill = _percent_box("Fill", "Fill: opacity without the effect on layer styles")
        locks = QHBoxLayout()
        locks.setSpacing(2)
        for button in self.locks.values():
            locks.addWidget(button)
        row = _row(_caption("Lock"), None, _caption("Fill"), self.fill)
        row.insertLayout(1, locks)
        row.setContentsMargins(10, 4, 10, 8)
        return row

    def _connect(self, thumbnails: Thumbnails) -> None:
        bridge, edits, view = self._bridge, self._edits, self.view
        bridge.changed.connect(self._on_change)
        bridge.selected.connect(self._on_selected)
        thumbnails.made.connect(self._on_thumbnail)
        self.model.rename_asked.connect(lambda layer_id, name: edits.rename(LayerId(layer_id), name))
        self.model.move_asked.connect(edits.move_rows)
        view.picked.connect(bridge.session.select)
        view.keep_asked.connect(lambda layer_id: edits.toggle_keep((LayerId(layer_id),)))
        view.stale_asked.connect(self.refresh_asked)
        view.mask_asked.connect(lambda layer_id: edits.switch_mask(LayerId(layer_id)))
        view.chain_asked.connect(lambda layer_id: edits.switch_mask_link(LayerId(layer_id)))
        view.clip_asked.connect(lambda layer_id: edits.toggle_clipping_of(LayerId(layer_id)))
        view.eye_asked.connect(self._on_eye)
        view.deleted.connect(edits.delete)
        view.menu_asked.connect(self.menu_asked)
        self.mode.activated.connect(lambda at: edits.set_mode(self.mode.itemData(at)))
        self.opacity.valueChanged.connect(edits.set_opacity)
        self.fill.valueChanged.connect(edits.set_fill)
        for lock, button in self.locks.items():
            button.clicked.connect(lambda on, lock=lock: edits.set_lock(lock, on=on))

    # ---- showing

    def show_document(self, doc: Document) -> None:
        """Bring rows and header in step; while a run plans new layers, they are shown too."""
        self._foreign = frozenset(item.id for item in read_scene(doc).objects if item.foreign)
        self.view.show_layers((self._planned or doc).layers, self._bridge.session.selection)
        kept = len(self._foreign) + sum(is_kept(unit) for unit in scene_units(doc))
        self.kept_label.setText(f"{counted(kept, 'layer')} kept" if kept else "")
        self._show_header()

    def show_run(self, planned: Document | None, states: dict[LayerId, RowState]) -> None:
        """Show the rows that a run will fill, and what it does to each; None and {} when no run goes on."""
        if planned is not self._planned:
            self._planned = planned
            self.show_document(self._bridge.session.document)
        self.model.set_states(states)

    def _on_change(self, change: Change) -> None:
        if change.before.layers is not change.after.layers:
            self.show_document(change.after)

    def _on_selected(self, ids: tuple[LayerId, ...]) -> None:
        self.view.show_selection(ids)
        self._show_header()

    def _on_eye(self, layer_id: str, visible: bool, alone: bool) -> None:  # a Qt signal's arguments
        if alone:
            self._edits.solo(LayerId(layer_id))
        else:
            self._edits.set_visible(LayerId(layer_id), visible=visible)

    def _on_thumbnail(self, layer_id: str) -> None:
        group = object_group_of(self._bridge.session.document, LayerId(layer_id))
        self.model.touch([LayerId(layer_id), *([group.id] if group is not None else [])])

    def _shows_pin(self, layer: Layer) -> bool:
        return is_kept(layer) or layer.id in self._foreign

    def _show_header(self) -> None:
        layers = self._edits.layers
        last = layers[-1] if layers else None
        widgets = (self.mode, self.opacity, self.fill, *self.locks.values())
        blockers = [QSignalBlocker(widget) for widget in widgets]
        for widget in widgets:
            widget.setEnabled(last is not None)
        self._fill_modes(with_through=isinstance(last, GroupLayer))
        self.opacity.setValue(100 if last is None else percent(last.props.opacity))
        self.fill.setValue(100 if last is None else percent(last.props.fill))
        if last is not None:
            self.mode.setCurrentIndex(self.mode.findData(last.props.blend_mode))
        for lock, button in self.locks.items():
            button.setChecked(last is not None and lock in last.props.locks)
        is_free = last is not None and Lock.ALL not in last.props.locks
        for widget in (self.mode, self.opacity, self.fill):
            widget.setEnabled(is_free)
        why = "" if is_free else "Select a layer first." if last is None else "Unlock the layer first."
        for widget, tip in self._tips.items():
            widget.setToolTip(f"{tip}\n{why}" if why and not widget.isEnabled() else tip)
        del blockers

    def _fill_modes(self, *, with_through: bool) -> None:
        has_through = self.mode.findData(BlendMode.PASS_THROUGH) >= 0
        if self.mode.count() and has_through == with_through:
            return
        self.mode.clear()
        groups: Iterable[tuple[BlendMode, ...]] = MODE_GROUPS
        if with_through:
            groups = ((BlendMode.PASS_THROUGH,), *MODE_GROUPS)
        for at, modes in enumerate(groups):
            if at:
                self.mode.insertSeparator(self.mode.count())
            for mode in modes:
                self.mode.addItem(mode_name(mode), mode)


def scene_units(doc: Document) -> list[Layer]:
    """Return what can be kept as a whole: the background and every object."""
    return [
        layer
        for layer in doc.walk()
        if layer.part is not None
        and layer.part.role in (Role.BACKGROUND, Role.OBJECT_GROUP)
        and isinstance(layer, PixelLayer | GroupLayer)
    ]


def _percent_box(name: str, tip: str) -> QSpinBox:
    box = number_box(name, 0, 100, suffix=" %", width=62, tip=tip)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    return box


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("dim")
    return label


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(10, 8, 10, 2)
    row.setSpacing(6)
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        else:
            row.addWidget(widget)
    return row
