"""ErrorReport: what is left of an exception once it has crossed into an event. Always showable."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import Enum

from psdstudio.errors import (
    EngineCrashed,
    EngineOutOfMemory,
    EngineProtocolError,
    FileError,
    ModelError,
    PluginError,
    StudioError,
    is_out_of_memory,
)


class ErrorKind(Enum):
    """What went wrong, as far as a program decides on it."""

    FAILED = "failed"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    PROTOCOL = "protocol"
    MODEL = "model"
    PLUGIN = "plug-in"
    NOT_SAVED = "not saved"


class Recovery(Enum):
    """The one button beside the message; the value is its text, empty for none."""

    NONE = ""
    RESTART = "Restart the engine"
    SAVE_AGAIN = "Try to save again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """One sentence, what to do, the button, and the traceback for the log and the details pane."""

    kind: ErrorKind
    message: str
    hint: str = ""
    traceback: str = ""
    recovery: Recovery = Recovery.NONE


CRASH_MESSAGE = "The engine stopped unexpectedly. Your layers are safe."
_KINDS: tuple[tuple[type[StudioError], ErrorKind], ...] = (
    (EngineOutOfMemory, ErrorKind.OUT_OF_MEMORY),
    (EngineCrashed, ErrorKind.CRASHED),
    (EngineProtocolError, ErrorKind.PROTOCOL),
    (ModelError, ErrorKind.MODEL),
    (PluginError, ErrorKind.PLUGIN),
    (FileError, ErrorKind.NOT_SAVED),
)


def report_of(exc: BaseException) -> ErrorReport:
    """Return the report of an exception that an engine raised."""
    trace = "".join(traceback.format_exception(exc))
    if isinstance(exc, StudioError):
        kind = next((kind for type_, kind in _KINDS if isinstance(exc, type_)), ErrorKind.FAILED)
        return ErrorReport(kind=kind, message=exc.user_message, hint=exc.hint, traceback=trace)
    if is_out_of_memory(exc):
        return ErrorReport(
            kind=ErrorKind.OUT_OF_MEMORY,
            message="There is too little memory for this run. Your layers are safe.",
            hint="Close other programs, use a smaller canvas, or generate fewer objects at a time.",
            traceback=trace,
        )
    return ErrorReport(
        kind=ErrorKind.FAILED,
        message="The engine could not finish this run. Your layers are safe.",
        hint="Try again with another seed or other words; the details are in the log.",
        traceback=trace,
    )


def crash_report(exit_code: int | None, *, again: bool) -> ErrorReport:
    """Return the report of a dead worker; `again` says that it is the second time within five minutes."""
    hint = "Restart the engine and run again."
    if again:
        hint = (
            "It stopped twice within five minutes. Close other programs or use a smaller canvas, "
            "then restart the engine."
        )
    return ErrorReport(
        kind=ErrorKind.CRASHED,
        message=CRASH_MESSAGE,
        hint=hint,
        traceback=f"exit code of the engine process: {exit_code}",
        recovery=Recovery.RESTART,
    )


def not_saved_report(exc: StudioError | OSError) -> ErrorReport:
    """Return the report of a result that could not be written to disk and is still in memory."""
    hint = exc.hint if isinstance(exc, StudioError) else ""
    return ErrorReport(
        kind=ErrorKind.NOT_SAVED,
        message=f"The result could not be saved: {str(exc).rstrip('.')}. It is still in memory.",
        hint=hint or "Make room on the disk, then try to save again.",
        traceback="".join(traceback.format_exception(exc)),
        recovery=Recovery.SAVE_AGAIN,
    )
