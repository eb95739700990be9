"""Unfinished files beside their target: who is writing one holds a lock on it, and a killed writer's is cleared away.

The lock is the system's own (`flock`), which ends with the process however it ends. On Windows an open file cannot be
deleted, which serves as the lock.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".psdstudio.part"
_MAX_NAME_BYTES = 160
"""Of the target's name in that of its staged file, which must not become longer than file systems allow (255)."""
_JOURNAL = "-journal"
_NAME = re.compile(rf"\..+\.[0-9a-f]{{12}}{re.escape(_SUFFIX)}({_JOURNAL})?", re.DOTALL)


@contextlib.contextmanager
def staged_path(target: Path) -> Iterator[Path]:
    """Lend the path of an empty file in the folder of `target`; the file is gone at the end if it is still there.

    Whoever writes it may truncate it, and moves it to its place before the block ends.

    Raises:
        OSError: The folder cannot be written.
    """
    path, claim = _claimed(target)
    try:
        yield path
    finally:
        if claim is not None:
            claim.close()
        with contextlib.suppress(OSError):
            path.unlink()


def clear_litter(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; what somebody still writes stays.

    A folder that cannot be read or written is left as it is: clearing up is no reason to fail.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if _NAME.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    _remove_if_free(Path(entry.path))


def _claimed(target: Path) -> tuple[Path, BinaryIO | None]:
    """Make a file that nobody clears away; the lock ends when the returned file is closed."""
    name = os.fsencode(target.name)[:_MAX_NAME_BYTES].decode("utf-8", "ignore")
    while True:
        path = target.with_name(f".{name}.{uuid.uuid4().hex[:12]}{_SUFFIX}")
        claim = open(path, "x+b")  # noqa: SIM115  # held while the file is written
        if os.name == "nt":
            claim.close()  # it would keep the file from being renamed; SQLite and Python hold it open themselves
            return path, None
        is_ours = True
        with contextlib.suppress(
            OSError
        ):  # a file system without locks: `clear_litter` clears nothing there either
            is_ours = _lock(claim) and _is_same(claim, path)
        if is_ours:
            return path, claim
        claim.close()  # somebody cleared it away between making and locking it


def _remove_if_free(path: Path) -> None:
    if path.name.endswith(_JOURNAL):
        # It belongs to its file and goes with it; alone it is of no use.
        if not path.with_name(path.name.removesuffix(_JOURNAL)).exists():
            path.unlink()
        return
    if os.name == "nt":
        path.unlink()  # refused while somebody has it open
    else:
        with open(path, "r+b") as file:
            if not _lock(file):
                return
            path.unlink()
    path.with_name(path.name + _JOURNAL).unlink(missing_ok=True)


def _is_same(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


if os.name == "nt":  # pragma: no cover - the other branch is what CI runs

    def _lock(file: BinaryIO) -> bool:
        return True

else:
    import fcntl

    def _lock(file: BinaryIO) -> bool:
        """Lock a file for this process; False when another has it. OSError: the file system knows no locks."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
