"""Pacing: previews at most five a second, newest wins; how long a run will still take; patience with a worker."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from psdstudio.jobs.events import JobPreview

PREVIEW_INTERVAL_S = 0.2
_WINDOW = 8
_MIN_SPAN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """How long the worker may take to obey (seconds), and when two crashes are one too many."""

    cancel_s: float = 5.0
    load_s: float = 30.0
    crash_window_s: float = 300.0


@dataclass(slots=True)
class PreviewThrottle:
    """Holds back previews that come too early; owned by the runner's thread."""

    interval_s: float = PREVIEW_INTERVAL_S
    _held: JobPreview | None = None
    _next_at: float = float("-inf")

    def offer(self, preview: JobPreview, now: float) -> JobPreview | None:
        """Return the preview when it may be shown now; otherwise hold it in place of any older one."""
        self._held = preview
        return self.due(now)

    def due(self, now: float) -> JobPreview | None:
        """Return the held preview once its time has come."""
        if self._held is None or now < self._next_at:
            return None
        preview, self._held = self._held, None
        self._next_at = now + self.interval_s
        return preview

    @property
    def deadline(self) -> float | None:
        """When `due` will have something; None while nothing is held."""
        return self._next_at if self._held is not None else None

    def clear(self) -> None:
        """Forget what is held."""
        self._held = None


@dataclass(slots=True)
class TimeLeft:
    """Estimates the rest of a run from the pace of its last steps, so that a slow first step is forgotten."""

    _points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def add(self, fraction: float, now: float) -> float | None:
        """Note that `fraction` (0..1) is done at time `now`; return the seconds left, None while unknown."""
        if self._points and fraction < self._points[-1][1]:
            self._points.clear()
        self._points.append((now, fraction))
        (t0, f0), (t1, f1) = self._points[0], self._points[-1]
        if f1 >= 1.0:
            return 0.0
        if f1 - f0 < _MIN_SPAN or t1 <= t0:
            return None
        return (1.0 - f1) * (t1 - t0) / (f1 - f0)
