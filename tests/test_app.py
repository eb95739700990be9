"""The application starts and ends in order; settings and recent files live in the user's folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from psdstudio import app
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.io.project import save_project
from psdstudio.settings import Folders, load_settings
from psdstudio.ui.main_window import MainWindow


@pytest.mark.expects_logs
def test_a_file_named_on_the_command_line_is_opened_and_remembered(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSDSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PSDSTUDIO_ENGINE", "fake")
    path = tmp_path / "scene.psdstudio"
    save_project(Document(size=Size(123, 45)), path)
    seen: list[tuple[Size, str, int]] = []

    def leave_when_open() -> None:
        window = next((w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow)), None)
        if window is None or window.files.path is None:
            QTimer.singleShot(20, leave_when_open)
            return
        size = window.bridge.session.document.size
        seen.append((size, window.windowTitle(), len(window.recent_menu.actions())))
        window.close()
        QApplication.quit()

    QTimer.singleShot(20, leave_when_open)
    assert app.main([str(path)]) == 0
    assert seen == [(Size(123, 45), "scene — PSDStudio", 1)]
    folders = Folders.of_user()
    assert load_settings(folders.settings_file).recent_files == (str(path),)
    assert list((folders.state / "recovery").iterdir()) == []
