"""Takes pictures of every state of the window, to be looked at: `python -m tests.ui.screenshots OUT [state ...]`.

Set QT_SCALE_FACTOR for other display scales. Uses the scripted engine, so pixels are shapes; what is judged is the
window.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from psdstudio.core.adjustments import Curve, Curves, HueSaturation, Levels
from psdstudio.core.commands import SetProps
from psdstudio.core.geometry import Point
from psdstudio.core.layers import GroupLayer
from psdstudio.core.pixel_commands import AddMask, SetMask
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.ui import theme
from psdstudio.ui.canvas.controller import ToolName
from psdstudio.ui.dialogs.export import ExportChoice, ExportFormat
from psdstudio.ui.dialogs.new_document import NewDocumentDialog
from psdstudio.ui.main_window import MainWindow
from psdstudio.ui.panels.empty_state import Example
from tests.ui.rig import SENTENCE, Rig, make_rig


def pump(until: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Run the event loop until a condition holds."""
    end = time.monotonic() + timeout_s
    while not until():
        QApplication.processEvents()
        time.sleep(0.005)
        if time.monotonic() > end:
            raise TimeoutError(until)


def settle(seconds: float = 0.4) -> None:
    """Let timers and threads come to rest."""
    end = time.monotonic() + seconds
    pump(lambda: time.monotonic() > end)


