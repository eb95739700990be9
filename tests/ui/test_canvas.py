"""The canvas shows what the compositor renders: at any zoom, after any edit, at any size, within its memory."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import LayerId, LayerProps, PixelLayer
from psdstudio.core.pixel_commands import WritePixels
from psdstudio.core.tiles import TileGrid
from psdstudio.ui.canvas import tile_cache
from psdstudio.ui.canvas.painting import device_rect, pyramid_level
from psdstudio.ui.canvas.transform import ViewTransform
from tests.ui.rig import Rig

LAYER = LayerId("picture")


def show(qtbot: QtBot, rig: Rig, rgba: np.ndarray) -> None:
    """Open a document with one layer and wait for its tiles."""
    height, width = rgba.shape[:2]
    layer = PixelLayer(id=LAYER, props=LayerProps(name="picture"), pixels=TileGrid.from_array(rgba))
    rig.window.bridge.session.replace_document(Document(size=Size(width, height), layers=(layer,)))
    settle(qtbot, rig)


def settle(qtbot: QtBot, rig: Rig) -> None:
    """Wait until all tiles in view are new."""
    qtbot.waitUntil(lambda: rig.window.view._tiles.is_settled, timeout=20_000)


def colour_at(rig: Rig, x: float, y: float) -> QColor:
    """Return what the screen shows over a canvas position."""
    image: QImage = rig.window.view.grab().toImage()
    point = (rig.window.view.transform.to_view(x, y) * image.devicePixelRatio()).toPoint()
    return image.pixelColor(point)


@pytest.mark.parametrize("zoom", [0.2, 0.5, 1.0, 3.0])
def test_pixels_are_where_they_belong(qtbot: QtBot, rig: Rig, zoom: float) -> None:
    rgba = np.zeros((600, 800, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[300:, :400, 0] = 200
    rgba[300:, 400:, 2] = 180
    show(qtbot, rig, rgba)
    rig.window.view.zoom_to(zoom)
    settle(qtbot, rig)
    assert colour_at(rig, 380, 320) == QColor(200, 0, 0)
    assert colour_at(rig, 420, 320) == QColor(0, 0, 180)
    assert colour_at(rig, 420, 280) == QColor(0, 0, 0)


def test_an_edit_is_shown_and_renders_its_tiles_alone(qtbot: QtBot, rig: Rig) -> None:
    show(qtbot, rig, np.full((512, 1024, 4), 255, np.uint8))
    cache = rig.window.view._tiles
    before = {key: cache.image(key, 0) for key in [(0, 0), (3, 1)]}
    patch = np.zeros((20, 20, 4), np.uint8)
    patch[..., 1:] = 255
    rig.window.bridge.apply(WritePixels(layer_id=LAYER, at=Point(10, 10), rgba=patch))
    settle(qtbot, rig)
    assert cache.image((0, 0), 0) is not before[0, 0]
    assert cache.image((3, 1), 0) is before[3, 1]
    rig.window.view.actual_size()
    settle(qtbot, rig)
    assert colour_at(rig, 20, 20) == QColor(0, 255, 255)


def test_a_huge_canvas_takes_little_memory(qtbot: QtBot, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_cache, "BUDGET_BYTES", 8 << 20)
    layer = PixelLayer(
        id=LAYER, props=LayerProps(name="dot"), pixels=TileGrid.from_array(np.full((9, 9, 4), 9, np.uint8))
    )
    rig.window.bridge.session.replace_document(Document(size=Size(20_000, 20_000), layers=(layer,)))
    rig.window.view.zoom_at(1 / 16, QPointF(0, 0))
    settle(qtbot, rig)
    cache = rig.window.view._tiles
    assert cache._mem_bytes < 64 << 20
    rig.window.view.zoom_at(1.0, QPointF(5, 5))
    settle(qtbot, rig)
    sharp = cache.image((0, 0), 0)
    assert sharp is not None
    assert sharp.width() == 256
    assert cache._mem_bytes < 20 << 20


def test_neighbouring_tiles_meet_at_every_zoom() -> None:
    for zoom in (0.013, 0.37, 0.73, 1.0, 1.37, 5.1):
        for ratio in (1.0, 1.25, 1.5, 2.0):
            view = ViewTransform(zoom=zoom, origin=QPointF(13.3, -7.7), ratio=ratio)
            left, right = device_rect(view, Rect(0, 0, 256, 256)), device_rect(view, Rect(256, 0, 256, 256))
            assert left.x() + left.width() == right.x()


def test_small_levels_are_used_from_afar() -> None:
    assert [pyramid_level(zoom) for zoom in (2, 1, 0.51, 0.5, 0.25, 0.125, 0.01)] == [0, 0, 0, 1, 2, 3, 3]
