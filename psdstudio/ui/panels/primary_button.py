"""The primary button: names its scope, becomes Stop while a run goes on and fills with its progress."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from psdstudio.ui import theme
from psdstudio.ui.icons import paint_icon

_RADIUS = 6.0
_MIN_WIDTH = 150


class PrimaryButton(QPushButton):
    """Painted by hand: the fill of a running job and the two faces share one place. GUI thread."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fraction: float | None = None
        self.setMinimumSize(_MIN_WIDTH, 36)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def is_running(self) -> bool:
        """Whether it shows Stop."""
        return self._fraction is not None

    def set_running(self, fraction: float | None) -> None:
        """Show Stop with a share 0..1 filled, as wide as the button was; None shows the scope again."""
        if (fraction is None) != (self._fraction is None):
            # The pointer that pressed Generate stands on Stop, and the field beside it does not jump.
            self.setMinimumWidth(_MIN_WIDTH if fraction is None else max(_MIN_WIDTH, self.width()))
        self._fraction = fraction
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 54, 36)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        body = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        path = QPainterPath()
        path.addRoundedRect(body, _RADIUS, _RADIUS)
        painter.fillPath(path, QColor(self._ground()))
        if self._fraction is not None:
            painter.save()
            painter.setClipPath(path)
            filled = QRectF(body.left(), body.top(), body.width() * self._fraction, body.height())
            painter.fillRect(filled, QColor(theme.ACCENT))
            painter.restore()
            painter.setPen(QPen(QColor(theme.ACCENT_HIGH), 1))
            painter.drawPath(path)
        if self.hasFocus():
            painter.setPen(QPen(QColor("#c4d9ff"), 2))
            painter.drawPath(path)
        self._paint_words(painter, body)
        painter.end()

    def _ground(self) -> str:
        if self._fraction is not None:
            return "#26324a"
        if not self.isEnabled():
            return "#3d4655"
        if self.isDown():
            return theme.ACCENT_DEEP
        return theme.ACCENT_HIGH if self.underMouse() else theme.ACCENT

    def _paint_words(self, painter: QPainter, body: QRectF) -> None:
        colour = "#ffffff" if self.isEnabled() else "#a4acb9"
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, int(body.width()) - 44)
        width = self.fontMetrics().horizontalAdvance(text) + 22
        left = body.left() + (body.width() - width) / 2
        name = "stop" if self._fraction is not None else "spark"
        paint_icon(painter, name, QRectF(left, body.center().y() - 8, 16, 16), colour)
        painter.setPen(QColor(colour))
        words = QRectF(left + 22, body.top(), body.width(), body.height())
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
