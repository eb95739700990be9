"""Recovery: work is on the disk before it is shown, and is offered again after a crash.

Every running PSDStudio owns one session in the state folder: a project file, and a lock file that the system
frees when the process ends, however it ends. A project whose lock is free is unfinished work. The lock file names the
folders into which the session was writing, so that the next start can remove what was half written there.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from psdstudio.core.document import Document
from psdstudio.errors import FileError
from psdstudio.io.files import read_error, write_error
from psdstudio.io.project import EXTENSION, SaveReport, TileHashes, load_project, read_notes, save_project
from psdstudio.io.staging import clear_litter

_LOCK = ".lock"
_MAX_ANNOUNCED_BYTES = 1 << 20
_STARTING_S = 60.0
"""A younger lock file may belong to a session that has made it and not locked it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedWork:
    """A document that a PSDStudio which is gone left unsaved.

    `title` is what the window showed, `project_path` the file it belonged to (None: never saved), `stored_at`
    UTC. `run_id` names the generation whose result was the last thing stored; None after an edit.
    `is_readable` is False when the file itself is damaged: it can only be discarded.
    """

    file: Path
    title: str
    project_path: Path | None
    stored_at: datetime
    run_id: str | None
    is_readable: bool = True


def _utc_now() -> datetime:
    return datetime.now(UTC)


class RecoveryStore:
    """Owner of one session's recovery file. Any thread may call it: calls take turns.

    Args:
        folder: State folder; made when missing.
        clock: Returns the present time (UTC); tests give their own.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._folder = folder
        self._clock = clock
        self._turn = threading.Lock()
        self._hashes = TileHashes()
        self._announced: set[bytes] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = folder / f"{uuid.uuid4().hex}{EXTENSION}"
            self._lock: BinaryIO | None = open(self._file.with_suffix(_LOCK), "xb")  # noqa: SIM115  # held while alive
        except OSError as exc:
            raise write_error(folder / "recovery", exc) from exc
        if not _try_lock(self._lock):  # nobody else knows the name
            raise AssertionError(f"{self._lock.name} is locked")

    def store_result(
        self, document: Document, run_id: str, *, title: str = "", project_path: Path | None = None
    ) -> SaveReport:
        """Store the document with a generation's result applied, durably, before anything shows it.

        Raises:
            FileWriteFailed: It could not be stored; the previous state is still there.
        """
        return self._store(document, title, project_path, run_id)

    def autosave(
        self, document: Document, *, title: str = "", project_path: Path | None = None
    ) -> SaveReport:
        """Store the document as it stands. Raises as `store_result`."""
        return self._store(document, title, project_path, None)

    def announce(self, folder: Path) -> None:
        """Remember that this session writes files into a folder: after a crash the next start clears up there."""
        with self._turn, contextlib.suppress(OSError):  # clearing up is no reason to fail
            known = os.fsencode(folder.absolute()) + b"\0"
            if self._lock is not None and known not in self._announced:
                self._announced.add(known)
                self._lock.write(known)
                self._lock.flush()

    def clear(self) -> None:
        """Forget this session's work: the document was saved, or closed on purpose."""
        with self._turn:
            _remove_work(self._file)

    def list_unfinished(self) -> tuple[UnfinishedWork, ...]:
        """Return what sessions that are gone left behind, the newest first.

        Removes empty leftovers, and unfinished files where those sessions were writing.
        """
        found = []
        clear_litter(self._folder)
        for lock_file in self._folder.glob(f"*{_LOCK}"):
            file = lock_file.with_suffix(EXTENSION)
            if file == self._file or not _is_free(lock_file):
                continue
            _clear_announced(lock_file)
            if file.exists():
                found.append(_describe(file))
            elif self._age_s(lock_file) > _STARTING_S:
                _remove(lock_file)
        return tuple(sorted(found, key=lambda work: work.stored_at, reverse=True))

    def load(self, work: UnfinishedWork) -> Document:
        """Return the document of unfinished work, which stays until `discard`. Raises as `load_project`."""
        return load_project(work.file)

    def discard(self, work: UnfinishedWork) -> None:
        """Delete unfinished work: it was taken over or is not wanted."""
        _remove_work(work.file)
        _remove(work.file.with_suffix(_LOCK))

    def close(self) -> None:
        """End the session in order: its file and lock go, nothing will be offered for recovery.

        After `abandon` the work is not this session's any more: nothing happens.
        """
        with self._turn:
            if self._lock is None:
                return
            _remove_work(self._file)
            self._lock.close()
            self._lock = None
            _remove(self._file.with_suffix(_LOCK))

    def abandon(self) -> None:
        """End the session and leave its work behind, as a crash would: the next start offers it."""
        with self._turn:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def _age_s(self, path: Path) -> float:
        """Seconds since a file was written; 0 when it is gone."""
        with contextlib.suppress(OSError):
            return self._clock().timestamp() - path.stat().st_mtime
        return 0.0

    def _store(
        self, document: Document, title: str, project_path: Path | None, run_id: str | None
    ) -> SaveReport:
        notes = {"title": title, "stored_at": self._clock().isoformat()}
        if project_path is not None:
            notes["project_path"] = str(project_path)
        if run_id is not None:
            notes["run_id"] = run_id
        with self._turn:
            if self._lock is None:
                raise AssertionError("the recovery session is closed")
            return save_project(document, self._file, hashes=self._hashes, notes=notes, trust_stored=True)


def _describe(file: Path) -> UnfinishedWork:
    """Read the notes of a recovery file; a damaged one is listed too, so that it can be discarded."""
    stored_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    try:
        notes = read_notes(file)
        with contextlib.suppress(KeyError, ValueError):
            stored_at = datetime.fromisoformat(notes["stored_at"])
    except FileError:
        return UnfinishedWork(
            file=file, title="", project_path=None, stored_at=stored_at, run_id=None, is_readable=False
        )
    path = notes.get("project_path")
    return UnfinishedWork(
        file=file,
        title=notes.get("title", ""),
        project_path=None if path is None else Path(path),
        stored_at=stored_at,
        run_id=notes.get("run_id"),
    )


def _clear_announced(lock_file: Path) -> None:
    """Clear up in the folders into which a session that is gone was writing."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: a damaged name
        if lock_file.stat().st_size <= _MAX_ANNOUNCED_BYTES:
            for folder in filter(None, lock_file.read_bytes().split(b"\0")):
                clear_litter(Path(os.fsdecode(folder)))


def _remove_work(file: Path) -> None:
    # The journal first: left alone beside a new database it would be rolled back into that one.
    for path in (file.with_name(file.name + "-journal"), file):
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise read_error(path, exc) from exc


def _is_free(lock_file: Path) -> bool:
    """Whether the process that owned the lock is gone."""
    try:
        with open(lock_file, "r+b") as handle:
            return _try_lock(handle)  # closing frees it again
    except OSError:
        return False


if os.name == "nt":  # pragma: no cover - the other branch is what CI runs
    import msvcrt

    def _try_lock(handle: BinaryIO) -> bool:
        """Lock the file for this process; False when another holds it."""
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: BinaryIO) -> bool:
        """Lock the file for this process; False when another holds it."""
        try:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
