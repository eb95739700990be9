"""Opening PSD files of unknown origin: another process reads them, with bounds on time and memory.

A file that makes the reader crash, hang or ask for too much ends in a sentence and nothing else. Bounds follow the
size of the file, because an honest large file is large on the disk too: 10 seconds and one more for every 8 MB,
1 GiB of memory and eight times the file on top, at most 16 GiB. Pixels come back in a temporary file, the structure
as checked JSON.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from psdstudio import errors
from psdstudio.core.document import Document
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge
from psdstudio.io.document_wire import WireError, read_value
from psdstudio.io.files import read_error
from psdstudio.io.process_limits import EXIT_MEMORY
from psdstudio.io.psd_reader_main import DESCRIBE, IMPORT, main
from psdstudio.io.psd_report import ImportReport, OpenedPsd
from psdstudio.spawning import start_process

if TYPE_CHECKING:
    from psdstudio.io.layer_info import FileInfo

_log = logging.getLogger(__name__)
T = TypeVar("T")
_MAX_ANSWER_BYTES = 512 * 2**20
_SIGKILL, _SIGXCPU = 9, 24
_START_S = 60.0
"""How long a process may take to start and answer at all, on top of a file's own time: a busy machine is no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBounds:
    """What reading one file may take; `megabytes` is 2**20 bytes."""

    base_s: float = 10.0
    megabytes_per_second: float = 8.0
    base_memory_bytes: int = 2**30
    memory_per_file_byte: int = 8
    max_memory_bytes: int = 16 * 2**30

    def seconds(self, file_bytes: int) -> float:
        """Return the time for a file of that size."""
        return self.base_s + file_bytes / 2**20 / self.megabytes_per_second

    def memory_bytes(self, file_bytes: int) -> int:
        """Return the address space for a file of that size."""
        return min(self.max_memory_bytes, self.base_memory_bytes + self.memory_per_file_byte * file_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What reading the last file took, in the reading process; `peak_bytes` is of the whole process."""

    seconds: float
    peak_bytes: int


class PsdReader:
    """A reading process for any number of files; started when needed, again after a failure. Use with `with`.

    Methods may be called from any thread; files are read one after the other.
    """

    def __init__(self, bounds: ReadingBounds = ReadingBounds()) -> None:
        self.usage = Usage(seconds=0.0, peak_bytes=0)
        self._bounds = bounds
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; returns when it is gone."""
        with self._lock:
            self._end()

    def read(self, path: Path) -> tuple[Document, ImportReport]:
        """Open a PSD or PSB as a document; its file is only read.

        Raises:
            FileError: as `psdstudio.io.psd_import.import_psd`; also when it took too long or too much memory.
        """
        opened: OpenedPsd = self._asked(IMPORT, path, OpenedPsd)
        if opened.document.validate():
            raise self._garbled(path, "a document that is not sound")
        return opened.document, opened.report

    def describe(self, path: Path) -> FileInfo:
        """Describe a PSD layer by layer. Raises as `read`."""
        from psdstudio.io.layer_info import FileInfo

        return self._asked(DESCRIBE, path, FileInfo)

    def _asked(self, what: str, path: Path, kind: type[T]) -> T:
        try:
            file_bytes = path.stat().st_size
        except OSError as exc:
            raise read_error(path, exc) from exc
        with self._lock, _blob_file() as blobs:
            answer, value = self._exchanged(what, path, blobs, file_bytes)
            if value is None:
                raise self._failure(path, answer)
            try:
                with FileIO(str(blobs)) as file:
                    return read_value(kind, value, file)
            except WireError as exc:
                raise self._garbled(path, str(exc)) from exc
            except MemoryError as exc:
                raise _no_memory(path) from exc

    def _exchanged(
        self, what: str, path: Path, blobs: Path, file_bytes: int
    ) -> tuple[dict[str, Any], bytes | None]:
        """Send a request and return the answer; a process that does not answer is ended and named in the error."""
        seconds = self._bounds.seconds(file_bytes)
        request = {
            "do": what, "path": str(path.absolute()), "blobs": str(blobs), "limits": {},
            "memory_bytes": self._bounds.memory_bytes(file_bytes), "cpu_s": int(seconds) + 1,
        }  # fmt: skip
        start_s = 0.0 if self._is_running() else _START_S
        pipe = self._started(path)
        try:
            pipe.send_bytes(json.dumps(request).encode())
            if start_s and not pipe.poll(start_s):
                raise TimeoutError
            if start_s:
                pipe.recv_bytes(16)
            if not pipe.poll(seconds):
                raise TimeoutError
            answer = json.loads(pipe.recv_bytes(_MAX_ANSWER_BYTES))
            self.usage = Usage(seconds=float(answer["seconds"]), peak_bytes=int(answer["peak_bytes"]))
            if set(answer) != {"seconds", "peak_bytes"}:
                return answer, None
            return answer, pipe.recv_bytes(_MAX_ANSWER_BYTES)
        except TimeoutError as exc:
            self._end()
            raise _too_long(path, seconds) from exc
        except (EOFError, OSError, ValueError, KeyError, TypeError) as exc:
            code = self._end()
            _log.warning("the reading process ended with %s", code)
            raise _ended(path, code, seconds) from exc

    def _is_running(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def _started(self, path: Path) -> Connection:
        if self._pipe is not None and self._is_running():
            return self._pipe
        self._end()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=True)
        process = context.Process(target=main, args=(theirs,), name="psdstudio-reader", daemon=True)
        try:
            start_process(process)
        except OSError as exc:
            ours.close()
            raise FileError(
                f"“{path.name}” could not be opened, because the system starts no process for it ({exc.strerror}).",
                "Nothing was changed. Close other programs and try again.",
            ) from exc
        finally:
            theirs.close()  # otherwise the pipe stays open when the child dies
        self._process, self._pipe = process, ours
        return ours

    def _end(self) -> int | None:
        """End process and pipe; returns the exit code that it had before."""
        code = None
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(0.2)  # it ends by itself when the pipe is closed, or has just died
            code = self._process.exitcode
            self._process.kill()
            self._process.join()
            self._process.close()
        self._process = self._pipe = None
        return code

    def _failure(self, path: Path, answer: dict[str, Any]) -> FileError:
        """Return the error that an answer tells of. After a lack of memory the process is not used again."""
        if answer.get("no_memory"):
            self._end()
            return _no_memory(path)
        told = answer.get("error")
        if isinstance(told, list) and len(told) == 3 and all(isinstance(part, str) for part in told):
            kind = getattr(errors, told[0], FileError)
            known = isinstance(kind, type) and issubclass(kind, FileError)
            return (kind if known else FileError)(told[1], told[2])
        _log.error("reading a PSD failed in the reading process:\n%s", answer.get("failed"))
        return _crashed(path)

    def _garbled(self, path: Path, why: str) -> FileError:
        _log.error("the reading process sent %s", why)
        return _crashed(path)


def read_psd(path: Path) -> tuple[Document, ImportReport]:
    """Open one PSD with a process of its own, which is gone when this returns. Raises as `PsdReader.read`."""
    with PsdReader() as reader:
        return reader.read(path)


def describe_psd(path: Path) -> FileInfo:
    """Describe one PSD with a process of its own. Raises as `PsdReader.read`."""
    with PsdReader() as reader:
        return reader.describe(path)


@contextmanager
def _blob_file() -> Iterator[Path]:
    """Lend an empty temporary file, which only this user may read; it is gone afterwards."""
    try:
        handle, name = tempfile.mkstemp(prefix="psdstudio-", suffix=".pixels")
    except OSError as exc:
        raise FileError(
            f"No temporary file could be made ({exc.strerror}).",
            "Nothing was changed. Make room on the disk.",
        ) from exc
    os.close(handle)
    try:
        yield Path(name)
    finally:
        with suppress(OSError):
            os.unlink(name)


def _ended(path: Path, code: int | None, seconds: float) -> FileError:
    """Return what the exit code of a reading process says; a system out of memory ends processes with SIGKILL."""
    if code in {EXIT_MEMORY, -_SIGKILL}:
        return _no_memory(path)
    return _too_long(path, seconds) if code == -_SIGXCPU else _crashed(path)


def _too_long(path: Path, seconds: float) -> FileError:
    return FileTooLarge(
        f"“{path.name}” was not opened because reading it took longer than {seconds:.0f} seconds.",
        "Nothing was changed. It may be damaged; save it again in the program that it came from.",
    )


def _no_memory(path: Path) -> FileError:
    return FileTooLarge(
        f"“{path.name}” was not opened because reading it took more memory than there is for a file of its size.",
        "Nothing was changed. It may be damaged; save it again, or make it smaller, in the program that it came from.",
    )


def _crashed(path: Path) -> FileError:
    return FileCorrupt(
        f"“{path.name}” could not be read: the process that reads it failed.",
        "Nothing was changed. The file may be damaged; save it again in the program that it came from.",
    )
