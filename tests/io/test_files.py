"""Atomic writing: whatever fails, the old file or the new one is there, and nothing else."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported, FileWriteFailed
from psdstudio.io import files


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    files.atomic_write(target, lambda out: out.write(b"one"))
    files.atomic_write(target, lambda out: out.write(b"two"))
    assert target.read_bytes() == b"two"
    assert _names(tmp_path) == {"a.bin"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_failing_write_keeps_the_old_file(tmp_path: Path, number: int) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fail(out: BinaryIO) -> None:
        out.write(b"half of the new")
        raise OSError(number, os.strerror(number))

    with pytest.raises(FileWriteFailed) as caught:
        files.atomic_write(target, fail)
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == {"a.bin"}
    assert "a.bin" in caught.value.user_message
    assert "untouched" in caught.value.hint
    if number in {errno.ENOSPC, errno.EDQUOT}:
        assert "disk is full" in caught.value.user_message


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_while_finishing_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(FileWriteFailed, match="disk is full"):
        files.atomic_write(target, lambda out: out.write(b"new"))
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == {"a.bin"}


def test_verify_may_refuse(tmp_path: Path) -> None:
    def refuse(staged: Path) -> None:
        assert staged.read_bytes() == b"new"
        raise FileWriteFailed("not what was meant")

    with pytest.raises(FileWriteFailed, match="not what was meant"):
        files.atomic_write(tmp_path / "a.bin", lambda out: out.write(b"new"), verify=refuse)
    assert _names(tmp_path) == set()


def test_the_folder_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """“.” would tell nobody which folder is meant."""
    monkeypatch.chdir(tmp_path)
    for code in (errno.EACCES, errno.ENOENT):
        assert f"“{tmp_path}”" in files.write_error(Path("a.psd"), OSError(code, "no")).user_message


def test_missing_folder_and_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(FileWriteFailed, match="does not exist"):
        files.atomic_write(tmp_path / "no" / "a.bin", lambda out: None)
    with pytest.raises(FileWriteFailed, match="a folder has that name"):
        files.atomic_write(tmp_path, lambda out: None)


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    # The super-user may write anything, so the answer of the system is fixed here.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileWriteFailed, match="read-only"):
        files.atomic_write(target, lambda out: out.write(b"new"))
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="POSIX rights and links")
def test_rights_and_links_survive(tmp_path: Path) -> None:
    real = tmp_path / "real.bin"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "link.bin"
    link.symlink_to(real)
    files.atomic_write(link, lambda out: out.write(b"new"))
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_checked_size(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    with pytest.raises(FileError, match="There is no file"):
        files.checked_size(target, 10, "image")
    with pytest.raises(FileUnsupported, match="not a file"):
        files.checked_size(tmp_path, 10, "image")
    target.write_bytes(b"")
    with pytest.raises(FileCorrupt, match="is empty"):
        files.checked_size(target, 10, "image")
    target.write_bytes(b"x" * 11)
    with pytest.raises(FileTooLarge, match="image files may have up to"):
        files.checked_size(target, 10, "image")
    assert files.checked_size(target, 11, "image") == 11
