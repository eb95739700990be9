"""Fixtures of the window's tests: the theme, and a window on a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from psdstudio.ui import theme
from tests.ui.rig import Rig, make_rig


@pytest.fixture(autouse=True)
def _dressed(qapp: QApplication) -> None:
    """Dress the application once."""
    if qapp.styleSheet() != theme.STYLE:
        theme.apply(qapp)


@pytest.fixture
def rig(qtbot: QtBot, tmp_path: Path) -> Iterator[Rig]:
    """A shown window whose engine runs on a thread of this process."""
    with make_rig(tmp_path, inline=True) as made:
        made.window.show()
        qtbot.waitExposed(made.window)
        yield made
