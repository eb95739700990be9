"""How often previews are made: at most five a second, and at most a quarter of a run's time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LEAST_GAP_S = 0.2
LARGEST_SHARE = 0.25


class PreviewPace:
    """Says when a preview may be made, from what the ones before have taken.

    A preview is due when the last one began at least `least_gap_s` ago and the run would spend no more than `share` of
    its time on previews, were this one as slow as the slowest so far.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        least_gap_s: float = LEAST_GAP_S,
        share: float = LARGEST_SHARE,
    ) -> None:
        self._clock = clock
        self._least_gap_s = least_gap_s
        self._share = share
        self._begun = clock()
        self._last = self._begun - least_gap_s
        self._spent = 0.0
        self._slowest = 0.0

    @property
    def spent_s(self) -> float:
        """Seconds that previews have taken."""
        return self._spent

    def is_due(self) -> bool:
        """Whether a preview may be made now."""
        now = self._clock()
        if now - self._last < self._least_gap_s:
            return False
        if not self._slowest:
            return True
        after = self._spent + self._slowest
        return after <= self._share * (now - self._begun + self._slowest)

    @contextmanager
    def making(self) -> Iterator[None]:
        """Measure the preview that is made inside."""
        self._last = self._clock()
        try:
            yield
        finally:
            took = self._clock() - self._last
            self._spent += took
            self._slowest = max(self._slowest, took)
