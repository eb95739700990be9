"""Writing files so that a failure leaves the old one, and size limits on reading. Knows no format."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported, FileWriteFailed
from psdstudio.io.staging import clear_litter, staged_path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
SAFE = "Nothing was lost: the document is unchanged, and a file that was there before is untouched."


def atomic_write(
    path: Path, write: Callable[[BinaryIO], object], *, verify: Callable[[Path], None] | None = None
) -> None:
    """Write a file completely or not at all.

    The bytes go to a temporary file in the same folder, are flushed to the disk, checked by `verify`, and
    only then take the place of `path`. Whatever fails, `path` holds the old or the new content, and no
    temporary file stays.

    Args:
        path: Target; a symbolic link is followed.
        write: Writes everything to a seekable binary file.
        verify: Re-reads the finished temporary file; raises `FileError` when it is not what was meant.

    Raises:
        FileWriteFailed: The disk is full or the folder cannot be written; the old file is kept.
    """
    with staged_file(path) as staged:
        with open(staged, "wb") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        if verify is not None:
            verify(staged)


@contextlib.contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Lend an empty file beside `path`; when the block ends well, what was written there replaces `path`.

    It may be truncated and written, not replaced: the file itself carries the lock by which others know that it is in
    use. What writers that were killed left in the folder is cleared away first.

    Raises:
        FileWriteFailed: as `atomic_write`.
    """
    target = _resolved(path)
    try:
        refuse_read_only(target)
        clear_litter(target.parent)
        with staged_path(target) as staged:
            yield staged
            if target.exists():
                # A new file takes its rights from the umask; a replaced one keeps those that its owner gave it.
                staged.chmod(target.stat().st_mode & 0o7777)
            os.replace(staged, target)
    except OSError as exc:
        raise write_error(path, exc) from exc
    _sync_folder(target.parent)


def write_error(path: Path, exc: OSError) -> FileWriteFailed:
    """Turn an operating system error of a write into a sentence that says what is safe and what to do."""
    if exc.errno in _FULL:
        return FileWriteFailed(
            f"“{path.name}” was not saved because the disk is full.",
            f"{SAFE} Free some space or save to another disk.",
        )
    if exc.errno in _FORBIDDEN:
        return FileWriteFailed(
            f"“{path.name}” was not saved because “{path.absolute().parent}” may not be written to.",
            f"{SAFE} Choose another folder, or ask for the right to write there.",
        )
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return FileWriteFailed(
            f"“{path.name}” was not saved because the folder “{path.absolute().parent}” does not exist.",
            f"{SAFE} Create the folder or choose another one.",
        )
    if exc.errno == errno.EISDIR:
        return FileWriteFailed(
            f"“{path.name}” was not saved because a folder has that name.", f"{SAFE} Choose another name."
        )
    reason = exc.strerror or type(exc).__name__
    return FileWriteFailed(
        f"“{path.name}” was not saved ({reason}).", f"{SAFE} Try again, or save to another folder."
    )


def read_error(path: Path, exc: OSError) -> FileError:
    """Turn an operating system error of a read into a sentence."""
    if exc.errno == errno.ENOENT:
        return FileError(f"There is no file “{path}”.", "Check the name; it may have been moved or renamed.")
    if exc.errno in _FORBIDDEN:
        return FileError(
            f"“{path.name}” may not be read.", "Ask for the right to read it, or copy it elsewhere."
        )
    if exc.errno == errno.EISDIR:
        return FileUnsupported(f"“{path.name}” is a folder, not a file.", "Choose a file inside it.")
    reason = exc.strerror or str(exc) or type(exc).__name__
    return FileError(f"“{path.name}” could not be read ({reason}).", "Try again, or use a copy of the file.")


def checked_size(path: Path, max_bytes: int, kind: str) -> int:
    """Return the size of a file in bytes, held against a limit; `kind` names it ("image", "project").

    Raises:
        FileError: It does not exist or may not be read.
        FileUnsupported: It is a folder or a device.
        FileCorrupt: It is empty.
        FileTooLarge: It is larger than `max_bytes`.
    """
    try:
        status = path.stat()
    except OSError as exc:
        raise read_error(path, exc) from exc
    if not path.is_file():
        raise FileUnsupported(
            f"“{path.name}” is not a file.", f"Choose {'an' if kind == 'image' else 'a'} {kind} file."
        )
    if status.st_size == 0:
        raise FileCorrupt(f"“{path.name}” is empty.", "Use another copy of it; nothing was changed.")
    if status.st_size > max_bytes:
        raise FileTooLarge(
            f"“{path.name}” has {status.st_size / 2**20:,.0f} MB;"
            f" {kind} files may have up to {max_bytes / 2**20:,.0f} MB.",
            "Nothing was opened. Make it smaller in the program that wrote it.",
        )
    return status.st_size


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as exc:  # RuntimeError: a loop of links
        raise FileWriteFailed(f"“{path}” is not a usable file name.", f"{SAFE} Choose another name.") from exc


def refuse_read_only(target: Path) -> None:
    """Refuse what a rename would do all the same: there the folder's rights decide, not the file's."""
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(target))
    if target.exists() and not os.access(target, os.W_OK):
        raise FileWriteFailed(
            f"“{target.name}” was not saved because the file there is read-only.",
            f"{SAFE} Choose another name, or make the file writable.",
        )


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where the system lets a folder be synced (not on Windows)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def probe_target(path: Path) -> None:
    """Find out before long work whether `path` can be written: make a temporary file beside it and remove it.

    Raises:
        FileWriteFailed: It cannot.
    """
    target = _resolved(path)
    try:
        refuse_read_only(target)
        with staged_path(target):
            pass
    except OSError as exc:
        raise write_error(path, exc) from exc
