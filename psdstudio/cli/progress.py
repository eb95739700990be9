"""The progress bar: one line on a terminal, nothing elsewhere."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TextIO

from psdstudio.gen.engine import Stage

_BAR = 24


@dataclass(slots=True)
class ProgressBar:
    """Redraws one line of `out`; silent when `out` is no terminal. One thread at a time."""

    out: TextIO
    is_shown: bool = False
    _width: int = 0

    @classmethod
    def on(cls, out: TextIO) -> ProgressBar:
        """Return a bar that shows itself when `out` is a terminal."""
        return cls(out, is_shown=out.isatty())

    def show(self, stage: Stage, fraction: float, eta_s: float | None) -> None:
        """Draw: share of the run, phase in words, and the time left once it is known."""
        self.draw(stage.value, fraction, eta_s)

    def draw(self, words: str, fraction: float, eta_s: float | None) -> None:
        """Draw as `show` does, for work that is no run of an engine."""
        if not self.is_shown:
            return
        done = round(_BAR * min(1.0, max(0.0, fraction)))
        line = f"[{'#' * done}{'.' * (_BAR - done)}] {fraction:4.0%}  {words}"
        if eta_s is not None:
            line += f", {_duration(eta_s)} left"
        line = line[: shutil.get_terminal_size().columns - 1]
        self.out.write("\r" + line.ljust(self._width))
        self.out.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Wipe the line, so that what is printed next stands alone."""
        if self._width:
            self.out.write("\r" + " " * self._width + "\r")
            self.out.flush()
            self._width = 0


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
