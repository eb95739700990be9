"""New, open, save, export, import, recovery: the session's way to the disk. All file work happens on a thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from psdstudio.core.changes import Change, Origin
from psdstudio.core.document import Document
from psdstudio.core.placement_commands import ResizeCanvas
from psdstudio.core.wording import counted
from psdstudio.errors import FileError, StudioError
from psdstudio.io.formats import FORMATS, OPEN_SUFFIXES, ExportFormat, Opened, open_file
from psdstudio.io.project import EXTENSION, TileHashes, load_project, save_project
from psdstudio.io.recovery import RecoveryStore, UnfinishedWork
from psdstudio.ui.bridge import Background, SessionBridge
from psdstudio.ui.colour_profiles import ColourProfiles
from psdstudio.ui.dialogs.export import ExportChoice, ExportDialog
from psdstudio.ui.dialogs.new_document import NewDocumentDialog
from psdstudio.ui.generate.run_store import RunStore
from psdstudio.ui.panels.error_bar import Notice, notice_of
from psdstudio.ui.psd_files import (
    PSD_EXTENSIONS,
    opened_notice,
    psd_notice,
    psd_report_lines,
    read_psd,
    write_other,
    write_psd,
    written_lines,
)
from psdstudio.ui.wording import ago

if TYPE_CHECKING:
    from psdstudio.io.psd_report import ImportReport

AUTOSAVE_MS = 20_000
_PATTERNS = " ".join("*" + ext for ext in OPEN_SUFFIXES)
_OPENABLE = f"Projects, layered files and pictures ({_PATTERNS})"
_PROJECTS = f"PSDStudio projects (*{EXTENSION})"


class Files(QObject):
    """Owner of the document's file name and of what is unsaved. GUI thread."""

    notice = Signal(object)
    """A `Notice` for the bar."""
    renamed = Signal()
    """Title, path or saved state changed."""
    opened = Signal(object)
    """The path that was opened or saved."""

    def __init__(
        self,
        bridge: SessionBridge,
        store: RunStore,
        recovery: RecoveryStore | None,
        background: Background,
        *,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._bridge, self._store, self._recovery = bridge, store, recovery
        self._background, self._window = background, window
        self.colours = ColourProfiles(bridge, background, window)
        self._hashes = TileHashes()
        self._new_scene = self._document.scene
        """What the settings say of new documents: the window begins with one."""
        self.path: Path | None = None
        self.saved_at: float | None = None
        self._autosave = QTimer(self)
        self._autosave.setSingleShot(True)
        self._autosave.setInterval(AUTOSAVE_MS)
        self._autosave.timeout.connect(self.autosave_now)
        bridge.changed.connect(self._on_change)
        self._note()

    @property
    def title(self) -> str:
        """What the window is called."""
        return self.path.stem if self.path is not None else "Untitled"

    @property
    def _document(self) -> Document:
        return self._bridge.session.document

    # ---- new and open

    def new(self) -> None:
        """Ask for a size and begin (Ctrl+N)."""
        dialog = NewDocumentDialog(self._document.size, self._window)
        dialog.accepted.connect(lambda: self._begin(dialog.document(self._new_scene)))
        dialog.open()

    def resize_empty(self) -> None:
        """Ask for another size of the still empty document."""
        doc = self._document
        dialog = NewDocumentDialog(doc.size, self._window, title="Canvas size", dpi=doc.resolution_dpi)
        dialog.accepted.connect(lambda: self._replace(dialog.document(doc.scene), path=self.path))
        dialog.open()

    def ask_canvas_size(self) -> None:
        """Ask for another canvas size; layers stay where they are."""
        dialog = NewDocumentDialog(
            self._document.size, self._window, title="Canvas size", asks_resolution=False
        )
        dialog.accepted.connect(lambda: self._bridge.apply(ResizeCanvas(size=dialog.chosen)))
        dialog.open()

    def _begin(self, doc: Document) -> None:
        if self.may_leave():
            self._replace(doc, path=None)

    def open(self) -> None:
        """Ask for a file and open it (Ctrl+O)."""
        name, _ = QFileDialog.getOpenFileName(self._window, "Open", str(self._folder()), _OPENABLE)
        if name:
            self.open_path(Path(name))

    def open_path(self, path: Path) -> None:
        """Open a project, or any other file as a new document."""
        if not self.may_leave():
            return
        if path.suffix.lower() == EXTENSION:
            hashes = self._hashes
            self._background.submit(
                lambda: load_project(path, hashes=hashes),
                lambda doc: self._replace(doc, path=path),
                self._on_failed,
            )
        elif path.suffix.lower() in PSD_EXTENSIONS:
            self._background.submit(
                lambda: read_psd(path), lambda read: self._open_psd(path, *read), self._on_failed
            )
        else:
            self._background.submit(
                lambda: open_file(path), lambda opened: self._open_other(path, opened), self._on_failed
            )

    def open_example(self, path: Path) -> None:
        """Open an example as a new, unnamed document."""
        self._background.submit(
            lambda: load_project(path), lambda doc: self._replace(doc, path=None), self._on_failed
        )

    def _open_psd(self, path: Path, doc: Document, report: ImportReport) -> None:
        # The PSD itself is never written over: the document is a new one, saved as a project or exported.
        self._replace(doc, path=None)
        if report.losses:
            self.notice.emit(psd_notice(path.name, report))

    def _open_other(self, path: Path, opened: Opened) -> None:
        # A file without our ending that is a project all the same is saved in place; all others become new documents.
        self._replace(opened.document, path=path if opened.is_project else None)
        if opened.notes:
            self.notice.emit(opened_notice(path.name, opened.notes))

    def _replace(self, doc: Document, *, path: Path | None) -> None:
        self.path, self.saved_at = path, None
        self._bridge.session.replace_document(doc)
        if self._recovery is not None:
            self._recovery.clear()
        self._note()
        if path is not None:
            self.opened.emit(path)

    # ---- save

    def save(self) -> None:
        """Save to the known file, or ask for one (Ctrl+S)."""
        if self.path is None:
            self.save_as()
        else:
            self.save_to(self.path)

    def save_as(self) -> None:
        """Ask for a file and save (Ctrl+Shift+S)."""
        path = self._asked_path()
        if path is not None:
            self.save_to(path)

    def _asked_path(self) -> Path | None:
        """Ask where to save; None when the user does not want to."""
        start = self.path or self._folder() / f"{self.title}{EXTENSION}"
        name, _ = QFileDialog.getSaveFileName(self._window, "Save project as", str(start), _PROJECTS)
        if not name:
            return None
        path = Path(name)
        return path if path.suffix.lower() == EXTENSION else path.with_name(path.name + EXTENSION)

    def save_to(self, path: Path) -> None:
        """Save to this file and go on with it."""
        self._announce(path)
        doc, hashes = self._document, self._hashes
        self._background.submit(
            lambda: save_project(doc, path, hashes=hashes),
            lambda _: self._on_saved(doc, path),
            self._on_failed,
        )

    def _on_saved(self, doc: Document, path: Path) -> None:
        self.path, self.saved_at = path, time.monotonic()
        self._bridge.session.mark_saved(doc)
        if self._recovery is not None and not self._bridge.session.is_dirty:
            self._recovery.clear()
        self._note()
        self.opened.emit(path)

    def may_leave(self) -> bool:
        """Ask what to do with unsaved work; False when the user wants to stay, or while it is being saved."""
        if not self._bridge.session.is_dirty:
            return True
        box = QMessageBox(self._window)
        box.setWindowTitle("PSDStudio")
        box.setText(f"Save the changes to “{self.title}”?")
        box.setInformativeText("Without saving, what changed since the last save is lost.")
        button = QMessageBox.StandardButton
        box.setStandardButtons(button.Save | button.Discard | button.Cancel)
        box.setDefaultButton(button.Save)
        answer = box.exec()
        if answer == button.Save:
            return self._save_now()
        return bool(answer == button.Discard)

    def _save_now(self) -> bool:
        """Save at once, on this thread: somebody waits for the answer."""
        path = self.path or self._asked_path()
        if path is None:
            return False
        self._announce(path)
        try:
            save_project(self._document, path, hashes=self._hashes)
        except FileError as error:
            self._on_failed(error)
            return False
        self._on_saved(self._document, path)
        return True

    # ---- export

    def export(self, kind: ExportFormat = ExportFormat.PSD) -> ExportDialog:
        """Open the export dialog (Ctrl+Alt+Shift+S)."""
        path = self._folder() / (self.title + "".join(FORMATS[kind].suffixes[:1]))
        selected = frozenset(self._bridge.session.selection)
        dialog = ExportDialog(self._document, path, self._window, kind=kind, selected=selected)
        dialog.export_asked.connect(lambda choice: self._export(choice, dialog))
        dialog.folder_asked.connect(
            lambda written: QDesktopServices.openUrl(QUrl.fromLocalFile(str(written.parent)))
        )
        dialog.open()
        return dialog

    def _export(self, choice: ExportChoice, dialog: ExportDialog) -> None:
        self._announce(choice.path)
        doc = self._document
        if choice.format is ExportFormat.PSD:
            self._background.submit(
                lambda: write_psd(doc, choice),
                lambda report: dialog.show_report(choice.path, psd_report_lines(report)),
                lambda error: _show_problem(dialog, error),
            )
        else:
            self._background.submit(
                lambda: write_other(doc, choice),
                lambda written: dialog.show_report(choice.path, written_lines(written, doc)),
                lambda error: _show_problem(dialog, error),
            )

    # ---- recovery

    def offer_recovery(self) -> None:
        """After a crash: offer what was left."""
        if self._recovery is None:
            return
        works = [work for work in self._recovery.list_unfinished() if work.is_readable]
        if not works:
            return
        work = works[0]
        age = ago(time.time() - work.stored_at.timestamp())
        more = (
            f" {counted(len(works) - 1, 'more document')} can be recovered after it."
            if len(works) > 1
            else ""
        )
        self.notice.emit(
            Notice(
                message=f"PSDStudio ended unexpectedly. “{work.title or 'Untitled'}” was stored {age}.",
                hint=f"Nothing that was stored is lost.{more}",
                button="Recover it",
                action=lambda: self._recover(work),
                is_error=False,
            )
        )

    def _recover(self, work: UnfinishedWork) -> None:
        recovery = self._recovery
        assert recovery is not None
        self._background.submit(
            lambda: recovery.load(work), lambda doc: self._on_recovered(doc, work), self._on_failed
        )

    def _on_recovered(self, doc: Document, work: UnfinishedWork) -> None:
        self.path = work.project_path
        self._bridge.session.replace_document(doc, is_saved=False)
        self._note()
        recovery = self._recovery
        assert recovery is not None
        title, path = self.title, self.path

        def take_over() -> None:
            recovery.autosave(doc, title=title, project_path=path)  # ours first, then the old one may go
            recovery.discard(work)

        self._background.submit(take_over, lambda _: self.offer_recovery(), self._on_failed)

    def _announce(self, path: Path) -> None:
        """Say before writing where the next start has to clear up if this one is killed."""
        if self._recovery is not None:
            self._recovery.announce(path.parent)

    def autosave_now(self) -> None:
        """Store unsaved work for recovery."""
        recovery, doc, title, path = self._recovery, self._document, self.title, self.path
        if recovery is not None and self._bridge.session.is_dirty:
            self._background.submit(
                lambda: recovery.autosave(doc, title=title, project_path=path),
                lambda _: None,
                self._on_failed,
            )

    # ---- news

    def _on_change(self, change: Change) -> None:
        if change.origin is not Origin.PREVIEW:
            self._note()
            if not self._autosave.isActive():
                self._autosave.start()

    def _note(self) -> None:
        self._store.note(self._document, title=self.title, path=self.path)
        self.renamed.emit()

    def _on_failed(self, error: Exception) -> None:
        self.notice.emit(notice_of(error))

    def _folder(self) -> Path:
        return self.path.parent if self.path is not None else Path.home()


def _show_problem(dialog: ExportDialog, error: Exception) -> None:
    if not isinstance(error, StudioError):
        dialog.show_problem("The file could not be written. The document is untouched.")
        raise error
    dialog.show_problem(f"{error.user_message} {error.hint}".strip())
