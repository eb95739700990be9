"""Every format through the export dialog and the window's open."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from psdstudio.io.colour import display_p3
from psdstudio.io.formats import FORMATS, ExportFormat, open_file
from psdstudio.io.images import read_image, write_png
from psdstudio.io.openraster_write import export_openraster
from psdstudio.render.compositor import Compositor
from psdstudio.ui.dialogs.export import ExportDialog
from tests.io.documents import noise, scene_document
from tests.io.test_openraster import ora
from tests.ui.hands import RUN_MS
from tests.ui.rig import Rig


def opened_dialog(rig: Rig, kind: ExportFormat) -> ExportDialog:
    rig.window.bridge.session.replace_document(scene_document())
    dialog = rig.window.files.export()
    dialog.choose(kind)
    return dialog


def export(qtbot: QtBot, dialog: ExportDialog, path: Path) -> str:
    dialog.path.setText(str(path))
    QTest.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.heading.text().startswith("Written"), timeout=RUN_MS)
    text = dialog.lines.text()
    dialog.reject()
    return text


@pytest.mark.parametrize("kind", [kind for kind in ExportFormat if kind is not ExportFormat.PSD])
def test_every_format_is_written(qtbot: QtBot, rig: Rig, tmp_path: Path, kind: ExportFormat) -> None:
    dialog = opened_dialog(rig, kind)
    assert FORMATS[kind].holds in dialog.lines.text()
    suffix = "".join(FORMATS[kind].suffixes[:1])
    assert Path(dialog.path.text()).suffix == suffix
    path = tmp_path / f"out{suffix}"
    lines = export(qtbot, dialog, path)
    assert "300 × 200 px, sRGB" in lines
    assert path.exists()
    if path.is_file() and kind is not ExportFormat.SPRITES:
        shown = Compositor().render(open_file(path).document).astype(int)
        assert np.abs(shown - Compositor().render(scene_document())).mean() < 2


def test_the_options_of_a_format_count(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    dialog = opened_dialog(rig, ExportFormat.JPEG)
    document = scene_document()
    rig.window.bridge.session.replace_document(document.with_layers(document.layers[1:]))
    dialog.options.set_matte(QColor("#00ff00"))
    dialog.options.quality.setValue(97)
    lines = export(qtbot, dialog, tmp_path / "a.jpg")
    assert "Transparency was laid on an opaque colour" in lines
    assert read_image(tmp_path / "a.jpg").rgba[0, 0, :3].tolist() == pytest.approx([0, 255, 0], abs=3)
    dialog = opened_dialog(rig, ExportFormat.LAYERS)
    dialog.options.merged.setChecked(True)
    export(qtbot, dialog, tmp_path / "parts")
    assert len(list((tmp_path / "parts").iterdir())) == 4


def test_the_ending_follows_the_format(rig: Rig) -> None:
    dialog = opened_dialog(rig, ExportFormat.PSD)
    dialog.path.setText("/tmp/swans.psd")
    names = []
    for kind in (ExportFormat.WEBP, ExportFormat.LAYERS, ExportFormat.SPRITES, ExportFormat.PSD):
        dialog.choose(kind)
        names.append(dialog.path.text())
    dialog.reject()
    assert names == ["/tmp/swans.webp", "/tmp/swans", "/tmp/swans.png", "/tmp/swans.psd"]


def test_only_the_settings_of_the_format_are_shown(rig: Rig) -> None:
    dialog = opened_dialog(rig, ExportFormat.WEBP)
    options = dialog.options
    assert options.lossless.isVisible()
    assert options.chosen.quality is None
    options.lossless.setChecked(False)
    assert options.quality.isVisible()
    assert options.chosen.quality == options.quality.value()
    dialog.choose(ExportFormat.PNG)
    assert not options.isVisible()
    assert options.chosen.quality is None
    dialog.choose(ExportFormat.SPRITES)
    assert options.merged.isVisible()
    dialog.reject()


def test_an_openraster_file_and_a_wide_picture_open_as_documents(
    qtbot: QtBot, rig: Rig, tmp_path: Path
) -> None:
    document = replace(scene_document(), profile=display_p3())
    export_path = tmp_path / "scene.ora"
    export_openraster(document, export_path)
    rig.window.files.open_path(export_path)
    qtbot.waitUntil(lambda: len(rig.document.layers) == 3, timeout=RUN_MS)
    assert rig.document.profile == display_p3()
    assert rig.window.files.path is None
    assert "Display P3" in rig.window.status.canvas_size.text()
    write_png(tmp_path / "flat.png", noise(1, 40, 30), resolution_dpi=300, profile=display_p3())
    rig.window.files.open_path(tmp_path / "flat.png")
    qtbot.waitUntil(lambda: len(rig.document.layers) == 1, timeout=RUN_MS)
    assert (rig.document.profile, round(rig.document.resolution_dpi)) == (display_p3(), 300)


def test_a_window_starts_without_what_only_files_need() -> None:
    program = "import sys, psdstudio.ui.main_window; sys.exit('psd_tools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_what_a_file_held_besides_is_told(qtbot: QtBot, rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "odd.ora"
    path.write_bytes(
        ora('<stack><layer name="gone" src="no.png"/><layer src="a.png"/></stack>', {"a.png": noise(1, 8, 6)})
    )
    rig.window.files.open_path(path)
    qtbot.waitUntil(rig.window.notices.isVisible, timeout=RUN_MS)
    assert "“odd.ora” was opened; 1 thing" in rig.window.notices.message.text()
