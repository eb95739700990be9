"""New document: presets, width and height, resolution."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from psdstudio.core.document import MAX_SIDE_PX, Document
from psdstudio.core.geometry import Size
from psdstudio.core.scene import Scene
from psdstudio.gen.scopes import MAX_CANVAS_PX
from psdstudio.ui.icons import icon
from psdstudio.ui.widgets import number_box


@dataclass(frozen=True, slots=True)
class Preset:
    """A named size in pixels."""

    name: str
    size: Size


PRESETS = (
    Preset("Landscape 4:3", Size(1024, 768)),
    Preset("Square 1:1", Size(1024, 1024)),
    Preset("Portrait 3:4", Size(768, 1024)),
    Preset("Full HD 16:9", Size(1920, 1080)),
    Preset("Story 9:16", Size(1080, 1920)),
    Preset("Social 4:5", Size(1080, 1350)),
    Preset("Small draft", Size(512, 512)),
    Preset("A4 at 150 dpi", Size(1240, 1754)),
)


class NewDocumentDialog(QDialog):
    """Asks for a size; Enter accepts. Also used to change the size of an empty document."""

    def __init__(
        self,
        size: Size,
        parent: QWidget | None = None,
        *,
        title: str = "New document",
        asks_resolution: bool = True,
        dpi: float = 72.0,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(480)
        self.presets = QListWidget()
        self.presets.setAccessibleName("Sizes")
        self.presets.setFixedWidth(220)
        self.presets.setMinimumHeight(300)
        for preset in PRESETS:
            item = QListWidgetItem(f"{preset.name}\n{preset.size.width} × {preset.size.height} px")
            item.setSizeHint(QSize(0, 42))
            self.presets.addItem(item)
        self.width_box, self.height_box = _pixels("Width"), _pixels("Height")
        self.dpi = number_box("Resolution", 1, 2400, suffix=" dpi")
        self.dpi.setValue(round(dpi))
        self.swap = QToolButton()
        self.swap.setIcon(icon("refresh"))
        self.swap.setText("Swap sides")
        self.swap.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.swap.setToolTip("Swap width and height")
        self.note = QLabel()
        self.note.setObjectName("hint")
        self.note.setWordWrap(True)
        form = self._form(asks_resolution=asks_resolution)
        right = QVBoxLayout()
        right.addLayout(form)
        right.addWidget(self.note)
        right.addStretch(1)
        middle = QHBoxLayout()
        middle.setSpacing(16)
        middle.addWidget(self.presets)
        middle.addLayout(right, 1)
        buttons = self._buttons(title)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(14)
        column.addLayout(middle)
        column.addLayout(buttons)
        self.presets.currentRowChanged.connect(self._on_preset)
        self.presets.itemDoubleClicked.connect(lambda _: self.accept())
        self.swap.clicked.connect(self._on_swap)
        self.width_box.valueChanged.connect(self._on_size)
        self.height_box.valueChanged.connect(self._on_size)
        self.width_box.setValue(size.width)
        self.height_box.setValue(size.height)
        self._on_size()
        self.width_box.setFocus()
        self.width_box.selectAll()

    def _form(self, *, asks_resolution: bool) -> QFormLayout:
        form = QFormLayout()
        form.setVerticalSpacing(8)
        form.addRow("Width", self.width_box)
        form.addRow("Height", self.height_box)
        form.addRow("", self.swap)
        form.addRow("Resolution", self.dpi)
        form.setRowVisible(self.dpi, asks_resolution)
        return form

    def _buttons(self, title: str) -> QHBoxLayout:
        buttons = QHBoxLayout()
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        self.create_button = QPushButton("Create" if title == "New document" else "Change size")
        self.create_button.setProperty("primary", True)
        self.create_button.setDefault(True)
        self.create_button.clicked.connect(self.accept)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.create_button)
        return buttons

    @property
    def chosen(self) -> Size:
        """The size as entered."""
        return Size(self.width_box.value(), self.height_box.value())

    def document(self, scene: Scene) -> Document:
        """Return an empty document of the chosen size with this scene."""
        return Document(size=self.chosen, resolution_dpi=float(self.dpi.value()), scene=scene)

    def _on_preset(self, row: int) -> None:
        if row < 0:
            return
        size = PRESETS[row].size
        self.width_box.setValue(size.width)
        self.height_box.setValue(size.height)

    def _on_swap(self) -> None:
        size = self.chosen
        self.width_box.setValue(size.height)
        self.height_box.setValue(size.width)

    def _on_size(self) -> None:
        size = self.chosen
        row = next((i for i, preset in enumerate(PRESETS) if preset.size == size), -1)
        blocker = QSignalBlocker(self.presets)
        self.presets.setCurrentRow(row)
        del blocker
        if size.width * size.height > MAX_CANVAS_PX:
            self.note.setText("Too large to generate on (at most 8192 × 8192 px); editing works.")
        elif max(size) > 1024:
            self.note.setText("The engine paints smaller than this; its layers are enlarged and say so.")
        else:
            self.note.setText("")


def _pixels(name: str) -> QSpinBox:
    box = number_box(name, 1, MAX_SIDE_PX, suffix=" px")
    box.setKeyboardTracking(True)
    return box
