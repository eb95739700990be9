"""Results on disk before they are shown: turns a result into the next document and stores it. Two threads meet here.

The GUI thread notes the newest document and what a run starts from; the runner's thread calls `persist`. Both only
swap references to immutable values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from psdstudio.core.commands import Command
from psdstudio.core.commands import Sequence as CommandSequence
from psdstudio.core.document import Document
from psdstudio.gen.accepting import AcceptResult, acceptance_notes
from psdstudio.gen.request import GenerationResult
from psdstudio.io.recovery import RecoveryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The command that takes a result over; it gives a document that was computed already where that still fits."""

    command: Command
    before: Document
    after: Document
    prepare: tuple[Command, ...]
    result: GenerationResult
    merge_key: None = None

    @property
    def label(self) -> str:
        """What the Edit menu says."""
        return self.command.label

    def apply(self, doc: Document) -> Document:
        """Return the computed document, or compute afresh when there were edits since."""
        return self.after if doc is self.before else self.command.apply(doc)

    def notes(self, doc: Document) -> tuple[str, ...]:
        """Return a sentence for every part that cannot go into its layer of `doc` any more."""
        for command in self.prepare:
            doc = command.apply(doc)
        return acceptance_notes(doc, self.result)


class RunStore:
    """See the module text. Any thread."""

    def __init__(self, document: Document, recovery: RecoveryStore | None) -> None:
        self._lock = Lock()
        self._document = document
        self._title = ""
        self._path: Path | None = None
        self._recovery = recovery
        self._prepare: dict[str, tuple[str, tuple[Command, ...]]] = {}
        self._ready: dict[str, Accepted] = {}

    def note(self, document: Document, *, title: str, path: Path | None) -> None:
        """Remember the newest document; GUI thread."""
        with self._lock:
            self._document, self._title, self._path = document, title, path

    def expect(self, run_id: str, label: str, prepare: tuple[Command, ...]) -> None:
        """Say what a run's result is put on top of: the commands that make its placeholders."""
        with self._lock:
            self._prepare[run_id] = (label, prepare)

    def persist(self, result: GenerationResult) -> None:
        """Compute the document with the result in it and store it; raises FileWriteFailed. The runner's thread."""
        run_id = result.request.run_id
        with self._lock:
            label, prepare = self._prepare.get(run_id, ("Generate", ()))
            document, title, path = self._document, self._title, self._path
        command = CommandSequence(label=label, commands=(*prepare, AcceptResult(result=result, label=label)))
        after = command.apply(document)
        if self._recovery is not None:
            self._recovery.store_result(after, run_id, title=title, project_path=path)
        with self._lock:
            self._ready[run_id] = Accepted(
                command=command, before=document, after=after, prepare=prepare, result=result
            )

    def take(self, run_id: str) -> Accepted:
        """Return the command of a stored result, once."""
        with self._lock:
            self._prepare.pop(run_id, None)
            return self._ready.pop(run_id)

    def forget(self, run_id: str) -> None:
        """The run came to nothing."""
        with self._lock:
            self._prepare.pop(run_id, None)
            self._ready.pop(run_id, None)
