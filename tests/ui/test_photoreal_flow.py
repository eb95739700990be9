"""The whole way on the real photoreal engine, with tiny random weights: add models, choose it, paint, keep, repaint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from psdstudio.core.geometry import Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LoraUse
from psdstudio.core.prompt_commands import SetLoras, SetNegative
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY
from psdstudio.gen.scopes import Verb
from tests.engine.sdxl import tiny_models
from tests.ui.hands import group_named, painted, type_sentence
from tests.ui.rig import Rig, make_rig

pytestmark = pytest.mark.torch
LONG_MS = 480_000
"""A busy machine has little time for a process that must import everything first."""


def finished(qtbot: QtBot, rig: Rig) -> None:
    """Wait until the run has landed."""
    window = rig.window
    assert window.generation.run is not None, window.notices.message.text()
    qtbot.waitUntil(lambda: window.generation.run is None, timeout=LONG_MS)


def pixels(rig: Rig, name: str) -> list[bytes]:
    """The bytes of an object's layers."""
    return [layer.pixels.read(layer.pixels.bounds()).tobytes() for layer in painted(group_named(rig, name))]


def test_from_a_folder_of_models_to_layers(qtbot: QtBot, tmp_path: Path) -> None:
    tiny_models.write_models(tmp_path / "models")
    with make_rig(tmp_path / "user", size=Size(160, 120), engine=EMBEDDED_KEY, steps=2, plays=False) as rig:
        window, engines = rig.window, rig.window.engine_view.engines
        with qtbot.waitSignal(engines.model_list.ended, timeout=LONG_MS) as ended:
            engines.model_list.add(tmp_path / "models")
        assert ended.args is not None
        assert ended.args[0].problem is None
        assert engines.missing(PHOTOREAL_KEY) == ()
        assert engines.choose(PHOTOREAL_KEY, replace(engines.options, side_px=128, upscale=False)) is None
        type_sentence(qtbot, rig)
        window.generation.start()
        finished(qtbot, rig)
        assert [layer.props.name for layer in rig.document.layers] == ["Background", "swan", "flamingo"], (
            window.notices.message.text()
        )
        assert window.status.engine.text() == "Photoreal (SDXL): ready"
        cost = window.generation.cost
        assert cost is not None
        assert cost.seconds > 0
        swan, flamingo = group_named(rig, "swan").id, group_named(rig, "flamingo").id
        window.bridge.apply(SetKeep(ids=(swan,), keep=True))
        window.bridge.apply(SetNegative(layer_id=flamingo, negative="text"))
        window.bridge.apply(
            SetLoras(layer_id=flamingo, loras=(LoraUse(title=tiny_models.STYLE, weight=0.5),))
        )
        kept, before = pixels(rig, "swan"), pixels(rig, "flamingo")
        window.generation.start_verb(Verb.NEW_LOOK, (flamingo,))
        finished(qtbot, rig)
        assert pixels(rig, "swan") == kept
        assert pixels(rig, "flamingo") != before
