"""Scene, Models: which engine paints, and the user's own models that it paints with."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from psdstudio.gen.catalogue import engine_card
from psdstudio.ui import theme
from psdstudio.ui.dialogs.engine_choice import EngineChoicePanel
from psdstudio.ui.dialogs.model_shelf import ModelShelf
from psdstudio.ui.engines import Engines

_LEFT_PX = 326


class ModelsDialog(QDialog):
    """The list takes effect at once; the engine changes with the button. Esc closes. GUI thread."""

    said = Signal(str)
    """A sentence for the status bar: which engine loads now."""

    def __init__(self, engines: Engines, parent: QWidget | None = None, *, adds_folder: bool = False) -> None:
        """`adds_folder`: ask for a folder with models as soon as the dialog is up."""
        super().__init__(parent)
        self._engines = engines
        self.setWindowTitle("Models")
        self.setMinimumSize(870, 440)
        room = self.screen().availableSize()  # at 200 % a usual screen has 960 × 540
        self.resize(min(900, room.width() - 24), min(600, room.height() - 64))
        self.choice = EngineChoicePanel()
        self.shelf = ModelShelf(engines.model_list)
        left = QScrollArea()
        left.setWidgetResizable(True)
        left.setFrameShape(QFrame.Shape.NoFrame)
        left.setStyleSheet(f"QScrollArea, QScrollArea > QWidget > QWidget {{ background: {theme.PANEL}; }}")
        left.setFixedWidth(_LEFT_PX)
        left.setWidget(self.choice)
        line = QFrame()
        line.setFixedWidth(1)
        line.setStyleSheet(f"background: {theme.LINE};")
        halves = QHBoxLayout()
        halves.setSpacing(16)
        halves.addWidget(left)
        halves.addWidget(line)
        halves.addWidget(self.shelf, 1)
        self.problem = QLabel()
        self.problem.setObjectName("problem")
        self.problem.setWordWrap(True)
        self.problem.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(12)
        column.addLayout(halves, 1)
        column.addWidget(self.problem)
        column.addLayout(self._end())
        engines.model_list.changed.connect(self._on_models)
        self.choice.changed.connect(self._show_button)
        self.finished.connect(lambda _: self._on_closed())
        self._show_choice()
        if adds_folder:
            QTimer.singleShot(0, self, self.shelf.choose_folder)

    def _end(self) -> QHBoxLayout:
        row = QHBoxLayout()
        close = QPushButton("Close")
        close.clicked.connect(self.reject)
        self.use = QPushButton("Use this engine")
        self.use.setProperty("primary", True)
        self.use.setDefault(True)
        self.use.clicked.connect(self._on_use)
        row.addStretch(1)
        row.addWidget(close)
        row.addWidget(self.use)
        return row

    def _show_choice(self) -> None:
        self._show_missing()
        self.choice.show_choice(self._engines.key)
        self.choice.controls.show_options(self._engines.options, self._engines.models)
        self._show_button()

    def _show_missing(self) -> None:
        for key, row in self.choice.rows.items():
            row.set_missing(self._engines.missing(key))

    def _on_models(self) -> None:
        options = self.choice.controls.options
        self._show_missing()
        self.choice.controls.show_options(options, self._engines.models)
        self._show_button()

    def _show_button(self) -> None:
        key = self.choice.key
        is_possible = key is not None and not self._engines.missing(key)
        is_other = key is not None and self._engines.would_reload(key, self.choice.controls.options)
        self.use.setEnabled(is_possible and is_other)
        self.use.setToolTip(
            ""
            if is_possible and is_other
            else "This engine is in use already, just so."
            if is_possible
            else ""
        )

    def _on_use(self) -> None:
        key = self.choice.key
        if key is None:
            return
        fault = self._engines.choose(key, self.choice.controls.options)
        card = engine_card(key)
        assert card is not None
        self.said.emit(f"{card.title} takes over.")
        if fault is None:
            self.accept()
            return
        self.problem.setText(
            f"The engine changes, but only until the program ends. {fault.user_message} {fault.hint}"
        )
        self.problem.show()
        self._show_button()

    def _on_closed(self) -> None:
        """Stop what is being read; an engine that runs with an older list of models gets the new one."""
        self._engines.model_list.cancel()
        if not self._engines.missing(self._engines.key):
            self._engines.catch_up()
