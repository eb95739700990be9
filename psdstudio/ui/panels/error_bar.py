"""The inline bar over the canvas bottom: what happened, what is safe, one button that helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from psdstudio.errors import StudioError
from psdstudio.ui import theme
from psdstudio.ui.icons import IconColours, icon


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the bar says. `button` may be empty; `details` is shown on demand (a traceback, a list of losses).

    `until_run`: another run makes it out of date.
    """

    message: str
    hint: str = ""
    button: str = ""
    action: Callable[[], None] | None = None
    details: str = ""
    is_error: bool = True
    until_run: bool = False


def notice_of(error: Exception) -> Notice:
    """Return what the bar says of a failed piece of work; an error that nobody foresaw is raised again."""
    if not isinstance(error, StudioError):
        raise error
    return Notice(message=error.user_message, hint=error.hint)


class NoticeBar(QWidget):
    """Two lines at most, one button, closed by ×; a newer notice takes the place of an older one. GUI thread."""

    resized = Signal()
    details_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice: Notice | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 9, 8, 9)
        row.setSpacing(10)
        self._picture = QLabel()
        self._picture.setFixedSize(18, 18)
        row.addWidget(self._picture)
        words = QVBoxLayout()
        words.setSpacing(2)
        self.message, self.hint = QLabel(), QLabel()
        self.hint.setObjectName("hint")
        for label in (self.message, self.hint):
            label.setWordWrap(True)
            words.addWidget(label)
        row.addLayout(words, 1)
        self.button, self._details = QPushButton(), QPushButton("Details")
        self.button.clicked.connect(self._act)
        self._details.setProperty("quiet", True)
        self._details.clicked.connect(lambda: self.details_asked.emit(self.notice))
        close = QToolButton()
        close.setIcon(icon("close", IconColours(normal=theme.TEXT_DIM)))
        close.setIconSize(QSize(14, 14))
        close.setToolTip("Close this message")
        close.setAccessibleName("Close this message")
        close.clicked.connect(self.dismiss)
        for widget in (self._details, self.button, close):
            row.addWidget(widget)
        self.hide()

    def show_notice(self, notice: Notice) -> None:
        """Say this now."""
        self.notice = notice
        name, colour = ("warning", theme.RED) if notice.is_error else ("info", theme.TEXT)
        self._picture.setPixmap(icon(name, IconColours(normal=colour)).pixmap(QSize(18, 18)))
        self.message.setText(notice.message)
        self.hint.setText(notice.hint)
        self.hint.setVisible(bool(notice.hint))
        self.button.setText(notice.button)
        self.button.setVisible(bool(notice.button))
        self._details.setVisible(bool(notice.details))
        self.setAccessibleName(f"{notice.message} {notice.hint}".strip())
        self.show()
        self.raise_()
        self.resized.emit()

    def begin_run(self) -> None:
        """Close what a run that begins makes out of date."""
        if self.notice is not None and self.notice.until_run:
            self.dismiss()

    def dismiss(self) -> None:
        """Close the bar."""
        self.notice = None
        self.hide()
        self.resized.emit()

    def _act(self) -> None:
        notice = self.notice
        self.dismiss()
        if notice is not None and notice.action is not None:
            notice.action()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_error = self.notice is None or self.notice.is_error
        painter.setPen(QPen(QColor("#8a4a46" if is_error else "#5a5a5a"), 1))
        painter.setBrush(QColor("#3d2f2e" if is_error else theme.PANEL_HIGH))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.end()
