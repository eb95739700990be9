"""The only place where threads meet the window: callbacks and background work arrive here as queued Qt signals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from psdstudio.core.commands import Command
from psdstudio.core.session import Session
from psdstudio.errors import CommandError

_log = logging.getLogger(__name__)
T = TypeVar("T")


class SessionBridge(QObject):
    """Re-emits a session's news as Qt signals, so that a widget's death ends its connection. GUI thread."""

    changed = Signal(object)
    """A `Change`: something in the document is different (it may be a step of an unfinished drag)."""
    selected = Signal(object)
    """The new selection, a tuple of layer ids."""
    failed = Signal(object)
    """A `StudioError`: what the user asked for does not apply; nothing was changed."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._unsubscribe = (
            session.subscribe(self.changed.emit),
            session.subscribe_selection(self.selected.emit),
        )

    def apply(self, command: Command) -> bool:
        """Run a command; a refusal becomes `failed`. Returns whether it applied."""
        try:
            self.session.apply(command)
        except CommandError as error:
            self.failed.emit(error)
            return False
        return True

    def close(self) -> None:
        """Stop listening."""
        for stop in self._unsubscribe:
            stop()


class JobBridge(QObject):
    """Carries job events from the runner's thread to the GUI thread, in order."""

    happened = Signal(object)
    _arrived = Signal(object)

    def __init__(
        self, subscribe: Callable[[Callable[[object], None]], object], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        subscribe(self._arrived.emit)

    @Slot(object)
    def _deliver(self, event: object) -> None:
        self.happened.emit(event)


class Background(QObject):
    """A few threads for work on values (rendering tiles, thumbnails, files); answers come back on the GUI thread.

    The work must not touch a widget. `stop()` drops what has not begun and waits for what has.
    """

    _finished = Signal(object)

    def __init__(self, name: str, *, threads: int = 1, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._stopped = False
        self._finished.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `work` on a thread, then `done(result)` or `failed(error)` on the GUI thread."""
        if self._stopped:
            return

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001  # handed to `failed`, or raised on the GUI thread
                caught = error  # Python forgets `error` at the end of this block
                self._send(lambda: self._fail(caught, failed))
            else:
                self._send(lambda: done(result))

        self._pool.submit(run)

    def stop(self) -> None:
        """Finish: no answer is delivered after this."""
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send(self, answer: Callable[[], None]) -> None:
        if not self._stopped:
            self._finished.emit(answer)

    def _fail(self, error: Exception, failed: Callable[[Exception], None] | None) -> None:
        if failed is None:
            _log.error("background work failed", exc_info=error)
            raise error  # reaches the application's exception hook: nobody said how to go on
        failed(error)

    @Slot(object)
    def _deliver(self, answer: Callable[[], None]) -> None:
        if not self._stopped:
            answer()
