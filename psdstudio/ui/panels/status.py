"""The status bar: zoom, size, saved, and what the engine is doing with the time that is left."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLabel, QLineEdit, QSizePolicy, QStatusBar, QWidget

from psdstudio.core.document import Document
from psdstudio.gen.engine import EngineInfo
from psdstudio.io.colour import profile_name
from psdstudio.jobs.events import EnginePhase, EngineState
from psdstudio.ui.dialogs.about import engine_facts
from psdstudio.ui.generate.run import RunView
from psdstudio.ui.widgets import ProgressLine
from psdstudio.ui.wording import ago, time_left


class StatusBar(QStatusBar):
    """Shows states; tells when a zoom was typed. GUI thread."""

    zoom_typed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.setContentsMargins(4, 0, 12, 0)
        self._saved_at: float | None = None
        self._is_dirty = False
        self.engine_info: EngineInfo | None = None
        self._engine_title = "Engine"
        self._engine_phase: EnginePhase | None = None
        self.zoom = QLineEdit("100 %")
        self.zoom.setFixedWidth(64)
        self.zoom.setAccessibleName("Zoom")
        self.zoom.setToolTip("Zoom: type a number and press Enter")
        self.zoom.setStyleSheet("QLineEdit { min-height: 14px; max-height: 16px; padding: 1px 6px; }")
        self.zoom.returnPressed.connect(self._on_zoom)
        self.canvas_size, self.saved, self.message = QLabel(), QLabel(), QLabel()
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.phase, self.engine = QLabel(), QLabel("Engine: not loaded yet")
        self.line = ProgressLine()
        self.addWidget(self.zoom)
        self.addWidget(self.canvas_size)
        self.addWidget(self.saved)
        self.addWidget(self.message, 1)
        self.addPermanentWidget(self.phase)
        self.addPermanentWidget(self.line)
        self.addPermanentWidget(self.engine)
        self.line.hide()
        self.phase.hide()
        self._clock = QTimer(self)
        self._clock.setInterval(5000)
        self._clock.timeout.connect(self._show_saved)
        self._clock.start()
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(6000)
        self._quiet.timeout.connect(self.message.clear)

    def show_zoom(self, zoom: float) -> None:
        """Show the zoom as percent."""
        percent = zoom * 100
        self.zoom.setText(f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %")

    def show_document(self, doc: Document) -> None:
        """Show size, resolution and colour space."""
        self.canvas_size.setText(
            f"{doc.size.width} × {doc.size.height} px   {doc.resolution_dpi:.0f} dpi"
            f"   {profile_name(doc.profile)}/8"
        )

    def show_saved(self, saved_at: float | None, *, is_dirty: bool) -> None:
        """Remember when the document was saved (monotonic seconds) and whether it changed since."""
        self._saved_at, self._is_dirty = saved_at, is_dirty
        self._show_saved()

    def say(self, text: str) -> None:
        """Show a sentence for some seconds."""
        self.message.setText(text)
        self._quiet.start()

    def show_run(self, run: RunView | None) -> None:
        """Show phase, share and time left of a run."""
        self.phase.setVisible(run is not None)
        self.line.setVisible(run is not None)
        self.engine.setVisible(run is None)
        if run is None:
            return
        left = "" if run.eta_s is None else f", about {time_left(run.eta_s)} left"
        self.phase.setText(f"{run.phase}{left}")
        self.line.set_fraction(run.fraction)

    def name_engine(self, title: str) -> None:
        """Say which engine is chosen; until it is loaded that is all there is to say."""
        self._engine_title = title
        if self.engine_info is None and self._engine_phase is None:
            self.engine.setText(f"{title}: not loaded yet")

    def forget_engine(self) -> None:
        """Another engine takes over: what the last one said of itself is out of date."""
        self.engine_info = None

    def show_engine(self, state: EngineState) -> None:
        """Show how the engine is; the tip says what it can do, or why it stopped."""
        self.engine_info, self._engine_phase = state.info or self.engine_info, state.phase
        tip, title = "", self._engine_title
        match state.phase:
            case EnginePhase.LOADING:
                share = f" {state.fraction * 100:.0f} %" if state.fraction > 0 else ""
                self.engine.setText(f"{title}: loading{share}")
            case EnginePhase.READY:
                self.engine.setText(f"{title}: ready" if state.info is None else f"{state.info.title}: ready")
                tip = engine_facts(state.info)
            case EnginePhase.STOPPED:
                is_fault = state.report is not None
                self.engine.setText(f"{title}: stopped" if is_fault else f"{title}: not loaded yet")
                tip = "" if state.report is None else f"{state.report.message} {state.report.hint}"
        self.engine.setToolTip(tip)

    def _show_saved(self) -> None:
        if self._is_dirty:
            self.saved.setText("not saved" if self._saved_at is None else "changed since the last save")
        elif self._saved_at is not None:
            self.saved.setText(f"saved {ago(time.monotonic() - self._saved_at)}")
        else:
            self.saved.setText("")

    def _on_zoom(self) -> None:
        text = self.zoom.text().replace("%", "").replace(",", ".").strip()
        try:
            percent = float(text)
        except ValueError:
            percent = 0.0
        self.zoom_typed.emit(percent / 100)
