"""A row that sets one number: its name, a slider, and a field to type into. GUI thread."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QSlider, QWidget

from psdstudio.core.adjustments import Range

_CAPTION_PX, _FIELD_PX = 84, 62
_DECADE = 1000
"""Steps of a logarithmic slider from 1 to 10, and from 1 down to 0.1."""


class Dial(QWidget):
    """One number within a range. With `is_log`, 1 is in the middle of the slider, 0.1 and 10 are at its ends."""

    changed = Signal(float)

    def __init__(self, name: str, allowed: Range, *, suffix: str = "", is_log: bool = False) -> None:
        super().__init__()
        self._allowed, self._is_log = allowed, is_log
        self._steps = 10.0**allowed.decimals
        caption = QLabel(name)
        caption.setObjectName("dim")
        caption.setFixedWidth(_CAPTION_PX)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(*self._ends())
        self.slider.setAccessibleName(name)
        self.slider.setMinimumWidth(60)
        self.field = QDoubleSpinBox()
        self.field.setDecimals(allowed.decimals)
        self.field.setRange(allowed.low, allowed.high)
        self.field.setSingleStep(1 / self._steps)
        self.field.setSuffix(suffix)
        self.field.setAccessibleName(name)
        self.field.setKeyboardTracking(False)
        self.field.setFixedSize(_FIELD_PX, 26)
        self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.field.lineEdit().setTextMargins(2, 0, 3, 0)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(caption)
        row.addWidget(self.slider, 1)
        row.addWidget(self.field)
        self.slider.valueChanged.connect(self._on_slider)
        self.field.valueChanged.connect(self._on_field)

    @property
    def value(self) -> float:
        """What is set."""
        return self.field.value()

    def show_value(self, value: float) -> None:
        """Show a value without telling anybody."""
        blockers = QSignalBlocker(self.slider), QSignalBlocker(self.field)
        self.field.setValue(value)
        self.slider.setValue(self._place(value))
        del blockers

    def _ends(self) -> tuple[int, int]:
        if self._is_log:
            return -_DECADE, _DECADE
        return self._place(self._allowed.low), self._place(self._allowed.high)

    def _place(self, value: float) -> int:
        if self._is_log:
            return round(_DECADE * math.log10(max(value, 0.1)))
        return round(value * self._steps)

    def _on_slider(self, place: int) -> None:
        value = 10 ** (place / _DECADE) if self._is_log else place / self._steps
        blocker = QSignalBlocker(self.field)
        self.field.setValue(value)
        del blocker
        self.changed.emit(self.field.value())

    def _on_field(self, value: float) -> None:
        blocker = QSignalBlocker(self.slider)
        self.slider.setValue(self._place(value))
        del blocker
        self.changed.emit(value)
