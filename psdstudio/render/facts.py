"""What is known of a tile array without looking at it again: a number that names it, and its range of
coverage.

A number is given out once and never again, so that a cache key made of numbers cannot come to mean another
array, as an `id()` can once its array is gone.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

from psdstudio.core.tiles import U8Array

_PURGE_STEP = 4096


@dataclass(frozen=True, slots=True)
class TileFacts:
    """`number` names the array; `low` and `high` bound its last channel (alpha or mask value), 0..255."""

    number: int
    low: int
    high: int


class FactBook:
    """Facts of every tile array asked about, by identity; usable from any thread, holds no array alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[weakref.ref[U8Array], TileFacts]] = {}
        self._next = 1
        self._purge_at = _PURGE_STEP

    def facts(self, tile: U8Array) -> TileFacts:
        """Return the facts of a read-only tile array."""
        entry = self._known.get(id(tile))
        # The id may have passed to a new array: only the living reference proves who it is.
        if entry is not None and entry[0]() is tile:
            return entry[1]
        coverage = tile[..., -1]
        low, high = int(coverage.min()), int(coverage.max())
        with self._lock:
            facts = TileFacts(self._next, low, high)
            self._next += 1
            self._known[id(tile)] = (weakref.ref(tile), facts)
            if len(self._known) >= self._purge_at:
                self._known = {key: entry for key, entry in self._known.items() if entry[0]() is not None}
                self._purge_at = 2 * len(self._known) + _PURGE_STEP
        return facts
