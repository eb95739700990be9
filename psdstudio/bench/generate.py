"""How long a scene takes from the press of the button to layers in the document, and how much memory that costs.

One background and three objects (`--objects` 1 to 5) through the real path: the engine in its worker process, results
written to a recovery database before they are delivered, then accepted into the document. "First" is the first run
after loading, "warm" the one after it; "regenerate" keeps all layers but one object. "First denoising step": from the
start of the engine's process, over loading, words and layout, to the end of that step. Stalls of the window: `bench
window`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import queue
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.parts import background_of, object_groups
from psdstudio.gen.engine import Stage
from psdstudio.gen.models import EMBEDDED_KEY
from psdstudio.gen.plan import Plan, PlannedBackground, PlannedObject
from psdstudio.gen.planning import AcceptResult, Verb, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationRequest, GenerationResult, Sampling
from psdstudio.io.recovery import RecoveryStore
from psdstudio.jobs.events import (
    EnginePhase,
    EngineState,
    JobEvent,
    JobFailed,
    JobFinished,
    JobLayout,
    JobPreview,
    JobProgress,
)
from psdstudio.jobs.process import ProcessWorker, Worker
from psdstudio.jobs.runner import JobRunner
from psdstudio.jobs.wire import WorkerConfig

SUMMARY = "background and objects: seconds to preview and result, regenerating one of them, peak memory"
_OBJECTS = ("a swan", "a red apple", "a lantern", "a cat", "a blue vase")
DEFAULT_OBJECTS = 3
_COUNTS = ("no", "one", "two", "three", "four", "five", "six")
_PATIENCE_S = 900.0
LIMIT_PREVIEW_S, LIMIT_DONE_S, LIMIT_RATIO = 3.0, 30.0, 0.6


class MeasurementFailed(RuntimeError):
    """The engine did not deliver; the text says why."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Seconds from submitting: to the boxes, the end of the first denoising step, the first preview, the document."""

    layout_s: float
    preview_s: float
    done_s: float
    previews: int
    step_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All measurements; memory in mebibytes (not a number where the system does not tell).

    `first_step_s`: from the start of the engine's process to the end of the first denoising step of the first run.
    """

    size: str
    objects: int
    steps: int
    threads: int
    ready_s: float
    first_step_s: float
    first: RunFigures
    warm: RunFigures
    regenerate: RunFigures
    regenerate_ratio: float
    worker_peak_mib: float
    program_peak_mib: float

    @property
    def within_limits(self) -> bool:
        """Whether the warm run keeps what the product promises."""
        return (
            self.warm.preview_s <= LIMIT_PREVIEW_S
            and self.warm.done_s <= LIMIT_DONE_S
            and self.regenerate_ratio <= LIMIT_RATIO
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument("--engine", default=EMBEDDED_KEY, help="engine key (default: %(default)s)")
    parser.add_argument(
        "--objects", type=int, choices=range(1, len(_OBJECTS) + 1), default=DEFAULT_OBJECTS,
        help="objects beside the background (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--size", default="512x512", help="canvas (default: %(default)s)")
    parser.add_argument(
        "--steps", type=int, default=Sampling().steps, help="denoising steps (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=None, help="compute threads (default: one per core)")


def run(args: argparse.Namespace) -> int:
    """Measure, print; exit code 1 when a limit is broken or the engine failed."""
    width, _, height = str(args.size).partition("x")
    config = WorkerConfig(engine=str(args.engine), threads=args.threads)
    try:
        figures = measure(config, Size(int(width), int(height)), Sampling(steps=args.steps), args.objects)
    except MeasurementFailed as failure:
        print(f"no figures: {failure}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"machine": _machine(), "generate": asdict(figures)}, indent=2))
    else:
        print(_machine())
        print(table(figures))
    return 0 if figures.within_limits else 1


def measure(config: WorkerConfig, size: Size, sampling: Sampling, objects: int = DEFAULT_OBJECTS) -> Figures:
    """Start the engine, paint the scene twice, regenerate one object; raises MeasurementFailed."""
    workers: list[ProcessWorker] = []

    def make_worker(config: WorkerConfig) -> Worker:
        workers.append(ProcessWorker(config))
        return workers[-1]

    with tempfile.TemporaryDirectory() as folder, closing(_Bench(Path(folder))) as bench:
        began = time.perf_counter()
        with JobRunner(make_worker, config, persist=bench.persist) as runner:
            runner.subscribe(bench.events.put)
            runner.warm_up()
            bench.wait_ready()
            ready = time.perf_counter() - began
            bench.document = new_scene(Document(size=size), _plan(objects))
            first = bench.run(
                runner, _request(bench.document, Verb.GENERATE_SCENE, 1, config.engine, sampling)
            )
            warm = bench.run(
                runner, _request(bench.document, Verb.GENERATE_SCENE, 2, config.engine, sampling)
            )
            bench.document = _all_but_one_kept(bench.document)
            again = bench.run(
                runner, _request(bench.document, Verb.REGENERATE_FREE, 3, config.engine, sampling)
            )
            worker_peak = _peak_mib(workers[-1].pid)
    return Figures(
        size=f"{size.width}x{size.height}",
        objects=objects,
        steps=sampling.steps,
        threads=config.threads or _cores(),
        ready_s=ready,
        first_step_s=ready + first.step_s,
        first=first,
        warm=warm,
        regenerate=again,
        regenerate_ratio=again.done_s / warm.done_s,
        worker_peak_mib=worker_peak,
        program_peak_mib=_peak_mib(os.getpid()),
    )


class _Bench:
    """The document, its recovery database and the events of the runner."""

    def __init__(self, folder: Path) -> None:
        self.document = Document(size=Size(1, 1))
        self.recovery = RecoveryStore(folder)
        self.events: queue.SimpleQueue[JobEvent] = queue.SimpleQueue()

    def persist(self, result: GenerationResult) -> None:
        """Store the document with the result in it, as the window does. The runner's thread."""
        accepted = AcceptResult(result=result).apply(self.document)
        self.recovery.store_result(accepted, result.request.run_id, title="bench")

    def close(self) -> None:
        """End the recovery session."""
        self.recovery.close()

    def wait_ready(self) -> None:
        """Wait until the engine is loaded."""
        while True:
            match self._next():
                case EngineState(phase=EnginePhase.READY):
                    return
                case EngineState(phase=EnginePhase.STOPPED, report=report):
                    raise MeasurementFailed(report.message if report is not None else "the engine stopped")
                case _:
                    pass

    def run(self, runner: JobRunner, request: GenerationRequest) -> RunFigures:
        """Run a request and accept its result."""
        began = time.perf_counter()
        job_id = runner.submit(request)
        layout = preview = step = float("nan")
        previews = 0
        while True:
            event = self._next()
            now = time.perf_counter() - began
            match event:
                case JobLayout():
                    layout = now
                case JobProgress(stage=Stage.DENOISE, done=done_steps) if done_steps > 0 and math.isnan(step):
                    step = now
                case JobPreview():
                    preview = now if previews == 0 else preview
                    previews += 1
                case JobFinished(job_id=done, result=result) if done == job_id:
                    self.document = AcceptResult(result=result).apply(self.document)
                    return RunFigures(layout, preview, time.perf_counter() - began, previews, step)
                case JobFailed(report=report):
                    raise MeasurementFailed(report.message)
                case _:
                    pass

    def _next(self) -> JobEvent:
        try:
            return self.events.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise MeasurementFailed(f"the engine said nothing for {_PATIENCE_S:.0f} s") from None


