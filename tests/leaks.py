"""What the fixtures in conftest.py look at: threads, child processes, shared memory, log records."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SHM = Path("/dev/shm")
_POLL_S = 0.02


class SharedMemoryLedger:
    """Names of the blocks this process created; those of other processes do not matter."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note every block that is created while the context is open."""
        original = shared_memory.SharedMemory.__init__
        names = self._names

        def noting(
            self: shared_memory.SharedMemory, name: str | None = None, create: bool = False, *a: Any, **k: Any
        ) -> None:
            original(self, name, create, *a, **k)
            if create:
                names.add(self.name)

        with _replaced(shared_memory.SharedMemory, "__init__", noting):
            yield

    def alive(self) -> set[str]:
        """Blocks that still exist. Known on Linux alone, where they are files."""
        self._names.intersection_update([n for n in self._names if (_SHM / n.lstrip("/")).exists()])
        return set(self._names)


@dataclass(frozen=True)
class LeakWatch:
    """What was alive before a test, to be compared with what is alive after it."""

    threads: frozenset[threading.Thread]
    children: frozenset[int]
    blocks: frozenset[str]
    ledger: SharedMemoryLedger

    @classmethod
    def start(cls, ledger: SharedMemoryLedger) -> Self:
        """Remember what is alive now."""
        return cls(frozenset(_threads()), frozenset(_children()), frozenset(ledger.alive()), ledger)

    def leaks(self, grace_s: float) -> list[str]:
        """Sentences about what is alive and was not before; waits up to grace_s for things to end."""
        deadline = time.monotonic() + grace_s
        while (found := self._found()) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        _end_children(set(_children()) - self.children)
        return found

    def _found(self) -> list[str]:
        threads = [f"thread {t.name!r}" for t in _threads() if t not in self.threads]
        children = [
            f"child process {pid}: {_command(pid)}" for pid in _children() if pid not in self.children
        ]
        blocks = [f"shared memory {name!r}" for name in sorted(self.ledger.alive() - self.blocks)]
        return threads + children + blocks


@dataclass(eq=False)  # addHandler leaves out a handler that equals one already there
class LogWatch(logging.Handler):
    """Collects records of level WARNING and above while the context is open."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record as one line."""
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")

    def __enter__(self) -> Self:
        for logger in _top_loggers():
            logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for logger in _top_loggers():
            logger.removeHandler(self)


def _top_loggers() -> list[logging.Logger]:
    """The root logger, and ours where it does not hand its records on."""
    ours = logging.getLogger("psdstudio")
    return [logging.getLogger(), *([] if ours.propagate else [ours])]


def _threads() -> list[threading.Thread]:
    """Running Python threads, without the dummies that stand for Qt's threads: they never end."""
    return [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]


def _children() -> set[int]:
    """Process ids of our running children, less multiprocessing's own tracker, which lives on."""
    pids = {child.pid for child in multiprocessing.active_children() if child.pid is not None}
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            pids |= {int(word) for word in listing.read_text().split()}
        except OSError:  # the thread has ended
            continue
    tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
    return {pid for pid in pids if pid != tracker and not _is_zombie(pid)}


def _is_zombie(pid: int) -> bool:
    """True for a child that has ended and only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists()


def _command(pid: int) -> str:
    """The command line of a process, for the message."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _end_children(pids: set[int]) -> None:
    """End what multiprocessing started and the test forgot, so that the next test starts clean."""
    for child in multiprocessing.active_children():
        if child.pid in pids:
            child.kill()
            child.join(5)


@contextmanager
def _replaced(owner: type, name: str, value: Callable[..., None]) -> Iterator[None]:
    """Set an attribute of a class for the time of the context."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
