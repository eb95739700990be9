"""Chips: the layers that a run will make, editable in place."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QToolButton, QWidget

from psdstudio.ui import theme
from psdstudio.ui.icons import IconColours, icon

HEIGHT = 26
_MAX_TEXT = 220


class Chip(QWidget):
    """One layer to be made: click or F2 to change its words, × or Delete to remove it. GUI thread."""

    renamed = Signal(str)
    removed = Signal()

    def __init__(
        self,
        text: str,
        *,
        icon_name: str,
        note: str = "",
        is_kept: bool = False,
        is_placed: bool = False,
        can_remove: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._text, self._note, self._is_kept = text, note, is_kept
        self._editor: QLineEdit | None = None
        self.setFixedHeight(HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"{text}, {'kept' if is_kept else 'layer to be made'}")
        self.setToolTip(_tip(text, note, is_kept=is_kept, is_placed=is_placed))
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 10 if not can_remove or is_kept else 1, 0)
        row.setSpacing(5)
        row.addWidget(
            _picture("pin-filled" if is_kept else icon_name, theme.ACCENT_TEXT if is_kept else theme.TEXT_DIM)
        )
        self._label = QLabel(self)
        self._label.setText(
            self._label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, _MAX_TEXT)
        )
        row.addWidget(self._label)
        if note:
            extra = QLabel(note)
            extra.setStyleSheet(f"color: {theme.AMBER};")
            row.addWidget(extra)
        if is_placed:
            row.addWidget(_picture("box", theme.TEXT_DIM))
        if can_remove and not is_kept:
            button = QToolButton(self)
            button.setIcon(icon("close", IconColours(normal=theme.TEXT_DIM)))
            button.setIconSize(QSize(12, 12))
            button.setFixedSize(24, 24)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setAccessibleName(f"Remove {text}")
            button.setToolTip(f"Remove {text}")
            button.clicked.connect(self.removed)
            row.addWidget(button)
        self._can_remove = can_remove and not is_kept

    @property
    def text(self) -> str:
        """The words on the chip."""
        return self._text

    def edit(self) -> None:
        """Open the editor over the chip."""
        if self._is_kept or self._editor is not None:
            return
        editor = QLineEdit(self._text, self.parentWidget())
        editor.setAccessibleName("Words of this layer")
        editor.setGeometry(self.geometry().adjusted(0, 0, max(0, 160 - self.width()), 0))
        editor.selectAll()
        editor.editingFinished.connect(self._finish)
        editor.installEventFilter(self)
        editor.show()
        editor.setFocus()
        self._editor = editor

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            watched is self._editor
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Escape
        ):
            self._close_editor()
            return True
        return super().eventFilter(watched, event)

    def _finish(self) -> None:
        editor = self._editor
        if editor is None:
            return
        words = " ".join(editor.text().split())
        self._close_editor()
        if words and words != self._text:
            self.renamed.emit(words)

    def _close_editor(self) -> None:
        editor, self._editor = self._editor, None
        if editor is not None:
            editor.hide()
            editor.deleteLater()
            self.setFocus()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.edit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_F2, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.edit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._can_remove:
            self.removed.emit()
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEvent) -> None:
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = theme.ROW_SELECTED if self.underMouse() else "#424242"
        edge = theme.AMBER if self._note else "#565656"
        if self.hasFocus():
            edge = theme.ACCENT_TEXT
        painter.setPen(QPen(QColor(edge), 2 if self.hasFocus() else 1))
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 12, 12)
        painter.end()


class AddChip(QToolButton):
    """The "+ Add layer" chip; becomes a field when pressed."""

    added = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setIcon(icon("plus", IconColours(normal=theme.TEXT_DIM)))
        self.setIconSize(QSize(12, 12))
        self.setText("Add")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setFixedHeight(HEIGHT)
        self.setToolTip("Add an object to the scene")
        self.setAccessibleName("Add an object")
        self.clicked.connect(self._open)

    def _open(self) -> None:
        editor = QLineEdit(self.parentWidget())
        editor.setPlaceholderText("another object")
        editor.setAccessibleName("Words of the new object")
        editor.setGeometry(self.x(), self.y(), 150, HEIGHT)
        editor.editingFinished.connect(lambda: self._finish(editor))
        editor.installEventFilter(self)
        editor.show()
        editor.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            isinstance(watched, QLineEdit)
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Escape
        ):
            watched.clear()
            self._finish(watched)
            return True
        return super().eventFilter(watched, event)

    def _finish(self, editor: QLineEdit) -> None:
        words = " ".join(editor.text().split())
        editor.blockSignals(True)  # hiding a focused field ends its editing a second time
        editor.hide()
        editor.deleteLater()
        if words:
            self.added.emit(words)


def _picture(name: str, colour: str) -> QLabel:
    label = QLabel()
    label.setPixmap(icon(name, IconColours(normal=colour)).pixmap(QSize(14, 14)))
    label.setFixedSize(14, 14)
    return label


def _tip(text: str, note: str, *, is_kept: bool, is_placed: bool) -> str:
    if is_kept:
        return f"{text} is kept as it is."
    lines = [text, "Click to change the words."]
    if note:
        drawn = (
            f"it will be drawn {note}"
            if note.startswith("as ")
            else "nothing known is near, so it may become anything"
        )
        lines.insert(1, f"This word is not known; {drawn}.")
    if is_placed:
        lines.append("Placed by you on the canvas.")
    return "\n".join(lines)
