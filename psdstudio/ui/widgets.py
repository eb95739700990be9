"""Small controls of the house (boxes, fields, short labels, progress), drawn as vectors like all icons."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QPushButton, QSpinBox, QWidget

from psdstudio.ui import theme
from psdstudio.ui.icons import icon, paint_icon

_BOX = 15
_GAP = 7
_ELIDED_MIN = 40


class CheckBox(QCheckBox):
    """A check box with a tick that is sharp at every scale. GUI thread."""

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().horizontalAdvance(self.text()) + _BOX + _GAP + 6
        return QSize(width, max(24, self.fontMetrics().height() + 4))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(2.5, (self.height() - _BOX) / 2 + 0.5, _BOX - 1, _BOX - 1)
        is_warm = self.underMouse() and self.isEnabled()
        edge = theme.ACCENT_TEXT if self.hasFocus() else "#9a9a9a" if is_warm else "#777777"
        painter.setPen(QPen(QColor(edge), 2 if self.hasFocus() else 1))
        painter.setBrush(QColor("#5a5a5a" if self.isChecked() else theme.FIELD))
        painter.drawRoundedRect(box, 3, 3)
        if self.isChecked():
            paint_icon(painter, "tick", box.adjusted(0.5, 0.5, -0.5, -0.5), "#ffffff")
        painter.setPen(QColor(theme.TEXT if self.isEnabled() else theme.TEXT_FAINT))
        words = QRectF(box.right() + _GAP, 0, self.width(), self.height())
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
        painter.end()

    def hitButton(self, pos: object) -> bool:
        """Let a click on the words count too."""
        return True


class ChoiceBox(QComboBox):
    """A combo box with a chevron. GUI thread."""

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        colour = theme.TEXT_DIM if self.isEnabled() else "#5f5f5f"
        paint_icon(
            painter, "chevron-down", QRectF(self.width() - 20, (self.height() - 14) / 2, 14, 14), colour
        )
        painter.end()


class ProgressLine(QWidget):
    """A thin bar. GUI thread."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fraction = 0.0
        self.setFixedSize(QSize(140, 24))

    def set_fraction(self, fraction: float) -> None:
        """Fill this share, 0..1."""
        self._fraction = fraction
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QRectF(0, self.height() / 2 - 2, self.width(), 4)
        painter.setPen(QColor(0, 0, 0, 0))
        painter.setBrush(QColor(theme.LINE))
        painter.drawRoundedRect(ground, 2, 2)
        painter.setBrush(QColor(theme.ACCENT_TEXT))
        filled = QRectF(ground.left(), ground.top(), ground.width() * self._fraction, ground.height())
        painter.drawRoundedRect(filled, 2, 2)
        painter.end()


class ElidedLabel(QLabel):
    """A label of one line that leaves out its middle when there is no room. GUI thread."""

    def minimumSizeHint(self) -> QSize:
        return QSize(_ELIDED_MIN, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, self.width())
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.end()


def number_box(
    name: str, low: int, high: int, *, suffix: str, width: int | None = None, tip: str = ""
) -> QSpinBox:
    """Return a field for whole numbers: wheel and arrow keys step it, no tiny buttons."""
    box = QSpinBox()
    box.setRange(low, high)
    box.setSuffix(suffix)
    box.lineEdit().setTextMargins(5, 0, 5, 0)
    box.setKeyboardTracking(False)
    box.setFixedHeight(26)
    box.setAccessibleName(name)
    box.setToolTip(tip or name)
    if width is not None:
        box.setFixedWidth(width)
    return box


def icon_button(text: str, name: str, parent: QWidget | None = None) -> QPushButton:
    """Return a push button with an icon before its words."""
    button = QPushButton(f" {text}", parent)  # the style leaves no room between icon and words
    button.setIcon(icon(name))
    button.setIconSize(QSize(16, 16))
    button.setAccessibleName(text)
    return button
