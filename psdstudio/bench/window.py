"""How long the window's event loop stands still while the engine loads and paints: a 10 ms timer through one run."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.session import Session
from psdstudio.jobs.runner import process_runner
from psdstudio.jobs.wire import WorkerConfig

if TYPE_CHECKING:
    from psdstudio.ui.main_window import MainWindow

SUMMARY = "longest stall of the window while the engine loads and while it paints"
_BEAT_MS = 10
_PATIENCE_S = 600.0
_SENTENCE = "a swan and a flamingo on calm water at sunset"
_LIMIT_LOAD_MS, _LIMIT_RUN_MS = 100.0, 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Gaps between beats in milliseconds."""

    beats: int
    median_ms: float
    p99_ms: float
    longest_ms: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--engine", default="embedded", help="engine key (default: %(default)s)")
    parser.add_argument("--size", default="1024x768", help="canvas (default: %(default)s)")
    parser.add_argument("--sentence", default=_SENTENCE, help="what to generate (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Measure and report; exit code 1 when a limit is broken or the run failed."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    width, _, height = str(args.size).partition("x")
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(str(args.engine), Size(int(width), int(height)), str(args.sentence), Path(folder))
    if isinstance(found, str):
        print(f"no figures: {found}")
        return 1
    load, paint = found
    if args.json:
        print(json.dumps({"load": _figures(load), "run": _figures(paint)}))
    else:
        for name, stalls, limit in (("loading", load, _LIMIT_LOAD_MS), ("painting", paint, _LIMIT_RUN_MS)):
            print(
                f"{name}: longest {stalls.longest_ms:.0f} ms (limit {limit:.0f}), 99 % below {stalls.p99_ms:.0f} ms, "
                f"median {stalls.median_ms:.1f} ms, {stalls.beats} beats"
            )
    return 0 if load.longest_ms <= _LIMIT_LOAD_MS and paint.longest_ms <= _LIMIT_RUN_MS else 1


def _measure(engine: str, size: Size, sentence: str, folder: Path) -> tuple[Stalls, Stalls] | str:
    """Show the window, load the engine, generate once; a sentence when that fails."""
    from PySide6.QtCore import Qt, QTimer
    from PySide6.QtWidgets import QApplication

    from psdstudio.jobs.events import EnginePhase
    from psdstudio.ui import theme

    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    theme.apply(application)
    window = _window(engine, size, folder)
    beats: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    ready: list[object] = []
    results: list[object] = []
    faults: list[str] = []
    window.generation.engine_state.connect(
        lambda state: ready.append(state) if state.phase is EnginePhase.READY else 0
    )
    window.generation.accepted.connect(results.append)
    window.generation.failed.connect(lambda problem, _: faults.append(_sentence(problem)))

    def wait(done: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not done() and not faults and time.monotonic() < end:
            application.processEvents()
            time.sleep(0.001)

    try:
        window.show()
        timer.start(_BEAT_MS)
        wait(lambda: bool(ready))
        load, beats[:] = _stalls(beats), []
        window.generation.set_text(sentence)
        wait(lambda: not window.generation.is_reading)
        window.generation.start()
        wait(lambda: bool(results))
        return (
            (load, _stalls(beats)) if results else "; ".join(faults) or "the run took more than ten minutes"
        )
    finally:
        timer.stop()
        window.hide()
        window.shut_down()


def _window(engine: str, size: Size, folder: Path) -> MainWindow:
    from psdstudio.io.recovery import RecoveryStore
    from psdstudio.settings import Folders, Settings, SettingsFile
    from psdstudio.ui.engines import EngineRoom, Engines
    from psdstudio.ui.generate.run_store import RunStore
    from psdstudio.ui.language import Language
    from psdstudio.ui.main_window import MainWindow
    from psdstudio.ui.model_list import ModelList
    from psdstudio.ui.services import Services

    document, language = Document(size=size), Language()
    recovery = RecoveryStore(folder / "recovery")
    store = RunStore(document, recovery)

    def config_of(settings: Settings, _: object) -> WorkerConfig:
        return WorkerConfig(engine=settings.engine)

    settings = SettingsFile(folder / "settings.toml", Settings(engine=engine))
    runner = process_runner(config_of(settings.now, ()), persist=store.persist)
    models = ModelList(Folders(config=folder, state=folder, logs=folder))
    room = EngineRoom(use=runner.use, config_of=config_of, models=models)
    services = Services(
        session=Session(document),
        runner=runner,
        store=store,
        recovery=recovery,
        plan=language.plan,
        engine_words=language.words,
        engines=Engines(settings, room),
    )
    return MainWindow(services)


def _sentence(problem: object) -> str:
    return str(getattr(problem, "message", "") or getattr(problem, "user_message", "") or problem)


def _stalls(beats: list[float]) -> Stalls:
    gaps = sorted((b - a) * 1000 for a, b in itertools.pairwise(beats)) or [0.0]
    return Stalls(
        beats=len(beats),
        median_ms=gaps[len(gaps) // 2],
        p99_ms=gaps[int(len(gaps) * 0.99)],
        longest_ms=gaps[-1],
    )


def _figures(stalls: Stalls) -> dict[str, float]:
    return {"median_ms": stalls.median_ms, "p99_ms": stalls.p99_ms, "longest_ms": stalls.longest_ms}
