"""The worker: loads an engine, runs requests one after the other, turns exceptions into reports.

`main` is what the spawned process executes; `serve` is the same loop without a process, for `InlineWorker`.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable
from ctypes import c_longlong
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

from psdstudio import logs
from psdstudio.errors import Cancelled, EngineProtocolError
from psdstudio.gen.engine import Engine, LayoutReady, Preview, Progress
from psdstudio.gen.models import make_engine
from psdstudio.gen.request import GenerationResult
from psdstudio.jobs.job import JobId
from psdstudio.jobs.log_relay import PipeHandler
from psdstudio.jobs.report import report_of
from psdstudio.jobs.wire import (
    FromWorker,
    Happened,
    Hello,
    LoadFailed,
    Loading,
    Quit,
    Ready,
    Run,
    RunFailed,
    Stopped,
    ToWorker,
    WorkerConfig,
    to_done,
)

_log = logging.getLogger(__name__)
Send = Callable[[FromWorker], None]


def main(connection: Connection, cancelled: c_longlong, config: WorkerConfig) -> None:
    """Serve until told to quit or until the program is gone. Runs in the spawned process.

    Args:
        connection: Pipe to the program.
        cancelled: Shared memory: the number of the job to stop.
        config: How to behave.
    """
    _lower_priority(config)
    _set_environment(config)
    lock = Lock()

    def send(message: FromWorker) -> None:
        with lock:
            connection.send(message)

    folder = Path(config.log_folder) if config.log_folder else None
    session = logs.start_logging(folder, process="engine", level=config.log_level, to_stderr=False)
    pipe = PipeHandler(send)
    pipe.addFilter(logs.JobFilter())
    logging.getLogger(logs.ROOT).addHandler(pipe)
    try:
        serve(config, receive=connection.recv, send=send, is_cancelled=lambda job: cancelled.value == job)
    except (EOFError, OSError):
        # The program is gone; there is nobody left to tell.
        pass
    finally:
        logging.getLogger(logs.ROOT).removeHandler(pipe)
        session.close()
        connection.close()


def _lower_priority(config: WorkerConfig) -> None:
    """The window comes first; and when memory runs out, this process goes before the one with the document."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is the program's to handle
    if hasattr(os, "nice"):
        os.nice(config.nice)
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:
        _log.debug("this system has no oom_score_adj")


def _set_environment(config: WorkerConfig) -> None:
    """Set what torch and its OpenMP read at import. Nothing here has imported them yet."""
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if config.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, config.threads))


def serve(
    config: WorkerConfig,
    *,
    receive: Callable[[], ToWorker],
    send: Send,
    is_cancelled: Callable[[JobId], bool],
) -> None:
    """Load the engine, then answer requests until Quit. Exceptions of the engine become reports."""
    send(Hello(protocol=config.protocol))
    try:
        engine = make_engine(config.engine, setup=config.setup, fake=config.fake)
        for progress in engine.load():
            send(Loading(progress=progress))
        info = engine.info
    except Exception as exc:  # noqa: BLE001  # the process edge: whatever a plug-in raises becomes a report
        _log.warning("loading engine %s failed", config.engine, exc_info=True)
        send(LoadFailed(report=report_of(exc)))
        return
    send(Ready(info=info))
    while True:
        message = receive()
        if isinstance(message, Quit):
            return
        with logs.job_context(str(message.job_id)):
            send(_answer(engine, message, send, is_cancelled))
        gc.collect()  # frames of a failed run may hold large arrays


def _answer(engine: Engine, run: Run, send: Send, is_cancelled: Callable[[JobId], bool]) -> FromWorker:
    """Run one request and return the message that ends it."""
    try:
        result = _drive(engine, run, send, is_cancelled)
    except Cancelled:
        return Stopped(job_id=run.job_id)
    except Exception as exc:  # noqa: BLE001  # the process edge, as above
        _log.info("run failed", exc_info=True)
        return RunFailed(job_id=run.job_id, report=report_of(exc))
    return to_done(run.job_id, result)


def _drive(engine: Engine, run: Run, send: Send, is_cancelled: Callable[[JobId], bool]) -> GenerationResult:
    steps = engine.generate(run.request)
    try:
        while True:
            if is_cancelled(run.job_id):
                raise Cancelled
            try:
                event = next(steps)
            except StopIteration as stop:
                if not isinstance(stop.value, GenerationResult):
                    raise EngineProtocolError("The engine ended without a result.") from None
                return stop.value
            if not isinstance(event, Progress | LayoutReady | Preview):
                raise EngineProtocolError(f"The engine sent an unknown event: {type(event).__name__}.")
            send(Happened(job_id=run.job_id, event=event))
    finally:
        steps.close()
