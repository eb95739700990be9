"""One generation from the command line: submit, show progress, stop on Ctrl+C, hand back the result."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from psdstudio.cli.progress import ProgressBar
from psdstudio.errors import Cancelled, EngineFailed, FileWriteFailed, ModelError, ModelNotFound
from psdstudio.gen.catalogue import capabilities_of, engine_card
from psdstudio.gen.costs import cost_sentence, estimated
from psdstudio.gen.engine import CostModel, EngineInfo, Stage
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.models import EMBEDDED_KEY
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.gen.verbs import Capability
from psdstudio.jobs.events import (
    EnginePhase,
    EngineState,
    JobCancelled,
    JobEvent,
    JobFailed,
    JobFinished,
    JobProgress,
)
from psdstudio.jobs.job import JobId
from psdstudio.jobs.report import ErrorKind, ErrorReport
from psdstudio.jobs.runner import JobRunner, process_runner
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.models.engine_needs import missing_for
from psdstudio.models.store import load_models
from psdstudio.settings import Folders, load_settings

Persist: TypeAlias = Callable[[GenerationResult], None]
_CANCEL_S = 15.0
"""Longest wait for the engine to stop; the runner kills it well before."""
_TICK_S = 0.2
"""How often the wait wakes up: on Windows a blocked queue would not see Ctrl+C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Which engine runs, on how many threads (None: one per core), with which models of the user."""

    key: str
    threads: int | None = None
    setup: EngineSetup = field(default_factory=EngineSetup)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What is known of the engine before it is loaded."""
        return capabilities_of(self.key, None)


def chosen_engine(key: str, threads: int | None) -> EngineChoice:
    """Return an engine with the user's models, and the options of the settings, where it needs them.

    Raises:
        ModelNotFound: Models that it cannot do without are not in the list.
        SettingsError: The list of models or the settings cannot be read.
    """
    if key == EMBEDDED_KEY:
        return EngineChoice(key=key, threads=threads)
    folders = Folders.of_user()
    models = load_models(folders)
    missing = missing_for(key, models)
    if missing:
        card = engine_card(key)
        title = key if card is None else card.title
        raise ModelNotFound(
            f"The engine “{title}” cannot run yet. {' '.join(missing)}",
            "Add them with “psdstudio models add PATH”, or in the window under Scene, Models.",
        )
    settings = load_settings(folders.settings_file)
    return EngineChoice(
        key=key, threads=threads, setup=EngineSetup(models=models, photoreal=settings.photoreal)
    )


def run_generation(request: GenerationRequest, engine: EngineChoice, *, persist: Persist) -> GenerationResult:
    """Run a request in a worker process and return its result, which `persist` has stored by then.

    Raises:
        ModelError, EngineError, FileWriteFailed: It failed.
        Cancelled: Ctrl+C; the worker is gone.
    """
    bar = ProgressBar.on(sys.stderr)
    # The command is what the user waits for: the worker need not stand back as it does behind a window.
    config = WorkerConfig(engine=engine.key, threads=engine.threads, nice=0, setup=engine.setup)
    with process_runner(config, persist=persist) as runner:
        events: queue.SimpleQueue[JobEvent] = queue.SimpleQueue()
        runner.subscribe(events.put)
        job_id = runner.submit(request)
        try:
            return _wait(events, job_id, request, bar)
        except KeyboardInterrupt:
            _stop(runner, events, job_id)
            raise Cancelled from None
        finally:
            bar.clear()


def _wait(
    events: queue.SimpleQueue[JobEvent], job_id: JobId, request: GenerationRequest, bar: ProgressBar
) -> GenerationResult:
    while True:
        try:
            event = events.get(timeout=_TICK_S)
        except queue.Empty:
            continue
        match event:
            case JobFinished(job_id=finished, result=result) if finished == job_id:
                return result
            case JobFailed(job_id=failed, report=report) if failed == job_id:
                raise _error(report)
            case JobProgress(stage=stage, fraction=fraction, eta_s=eta_s):
                bar.show(stage, fraction, eta_s)
            case EngineState(phase=EnginePhase.READY, info=EngineInfo(costs=CostModel() as costs)):
                bar.clear()
                print(f"{cost_sentence(estimated(costs, request))}.", file=sys.stderr)
            case EngineState(phase=EnginePhase.LOADING):
                bar.show(Stage.LOAD, 0.0, None)
            case _:
                pass


def _stop(runner: JobRunner, events: queue.SimpleQueue[JobEvent], job_id: JobId) -> None:
    runner.cancel(job_id)
    try:
        while not isinstance(events.get(timeout=_CANCEL_S), JobCancelled | JobFinished | JobFailed):
            pass
    except queue.Empty:
        return


def _error(report: ErrorReport) -> Exception:
    """Return the exception of a report, by what it means for the exit code."""
    if report.kind is ErrorKind.NOT_SAVED:
        return FileWriteFailed(report.message, report.hint)
    if report.kind in {ErrorKind.MODEL, ErrorKind.PLUGIN}:
        return ModelError(report.message, report.hint)
    return EngineFailed(report.message, report.hint)
