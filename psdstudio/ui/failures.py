"""Failures of the engine as the message bar shows them: what happened, what is safe, one button."""

from __future__ import annotations

from psdstudio.errors import StudioError
from psdstudio.jobs.job import JobId
from psdstudio.jobs.report import ErrorKind, ErrorReport, Recovery
from psdstudio.ui.engine_view import EngineView
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.panels.error_bar import Notice


def failure_notice(
    report: ErrorReport | StudioError, job_id: JobId | None, generation: Generation, view: EngineView
) -> Notice:
    """Return the bar's content; without a job the engine itself failed, so the button loads it again.

    Where models of the user are at fault, the button leads to them. A `StudioError` is something that was not begun:
    nothing is broken.
    """
    if isinstance(report, StudioError):
        return Notice(message=report.user_message, hint=report.hint, is_error=False, until_run=True)
    if report.recovery is Recovery.SAVE_AGAIN and job_id is not None:
        button, action = report.recovery.value, lambda: generation.save_again(job_id)
    elif report.kind is ErrorKind.MODEL and view.needs_models:
        button, action = "Models…", view.show_models
    elif report.recovery is Recovery.RESTART:
        button, action = report.recovery.value, generation.restart_engine
    elif job_id is None:
        button, action = "Load the engine again", generation.restart_engine
    else:
        button, action = "Try again", generation.start
    return Notice(
        message=report.message,
        hint=_hint(report),
        button=button,
        action=action,
        details=report.traceback,
        until_run=report.recovery is not Recovery.SAVE_AGAIN,  # that result waits in memory for the button
    )


def _hint(report: ErrorReport) -> str:
    """Say what is safe where the report does not: a missing file or a foreign engine knows nothing of layers."""
    told = ("are safe", "still in memory", "Nothing was", "nothing was")
    if any(words in f"{report.message} {report.hint}" for words in told):
        return report.hint
    return f"Your layers are safe. {report.hint}".strip()
