"""Colour spaces in the window: dialogs, undo, what the canvas and the thumbnails show."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerId, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.io.colour import adobe_rgb, display_p3
from psdstudio.ui.canvas import display
from psdstudio.ui.canvas.display import on_screen
from psdstudio.ui.canvas.monitor import monitor_profile
from psdstudio.ui.dialogs.colour_profile import ProfileDialog
from tests.ui.rig import Rig
from tests.ui.test_canvas import colour_at, settle

P3_RED = (234, 51, 35, 255)
"""sRGB's full red in the numbers of Display P3."""
LAYER = LayerId("red")


@pytest.fixture
def wide(qtbot: QtBot, rig: Rig) -> Rig:
    """A window with a Display P3 document that is red all over."""
    pixels = TileGrid.from_array(np.full((200, 300, 4), P3_RED, np.uint8))
    layer = PixelLayer(id=LAYER, props=LayerProps(name="red"), pixels=pixels)
    document = Document(size=Size(300, 200), layers=(layer,), profile=display_p3())
    rig.window.bridge.session.replace_document(document)
    settle(qtbot, rig)
    return rig


def is_near(found: QColor, wanted: tuple[int, int, int]) -> bool:
    return (
        max(abs(a - b) for a, b in zip((found.red(), found.green(), found.blue()), wanted, strict=True)) <= 1
    )


def test_a_wide_document_is_shown_in_the_colours_of_the_screen(qtbot: QtBot, wide: Rig) -> None:
    assert is_near(colour_at(wide, 150, 100), (255, 0, 0))
    assert "Display P3/8" in wide.window.status.canvas_size.text()
    layer = wide.document.layers[0]
    qtbot.waitUntil(lambda: wide.window.thumbnails.get(layer) is not None)
    image = wide.window.thumbnails.get(layer)
    assert image is not None
    assert is_near(image.pixelColor(5, 5), (255, 0, 0))


def test_assigning_changes_the_look_and_undo_brings_it_back(qtbot: QtBot, wide: Rig) -> None:
    before = wide.document
    dialog = wide.window.files.colours.ask_assign()
    assert dialog.profile == display_p3()
    dialog.select(None)
    dialog.done_button.click()
    assert wide.document.profile is None
    assert wide.document.layers is before.layers
    settle(qtbot, wide)
    assert is_near(colour_at(wide, 150, 100), P3_RED[:3])
    layer = wide.document.layers[0]
    qtbot.waitUntil(lambda: _thumb_is(wide, layer, P3_RED[:3]))
    wide.window.undo()
    assert wide.document is before
    settle(qtbot, wide)
    assert is_near(colour_at(wide, 150, 100), (255, 0, 0))


def _thumb_is(rig: Rig, layer: object, wanted: tuple[int, int, int]) -> bool:
    image = rig.window.thumbnails.get(layer)  # type: ignore[arg-type]
    return image is not None and is_near(image.pixelColor(5, 5), wanted)


def test_converting_keeps_the_look_and_changes_the_numbers(qtbot: QtBot, wide: Rig) -> None:
    before = wide.document
    dialog = wide.window.files.colours.ask_convert()
    dialog.select(adobe_rgb())
    dialog.done_button.click()
    qtbot.waitUntil(lambda: wide.document.profile == adobe_rgb())
    layer = wide.document.layers[0]
    assert isinstance(layer, PixelLayer)
    assert np.abs(layer.pixels.read(wide.document.canvas)[0, 0, :3].astype(int) - (219, 0, 0)).max() <= 1
    settle(qtbot, wide)
    assert is_near(colour_at(wide, 150, 100), (255, 0, 0))
    wide.window.undo()
    assert wide.document is before


