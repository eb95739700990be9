"""The options of the export dialog: what is chosen is said, and is what is asked for."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.io.psd_options import ExportOptions, MaskStyle
from psdstudio.ui.dialogs.export import ExportChoice, ExportDialog
from psdstudio.ui.psd_files import write_psd
from tests.io.documents import scene_document


def test_options_change_the_words_and_reach_the_choice(qtbot: QtBot, tmp_path: Path) -> None:
    document = scene_document()
    chosen = frozenset({document.layers[1].id})
    dialog = ExportDialog(document, tmp_path / "swans.psb", selected=chosen)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "5 layers and 2 groups" in dialog.lines.text()
    assert "GIMP cannot open" in dialog.lines.text()
    dialog.path.setText(str(tmp_path / "swans.psd"))
    assert "GIMP cannot open" not in dialog.lines.text()
    assert dialog.options.only.text() == "Only the 1 selected layer"
    dialog.options.only.click()
    dialog.options.live.click()
    dialog.options.compatible.click()
    dialog.options.masks.setCurrentIndex(1)
    dialog.strip.click()
    assert "1 layer and 1 group" in dialog.lines.text()
    asked: list[ExportChoice] = []
    dialog.export_asked.connect(asked.append)
    dialog.export.click()
    assert asked[0].strip_prompts
    assert asked[0].psd == ExportOptions(
        only=chosen, masks=MaskStyle.BAKE, compatible=True, live_shadows=True
    )
    write_psd(document, asked[0])
    assert b"<psdstudio:words>" not in asked[0].path.read_bytes()
    dialog.png.click()
    assert not dialog.options.isVisible()


def test_what_the_document_has_not_cannot_be_chosen(qtbot: QtBot, tmp_path: Path) -> None:
    plain = Document(size=Size(9, 9), layers=(PixelLayer(props=LayerProps(name="a")),))
    dialog = ExportDialog(plain, tmp_path / "a.psd")
    qtbot.addWidget(dialog)
    assert not dialog.options.live.isEnabled()
    assert not dialog.options.only.isEnabled()
    assert dialog.options.options() == ExportOptions()
