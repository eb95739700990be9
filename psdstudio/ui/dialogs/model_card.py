"""Help, Model card: what the engine was trained on and for, how well it does, under which licences."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QTextCursor, QTextFrameFormat, QTextLength, QTextTable
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from psdstudio.errors import StudioError
from psdstudio.resources_path import resource_dir
from psdstudio.ui import theme

CARD_FILE = "model/CARD.md"
_CELL_PADDING = 4
_ABOVE_HEADING, _BELOW = 18, 8


class ModelCardDialog(QDialog):
    """The card that is shipped beside the weights, to read and to scroll; Esc closes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Model card")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(820, 500)
        self.text = QTextBrowser()
        self.text.setAccessibleName("Model card")
        self.text.setOpenLinks(False)
        # By mouse alone: with the keyboard too, a cursor would stand in the text and the keys would move that.
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.text.setStyleSheet(
            f"QTextBrowser {{ background: {theme.FIELD}; color: {theme.TEXT}; border: none; }}"
        )
        self.text.document().setDocumentMargin(16)
        self.text.document().setIndentWidth(20)
        self.text.setMarkdown(card_markdown())
        _space_paragraphs(self.text)
        _draw_tables(self.text)
        self.text.moveCursor(QTextCursor.MoveOperation.Start)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 12)
        column.setSpacing(12)
        column.addWidget(self.text, 1)
        column.addLayout(row)


def card_markdown() -> str:
    """Return the shipped card; where it is missing, what is missing and what helps."""
    try:
        return resource_dir(CARD_FILE).read_text(encoding="utf-8")
    except StudioError as fault:
        return f"{fault.user_message}\n\n{fault.hint}"


def _space_paragraphs(text: QTextBrowser) -> None:
    """Set headings and paragraphs apart: as markdown they follow one another without a gap."""
    cursor = QTextCursor(text.document())
    is_inside = True
    while is_inside:
        look = cursor.blockFormat()
        if cursor.currentTable() is None:
            if look.headingLevel() > 0 and cursor.position() > 0:
                look.setTopMargin(_ABOVE_HEADING)
            look.setBottomMargin(_BELOW if cursor.currentList() is None else _BELOW / 2)
            cursor.setBlockFormat(look)
        is_inside = cursor.movePosition(QTextCursor.MoveOperation.NextBlock)


def _draw_tables(text: QTextBrowser) -> None:
    """Give every table thin lines and room in its cells: markdown brings none."""
    for frame in text.document().rootFrame().childFrames():
        if not isinstance(frame, QTextTable):
            continue
        look = frame.format()
        look.setBorderCollapse(True)
        look.setBorder(1)
        look.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        look.setBorderBrush(QBrush(QColor(theme.LINE_LIGHT)))
        look.setCellPadding(_CELL_PADDING)
        look.setCellSpacing(0)
        look.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
        frame.setFormat(look)