def test_an_edit_while_converting_ends_it_with_a_sentence(qtbot: QtBot, wide: Rig) -> None:
    wide.window.files.colours.convert(None)
    document = wide.document
    layer = document.layers[0]
    assert isinstance(layer, PixelLayer)
    repainted = replace(layer, pixels=TileGrid.from_array(np.full((9, 9, 4), 255, np.uint8)))
    wide.window.bridge.session.replace_document(document.with_layer(repainted))
    qtbot.waitUntil(wide.window.notices.isVisible)
    assert "changed while it was converted" in wide.window.notices.message.text()
    assert wide.document.profile == display_p3()
    wide.window.files.colours.convert(None)
    wide.window.bridge.apply(SetProps(ids=(LAYER,), opacity=99))  # no pixel changes: it may go on
    qtbot.waitUntil(lambda: wide.document.profile is None)
    assert wide.document.layers[0].props.opacity == 99


def test_a_profile_from_a_file(qtbot: QtBot, wide: Rig, tmp_path: Path) -> None:
    (tmp_path / "adobe.icc").write_bytes(adobe_rgb().icc)
    (tmp_path / "bad.icc").write_bytes(b"nothing" * 100)
    dialog = wide.window.files.colours.ask_assign()
    dialog.take_file(tmp_path / "bad.icc")
    assert not dialog.problem.isHidden()
    assert dialog.profile == display_p3()
    dialog.take_file(tmp_path / "none.icc")
    assert "none.icc" in dialog.problem.text()
    dialog.take_file(tmp_path / "adobe.icc")
    assert dialog.problem.isHidden()
    assert dialog.profile == adobe_rgb()
    dialog.reject()
    assert wide.document.profile == display_p3()


def test_a_known_monitor_is_painted_for(qtbot: QtBot, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "screen_profile", display_p3)
    for profile, numbers in ((None, (255, 0, 0, 255)), (display_p3(), P3_RED)):
        pixels = TileGrid.from_array(np.full((40, 40, 4), numbers, np.uint8))
        layer = PixelLayer(props=LayerProps(name="red"), pixels=pixels)
        document = Document(size=Size(40, 40), layers=(layer,), profile=profile)
        rig.window.bridge.session.replace_document(document)
        settle(qtbot, rig)
        assert is_near(colour_at(rig, 20, 20), P3_RED[:3])


SET_PROFILE = """
import ctypes, ctypes.util
from psdstudio.io.colour import display_p3
from psdstudio.ui.canvas.monitor import monitor_profile
assert monitor_profile("xcb") is None
x11 = ctypes.CDLL(ctypes.util.find_library("X11"))
x11.XOpenDisplay.restype, x11.XDefaultRootWindow.restype = ctypes.c_void_p, ctypes.c_ulong
display = ctypes.c_void_p(x11.XOpenDisplay(None))
root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
atom = ctypes.c_ulong(x11.XInternAtom(display, b"_ICC_PROFILE", 0))
icc = display_p3().icc
x11.XChangeProperty(display, root, atom, ctypes.c_ulong(6), 8, 0, icc, len(icc))
x11.XSync(display, 0)
assert monitor_profile("xcb") == display_p3()
"""


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs an X server of its own (xvfb)")
def test_x11_tells_the_monitors_profile() -> None:
    command = ["xvfb-run", "-a", sys.executable, "-c", SET_PROFILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_systems_that_tell_nothing() -> None:
    assert [monitor_profile(name) for name in ("wayland", "offscreen", "cocoa")] == [None] * 3


def test_an_unknown_space_of_the_document_is_in_the_list(qapp: QApplication) -> None:
    other = ColourProfile(name="ProPhoto", icc=b"x" * 200)
    dialog = ProfileDialog(other, None, title="t", verb="v", words="w")
    assert dialog.profile == other
    assert [dialog.spaces.itemText(i) for i in range(dialog.spaces.count())] == [
        "sRGB",
        "Display P3",
        "Adobe RGB (1998)",
        "ProPhoto",
    ]
    assert np.array_equal(on_screen(np.full((1, 1, 4), 9, np.uint8), other), np.full((1, 1, 4), 9, np.uint8))
