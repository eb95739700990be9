"""ProcessWorker: an engine in a spawned process, watched through its pipe and its sentinel."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import RawValue
from threading import Thread
from typing import Protocol, TypeAlias

from psdstudio.errors import EngineCrashed
from psdstudio.jobs.job import JobId
from psdstudio.jobs.wire import Died, FromWorker, Quit, ToWorker, WorkerConfig
from psdstudio.jobs.worker_main import main
from psdstudio.spawning import start_process

WorkerMessage: TypeAlias = FromWorker | Died
Post: TypeAlias = Callable[[WorkerMessage], None]


class Worker(Protocol):
    """Something that runs requests one at a time; all methods are called by the runner's thread."""

    def start(self, post: Post) -> None:
        """Begin; `post` is called from any thread with every message, the last one being Died."""

    def send(self, message: ToWorker) -> None:
        """Hand over a message."""

    def cancel(self, job_id: JobId) -> None:
        """Ask the running job to stop at its next step."""

    def stop(self, timeout_s: float) -> None:
        """Ask to quit, wait, then kill."""

    def kill(self) -> None:
        """End it now and wait until it is gone."""


class ProcessWorker:
    """One spawned process and the thread that reads from it. Owned by the runner's thread."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._reader: Thread | None = None
        # Written here, read by the child at every step; a plain aligned word needs no lock.
        self._cancelled = RawValue("q", 0)

    def start(self, post: Post) -> None:
        """Spawn the process; raises EngineCrashed when the system cannot start one."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=True)
        process = context.Process(
            target=main, args=(theirs, self._cancelled, self._config), name="psdstudio-engine", daemon=True
        )
        try:
            start_process(process)
        except OSError as exc:
            ours.close()
            raise EngineCrashed(
                f"The engine could not be started: {exc}", "Close other programs and try again."
            ) from exc
        finally:
            theirs.close()  # otherwise the pipe stays open when the child dies
        self._process, self._connection = process, ours
        self._reader = Thread(target=_read, args=(ours, process, post), name="engine-reader", daemon=True)
        self._reader.start()

    def send(self, message: ToWorker) -> None:
        """Hand over a message; a dead child is reported by the reader, not here."""
        if self._connection is None:
            return
        try:
            self._connection.send(message)
        except OSError:
            return

    def cancel(self, job_id: JobId) -> None:
        """Set the shared word that the child compares with its job at every step."""
        self._cancelled.value = job_id

    def stop(self, timeout_s: float) -> None:
        """Ask to quit, wait up to `timeout_s`, then kill."""
        self.send(Quit())
        if self._process is not None:
            self._process.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End process and reader; returns when both are gone."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._reader is not None:
            self._reader.join()
        if self._connection is not None:
            self._connection.close()
        self._connection = self._reader = None

    @property
    def pid(self) -> int | None:
        """Process id while there is one."""
        return self._process.pid if self._process is not None else None


def _read(connection: Connection, process: SpawnProcess, post: Post) -> None:
    """Post every message until the child is gone, then Died. Runs in the reader thread."""
    garbled = ""
    while True:
        ready = wait([connection, process.sentinel])
        if connection not in ready:
            break
        try:
            message = connection.recv()
        except (EOFError, OSError):
            break
        except Exception as exc:  # noqa: BLE001  # unpickling can raise anything; the worker cannot be trusted any more
            garbled = f"{type(exc).__name__}: {exc}"
            process.kill()
            break
        post(message)
    process.join()
    post(Died(exit_code=process.exitcode, garbled=garbled))
