"""The middle of the window: the canvas, with prompt bar, messages and the empty state lying over it."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QRect, QRectF, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from psdstudio.ui.canvas.view import CanvasView
from psdstudio.ui.panels.empty_state import EmptyState
from psdstudio.ui.panels.error_bar import NoticeBar
from psdstudio.ui.panels.prompt import PromptBar

_GAP = 16
_BAR_MIN, _BAR_MAX = 560, 760
_EMPTY_WIDTH = 720


class CanvasArea(QWidget):
    """Places the floating parts. GUI thread."""

    arranged = Signal()
    dropped = Signal(object)
    """The QMimeData of files or pictures dropped anywhere here, the empty state and the prompt bar too."""

    def __init__(
        self,
        view: CanvasView,
        prompt: PromptBar,
        empty: EmptyState,
        notices: NoticeBar,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._view, self._prompt, self._empty, self._notices = view, prompt, empty, notices
        for widget in (view, empty, prompt, notices):
            widget.setParent(self)
        self._is_empty = True
        self._stops: tuple[QWidget, ...] = ()
        prompt.resized.connect(self.arrange)
        notices.resized.connect(self.arrange)
        empty.resized.connect(self.arrange)
        self.setMinimumSize(480, 360)
        self.setAcceptDrops(True)

    def set_empty(self, is_empty: bool) -> None:  # a state, set from one place
        """Show the empty state, or the canvas."""
        self._is_empty = is_empty
        self._empty.setVisible(is_empty)
        self.arrange()

    @property
    def is_empty(self) -> bool:
        """Whether the empty state is shown."""
        return self._is_empty

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.arrange()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.dropped.emit(event.mimeData())
        event.acceptProposedAction()

    def arrange(self) -> None:
        """Give every part its place."""
        area = self.rect()
        self._view.setGeometry(area)
        self._empty.setGeometry(area)
        wanted = _EMPTY_WIDTH if self._is_empty else min(_BAR_MAX, max(_BAR_MIN, area.width() - 12 * _GAP))
        width = min(wanted, area.width() - 2 * _GAP)
        height = _height(self._prompt, width)
        top = area.height() - height - _GAP
        if self._is_empty:
            above, below = self._empty.room_around(area.size())
            highest, lowest = above + 8, area.height() - height - below - 8
            top = max(highest, min(round(area.height() * 0.34 - height / 2), lowest))
        bar = QRect((area.width() - width) // 2, top, width, height)
        self._prompt.setGeometry(bar)
        self._prompt.raise_()
        self._empty.arrange(QRectF(bar))
        self._view.set_bottom_inset(0 if self._is_empty else height)
        if self._notices.isVisible():
            tall = _height(self._notices, width)
            above = area.height() - tall - _GAP if self._is_empty else top - tall - 8
            self._notices.setGeometry(QRect(bar.x(), above, width, tall))
            self._notices.raise_()
        self._order_stops()
        self.arranged.emit()

    def _order_stops(self) -> None:
        """Let Tab go as the eye does; Qt's own order is that in which things were made, chips last."""
        stops = (*self._prompt.stops(), *self._empty.stops(), self._view)
        if stops != self._stops:
            self._stops = stops
            for first, second in pairwise(stops):
                self.setTabOrder(first, second)


def _height(widget: QWidget, width: int) -> int:
    """Return the height that a widget's layout needs at a width."""
    layout = widget.layout()
    assert layout is not None
    return layout.heightForWidth(width) if layout.hasHeightForWidth() else layout.sizeHint().height()
