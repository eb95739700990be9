"""Unfinished files: those of the living stay, those of the dead are cleared away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from psdstudio.io.files import atomic_write, probe_target, staged_file
from psdstudio.io.recovery import RecoveryStore
from psdstudio.io.staging import clear_litter, staged_path

_DIE_WHILE_WRITING = """
import os, sys
from pathlib import Path
from psdstudio.io.files import atomic_write
from psdstudio.io.recovery import RecoveryStore
target, state = Path(sys.argv[1]), sys.argv[2]
if state:
    RecoveryStore(Path(state)).announce(target.parent)
def half(out):
    out.write(b"half"); out.flush(); os._exit(9)
atomic_write(target, half)
"""


def _die(target: Path, state: str = "") -> None:
    done = subprocess.run([sys.executable, "-c", _DIE_WHILE_WRITING, target, state], check=False)
    assert done.returncode == 9


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_next_write_into_the_folder_clears_up(tmp_path: Path) -> None:
    target = tmp_path / "a.psd"
    target.write_bytes(b"old")
    _die(target)
    (litter,) = set(_names(tmp_path)) - {"a.psd"}
    (tmp_path / f"{litter}-journal").write_bytes(b"of SQLite")
    assert target.read_bytes() == b"old"
    atomic_write(tmp_path / "b.png", lambda out: out.write(b"new"))
    assert _names(tmp_path) == ["a.psd", "b.png"]


def test_the_next_start_clears_up_where_the_session_was_writing(tmp_path: Path) -> None:
    folder, state = tmp_path / "pictures\nof mine é", tmp_path / "state"
    folder.mkdir()
    _die(folder / "a.psd", str(state))
    assert len(_names(folder)) == 1
    store = RecoveryStore(state)
    assert store.list_unfinished() == ()
    assert _names(folder) == []
    store.close()


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    with staged_file(tmp_path / "a.psd") as staged:
        staged.write_bytes(b"half")
        clear_litter(tmp_path)
        probe_target(tmp_path / "b.psd")
        atomic_write(tmp_path / "c.psd", lambda out: out.write(b"other"))
        assert staged.read_bytes() == b"half"
        staged.write_bytes(b"whole")
    assert (tmp_path / "a.psd").read_bytes() == b"whole"
    assert _names(tmp_path) == ["a.psd", "c.psd"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    names = [
        "a.part",
        ".a.0123456789ab.part",
        ".a.psdstudio.part",
        "a.0123456789ab.psdstudio.part",
        "a-journal",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / ".a.0123456789ab.psdstudio.part").mkdir()
    link = tmp_path / ".b.0123456789ab.psdstudio.part"
    (tmp_path / "real").write_bytes(b"mine")
    if os.name == "posix":
        link.symlink_to(tmp_path / "real")
    before = _names(tmp_path)
    clear_litter(tmp_path)
    assert _names(tmp_path) == before
    clear_litter(tmp_path / "nowhere")


def test_a_journal_alone_goes(tmp_path: Path) -> None:
    (tmp_path / ".a.psdstudio.0123456789ab.psdstudio.part-journal").write_bytes(b"x")
    clear_litter(tmp_path)
    assert _names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="there an open file cannot be deleted")
def test_a_file_that_was_cleared_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    lock = fcntl.flock
    cleared: list[Path] = []

    def slow(descriptor: int, how: int) -> None:
        if not cleared:
            cleared.extend(tmp_path.iterdir())
            cleared[0].unlink()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with staged_path(tmp_path / "a.psd") as path:
        assert cleared != [path]
        assert path.exists()


@pytest.mark.parametrize("name", ["🦢" * 60 + ".psd", "é" * 120, "a" * 250])
def test_long_names_are_written(tmp_path: Path, name: str) -> None:
    atomic_write(tmp_path / name, lambda out: out.write(b"x"))
    assert _names(tmp_path) == [name]
