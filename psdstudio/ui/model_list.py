"""The user's models: the list on disk, and the reading of files for it, off the GUI thread, one piece at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TypeAlias

from PySide6.QtCore import QObject, Qt, Signal, Slot

from psdstudio.core.wording import counted
from psdstudio.errors import Cancelled, FileError, StudioError
from psdstudio.gen.model_files import ModelFile
from psdstudio.models.adding import Findings, add_models, find_models, merged
from psdstudio.models.engine_needs import rivals
from psdstudio.models.reading import Progress
from psdstudio.models.store import HasConfigFolder, save_models
from psdstudio.models.verifying import Verdict, verify_model
from psdstudio.ui.bridge import Background

Models: TypeAlias = tuple[ModelFile, ...]
_TELL_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a piece of work ended: what was done, or what went wrong; `remarks` on single files, a line each."""

    message: str = ""
    problem: StudioError | None = None
    remarks: tuple[str, ...] = ()


class ModelList(QObject):
    """Owner of the list. GUI thread."""

    changed = Signal()
    """Another list."""
    progressed = Signal(str, float)
    """What is being read, and the share that is read, 0..1."""
    ended = Signal(object)
    """A `Report`: the work is over."""
    _told = Signal(float)

    def __init__(self, folders: HasConfigFolder, models: Models = (), parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folders, self._models = folders, models
        self._background = Background("models", parent=self)
        self._cancelled = Event()
        self._doing = ""
        self._verdicts: dict[str, Verdict] = {}
        self._told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)

    @property
    def models(self) -> Models:
        """The models; of several that would do (`rivals`) engines take the first."""
        return self._models

    @property
    def doing(self) -> str:
        """What is being read now; "" when nothing is."""
        return self._doing

    def verdict(self, model: ModelFile) -> Verdict | None:
        """Return what verifying said of a model since the program started."""
        found = self._verdicts.get(model.path)
        return found if found is not None and found.model.sha256 == model.sha256 else None

    def add(self, path: Path) -> None:
        """Read a file, or all models in a folder, and put them on the list; `ended` tells how it went."""

        def read(tell: Progress) -> Findings:
            found = find_models(path, progress=tell)
            return found if found.models else Findings(models=add_models(path, progress=tell))

        self._begin(f"Reading “{path.name or path}”", read, self._on_found)

    def verify(self) -> None:
        """Read every model again and compare it with what was recorded."""
        models = self._models
        total = max(1, sum(model.size_bytes for model in models))

        def read(tell: Progress) -> tuple[Verdict, ...]:
            verdicts, before = [], 0
            for model in models:
                start = before
                verdicts.append(verify_model(model, lambda done, _, start=start: tell(start + done, total)))  # type: ignore[misc]  # mypy: lambda with a default
                before += model.size_bytes
            return tuple(verdicts)

        self._begin("Verifying", read, self._on_verified)

    def remove(self, model: ModelFile) -> None:
        """Take a model off the list; its files stay."""
        if self._store(tuple(other for other in self._models if other != model)):
            self.ended.emit(Report(message=f"“{model.title}” is off the list; its files are untouched."))

    def prefer(self, model: ModelFile) -> None:
        """Let engines take this one of those that would do."""
        rest, kinds = tuple(other for other in self._models if other != model), rivals(model.kind)
        at = next((i for i, other in enumerate(rest) if other.kind in kinds), len(rest))
        if self._store((*rest[:at], model, *rest[at:])):
            self.ended.emit(Report(message=f"“{model.title}” is used from now on."))

    def cancel(self) -> None:
        """Stop reading; nothing comes onto the list."""
        self._cancelled.set()

    def close(self) -> None:
        """Stop reading and end the thread."""
        self.cancel()
        self._background.stop()

    # ---- the work

    def _begin(
        self, doing: str, read: Callable[[Progress], object], done: Callable[[object], Report]
    ) -> None:
        if self._doing:
            return
        self._doing = doing
        self._cancelled.clear()
        self.progressed.emit(doing, 0.0)

        def work() -> object:
            try:
                return read(self._teller())
            except Cancelled:
                return None

        self._background.submit(work, lambda found: self._end(done, found), self._on_fault)

    def _teller(self) -> Progress:
        """Return a callback for the working thread: passes progress on now and then, and ends cancelled work."""
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            if self._cancelled.is_set():
                raise Cancelled
            if (now := time.monotonic()) - last >= _TELL_EVERY_S:
                last = now
                self._told.emit(done / max(1, total))

        return tell

    @Slot(float)
    def _on_told(self, fraction: float) -> None:
        if self._doing:
            self.progressed.emit(self._doing, fraction)

    def _end(self, done: Callable[[object], Report], found: object) -> None:
        self._doing = ""
        self.ended.emit(Report(message="Stopped; nothing was changed.") if found is None else done(found))

    def _on_fault(self, error: Exception) -> None:
        self._doing = ""
        if not isinstance(error, StudioError):
            self.ended.emit(Report(message=""))
            raise error
        self.ended.emit(Report(problem=error))

    def _on_found(self, found: object) -> Report:
        assert isinstance(found, Findings)
        remarks = tuple(f"{refusal.path.name}: {refusal.error.user_message}" for refusal in found.refusals)
        before = {model.path for model in self._models}
        try:
            self._save(merged(self._models, found.models))
        except FileError as error:
            return Report(problem=error, remarks=remarks)
        new = sum(model.path not in before for model in found.models)
        again = len(found.models) - new
        said = [f"{counted(new, 'model')} added." if new else ""]
        said += [f"{counted(again, 'model')} read again." if again else ""]
        said += [f"{counted(len(remarks), 'file')} there cannot be used." if remarks else ""]
        return Report(message=" ".join(filter(None, said)), remarks=remarks)

    def _on_verified(self, found: object) -> Report:
        assert isinstance(found, tuple)
        verdicts: Iterable[Verdict] = found
        self._verdicts = {verdict.model.path: verdict for verdict in verdicts}
        self.changed.emit()
        faults = [verdict for verdict in self._verdicts.values() if verdict.error is not None]
        if not faults:
            return Report(message=f"{counted(len(self._verdicts), 'model')} verified: nothing has changed.")
        remarks = tuple(f"{verdict.model.title}: {verdict.error}" for verdict in faults)
        return Report(problem=faults[0].error, remarks=remarks)

    def _store(self, models: Models) -> bool:
        if self._doing:
            return False
        try:
            self._save(models)
        except FileError as error:
            self.ended.emit(Report(problem=error))
            return False
        return True

    def _save(self, models: Models) -> None:
        save_models(self._folders, models)
        if models != self._models:
            self._models = models
            self.changed.emit()
