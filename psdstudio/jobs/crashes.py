"""How often an engine crashed of late: the second time in a row it is not started again unless the user asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from psdstudio.jobs.report import ErrorReport


@dataclass(slots=True)
class CrashLog:
    """The crashes of one engine. `blocked` is the report of the one that was too many."""

    window_s: float
    blocked: ErrorReport | None = None
    _times: list[float] = field(default_factory=list)

    def has_recent(self, now: float) -> bool:
        """Whether it crashed within the window."""
        return bool(self._recent(now))

    def note(self, now: float, report: ErrorReport) -> None:
        """Count a crash; the second within the window blocks the engine."""
        self._times = [*self._recent(now), now]
        if len(self._times) >= 2:
            self.blocked = report

    def forgive(self) -> None:
        """Begin anew: the user asked for the engine, or it is another one."""
        self.blocked, self._times = None, []

    def _recent(self, now: float) -> list[float]:
        return [at for at in self._times if now - at <= self.window_s]
