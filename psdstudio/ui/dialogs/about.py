"""Help, About: which PSDStudio this is, which engine paints, under which licence."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from psdstudio import __version__
from psdstudio.gen.engine import EngineInfo


def about_box(engine: EngineInfo | None, parent: QWidget | None = None) -> QMessageBox:
    """Return the box, not shown yet; `engine` is None as long as none is loaded."""
    box = QMessageBox(parent)
    box.setIconPixmap(QApplication.windowIcon().pixmap(QSize(48, 48)))
    box.setWindowTitle("About PSDStudio")
    box.setText(f"<b>PSDStudio {__version__}</b>")
    box.setInformativeText(
        "Paints a scene as separate layers, on this computer, and hands over a PSD.\n\n"
        f"Engine: {engine_facts(engine)}\n\n"
        "Apache License 2.0. The file NOTICE names the libraries and the drawings that the engine learned from."
    )
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    return box


def engine_facts(engine: EngineInfo | None) -> str:
    """Return in a sentence what an engine can do."""
    if engine is None:
        return "not loaded yet."
    return f"{engine.title}; {engine.native_note}; at most {engine.max_objects} objects in a run."
