"""JobRunner: the background thread that owns the engine. The window talks to generation through this class alone."""

from __future__ import annotations

import itertools
import logging
import queue
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Self, TypeAlias

from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.jobs.desk import Desk
from psdstudio.jobs.events import JobEvent
from psdstudio.jobs.job import Job, JobId
from psdstudio.jobs.pacing import Grace
from psdstudio.jobs.process import ProcessWorker, Worker
from psdstudio.jobs.wire import WorkerConfig

_log = logging.getLogger(__name__)
Listener: TypeAlias = Callable[[JobEvent], None]
Unsubscribe: TypeAlias = Callable[[], None]
Persist: TypeAlias = Callable[[GenerationResult], None]


class JobRunner:
    """Queue, worker life cycle and events. All methods may be called from any thread and return at once.

    Listeners are called on the runner's own thread, one event after the other; they must hand over and
    return.
    """

    def __init__(
        self,
        make_worker: Callable[[WorkerConfig], Worker],
        config: WorkerConfig,
        *,
        persist: Persist,
        grace: Grace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread; no process yet (see `warm_up`).

        Args:
            make_worker: Makes a worker whenever one is needed; see `process_runner` for the ordinary one.
            config: What the worker is made of, until `use` says otherwise.
            persist: Writes a result to disk; called on the runner's thread before the result is delivered.
            grace: Patience with a worker that does not answer.
            clock: Monotonic seconds.
        """
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._listeners: tuple[Listener, ...] = ()
        self._lock = Lock()
        self._ids = itertools.count(1)
        self._closed = Event()
        self._ended = False  # the thread's own
        self._clock = clock
        self._desk = Desk(
            make_worker=make_worker,
            config=config,
            persist=persist,
            emit=self._emit,
            post=lambda generation, message: self._inbox.put(lambda: self._desk.receive(generation, message)),
            clock=clock,
            grace=grace or Grace(),
        )
        self._thread = Thread(target=self._work, name="job-runner", daemon=True)
        self._thread.start()

    def submit(self, request: GenerationRequest) -> JobId:
        """Queue a request; its events carry the returned id."""
        with self._lock:
            job_id = JobId(next(self._ids))
        job = Job(id=job_id, request=request)
        self._inbox.put(lambda: self._desk.submit(job))
        return job_id

    def cancel(self, job_id: JobId) -> None:
        """Stop a job within one step; JobCancelled follows, if need be after the worker was killed."""
        self._inbox.put(lambda: self._desk.cancel(job_id))

    def warm_up(self) -> None:
        """Load the engine in the background."""
        self._inbox.put(self._desk.warm_up)

    def restart(self) -> None:
        """Start the engine again after it stopped (the button beside the message)."""
        self._inbox.put(self._desk.restart)

    def use(self, config: WorkerConfig) -> None:
        """Change to another engine, or to the same one set up anew, and start it.

        Jobs that were submitted before are finished first, on the engine they were meant for; later ones run on the
        new one. The old worker is gone before the new one starts.
        """
        self._inbox.put(lambda: self._desk.use(config))

    def save_again(self, job_id: JobId) -> None:
        """Try again to write a result that could not be saved; JobFinished follows when it worked."""
        self._inbox.put(lambda: self._desk.save_again(job_id))

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call `listener` with every event from now on; the returned function ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(x for x in self._listeners if x is not listener)

        return unsubscribe

    def shutdown(self, timeout_s: float = 2.0) -> None:
        """Cancel everything, end the worker (killed after `timeout_s`) and the thread. May be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._inbox.put(lambda: self._close(timeout_s))
        self._thread.join(timeout_s + 5.0)

    def __enter__(self) -> Self:
        """Return the runner."""
        return self

    def __exit__(self, *_: object) -> None:
        """Shut down."""
        self.shutdown()

    def _work(self) -> None:
        """The thread: take a message or wait for the next deadline."""
        while not self._ended:
            deadline = self._desk.deadline()
            timeout = None if deadline is None else max(0.0, deadline - self._clock())
            try:
                action = self._inbox.get(timeout=timeout)
            except queue.Empty:
                self._desk.tick()
                continue
            action()
            self._desk.tick()

    def _close(self, timeout_s: float) -> None:
        self._desk.close(timeout_s)
        self._ended = True

    def _emit(self, event: JobEvent) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  # a broken listener must stop neither the others nor the run
                _log.exception("a listener failed on %s", type(event).__name__)


def process_runner(config: WorkerConfig, *, persist: Persist, grace: Grace | None = None) -> JobRunner:
    """Return the ordinary runner: one spawned worker process for the engine of `config`."""
    return JobRunner(ProcessWorker, config, persist=persist, grace=grace)
