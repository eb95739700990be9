"""The application starts and ends in order; settings and recent files live in the user's folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QSize

from psdstudio.app import first_size
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.io.project import load_project, save_project
from psdstudio.io.recovery import RecoveryStore
from psdstudio.settings import Folders, load_settings
from psdstudio.ui import theme


def test_a_file_named_on_the_command_line_is_opened_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSDSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PSDSTUDIO_ENGINE", "fake")
    path = tmp_path / "scene.psdstudio"
    save_project(Document(size=Size(123, 45)), path)
    root = Path(__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-m", "tests.app_driver", str(path)],
        capture_output=True, text=True, timeout=120, cwd=root, env=os.environ, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [123, 45, "scene — PSDStudio", 1]
    folders = Folders.of_user()
    assert load_settings(folders.settings_file).recent_files == (str(path),)
    assert list((folders.state / "recovery").iterdir()) == []


@pytest.mark.parametrize(
    ("screen", "first"),
    [
        (QSize(2560, 1400), QSize(1440, 900)),
        (QSize(1366, 728), QSize(1350, 680)),  # a laptop without the task bar
        (QSize(960, 580), QSize(944, 540)),  # 1920 x 1080 at 200 %: below the least height the window decides
    ],
)
def test_the_first_window_fits_the_screen(screen: QSize, first: QSize) -> None:
    size = first_size(QSize(1440, 900), screen).expandedTo(QSize(theme.MIN_WIDTH, theme.MIN_HEIGHT))
    assert size == first


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_window_and_keeps_unsaved_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Ctrl+C where `make run` was typed, a logout, a closed terminal."""
    monkeypatch.setenv("PSDSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PSDSTUDIO_ENGINE", "fake")
    path = tmp_path / "scene.psdstudio"
    save_project(Document(size=Size(123, 45)), path)
    run = subprocess.run(
        [sys.executable, "-m", "tests.app_driver", str(path), name],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parent.parent, env=os.environ, check=False,
    )  # fmt: skip
    assert run.returncode == 128 + getattr(signal, name), run.stderr
    assert run.stderr == ""
    store = RecoveryStore(Folders.of_user().state / "recovery")
    (work,) = store.list_unfinished()
    assert (work.title, work.project_path) == ("scene", path)
    assert [layer.props.name for layer in store.load(work).layers] == ["drawn since"]
    store.close()
    assert load_project(path).layers == ()
