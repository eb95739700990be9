"""Reads the sentence in the prompt, a moment after the last keystroke and off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from psdstudio.errors import StudioError
from psdstudio.gen.plan import Plan
from psdstudio.ui.bridge import Background

PLAN_DELAY_MS = 180
"""Quiet time after a keystroke before the sentence is read."""


class SentenceReader(QObject):
    """Owner of the newest plan, or of what is wrong with the sentence. GUI thread."""

    read = Signal()
    """`plan` or `error` is new."""

    def __init__(
        self, plan: Callable[[str], Plan], background: Background, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._plan_sentence, self._background = plan, background
        self._text = ""
        self.plan: Plan | None = None
        self.error: StudioError | None = None
        self._reading = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PLAN_DELAY_MS)
        self._timer.timeout.connect(self._read)

    @property
    def is_busy(self) -> bool:
        """Whether the newest sentence is not read yet."""
        return self._timer.isActive() or self._reading > 0

    def follow(self, text: str) -> None:
        """Read this sentence a moment later; earlier ones that are still being read no longer matter."""
        self._text = text
        self._timer.start()

    def forget(self, text: str) -> None:
        """Another sentence, which needs no reading: there is no plan, and none that is on its way is taken."""
        self._text, self.plan, self.error = text, None, None

    def show(self, text: str) -> None:
        """Another sentence, which needs no reading now; the plan stays."""
        self._text = text

    def read_ahead(self) -> None:
        """Read any sentence, so that the lexicon is loaded before the user's first one comes.

        Loading holds Python's lock for tens of milliseconds at a time: better now than between two keystrokes. What
        is wrong with it is told when a sentence needs it.
        """
        self._background.submit(lambda: self._plan_sentence("a tree"), lambda _: None, lambda _: None)

    def _read(self) -> None:
        text = self._text
        if not text.strip():
            self.plan, self.error = None, None
            self.read.emit()
            return
        self._reading += 1
        self._background.submit(
            lambda: self._plan_sentence(text),
            lambda plan: self._on_read(text, plan, None),
            lambda error: self._on_read(text, None, error),
        )

    def _on_read(self, text: str, plan: Plan | None, error: Exception | None) -> None:
        self._reading -= 1
        if error is not None and not isinstance(error, StudioError):
            raise error
        if text == self._text:
            self.plan, self.error = plan, error
            self.read.emit()
