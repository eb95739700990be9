"""Fixtures of the window's tests: the theme, and a window on a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import GroupLayer, LayerId, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.ui import theme
from tests.ui.hands import generate, type_sentence
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


@pytest.fixture
def scene(qtbot: QtBot, rig: Rig) -> Rig:
    """A window with a generated scene."""
    type_sentence(qtbot, rig)
    generate(qtbot, rig)
    return rig


@pytest.fixture
def stack(rig: Rig) -> Rig:
    """Three layers a, b, c from the bottom with pixels, then a group g with d in it; b is selected."""
    square = TileGrid.from_array(np.full((20, 20, 4), 255, np.uint8), Point(10, 10))
    names = ("a", "b", "c", "d")
    a, b, c, d = (PixelLayer(id=LayerId(n), props=LayerProps(name=n), pixels=square) for n in names)
    group = GroupLayer(id=LayerId("g"), props=LayerProps(name="g"), children=(d,))
    rig.window.bridge.session.replace_document(Document(size=Size(64, 64), layers=(a, b, c, group)))
    rig.window.bridge.session.select((LayerId("b"),))
    rig.window.activateWindow()
    rig.window.view.setFocus()
    return rig