def _disc(colour: str) -> QImage:
    """Return a transparent picture with a disc, to stand for a layer."""
    image = QImage(300, 220, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(QColor("#8fb7c9") if colour == "#3a6ea5" else QColor(0, 0, 0, 0))
    painter = QPainter(image)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(100 if colour == "#d9a441" else 40, 70, 120, 120)
    painter.end()
    return image


def _box_middle(window: MainWindow) -> QPoint:
    """Return where the first layout box can be clicked."""
    return window.view.transform.rect_to_view(window.view.overlays.boxes[0].rect).center().toPoint()


class Camera:
    """Brings the window into each state and grabs it."""

    def __init__(self, out: Path, states: list[str]) -> None:
        self._out, self._states = out, states
        self._scale = os.environ.get("QT_SCALE_FACTOR", "1")

    def shot(self, name: str, widget: QWidget, *, settled: bool = True) -> None:
        """Save what a widget shows."""
        if not self._states or name in self._states:
            settle(0.4 if settled else 0.05)
            widget.grab().save(str(self._out / f"{name}@{self._scale}.png"))

    def tour(self, rig: Rig) -> None:
        """Walk through all states."""
        window = rig.window
        window.show()
        settle()
        self.shot("empty", window)
        self._variants_of_empty(window)
        window.prompt.text.setText(SENTENCE)
        window.generation.set_text(SENTENCE)
        pump(lambda: not window.generation.is_reading)
        self.shot("prompt", window)
        window.canvas.set_tool(ToolName.BOX)
        self.shot("boxes", window)
        QTest.mouseClick(window.view, Qt.MouseButton.LeftButton, pos=_box_middle(window))
        self.shot("box_chosen", window)
        window.canvas.set_tool(ToolName.MOVE)
        window.generation.start()
        pump(lambda: window.generation.run is not None and window.generation.run.fraction > 0.5)
        self.shot("running", window, settled=False)
        pump(lambda: window.generation.run is None)
        settle()
        self.shot("result", window)
        self._after_result(window, rig)
        self._masked(window)

    def _variants_of_empty(self, window: MainWindow) -> None:
        """The smallest window with a gallery, and a sentence with words that nobody knows."""
        layers = tuple(_disc(colour) for colour in ("#3a6ea5", "#d9a441", "#c0503c"))
        names = ("Pond at dusk", "Breakfast table", "Night market", "Winter forest")
        window.empty.set_examples([Example(path=Path(name), name=name, layers=layers) for name in names])
        window.resize(1180, 720)
        window.generation.set_text(
            "a zorbl, two ducks and a swan behind a wooden fence in a meadow at sunset"
        )
        pump(lambda: not window.generation.is_reading)
        self.shot("gallery", window)
        window.generation.set_text(
            "a duck, a swan, a cat, a dog, a cow, a pig, a fox, a bus, a car, a key, a cup, a lamp, a drum"
        )
        pump(lambda: not window.generation.is_reading)
        self.shot("problem", window)
        window.resize(1440, 900)
        window.empty.set_examples([])

    def _after_result(self, window: MainWindow, rig: Rig) -> None:
        groups = [layer.id for layer in window.bridge.session.document.layers[1:]]
        window.bridge.session.select((groups[0],))
        window.edits.toggle_keep()
        self.shot("kept", window)
        menu = window.row_menu()
        menu.popup(window.layers.view.mapToGlobal(window.layers.view.rect().center()))
        self.shot("menu", menu)
        menu.close()
        self._verbs(window)
        window.layers.mode.showPopup()
        self.shot("modes", window.layers.mode.view().window())
        window.layers.mode.hidePopup()
        window.insert_above()
        window.generation.set_text("a lantern")
        pump(lambda: not window.generation.is_reading)
        self.shot("insert", window)
        window.generation.set_insert(None)
        window.bridge.apply(TranslateLayers(ids=window.edits.ids, dx=40, dy=10, is_nudge=True))
        window.layers.view.rename(groups[0])
        self.shot("rename", window)
        window.view.setFocus()
        dialog = window.files.export(ExportFormat.PSD)
        self.shot("export", dialog)
        path = rig.folder / "swans.psd"
        dialog.export_asked.emit(ExportChoice(path=path, format=ExportFormat.PSD))
        pump(lambda: path.exists() and not dialog.folder.isHidden())
        self.shot("exported", dialog)
        dialog.reject()
        new = NewDocumentDialog(window.bridge.session.document.size, window)
        new.open()
        self.shot("new", new)
        new.reject()
        window.generation.start()
        pump(lambda: window.generation.run is not None and window.generation.run.fraction > 0.3)
        rig.kill_engine()
        pump(lambda: window.notices.isVisible())
        self.shot("error", window)

    def _verbs(self, window: MainWindow) -> None:
        """The menu of the scene with the object kept (most of it is off), its tip, and the prompt that splits."""
        scene_menu = next(x.menu() for x in window.menuBar().actions() if x.text() == "Scene")
        assert isinstance(scene_menu, QMenu)
        scene_menu.popup(window.mapToGlobal(QPoint(200, 60)))
        self.shot("scene_menu", scene_menu)
        scene_menu.close()
        more = window.properties.more.menu()
        more.popup(window.mapToGlobal(QPoint(200, 60)))
        self.shot("more", more)
        more.close()
        window.generation.set_split(True)
        self.shot("split_empty", window)
        window.generation.set_text("a fox and a lantern on snow")
        pump(lambda: not window.generation.is_reading)
        self.shot("split", window)
        window.generation.leave_target()

    def _masked(self, window: MainWindow) -> None:
        """Rows with masks: one on, one off, one of a group, one clipped layer."""
        session = window.bridge.session
        groups = [layer for layer in session.document.layers if isinstance(layer, GroupLayer)]
        grey = np.zeros((240, 200), np.uint8)
        grey[:, :100] = np.linspace(0, 255, 100)
        for layer in (groups[0], groups[0].children[-1], groups[1].children[-1]):
            session.apply(AddMask(layer_id=layer.id, grey=grey, at=Point(280, 300)))
        session.apply(SetMask(layer_id=groups[1].children[-1].id, enabled=False))
        session.apply(SetProps(ids=(groups[1].children[-1].id,), clipping=True))
        window.notices.dismiss()
        self.shot("masks", window)
        self._adjusted(window)

    def _adjusted(self, window: MainWindow) -> None:
        """Adjustment layers: curves with a mask, one clipped to an object's group, sliders, and the list of kinds."""
        bend = Curves(master=Curve(((0, 0), (70, 40), (180, 215), (255, 255))))
        for adjustment, clipped in ((Levels(), False), (HueSaturation(hue=25), True), (bend, False)):
            window.edits.add_adjustment(adjustment, clipped=clipped)
            self.shot(f"adjusted_{type(adjustment).__name__.lower()}", window)
        layer_menu = next(x.menu() for x in window.menuBar().actions() if x.text() == "Layer")
        assert isinstance(layer_menu, QMenu)
        kinds = next(x.menu() for x in layer_menu.actions() if x.menu() is not None)
        assert isinstance(kinds, QMenu)
        kinds.popup(window.mapToGlobal(QPoint(200, 60)))
        self.shot("adjustment_menu", kinds)
        kinds.close()


def main() -> None:
    """Take the pictures."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    out.mkdir(parents=True, exist_ok=True)
    application = QApplication([])
    theme.apply(application)
    with make_rig(out / "work", step_delay_s=0.3) as rig:
        Camera(out, sys.argv[2:]).tour(rig)


if __name__ == "__main__":
    main()
