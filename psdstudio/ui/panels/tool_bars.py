"""The column of tools at the left and the options bar above the canvas."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QToolBar,
    QToolButton,
    QWidget,
)

from psdstudio.core.bounds import bounds_of
from psdstudio.core.geometry import EMPTY_RECT
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.ui.actions import Actions
from psdstudio.ui.bridge import SessionBridge
from psdstudio.ui.canvas.controller import CanvasController, ToolName
from psdstudio.ui.icons import icon
from psdstudio.ui.widgets import CheckBox, number_box

TOOL_ACTIONS = {
    ToolName.MOVE: "tool_move",
    ToolName.BOX: "tool_box",
    ToolName.HAND: "tool_hand",
    ToolName.ZOOM: "tool_zoom",
}
_BAR, _FIELD = 40, 26
_HINTS = {
    ToolName.BOX: "Drag the boxes to where the objects shall be painted in the next run. Shift keeps proportions.",
    ToolName.HAND: "Drag to move the view. Space does the same with any tool.",
    ToolName.ZOOM: "Click to zoom in, Alt-click to zoom out, drag sideways to zoom smoothly.",
}


class ToolColumn(QToolBar):
    """One column of tool buttons."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__("Tools", parent)
        self.setObjectName("tools")
        self.setMovable(False)
        self.setOrientation(Qt.Orientation.Vertical)
        self.setIconSize(QSize(20, 20))
        for action_id in TOOL_ACTIONS.values():
            self.addAction(actions[action_id])
            button = self.widgetForAction(actions[action_id])
            assert isinstance(button, QToolButton)
            button.setFixedSize(32, 32)
            button.setAccessibleName(actions[action_id].text())


class OptionsBar(QToolBar):
    """Options of the active tool; place and size of the selection. GUI thread."""

    def __init__(
        self, bridge: SessionBridge, canvas: CanvasController, parent: QWidget | None = None
    ) -> None:
        super().__init__("Options", parent)
        self.setObjectName("options")
        self.setMovable(False)
        self.setFixedHeight(_BAR)
        self._bridge, self._canvas = bridge, canvas
        self._box = EMPTY_RECT
        self._picture = QLabel()
        self._picture.setFixedWidth(28)
        self._pages = QStackedWidget()
        self._pages.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._pages.addWidget(self._move_page())
        self._hint = QLabel()
        self._hint.setObjectName("hint")
        self._pages.addWidget(self._hint)
        # One widget for all: the bar's own layout would push fields of this height over its lower edge.
        row_box = QWidget()
        row_box.setFixedHeight(_FIELD)
        row = QHBoxLayout(row_box)
        row.setContentsMargins(4, 0, 4, 0)
        row.addWidget(self._picture)
        row.addWidget(self._pages, 1)
        self.addWidget(row_box)
        canvas.tool_changed.connect(self._on_tool)
        bridge.changed.connect(lambda _: self.refresh())
        bridge.selected.connect(lambda _: self.refresh())
        self._on_tool(canvas.tool)

    def _move_page(self) -> QWidget:
        page = QWidget()
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self.auto_select = CheckBox("Auto-select")
        self.auto_select.setToolTip(
            "A click takes the object under the pointer; Ctrl switches this for one click"
        )
        self.snap = CheckBox("Snap")
        self.snap.setToolTip("Edges and centres attract; Ctrl during a drag suspends it")
        for box in (self.auto_select, self.snap):
            box.setChecked(True)
            box.toggled.connect(self._on_options)
            row.addWidget(box)
        row.addSpacing(12)
        self.x_box, self.y_box = _place("X"), _place("Y")
        self.x_box.valueChanged.connect(lambda x: self._move_to(x, self._box.y))
        self.y_box.valueChanged.connect(lambda y: self._move_to(self._box.x, y))
        self.extent = QLabel()
        self.extent.setObjectName("dim")
        for caption, field in (("X", self.x_box), ("Y", self.y_box)):
            label = QLabel(caption)
            label.setObjectName("dim")
            row.addWidget(label)
            row.addWidget(field)
        row.addWidget(self.extent)
        row.addStretch(1)
        return page

    def refresh(self) -> None:
        """Show where the selection is."""
        box = bounds_of(self._bridge.session.document, self._bridge.session.selection)
        self._box = box
        blockers = [QSignalBlocker(widget) for widget in (self.x_box, self.y_box)]
        for widget, value in ((self.x_box, box.x), (self.y_box, box.y)):
            widget.setEnabled(not box.is_empty)
            widget.setValue(value)
        self.extent.setText("" if box.is_empty else f"W {box.width} px   H {box.height} px")
        del blockers

    def _move_to(self, x: int, y: int) -> None:
        dx, dy = x - self._box.x, y - self._box.y
        if (dx or dy) and self._bridge.session.selection:
            self._bridge.apply(
                TranslateLayers(ids=self._bridge.session.selection, dx=dx, dy=dy, is_nudge=True)
            )

    def _on_options(self) -> None:
        options = self._canvas.options
        self._canvas.set_options(
            replace(options, auto_select=self.auto_select.isChecked(), snap=self.snap.isChecked())
        )

    def _on_tool(self, tool: ToolName) -> None:
        self._picture.setPixmap(icon(tool.value).pixmap(QSize(18, 18)))
        self._pages.setCurrentIndex(0 if tool is ToolName.MOVE else 1)
        self._hint.setText(_HINTS.get(tool, ""))
        self.refresh()


def _place(name: str) -> QSpinBox:
    return number_box(
        name, -300_000, 300_000, suffix=" px", width=76, tip=f"{name} of the selection's left top corner"
    )
