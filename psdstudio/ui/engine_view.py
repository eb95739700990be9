"""Shows the engine that is chosen around the window, and opens the Models dialog."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY
from psdstudio.ui.dialogs.models import ModelsDialog
from psdstudio.ui.engines import Engines
from psdstudio.ui.panels.empty_state import EmptyState
from psdstudio.ui.panels.status import StatusBar

NO_MODELS = (
    "Embedded model ready (small, illustration style). For photoreal layers add SDXL weights",
    "Choose folder…",
)
SOME_MODELS = (
    "Embedded model ready (small, illustration style). For photoreal layers models are still missing",
    "See models…",
)
ALL_MODELS = (
    "Embedded model in use (small, illustration style). Your models for photoreal layers are complete",
    "Choose engine…",
)


class EngineView(QObject):
    """Connects `Engines` with the status bar and the empty state. GUI thread."""

    def __init__(self, engines: Engines, empty: EmptyState, status: StatusBar, window: QWidget) -> None:
        super().__init__(window)
        self.engines, self._empty, self._status, self._window = engines, empty, status, window
        engines.changed.connect(self._show)
        engines.replaced.connect(status.forget_engine)
        empty.models_asked.connect(lambda: self.open_models(adds_folder=not self.engines.models))
        self._show()

    def open_models(self, *, adds_folder: bool = False) -> ModelsDialog:
        """Open the Models dialog; with `adds_folder` it asks for a folder at once."""
        dialog = ModelsDialog(self.engines, self._window, adds_folder=adds_folder)
        dialog.said.connect(self._status.say)
        dialog.finished.connect(lambda _: dialog.deleteLater())
        dialog.open()
        return dialog

    def _show(self) -> None:
        """Say in the empty state which engine paints and what it would take to have another one."""
        card = self.engines.card
        if card is not None:
            self._status.name_engine(card.title)
        if self.engines.key != EMBEDDED_KEY:
            title = "Another engine" if card is None else card.title
            self._empty.show_engine(f"{title} paints what you write.", "Models…")
        elif not self.engines.models:
            self._empty.show_engine(*NO_MODELS)
        else:
            is_complete = not self.engines.missing(PHOTOREAL_KEY)
            self._empty.show_engine(*(ALL_MODELS if is_complete else SOME_MODELS))
