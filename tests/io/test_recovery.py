"""Recovery: work of a session that is gone is offered, work of one that lives or ended in order is not."""

from __future__ import annotations

import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from psdstudio.core.scene import Scene
from psdstudio.errors import FileWriteFailed
from psdstudio.io.recovery import RecoveryStore
from tests.io.documents import scene_document

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _store_and_die(folder: Path, prompt: str, *, result: bool) -> None:
    """Store a document and end as a crash does: no close, no exit handlers."""
    from dataclasses import replace

    store = RecoveryStore(folder, clock=lambda: NOON)
    document = replace(scene_document(), scene=Scene(prompt=prompt))
    if result:
        store.store_result(document, "run-9", title="Lake", project_path=folder / "lake.psdstudio")
    else:
        store.autosave(document)
    os._exit(1)


def _crash(folder: Path, prompt: str, *, result: bool) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_store_and_die, args=(folder, prompt), kwargs={"result": result}
    )
    process.start()
    process.join(60)
    assert process.exitcode == 1
    process.close()


def test_a_crashed_session_is_offered_until_it_is_discarded(tmp_path: Path) -> None:
    _crash(tmp_path / "state", "a swan", result=True)
    store = RecoveryStore(tmp_path / "state")
    (work,) = store.list_unfinished()
    assert (work.title, work.run_id, work.stored_at) == ("Lake", "run-9", NOON)
    assert work.project_path == tmp_path / "state" / "lake.psdstudio"
    assert store.load(work).scene.prompt == "a swan"
    assert store.list_unfinished() == (work,)  # loading alone does not lose it
    store.discard(work)
    assert store.list_unfinished() == ()
    store.close()
    assert list((tmp_path / "state").iterdir()) == []


def test_an_autosave_is_offered_without_a_run(tmp_path: Path) -> None:
    _crash(tmp_path, "a pond", result=False)
    store = RecoveryStore(tmp_path)
    (work,) = store.list_unfinished()
    assert (work.title, work.run_id, work.project_path) == ("", None, None)
    store.close()


def test_a_living_session_and_an_ordered_end_are_not_offered(tmp_path: Path) -> None:
    first, second = RecoveryStore(tmp_path), RecoveryStore(tmp_path)
    first.store_result(scene_document(), "run-1")
    assert second.list_unfinished() == ()
    first.close()
    assert second.list_unfinished() == ()
    second.autosave(scene_document())
    second.clear()
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_storing_again_writes_only_changes(tmp_path: Path) -> None:
    store = RecoveryStore(tmp_path)
    document = scene_document()
    assert store.store_result(document, "run-1").tiles_written > 0
    assert store.autosave(document).tiles_written == 0
    store.close()


def test_a_damaged_recovery_file_is_listed_and_can_be_discarded(tmp_path: Path) -> None:
    _crash(tmp_path, "a swan", result=True)
    (file,) = tmp_path.glob("*.psdstudio")
    file.write_bytes(file.read_bytes()[:3000])
    store = RecoveryStore(tmp_path)
    (work,) = store.list_unfinished()
    assert not work.is_readable
    store.discard(work)
    assert store.list_unfinished() == ()
    store.close()


def test_an_empty_leftover_goes_after_a_minute(tmp_path: Path) -> None:
    lock = tmp_path / "old.lock"
    lock.write_bytes(b"")
    written = lock.stat().st_mtime
    for later_s, stays in ((5, True), (120, False)):
        now = datetime.fromtimestamp(written + later_s, UTC)
        store = RecoveryStore(tmp_path, clock=lambda now=now: now)  # type: ignore[misc]  # bound early on purpose
        assert store.list_unfinished() == ()
        assert lock.exists() is stays
        store.close()


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file where the folder should be")
    with pytest.raises(FileWriteFailed):
        RecoveryStore(tmp_path / "state")
