"""What can be set for flat pictures and sprites; a PSD has none of these."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QColorDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from psdstudio.io.flat_options import DEFAULT_QUALITY
from psdstudio.io.formats import ExportFormat, WriteOptions
from psdstudio.ui.widgets import CheckBox, number_box

_WITH_QUALITY = (ExportFormat.WEBP, ExportFormat.JPEG)
_SPRITES = (ExportFormat.SPRITES, ExportFormat.LAYERS)


class FormatOptions(QWidget):
    """Shows the settings of one format at a time. GUI thread."""

    changed = Signal()
    """Another format is shown, or another set of rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = ExportFormat.PSD
        self._matte = QColor("#ffffff")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.lossless = CheckBox("Without loss")
        self.lossless.setChecked(True)
        self.lossless.toggled.connect(lambda _: self._arrange())
        self.quality = number_box("Quality", 1, 100, suffix=" %", width=80)
        self.quality.setValue(DEFAULT_QUALITY)
        self.matte = QPushButton(" Colour behind transparency")
        self.matte.setToolTip("A JPEG has no transparency: this colour is shown there")
        self.matte.clicked.connect(self._on_matte)
        self.merged = CheckBox("One picture per object, its shadow and reflection included")
        self.hidden_too = CheckBox("Hidden layers too")
        self._quality_row = QWidget()
        row = QHBoxLayout(self._quality_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Quality"))
        row.addWidget(self.quality)
        row.addStretch(1)
        row.addWidget(self.matte)
        for widget in (self.lossless, self._quality_row, self.merged, self.hidden_too):
            column.addWidget(widget)
        self._show_matte()
        self._arrange()

    @property
    def chosen(self) -> WriteOptions:
        """What is set, for the format shown."""
        is_lossy = self._kind is ExportFormat.JPEG or not self.lossless.isChecked()
        return WriteOptions(
            quality=self.quality.value() if self._kind in _WITH_QUALITY and is_lossy else None,
            matte=(self._matte.red(), self._matte.green(), self._matte.blue()),
            merges_objects=self.merged.isChecked(),
            with_hidden=self.hidden_too.isChecked(),
        )

    def show_format(self, kind: ExportFormat) -> None:
        """Show the settings of a format."""
        self._kind = kind
        self._arrange()

    def set_matte(self, colour: QColor) -> None:
        """Lay JPEGs on this colour."""
        self._matte = colour
        self._show_matte()

    def _arrange(self) -> None:
        is_webp, is_jpeg = self._kind is ExportFormat.WEBP, self._kind is ExportFormat.JPEG
        self.lossless.setVisible(is_webp)
        self._quality_row.setVisible(is_jpeg or (is_webp and not self.lossless.isChecked()))
        self.matte.setVisible(is_jpeg)
        self.merged.setVisible(self._kind in _SPRITES)
        self.hidden_too.setVisible(self._kind in _SPRITES)
        self.setVisible(is_webp or is_jpeg or self._kind in _SPRITES)
        self.changed.emit()

    def _on_matte(self) -> None:
        dialog = QColorDialog(self._matte, self)
        dialog.colorSelected.connect(self.set_matte)
        dialog.open()

    def _show_matte(self) -> None:
        swatch = QPixmap(14, 14)
        swatch.fill(self._matte)
        self.matte.setIcon(QIcon(swatch))
