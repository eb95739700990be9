"""Percent typed as digits, as in Photoshop: 5 is 50, 0 is 100, 4 then 2 is 42."""

from __future__ import annotations

import time
from collections.abc import Callable

PAIR_S = 0.6
"""Two digits typed within this time are one number."""


class DigitPairs:
    """Remembers the last digit for a moment. GUI thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[str, int, float] | None = None

    def take(self, kind: str, digit: int) -> int:
        """Return the percent that this digit of `kind` (opacity, fill) asks for, 1..100."""
        now, last = self._clock(), self._last
        if last is not None and last[0] == kind and now - last[2] < PAIR_S:
            self._last = None
            return last[1] * 10 + digit
        self._last = (kind, digit, now)
        return digit * 10 or 100
