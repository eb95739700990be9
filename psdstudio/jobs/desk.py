"""Desk: the runner's state machine. One thread calls it; time comes from outside, so tests need not wait.

It owns the worker, the queue and the one active job, and decides what every message means.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from psdstudio.errors import EngineProtocolError, StudioError
from psdstudio.gen.engine import EngineEvent, EngineInfo, LayoutReady, Preview, Progress, refusal_of
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.jobs.colours import for_engine, from_engine
from psdstudio.jobs.crashes import CrashLog
from psdstudio.jobs.events import (
    EnginePhase,
    EngineState,
    JobCancelled,
    JobEvent,
    JobFailed,
    JobFinished,
    JobLayout,
    JobPreview,
    JobProgress,
    JobStarted,
)
from psdstudio.jobs.job import Job, JobId, JobState
from psdstudio.jobs.log_relay import replay
from psdstudio.jobs.pacing import Grace, PreviewThrottle, TimeLeft
from psdstudio.jobs.process import Worker, WorkerMessage
from psdstudio.jobs.report import ErrorKind, ErrorReport, Recovery, crash_report, not_saved_report, report_of
from psdstudio.jobs.wire import (
    PROTOCOL_VERSION,
    Died,
    Done,
    Happened,
    Hello,
    LoadFailed,
    Loading,
    LogLine,
    Ready,
    Run,
    RunFailed,
    Stopped,
    WorkerConfig,
    to_result,
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Desk:
    """See the module text. `post` hands a worker's message, with its generation, back to the owning thread.

    The queue holds what was asked in the order in which it was asked: jobs, and engines to change to (`use`).
    """

    make_worker: Callable[[WorkerConfig], Worker]
    config: WorkerConfig
    persist: Callable[[GenerationResult], None]
    emit: Callable[[JobEvent], None]
    post: Callable[[int, WorkerMessage], None]
    clock: Callable[[], float]
    grace: Grace = field(default_factory=Grace)
    _queue: deque[Job | WorkerConfig] = field(default_factory=deque)
    _active: Job | None = None
    _sent: GenerationRequest | None = None
    _unsaved: dict[JobId, GenerationResult] = field(default_factory=dict)
    _worker: Worker | None = None
    _generation: int = 0
    _phase: EnginePhase = EnginePhase.STOPPED
    _info: EngineInfo | None = None
    _crashes: CrashLog = field(init=False)
    _kill_at: float | None = None
    _throttle: PreviewThrottle = field(default_factory=PreviewThrottle)
    _time_left: TimeLeft = field(default_factory=TimeLeft)

    def __post_init__(self) -> None:
        self._crashes = CrashLog(self.grace.crash_window_s)

    # -- what the program asks for

    def submit(self, job: Job) -> None:
        """Queue a job and start it when the engine is free."""
        self._queue.append(job)
        self._advance()

    def cancel(self, job_id: JobId) -> None:
        """Drop a waiting job; ask a running one to stop. An unknown or finished job is nobody's fault."""
        for job in [job for job in self._waiting_jobs() if job.id == job_id]:
            self._queue.remove(job)
            self.emit(JobCancelled(job_id=job.id))
        if (active := self._active) is None or active.id != job_id:
            return
        if active.state is JobState.LOADING:
            self._end(JobState.CANCELLED, JobCancelled(job_id=job_id))
            self._kill_at = self.clock() + self.grace.load_s
            self._advance()
        elif active.state is JobState.RUNNING and self._worker is not None:
            self._active = active.moved(JobState.CANCELLING)
            self._throttle.clear()
            self._kill_at = self.clock() + self.grace.cancel_s
            self._worker.cancel(job_id)

    def warm_up(self) -> None:
        """Start loading unless the engine is there, or has crashed so often that the user must ask for it."""
        if self._worker is None and self._crashes.blocked is None:
            self._start_worker()

    def restart(self) -> None:
        """The user asks for the engine after a fault: start it, even where two crashes had blocked it."""
        if self._crashes.blocked is not None:
            self._crashes.forgive()
        self.warm_up()
        self._advance()

    def use(self, config: WorkerConfig) -> None:
        """Change to another engine after the jobs that were asked before, and start it; later jobs run on it."""
        self._queue.append(config)
        self._advance()

    def save_again(self, job_id: JobId) -> None:
        """Try once more to write a result that found no room on disk."""
        result = self._unsaved.get(job_id)
        if result is not None and self._persisted(job_id, result):
            del self._unsaved[job_id]
            self.emit(JobFinished(job_id=job_id, result=result))

    def close(self, timeout_s: float) -> None:
        """Cancel everything and end the worker."""
        for job in self._waiting_jobs():
            self.emit(JobCancelled(job_id=job.id))
        self._queue.clear()
        busy = self._active is not None and self._active.state is not JobState.LOADING
        if self._active is not None:
            self.emit(JobCancelled(job_id=self._active.id))
            if self._worker is not None:
                self._worker.cancel(self._active.id)
            self._active = None
        if self._worker is not None:
            self._generation += 1
            # A worker that is loading does not listen; waiting for it would only delay the end.
            self._worker.stop(timeout_s if busy or self._phase is EnginePhase.READY else 0.0)
            self._worker = None

    # -- what time brings

    def deadline(self) -> float | None:
        """When `tick` is next due; None when only messages matter."""
        times = [at for at in (self._kill_at, self._throttle.deadline) if at is not None]
        return min(times) if times else None

    def tick(self) -> None:
        """Show a preview whose time has come; kill a worker that did not obey."""
        now = self.clock()
        if (preview := self._throttle.due(now)) is not None:
            self.emit(preview)
        if self._kill_at is None or now < self._kill_at:
            return
        self._kill_at = None
        _log.warning("the engine did not answer in time and is ended")
        self._drop_worker(None)
        job = self._active
        if job is not None and job.state is JobState.CANCELLING:
            self._end(JobState.CANCELLED, JobCancelled(job_id=job.id))
        elif job is not None:
            # It came after the job that was cancelled while loading: let it have a fresh worker.
            self._active = None
            self._queue.appendleft(replace(job, state=JobState.QUEUED))
        self._advance()

    # -- what the worker says

    def receive(self, generation: int, message: WorkerMessage) -> None:
        """Handle a message; those of a worker that was given up are ignored."""
        if generation != self._generation:
            return
        match message:
            case LogLine():
                replay(message)
            case Hello():
                self._prolong_loading()
                if message.protocol != PROTOCOL_VERSION:
                    text = f"The engine speaks protocol {message.protocol}, this program {PROTOCOL_VERSION}."
                    self._on_violation(EngineProtocolError(text, "Install PSDStudio again."))
            case Loading():
                self._on_loading(message.progress)
            case Ready():
                self._on_ready(message.info)
            case LoadFailed():
                self._drop_worker(message.report)
                self._fail_all(message.report)
                self._advance()
            case Died():
                self._on_death(message)
            case Happened() | Done() | RunFailed() | Stopped():
                if self._active is not None and self._active.id == message.job_id:
                    self._on_run_message(self._active, message)
            case _:
                self._on_violation(EngineProtocolError(f"The engine sent {type(message).__name__}."))

    def _on_loading(self, progress: Progress) -> None:
        self._prolong_loading()
        self.emit(EngineState(phase=EnginePhase.LOADING, fraction=progress.fraction))
        if self._active is not None:
            self._on_progress(self._active.id, progress)

    def _prolong_loading(self) -> None:
        """A sign of life while loading: the patience starts anew."""
        if self._kill_at is not None and self._phase is EnginePhase.LOADING:
            self._kill_at = self.clock() + self.grace.load_s

    def _on_ready(self, info: EngineInfo) -> None:
        self._phase, self._info, self._kill_at = EnginePhase.READY, info, None
        self.emit(EngineState(phase=EnginePhase.READY, info=info, fraction=1.0))
        if self._active is not None:
            self._send(self._active)

    def _on_run_message(self, job: Job, message: Happened | Done | RunFailed | Stopped) -> None:
        cancelling = job.state is JobState.CANCELLING
        if isinstance(message, Happened):
            if not cancelling:
                self._on_event(job.id, message.event)
            return
        if cancelling or isinstance(message, Stopped):
            self._end(JobState.CANCELLED, JobCancelled(job_id=job.id))
        elif isinstance(message, Done):
            self._on_done(job, message)
        else:
            if message.report.kind is ErrorKind.OUT_OF_MEMORY:
                # Only the end of the process gives the memory back for certain.
                self._drop_worker(None)
            self._end(JobState.FAILED, JobFailed(job_id=job.id, report=message.report))
        self._advance()

    def _on_event(self, job_id: JobId, event: EngineEvent) -> None:
        if isinstance(event, Progress):
            self._on_progress(job_id, event)
        elif isinstance(event, LayoutReady):
            self.emit(JobLayout(job_id=job_id, boxes=event.boxes))
        elif isinstance(event, Preview):
            now = self.clock()
            if (preview := self._throttle.offer(JobPreview(job_id=job_id, preview=event), now)) is not None:
                self.emit(preview)
        else:
            text = f"The engine sent an unknown event: {type(event).__name__}."
            self._on_violation(EngineProtocolError(text))

    def _on_progress(self, job_id: JobId, progress: Progress) -> None:
        self.emit(
            JobProgress(
                job_id=job_id,
                stage=progress.stage,
                done=progress.done,
                total=progress.total,
                fraction=progress.fraction,
                eta_s=self._time_left.add(progress.fraction, self.clock()),
            )
        )

    def _on_done(self, job: Job, done: Done) -> None:
        assert self._sent is not None
        try:
            result = from_engine(to_result(done, self._sent), job.request)
        except EngineProtocolError as exc:
            self._on_violation(exc)
            return
        if self._persisted(job.id, result):
            self._end(JobState.DONE, JobFinished(job_id=job.id, result=result))
        else:
            self._unsaved[job.id] = result
            self._end(JobState.UNSAVED, None)

    def _on_violation(self, exc: StudioError) -> None:
        """The worker cannot be trusted any more; a second time in a row is as bad as a second crash."""
        report = replace(report_of(exc), recovery=Recovery.RESTART)
        self._crashes.note(self.clock(), report)
        self._drop_worker(report)
        self._fail_active(report)
        self._advance()

    def _on_death(self, died: Died) -> None:
        if died.garbled:
            _log.error("the engine's message could not be read: %s", died.garbled)
        report = crash_report(died.exit_code, again=self._crashes.has_recent(self.clock()))
        self._crashes.note(self.clock(), report)
        self._drop_worker(report)
        job = self._active
        if job is not None and job.state is JobState.CANCELLING:
            self._end(JobState.CANCELLED, JobCancelled(job_id=job.id))
        else:
            self._fail_active(report)
        self._advance()

    # -- steps

    def _advance(self) -> None:
        """Start the next job, or the next engine, when nothing runs."""
        if self._crashes.blocked is not None:
            self._fail_all(self._crashes.blocked)
        if self._active is not None or not self._queue:
            return
        if isinstance(self._queue[0], WorkerConfig):
            self._change_engine(self._queue[0])
            return
        if self._worker is None and not self._start_worker():
            return
        job = self._queue.popleft()
        assert isinstance(job, Job)
        self._active = job.moved(JobState.LOADING)
        self._time_left = TimeLeft()
        self.emit(JobStarted(job_id=self._active.id, request=self._active.request))
        if self._phase is EnginePhase.READY:
            self._send(self._active)

    def _change_engine(self, config: WorkerConfig) -> None:
        """End the worker, which is idle or loading, and start another; a new engine begins without old crashes."""
        self._queue.popleft()
        self._drop_worker(None)
        self._crashes.forgive()
        self.config = config
        self._start_worker()
        self._advance()

    def _send(self, job: Job) -> None:
        assert self._worker is not None
        assert self._info is not None
        try:
            if (fault := refusal_of(job.request, self._info)) is not None:
                raise fault
            self._sent = for_engine(job.request)
        except StudioError as exc:
            self._end(JobState.FAILED, JobFailed(job_id=job.id, report=report_of(exc)))
            self._advance()
            return
        self._active = job.moved(JobState.RUNNING)
        self._time_left = TimeLeft()
        self._worker.send(Run(job_id=job.id, request=self._sent))

    def _start_worker(self) -> bool:
        self._generation += 1
        generation = self._generation
        worker = self.make_worker(self.config)
        try:
            worker.start(lambda message: self.post(generation, message))
        except StudioError as exc:
            report = replace(report_of(exc), recovery=Recovery.RESTART)
            self.emit(EngineState(phase=EnginePhase.STOPPED, report=report))
            self._fail_all(report)
            return False
        self._worker, self._phase = worker, EnginePhase.LOADING
        self.emit(EngineState(phase=EnginePhase.LOADING))
        return True

    def _drop_worker(self, report: ErrorReport | None) -> None:
        """End the worker and say so; its further messages are ignored."""
        self._generation += 1
        self._kill_at = None
        worker, self._worker = self._worker, None
        self._phase, self._info = EnginePhase.STOPPED, None
        if worker is not None:
            worker.kill()
        self.emit(EngineState(phase=EnginePhase.STOPPED, report=report))

    def _end(self, state: JobState, event: JobEvent | None) -> None:
        assert self._active is not None
        self._active.moved(state)  # asserts that the move is allowed
        self._active = self._sent = None
        self._kill_at = None
        self._throttle.clear()
        if event is not None:
            self.emit(event)

    def _fail_active(self, report: ErrorReport) -> None:
        if self._active is not None:
            self._end(JobState.FAILED, JobFailed(job_id=self._active.id, report=report))

    def _fail_all(self, report: ErrorReport) -> None:
        """Fail all jobs of the present engine: those that wait behind another one are not its own."""
        self._fail_active(report)
        while self._queue and isinstance(job := self._queue[0], Job):
            self._queue.popleft()
            self.emit(JobFailed(job_id=job.id, report=report))

    def _waiting_jobs(self) -> list[Job]:
        return [job for job in self._queue if isinstance(job, Job)]

    def _persisted(self, job_id: JobId, result: GenerationResult) -> bool:
        """Write the result; say so and return False when that fails."""
        try:
            self.persist(result)
        except (StudioError, OSError) as exc:
            self.emit(JobFailed(job_id=job_id, report=not_saved_report(exc)))
            return False
        return True
