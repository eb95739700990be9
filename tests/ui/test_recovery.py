"""After a crash the work is offered again; taken over, nothing is offered twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.errors import FileWriteFailed
from psdstudio.io.recovery import RecoveryStore
from tests.ui.rig import SENTENCE, make_rig


def test_unfinished_work_is_offered_and_taken_over(qtbot: QtBot, tmp_path: Path) -> None:
    lost = Document(size=Size(50, 40), layers=(PixelLayer(props=LayerProps(name="draft")),))
    crashed = RecoveryStore(tmp_path / "recovery")
    crashed.autosave(lost, title="poster")
    assert crashed._lock is not None
    crashed._lock.close()  # as the system does when a process ends
    with make_rig(tmp_path, inline=True) as rig:
        window = rig.window
        window.show()
        qtbot.waitUntil(window.notices.isVisible)
        assert "poster" in window.notices.message.text()
        assert window.notices.button.text() == "Recover it"
        window.notices.button.click()
        qtbot.waitUntil(lambda: rig.document == lost)
        assert window.bridge.session.is_dirty
        store = window.files._recovery
        assert store is not None
        qtbot.waitUntil(lambda: store.list_unfinished() == ())
        assert len(list((tmp_path / "recovery").glob("*.psdstudio"))) == 1


def test_a_result_that_finds_no_room_waits_for_a_second_try(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_rig(tmp_path, inline=True) as rig:
        window = rig.window
        window.show()
        window.generation.set_text(SENTENCE)
        qtbot.waitUntil(lambda: not window.generation.is_reading)

        def full(*_: object, **__: object) -> None:
            raise FileWriteFailed("The disk is full.", "Make room.")

        with monkeypatch.context() as patched:
            patched.setattr(RecoveryStore, "store_result", full)
            window.generation.start()
            qtbot.waitUntil(window.notices.isVisible, timeout=10_000)
        assert window.notices.button.text() == "Try to save again"
        assert rig.document.layers == ()  # not shown before it is on disk
        with qtbot.waitSignal(window.generation.accepted, timeout=10_000):
            window.notices.button.click()
        assert len(rig.document.layers) == 3
