"""The child's log on its way into the program's: sent as messages on one side, written again on the other."""

from __future__ import annotations

import logging
from collections.abc import Callable

from psdstudio.jobs.wire import LogLine


class PipeHandler(logging.Handler):
    """Sends records to the program. Worker process."""

    def __init__(self, send: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        job = getattr(record, "job", "-")
        try:
            self._send(LogLine(name=record.name, level=record.levelno, text=text, job=job))
        except OSError:
            # The program is gone. The record is in the worker's own log; a traceback on the terminal helps nobody.
            return


def replay(line: LogLine) -> None:
    """Write a record of the child into this process's log."""
    logger = logging.getLogger(line.name)
    if logger.isEnabledFor(line.level):
        logger.log(line.level, "%s", line.text, extra={"job": line.job})
