"""Session: the one mutable owner of the current document, its history and the selection. Main thread only."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

from psdstudio.core.changes import Change, Origin
from psdstudio.core.commands import Command
from psdstudio.core.document import Document
from psdstudio.core.history import DEFAULT_BUDGET_BYTES, Entry, History
from psdstudio.core.layers import LayerId
from psdstudio.core.selection import selection_after
from psdstudio.errors import CommandError

_log = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[Change], None]
SelectionListener: TypeAlias = Callable[[tuple[LayerId, ...]], None]
Unsubscribe: TypeAlias = Callable[[], None]
_T = TypeVar("_T")


class Transaction:
    """A drag in progress: shown at once, one undo step when committed. Made by `Session.begin`.

    `update` replaces what the transaction did so far: every update is applied to the document as it was at
    the start, so a drag says "moved by 10", never "one more". `extend` adds to it (a stroke grows). When a
    command from elsewhere is applied meanwhile (a result arrives), the transaction goes on from the new
    document; if it does not apply any more, it ends and `is_open` is False.
    """

    def __init__(self, label: str, base: Document, *, run: _Run, end: _End) -> None:
        self._run = run
        self._end = end
        self.label = label
        self.base = base
        self.commands: tuple[Command, ...] = ()
        self.is_open = True

    def update(self, command: Command) -> Change:
        """Show the starting document with `command` applied; raises CommandError, then nothing changes."""
        return self._run(self, (command,))

    def extend(self, command: Command) -> Change:
        """Show the current state with `command` applied on top; raises CommandError, then nothing changes."""
        return self._run(self, (*self.commands, command))

    def commit(self) -> Change:
        """End; what is shown becomes one undo step (none when nothing changed)."""
        return self._end(self, True)

    def abort(self) -> Change:
        """End; the very document of the start is back."""
        return self._end(self, False)


_Run: TypeAlias = Callable[[Transaction, tuple[Command, ...]], Change]
_End: TypeAlias = Callable[[Transaction, bool], Change]


class Session:
    """The open document. All calls come from the thread that made the session (asserted)."""

    def __init__(self, document: Document, *, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._thread_id = threading.get_ident()
        self._document = document
        self._history = History(budget_bytes)
        self._history.mark_saved(document)
        self._selection: tuple[LayerId, ...] = ()
        self._transaction: Transaction | None = None
        self._selection_at_start: tuple[LayerId, ...] = ()
        self._listeners: list[Listener] = []
        self._selection_listeners: list[SelectionListener] = []
        self._untold: deque[Change | tuple[LayerId, ...]] = deque()
        self._is_telling = False

    @property
    def document(self) -> Document:
        """The current document, with an unfinished drag as shown."""
        return self._document

    @property
    def transaction(self) -> Transaction | None:
        """The drag in progress, if any."""
        return self._transaction

    @property
    def selection(self) -> tuple[LayerId, ...]:
        """Selected layers in the order they were selected; all of them exist."""
        return self._selection

    @property
    def can_undo(self) -> bool:
        """Whether undo() would change anything."""
        return self._transaction is not None or self._history.undo_label is not None

    @property
    def can_redo(self) -> bool:
        """Whether redo() would change anything."""
        return self._transaction is None and self._history.redo_label is not None

    @property
    def undo_label(self) -> str | None:
        """What undo() takes back, for the menu."""
        return self._transaction.label if self._transaction else self._history.undo_label

    @property
    def redo_label(self) -> str | None:
        """What redo() does again, for the menu."""
        return self._history.redo_label

    @property
    def history_labels(self) -> tuple[str, ...]:
        """Labels of all steps that can be undone, oldest first."""
        return self._history.labels

    @property
    def is_dirty(self) -> bool:
        """Whether the document differs from the saved one; undoing back to it makes it clean again."""
        base = self._transaction.base if self._transaction else self._document
        return not self._history.is_saved(base) or base is not self._document

    def apply(self, command: Command, origin: Origin = Origin.USER) -> Change:
        """Run one command as an undo step and tell the listeners.

        Raises:
            CommandError: the command does not apply; document, history and selection are as they were.
        """
        self._check_thread()
        before = self._document
        transaction = self._transaction
        start = transaction.base if transaction else before
        after = _checked(command.apply(start))
        if after is start:
            return Change(before, before, origin, command.label)
        step = Change(start, after, origin, command.label)
        selected = selection_after(step, self._selection)
        self._history.push(
            Entry(
                label=command.label,
                before=start,
                after=after,
                merge_key=command.merge_key,
                selection_before=self._selection,
                selection_after=selected,
            )
        )
        shown = after if transaction is None else self._rebased(transaction, after)
        self._document = shown
        change = Change(before, shown, origin, command.label)
        self._publish(change, _existing(shown, selected))
        return change

    def begin(self, label: str) -> Transaction:
        """Start a drag; one that is still open is committed first."""
        self._check_thread()
        if self._transaction is not None:
            self._transaction.commit()
        self._transaction = Transaction(
            label, self._document, run=self._run_transaction, end=self._end_transaction
        )
        self._selection_at_start = self._selection
        return self._transaction

    def undo(self) -> Change | None:
        """Go back one step to the very document before it; an unfinished drag is what is taken back.

        None: no step.
        """
        self._check_thread()
        if self._transaction is not None:
            return self._transaction.abort()
        entry = self._history.undo()
        if entry is None:
            return None
        return self._go(
            entry.before, entry.selection_before, Change(entry.after, entry.before, Origin.UNDO, entry.label)
        )

    def redo(self) -> Change | None:
        """Go forward one undone step to the very document after it.

        None when there is none or a drag is open.
        """
        self._check_thread()
        entry = None if self._transaction is not None else self._history.redo()
        if entry is None:
            return None
        return self._go(
            entry.after, entry.selection_after, Change(entry.before, entry.after, Origin.REDO, entry.label)
        )

    def replace_document(self, document: Document, *, is_saved: bool = True) -> Change:
        """Show another document (new, opened, recovered); history and selection start afresh."""
        self._check_thread()
        if self._transaction is not None:
            self._transaction.is_open = False
            self._transaction = None
        change = Change(self._document, document, Origin.REPLACED, "Open")
        self._history.clear()
        if is_saved:
            self._history.mark_saved(document)
        self._document = document
        self._publish(change, ())
        return change

    def mark_saved(self, document: Document | None = None) -> None:
        """Remember what the file holds: `document` (a save may end after an edit), else the current one."""
        self._check_thread()
        self._history.mark_saved(self._document if document is None else document)

    def select(self, ids: Iterable[LayerId]) -> None:
        """Select exactly these layers (unknown ids are dropped, doubles too).

        No undo step; ends merging of steps.
        """
        self._check_thread()
        self._history.seal()
        wanted = _existing(self._document, dict.fromkeys(ids))
        if self._transaction is not None:
            self._selection_at_start = wanted
        self._publish(None, wanted)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call `listener` after every change; what it raises is logged and reaches nobody else."""
        self._check_thread()
        self._listeners.append(listener)
        return lambda: _drop(self._listeners, listener)

    def subscribe_selection(self, listener: SelectionListener) -> Unsubscribe:
        """Call `listener` with the new selection whenever it changes."""
        self._check_thread()
        self._selection_listeners.append(listener)
        return lambda: _drop(self._selection_listeners, listener)

    def _run_transaction(self, transaction: Transaction, commands: tuple[Command, ...]) -> Change:
        self._check_thread()
        _assert_open(transaction)
        after = transaction.base
        for command in commands:
            after = command.apply(after)
        before, self._document = self._document, _checked(after)
        transaction.commands = commands
        change = Change(before, after, Origin.PREVIEW, transaction.label)
        # From the start, as the document: a copy that an update takes back leaves the old selection.
        step = Change(transaction.base, after, Origin.PREVIEW, transaction.label)
        selected = selection_after(step, _existing(transaction.base, self._selection_at_start))
        self._publish(None if before is after else change, selected)
        return change

    def _end_transaction(self, transaction: Transaction, keep: bool) -> Change:
        self._check_thread()
        _assert_open(transaction)
        transaction.is_open = False
        self._transaction = None
        before, base = self._document, transaction.base
        if keep and before is not base:
            self._history.push(
                Entry(
                    label=transaction.label,
                    before=base,
                    after=before,
                    selection_before=self._selection_at_start,
                    selection_after=self._selection,
                )
            )
            change = Change(before, before, Origin.USER, transaction.label)
            self._publish(change, self._selection)
        else:
            self._document = base
            change = Change(before, base, Origin.PREVIEW, transaction.label)
            self._publish(change, _existing(base, self._selection_at_start))
        return change

    def _rebased(self, transaction: Transaction, base: Document) -> Document:
        """Return `base` with the open drag on top; ends the drag when it does not apply any more."""
        shown = base
        try:
            for command in transaction.commands:
                shown = _checked(command.apply(shown))
        except CommandError:
            transaction.is_open = False
            self._transaction = None
            return base
        transaction.base = base
        return shown

    def _go(self, document: Document, selection: tuple[LayerId, ...], change: Change) -> Change:
        self._document = document
        wanted = selection if change.added or change.removed else self._selection
        self._publish(change, _existing(document, wanted))
        return change

    def _publish(self, change: Change | None, selection: tuple[LayerId, ...]) -> None:
        """Tell the listeners: of the document first, so that new rows exist before they are selected.

        A listener that edits in turn does not overtake: its change is told after this one.
        """
        if change is not None:
            self._untold.append(change)
        if selection != self._selection:
            self._selection = selection
            self._untold.append(selection)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._untold:
                self._tell(self._untold.popleft())
        finally:
            self._is_telling = False

    def _tell(self, news: Change | tuple[LayerId, ...]) -> None:
        if isinstance(news, Change):
            _call_each(self._listeners, news)
        else:
            _call_each(self._selection_listeners, news)

    def _check_thread(self) -> None:
        assert threading.get_ident() == self._thread_id, "the session belongs to the thread that made it"


def _assert_open(transaction: Transaction) -> None:
    assert transaction.is_open, f"the transaction '{transaction.label}' has ended"


def _checked(document: Document) -> Document:
    faults = document.validate()
    assert not faults, f"a command made an unsound document: {'; '.join(faults)}"
    return document


def _existing(document: Document, ids: Iterable[LayerId]) -> tuple[LayerId, ...]:
    return tuple(layer_id for layer_id in ids if document.find(layer_id) is not None)


def _drop(listeners: list[_T], listener: _T) -> None:
    if listener in listeners:
        listeners.remove(listener)


def _call_each(listeners: list[Callable[[_T], None]], news: _T) -> None:
    for listener in tuple(listeners):
        try:
            listener(news)
        except Exception:  # noqa: BLE001 - the edit is done already; the caller must not fail for an onlooker
            _log.exception("A listener of the session failed at %s", type(news).__name__)
