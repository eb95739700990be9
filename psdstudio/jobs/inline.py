"""InlineWorker: the worker's loop on a thread of this process, for tests and for tools that need no isolation."""

from __future__ import annotations

import queue
from threading import Thread

from psdstudio.errors import EngineProtocolError
from psdstudio.gen.engine import Engine
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.jobs.job import JobId
from psdstudio.jobs.process import Post
from psdstudio.jobs.wire import Died, Quit, ToWorker, WorkerConfig, to_done, to_result
from psdstudio.jobs.worker_main import serve


class InlineWorker:
    """Like ProcessWorker, but a crash or a hang of the engine takes this process along."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._inbox: queue.Queue[ToWorker] = queue.Queue()
        self._thread: Thread | None = None
        self._cancelled: set[JobId] = set()
        self._killed = False

    def start(self, post: Post) -> None:
        """Start the thread."""

        def work() -> None:
            try:
                serve(
                    self._config,
                    receive=self._inbox.get,
                    send=post,
                    is_cancelled=lambda job: self._killed or job in self._cancelled,
                )
            finally:
                post(Died(exit_code=0))

        self._thread = Thread(target=work, name="engine-inline", daemon=True)
        self._thread.start()

    def send(self, message: ToWorker) -> None:
        """Hand over a message."""
        self._inbox.put(message)

    def cancel(self, job_id: JobId) -> None:
        """Stop the job at its next step."""
        self._cancelled.add(job_id)

    def stop(self, timeout_s: float) -> None:
        """Ask to quit and wait for the thread."""
        self._inbox.put(Quit())
        if self._thread is not None:
            self._thread.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """Stop at the next step; a thread cannot be ended by force."""
        self._killed = True
        self._inbox.put(Quit())


def run_inline(engine: Engine, request: GenerationRequest) -> GenerationResult:
    """Run a loaded engine to its end on this thread and check the result as the runner does."""
    steps = engine.generate(request)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            if not isinstance(stop.value, GenerationResult):
                raise EngineProtocolError("The engine ended without a result.") from None
            return to_result(to_done(JobId(0), stop.value), request)
