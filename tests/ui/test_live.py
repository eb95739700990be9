"""The canvas during a run: what forms is seen at its place, what stays is seen as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from psdstudio.core.commands import SetProps
from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import BlendMode, LayerId
from psdstudio.gen.engine import Preview
from psdstudio.ui.canvas.images import to_qimage
from tests.ui.hands import RUN_MS, group_named, painted, type_sentence
from tests.ui.rig import Rig, make_rig


def canvas_colour(rig: Rig, x: float, y: float) -> tuple[int, int, int]:
    """Return the colour that the canvas shows at a canvas position."""
    at = rig.window.view.transform.to_view(x, y).toPoint()
    colour = QColor(rig.window.view.grab().toImage().pixel(at))
    return colour.red(), colour.green(), colour.blue()


def test_objects_in_the_making_and_kept_ones_are_seen_on_the_canvas(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.05, steps=40) as rig:
        window = rig.window
        window.show()
        type_sentence(qtbot, rig)
        edits = window.generation.edits.with_box("swan", BoxF(0.05, 0.3, 0.3, 0.4))
        window.generation.edit_chips(edits.with_box("flamingo", BoxF(0.6, 0.3, 0.3, 0.4)))
        with qtbot.waitSignal(window.generation.accepted, timeout=RUN_MS):
            window.generation.start()
        swan = group_named(rig, "swan")
        window.edits.toggle_keep((swan.id,))
        window.generation.start()
        previews: list[Preview] = []
        window.generation.preview.connect(previews.append)
        qtbot.waitUntil(lambda: len(previews) > 3, timeout=RUN_MS)
        rasters = dict(previews[-1].rasters)
        flamingo = rasters[group_named(rig, "flamingo").id]
        look = next(layer for layer in painted(swan) if layer.props.name == "swan")
        kept = look.pixels.bounds().shifted(look.offset.x, look.offset.y)
        assert swan.id not in rasters
        for box, rgba in ((flamingo.rect, flamingo.rgba), (kept, look.pixels.read(look.pixels.bounds()))):
            x, y = box.x + box.width / 2, box.y + box.height / 2
            inside = rgba[rgba.shape[0] // 2, rgba.shape[1] // 2]
            assert inside[3] == 255
            np.testing.assert_allclose(canvas_colour(rig, x, y), inside[:3], atol=6)
        window.generation.stop()
        qtbot.waitUntil(lambda: window.generation.run is None, timeout=RUN_MS)


def test_what_qt_cannot_draw_shows_the_engines_own_picture(qtbot: QtBot, tmp_path: Path) -> None:
    with make_rig(tmp_path, inline=True, step_delay_s=0.05, steps=40) as rig:
        window = rig.window
        window.show()
        type_sentence(qtbot, rig)
        with qtbot.waitSignal(window.generation.accepted, timeout=RUN_MS):
            window.generation.start()
        swan: LayerId = group_named(rig, "swan").id
        window.edits.toggle_keep((swan,))
        window.bridge.apply(SetProps(ids=(swan,), blend_mode=BlendMode.HUE))
        window.generation.start()
        previews: list[Preview] = []
        window.generation.preview.connect(previews.append)
        qtbot.waitUntil(lambda: len(previews) > 1, timeout=RUN_MS)
        live = window.view._live
        assert live is not None
        wanted = to_qimage(previews[-1].composite.rgba)
        assert isinstance(live.image, QImage)
        assert live.image == wanted
        window.generation.stop()
        qtbot.waitUntil(lambda: window.generation.run is None, timeout=RUN_MS)