def _plan(objects: int) -> Plan:
    return Plan(
        sentence="",
        background=PlannedBackground(words="a green meadow", engine_words="a green meadow"),
        objects=tuple(
            PlannedObject(name=words.split()[-1], noun=words.split()[-1], words=words, engine_words=words)
            for words in _OBJECTS[:objects]
        ),
    )


def _request(document: Document, verb: Verb, seed: int, engine: str, sampling: Sampling) -> GenerationRequest:
    scope = plan_scope(document, verb)
    return build_request(document, scope, run_id=f"bench {seed}", seed=seed, engine=engine, sampling=sampling)


def _all_but_one_kept(document: Document) -> Document:
    background = background_of(document)
    assert background is not None, "the scene was generated"
    kept = (background.id, *(group.id for group in object_groups(document)[:-1]))
    return SetKeep(ids=kept, keep=True).apply(document)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _peak_mib(pid: int | None) -> float:
    """Most memory a living process ever held, in MiB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _machine() -> str:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"Python {platform.python_version()}, {sys.platform}, {_cores()} cores, load {load:.1f}"


def table(figures: Figures) -> str:
    """Return the figures as text, with the limits beside those that have one."""
    warm = figures.warm
    rows = (
        ("engine ready", f"{figures.ready_s:7.2f} s", "from the start of its process"),
        ("first denoising step", f"{figures.first_step_s:7.2f} s", "from the start of its process"),
        ("first run, preview", f"{figures.first.preview_s:7.2f} s", ""),
        ("first run, done", f"{figures.first.done_s:7.2f} s", ""),
        ("warm, boxes", f"{warm.layout_s:7.2f} s", ""),
        ("warm, first preview", f"{warm.preview_s:7.2f} s", f"limit {LIMIT_PREVIEW_S:.0f}"),
        ("warm, done", f"{warm.done_s:7.2f} s", f"limit {LIMIT_DONE_S:.0f}; {warm.previews} previews shown"),
        (f"regenerate one of {_COUNTS[figures.objects + 1]}", f"{figures.regenerate.done_s:7.2f} s", ""),
        ("  share of the whole", f"{figures.regenerate_ratio:7.2f}", f"limit {LIMIT_RATIO}"),
        ("peak memory, engine", f"{figures.worker_peak_mib:7.0f} MiB", ""),
        ("peak memory, program", f"{figures.program_peak_mib:7.0f} MiB", "without a window"),
    )
    things = "1 object" if figures.objects == 1 else f"{figures.objects} objects"
    head = f"\n{figures.size}, background and {things}, {figures.steps} steps, {figures.threads} threads"
    return "\n".join([head, *(f"  {name:<24}{value:<14}{note}".rstrip() for name, value, note in rows)])
