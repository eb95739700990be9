"""PSD files through the window: what was exported opens again as the same layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from psdstudio.io.psd_export import export_psd
from psdstudio.render.compositor import Compositor
from tests.ui.hands import RUN_MS, generate, type_sentence
from tests.ui.rig import Rig


def test_an_exported_psd_opens_again_as_layers(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    type_sentence(qtbot, rig)
    generate(qtbot, rig)
    target = tmp_path / "scene.psd"
    export_psd(rig.document, target)
    before, layers = Compositor().render(rig.document), sum(1 for _ in rig.document.walk())
    rig.window.bridge.session.mark_saved()
    with qtbot.waitSignal(rig.window.files.renamed, timeout=RUN_MS):
        rig.window.files.open_path(target)
    assert sum(1 for _ in rig.document.walk()) == layers
    assert np.array_equal(Compositor().render(rig.document), before)
    assert rig.window.files.path is None
