"""The event loop goes on turning while a run is active: a 10 ms timer measures the longest gap."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer
from pytestqt.qtbot import QtBot

from psdstudio.core.geometry import Size
from tests.ui.rig import SENTENCE, make_rig

GENEROUS_S = 1.0
"""Half of what the run takes, far above the 50 ms that hold on a quiet machine: here other
processes take the cores. `bench` reports the figure."""


class StallMeter(QObject):
    """Notes the gaps between the beats of a 10 ms timer."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def stop(self) -> None:
        """End the measurement."""
        self._timer.stop()


def test_no_long_stall_through_a_generation(
    qtbot: QtBot, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with make_rig(tmp_path, step_delay_s=0.05, size=Size(1024, 768), steps=40) as rig:
        rig.window.show()
        rig.window.generation.set_text(SENTENCE)
        qtbot.waitUntil(lambda: not rig.window.generation.is_reading)
        meter = StallMeter()
        with qtbot.waitSignal(rig.window.generation.accepted, timeout=30_000):
            rig.window.generation.start()
        qtbot.wait(300)
        meter.stop()
        gaps = sorted(meter.gaps)
        record_property("longest_gap_ms", round(gaps[-1] * 1000, 1))
        record_property("p99_gap_ms", round(gaps[int(len(gaps) * 0.99)] * 1000, 1))
        print(
            f"gaps: median {gaps[len(gaps) // 2] * 1000:.1f} ms, longest {[round(g * 1000) for g in gaps[-5:]]} ms"
        )
        assert gaps[-1] < GENEROUS_S
