"""The progress bar: one line on a terminal, silence elsewhere."""

from __future__ import annotations

import io

from psdstudio.cli.progress import ProgressBar
from psdstudio.gen.engine import Stage


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_share_phase_and_time_left() -> None:
    out = _Terminal()
    bar = ProgressBar.on(out)
    bar.show(Stage.LOAD, 0.0, None)
    bar.show(Stage.DENOISE, 0.5, 75.0)
    lines = out.getvalue().split("\r")
    assert lines[1].startswith("[" + "." * 24 + "]   0%  Loading the engine")
    assert lines[2].startswith("[" + "#" * 12 + "." * 12 + "]  50%  Painting all layers, 1 min 15 s left")
    assert "\n" not in out.getvalue()
    bar.show(Stage.DECODE, 1.0, 0.0)
    assert len(out.getvalue().split("\r")[3]) >= len(lines[2])  # the longer line before is covered
    bar.clear()
    assert out.getvalue().endswith(" \r")


def test_a_pipe_sees_nothing() -> None:
    out = io.StringIO()
    bar = ProgressBar.on(out)
    bar.show(Stage.DENOISE, 0.5, None)
    bar.clear()
    assert out.getvalue() == ""
