"""A runner whose events a test can wait for, and small requests."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.gen.fake import FakeScript, Fault
from psdstudio.gen.planning import Verb, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationRequest, GenerationResult, Sampling
from psdstudio.jobs.events import JobCancelled, JobEvent, JobFailed, JobFinished
from psdstudio.jobs.inline import InlineWorker
from psdstudio.jobs.job import JobId
from psdstudio.jobs.pacing import Grace
from psdstudio.jobs.process import ProcessWorker
from psdstudio.jobs.runner import JobRunner, Persist
from psdstudio.jobs.wire import WorkerConfig
from tests.gen.scenes import plan_of

E = TypeVar("E", bound=JobEvent)
ENDS = (JobFinished, JobFailed, JobCancelled)
SHORT = Grace(cancel_s=0.3, load_s=0.3)
"""For workers that hang on purpose; a busy machine can hold up a sound one for longer than this."""
PATIENT = Grace(cancel_s=20.0, load_s=20.0)


def request(run_id: str = "run", *, steps: int = 3, objects: int = 2, side: int = 64) -> GenerationRequest:
    """A whole scene with `objects` free objects."""
    doc = new_scene(Document(size=Size(side, side)), plan_of(*[f"thing {i}" for i in range(objects)]))
    return build_request(
        doc,
        plan_scope(doc, Verb.GENERATE_SCENE),
        run_id=run_id,
        seed=1,
        engine="fake",
        max_objects=99,
        sampling=Sampling(steps=steps),
    )


def script(
    *faults: tuple[str, Fault], step_delay_s: float = 0.0, load_delay_s: float = 0.0, **more: object
) -> WorkerConfig:
    """A configuration of the scripted engine."""
    fake = FakeScript(faults=faults, step_delay_s=step_delay_s, load_delay_s=load_delay_s, **more)  # type: ignore[arg-type]  # names are FakeScript's own
    return WorkerConfig(engine="fake", fake=fake, nice=0)


class Heard:
    """Everything a runner said, in order; the test's thread waits on it."""

    def __init__(self, runner: JobRunner) -> None:
        self.runner = runner
        self.events: list[JobEvent] = []
        self.times: list[float] = []
        self._inbox: queue.SimpleQueue[tuple[float, JobEvent]] = queue.SimpleQueue()
        runner.subscribe(lambda event: self._inbox.put((time.monotonic(), event)))

    def until(self, kind: type[E], job_id: JobId | None = None, *, timeout_s: float = 20.0) -> E:
        """Return the next event of that kind (and job)."""
        deadline = time.monotonic() + timeout_s
        while True:
            at, event = self._inbox.get(timeout=max(0.01, deadline - time.monotonic()))
            self.events.append(event)
            self.times.append(at)
            if isinstance(event, kind) and (job_id is None or getattr(event, "job_id", None) == job_id):
                return event

    def drain(self) -> None:
        """Take what is there."""
        while not self._inbox.empty():
            at, event = self._inbox.get()
            self.events.append(event)
            self.times.append(at)

    def of(self, kind: type[E]) -> list[E]:
        """All events of that kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def ends(self, job_id: JobId) -> list[JobEvent]:
        """How the job ended: exactly one event for a sound runner."""
        self.drain()
        return [event for event in self.events if isinstance(event, ENDS) and event.job_id == job_id]


def keep_nothing(_: GenerationResult) -> None:
    """Persist for tests that do not care."""


@contextmanager
def process(
    config: WorkerConfig, *, persist: Persist = keep_nothing, grace: Grace = PATIENT
) -> Iterator[Heard]:
    """A runner with a real process."""
    with JobRunner(ProcessWorker, config, persist=persist, grace=grace) as runner:
        yield Heard(runner)


@contextmanager
def inline(
    config: WorkerConfig, *, persist: Persist = keep_nothing, grace: Grace = PATIENT
) -> Iterator[Heard]:
    """A runner with the worker's loop on a thread."""
    with JobRunner(InlineWorker, config, persist=persist, grace=grace) as runner:
        yield Heard(runner)
