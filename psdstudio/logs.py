"""Logging for both processes: one rotating file each, a faulthandler file each, the job in every line.

Nothing is configured or created at import.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

ROOT = "psdstudio"
_FORMAT = "%(asctime)s %(levelname)s %(name)s [%(job)s] %(message)s"
_MAX_BYTES = 1_000_000
_BACKUPS = 3
_current_job: ContextVar[str] = ContextVar("psdstudio_job", default="-")


class JobFilter(logging.Filter):
    """Gives every record the field `job` that the format names."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the job of the running context unless the record came with one."""
        if not hasattr(record, "job"):
            record.job = _current_job.get()
        return True


@contextmanager
def job_context(job: str) -> Iterator[None]:
    """Records written inside name this job."""
    token = _current_job.set(job)
    try:
        yield
    finally:
        _current_job.reset(token)


@dataclass(slots=True)
class LogSession:
    """The open handlers of a process; close it last."""

    handlers: list[logging.Handler]
    crash_file: TextIOWrapper | None
    path: Path | None

    def close(self) -> None:
        """Take the handlers out again and close the files."""
        logger = logging.getLogger(ROOT)
        for handler in self.handlers:
            logger.removeHandler(handler)
            with suppress(OSError):  # a full disk: what was not written is tried again at the end
                handler.close()
        self.handlers.clear()
        if self.crash_file is not None:
            faulthandler.disable()
            self.crash_file.close()
            self.crash_file = None


class _LogFile(RotatingFileHandler):
    """A log file on a disk that may fill up: a line that cannot be written is no reason for a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the line that the disk did not take; anything else is a mistake in the call and shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def start_logging(
    folder: Path | None, *, process: str, level: int = logging.INFO, to_stderr: bool = True
) -> LogSession:
    """Log this process to ``folder/process.log`` and, from WARNING up, to stderr; faults to
    ``process.crash.log``.

    A folder that cannot be written to is no reason not to start: then there is stderr alone, and it says so.
    """
    logger = logging.getLogger(ROOT)
    logger.setLevel(level)
    session = LogSession(handlers=[], crash_file=None, path=None)
    if to_stderr:
        _add(session, logging.StreamHandler(), logging.WARNING)
    if folder is None:
        return session
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{process}.log"
        _add(
            session,
            _LogFile(path, maxBytes=_MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8"),
            level,
        )
        session.path = path
        session.crash_file = open(folder / f"{process}.crash.log", "a", encoding="utf-8")  # noqa: SIM115  # open for life
        faulthandler.enable(session.crash_file)
    except OSError as exc:
        logger.warning("no log file in %s: %s", folder, exc)
    return session


def _add(session: LogSession, handler: logging.Handler, level: int) -> None:
    handler.setLevel(level)
    handler.addFilter(JobFilter())
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger(ROOT).addHandler(handler)
    session.handlers.append(handler)
