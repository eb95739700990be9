"""Escape: twice stops the run that goes on; otherwise it closes what floats over the canvas."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from psdstudio.jobs.job import JobId
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.generate.run import RunView

PATIENCE_S = 2.0
"""The second press stops the run only this soon after the first."""


class EscapeKey(QObject):
    """Answers presses that no field, drag or editor took. GUI thread."""

    said = Signal(str)
    """A sentence for the status bar."""

    def __init__(
        self,
        generation: Generation,
        dismiss: Callable[[], None],
        parent: QObject | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._generation, self._dismiss, self._clock = generation, dismiss, clock
        self._pressed: tuple[JobId, float] | None = None

    def press(self) -> None:
        """Stop the run at the second press, leave an insertion or a splitting, or close the message."""
        run = self._generation.run
        if run is not None:
            self._press_in(run)
        elif self._generation.insert_target is not None or self._generation.is_splitting:
            self._generation.leave_target()
        else:
            self._dismiss()

    def _press_in(self, run: RunView) -> None:
        if run.is_stopping:
            return
        now, before = self._clock(), self._pressed
        if before is not None and before[0] == run.job_id and now - before[1] <= PATIENCE_S:
            self._pressed = None
            self._generation.stop()
        else:
            self._pressed = run.job_id, now
            self.said.emit("Press Esc again to stop the run.")
