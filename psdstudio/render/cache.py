"""A least-recently-used store with a byte budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class ByteCache(Generic[V]):
    """Maps keys to values until their declared sizes exceed the budget; usable from any thread."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._held: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    @property
    def mem_bytes(self) -> int:
        """The declared bytes of everything held."""
        return self._used

    def get(self, key: Hashable) -> V | None:
        """Return the value and mark it as used, or None."""
        with self._lock:
            entry = self._held.get(key)
            if entry is None:
                return None
            self._held.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: V, size_bytes: int) -> None:
        """Hold the value, dropping the longest unused ones; one beyond the whole budget is not held."""
        with self._lock:
            old = self._held.pop(key, None)
            if old is not None:
                self._used -= old[1]
            if size_bytes > self._budget:
                return
            self._held[key] = (value, size_bytes)
            self._used += size_bytes
            while self._used > self._budget:
                _, (_, dropped) = self._held.popitem(last=False)
                self._used -= dropped

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._held.clear()
            self._used = 0
