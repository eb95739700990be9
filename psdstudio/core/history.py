"""Linear undo: entries hold whole documents, which share all tiles that did not change.

No command is ever reversed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId, PixelLayer
from psdstudio.core.tiles import TileEntry, TileGrid

DEFAULT_BUDGET_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One undo step. `selection_before` and `_after` are what was selected around it."""

    label: str
    before: Document
    after: Document
    merge_key: Hashable | None = None
    selection_before: tuple[LayerId, ...] = ()
    selection_after: tuple[LayerId, ...] = ()


class History:
    """The steps done and undone. Main thread only, owned by `Session`.

    `budget_bytes` bounds the tiles that only the history keeps alive; the oldest steps go first. The newest
    step is always kept, however large.
    """

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes
        self._done: list[Entry] = []
        self._undone: list[Entry] = []
        self._costs: list[int] = []  # parallel to _done: bytes that undoing the entry would bring back
        self._saved: Document | None = None
        self._sealed = True

    @property
    def undo_label(self) -> str | None:
        """Label of the step that undo() takes back; None when there is none."""
        return self._done[-1].label if self._done else None

    @property
    def redo_label(self) -> str | None:
        """Label of the step that redo() does again; None when there is none."""
        return self._undone[-1].label if self._undone else None

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all done steps, oldest first."""
        return tuple(entry.label for entry in self._done)

    @property
    def mem_bytes(self) -> int:
        """Bytes of tiles kept alive for undo alone."""
        return sum(self._costs)

    def push(self, entry: Entry) -> None:
        """Add a step, or melt it into the last one when the merge keys agree; undone steps are forgotten."""
        last = self._done[-1] if self._done else None
        merges = (
            not self._sealed
            and last is not None
            and entry.merge_key is not None
            and last.merge_key == entry.merge_key
            and last.after is entry.before
        )
        if last is not None and merges:
            entry = replace(entry, before=last.before, selection_before=last.selection_before)
            self._done.pop()
            self._costs.pop()
        self._undone.clear()
        self._done.append(entry)
        self._costs.append(_bytes_lost(entry.before, entry.after))
        self._sealed = False
        while len(self._done) > 1 and self.mem_bytes > self._budget_bytes:
            del self._done[0], self._costs[0]

    def undo(self) -> Entry | None:
        """Take back the last step and return it; None when there is none."""
        if not self._done:
            return None
        entry = self._done.pop()
        self._costs.pop()
        self._undone.append(entry)
        self._sealed = True
        return entry

    def redo(self) -> Entry | None:
        """Do the last undone step again and return it; None when there is none."""
        if not self._undone:
            return None
        entry = self._undone.pop()
        self._done.append(entry)
        self._costs.append(_bytes_lost(entry.before, entry.after))
        self._sealed = True
        return entry

    def seal(self) -> None:
        """Let the next step start a new entry even if its merge key agrees."""
        self._sealed = True

    def clear(self) -> None:
        """Forget all steps and the saved document."""
        self._done.clear()
        self._undone.clear()
        self._costs.clear()
        self._saved = None
        self._sealed = True

    def mark_saved(self, document: Document) -> None:
        """Remember that `document` is what the file holds."""
        self._saved = document
        self._sealed = True

    def is_saved(self, document: Document) -> bool:
        """Whether the file holds exactly this document value (by identity)."""
        return document is self._saved


def grids(document: Document) -> Iterator[TileGrid]:
    """Yield every raster of the document: pixels and masks."""
    for layer in document.walk():
        if layer.mask is not None:
            yield layer.mask.pixels
        if isinstance(layer, PixelLayer):
            yield layer.pixels


def _bytes_lost(before: Document, after: Document) -> int:
    """Bytes of tiles in `before` that are not in `after`: what only the undo step keeps alive."""
    if before.layers is after.layers:
        return 0
    still = {id(grid): grid for grid in grids(after)}
    gone = [grid for grid in grids(before) if id(grid) not in still]
    if not gone:
        return 0
    alive = {id(entry) for grid in still.values() for entry in grid.entries.values()}
    lost: dict[int, TileEntry] = {id(entry): entry for grid in gone for entry in grid.entries.values()}
    return sum(entry.nbytes for key, entry in lost.items() if key not in alive)
