"""Details of an error, to read and to copy; and the last word on faults that nobody foresaw."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget


class ErrorDialog(QDialog):
    """Message, hint and copyable details."""

    def __init__(self, message: str, hint: str, details: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Details")
        self.resize(620, 380)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(10)
        heading = QLabel(message)
        heading.setObjectName("heading")
        heading.setWordWrap(True)
        column.addWidget(heading)
        if hint:
            words = QLabel(hint)
            words.setWordWrap(True)
            column.addWidget(words)
        self.details = QPlainTextEdit(details)
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Technical details")
        column.addWidget(self.details, 1)
        row = QHBoxLayout()
        copy = QPushButton("Copy")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(f"{message}\n{hint}\n\n{details}"))
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        row.addStretch(1)
        row.addWidget(copy)
        row.addWidget(close)
        column.addLayout(row)
