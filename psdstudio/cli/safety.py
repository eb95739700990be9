"""A copy of a result in the recovery folder until the file that was asked for is written."""

from __future__ import annotations

import logging
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.errors import FileError
from psdstudio.gen.planning import apply_result
from psdstudio.gen.request import GenerationResult
from psdstudio.io.recovery import RecoveryStore
from psdstudio.settings import Folders

_log = logging.getLogger(__name__)


class SafetyCopy:
    """Stores a result before it is saved, and forgets it afterwards unless saving failed.

    A folder that cannot take the copy is no reason to stop: the result itself is about to be written.
    """

    def __init__(self, document: Document, output: Path) -> None:
        """Open a recovery session for results that go on top of `document` and into `output`."""
        self.is_needed = False
        self._document = document
        self._output = output
        self._recovery: RecoveryStore | None = None
        try:
            self._recovery = RecoveryStore(Folders.of_user().state / "recovery")
            self._recovery.announce(output.parent)
        except FileError as exc:
            _log.warning("no safety copy: %s", exc)

    def store(self, result: GenerationResult) -> None:
        """Store the document with the result in it. The runner's thread."""
        if self._recovery is None:
            return
        try:
            document = apply_result(self._document, result)
            self._recovery.store_result(document, result.request.run_id, title=self._output.name)
            self.is_needed = True
        except FileError as exc:
            _log.warning("no safety copy: %s", exc)

    def advice(self) -> str:
        """Say where the result is when it could not be saved."""
        if not self.is_needed:
            return "Run the command again: the same seed makes the same picture."
        return "The result is kept: start psdstudio without a command, which offers to recover it."

    def close(self) -> None:
        """End the session; the copy stays for recovery while it is needed."""
        if self._recovery is None:
            return
        if self.is_needed:
            self._recovery.abandon()
        else:
            self._recovery.close()
