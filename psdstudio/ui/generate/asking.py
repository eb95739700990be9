"""What the prompt asks for: a whole scene, one new object, or the parts of a picture. Sentence, chips, proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, Signal

from psdstudio.core.changes import Change, Origin
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.gen.plan import Plan
from psdstudio.gen.scopes import Scope
from psdstudio.gen.structure import InsertObject
from psdstudio.ui.bridge import Background, SessionBridge
from psdstudio.ui.generate.draft import ChipEdits, Draft, edited, from_document, from_plan
from psdstudio.ui.generate.proposal import (
    Proposal,
    insert_command,
    insert_proposal,
    scene_proposal,
    split_proposal,
)
from psdstudio.ui.generate.reading import SentenceReader
from psdstudio.ui.generate.run import InsertTarget, PlanSplit


class Asking(QObject):
    """Owner of the prompt's state; starts nothing. GUI thread."""

    draft_changed = Signal()
    """Sentence, chips or scope are different."""

    def __init__(
        self,
        bridge: SessionBridge,
        plan: Callable[[str], Plan],
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._plan_sentence, self._background = bridge, plan, background
        self._text = bridge.session.document.scene.prompt
        self._reader = SentenceReader(lambda sentence: self._plan_sentence(sentence), background, self)
        self._reader.read.connect(self.draft_changed)
        self._edits = ChipEdits()
        self._insert: InsertTarget | None = None
        self._splitting = False
        self._asked = ("", self._edits)
        self._memo: tuple[tuple[object, ...], Proposal] | None = None

    @property
    def text(self) -> str:
        """The sentence in the prompt bar."""
        return self._text

    @property
    def insert_target(self) -> InsertTarget | None:
        """Where an inserted object goes; None when the prompt speaks of the whole scene."""
        return self._insert

    @property
    def is_splitting(self) -> bool:
        """Whether the prompt names what a flat picture is split into."""
        return self._splitting

    @property
    def is_fresh(self) -> bool:
        """Whether the sentence says something other than the document's scene."""
        has_target = self._insert is not None or self._splitting
        return has_target or self._text.strip() != self.document.scene.prompt.strip()

    @property
    def is_reading(self) -> bool:
        """Whether the newest sentence is not read yet."""
        return self._reader.is_busy

    @property
    def document(self) -> Document:
        """The open document."""
        return self._bridge.session.document

    @property
    def paints_any_words(self) -> bool:
        """Whether no word of the user is replaced by a known one."""
        return False

    def draft(self) -> Draft:
        """Return the chips: the planner's for a new sentence, else the document's own scene."""
        if self.is_fresh and self._reader.plan is not None:
            return from_plan(self._reader.plan, self._edits, any_words=self.paints_any_words)
        if self._splitting:  # chips alone will do: nobody describes a picture that is there
            return edited(Draft(sentence=self._text), self._edits)
        if self.is_fresh:
            return Draft(sentence=self._text)
        return from_document(self.document, self._edits)

    def planned(self) -> Document | None:
        """Return the document as the primary run would begin with it; None when nothing is asked."""
        return self._proposal().planned

    def scope(self) -> Scope | None:
        """Return what the primary button would do; None when nothing is asked."""
        return self._proposal().scope

    def chip_keys(self) -> Mapping[LayerId, str]:
        """Return which chip each object of `planned` is."""
        return self._proposal().keys

    def _proposal(self) -> Proposal:
        """Planned document and scope, computed once for each state of document, sentence and chips."""
        about = (self._insert, self._splitting)
        key = (self.document, self._text, self._reader.plan, self._edits, *about)
        known = self._memo
        if known is None or any(a is not b for a, b in zip(known[0], key, strict=True)):
            self._memo = known = (key, self._propose())
        return known[1]

    def _propose(self) -> Proposal:
        if self._insert is not None:
            return insert_proposal(self.document, self._insert_command())
        if self._splitting:
            return split_proposal(self.document, self._split_command())
        return scene_proposal(self.document, self.draft(), prompt=self._text.strip())

    def set_text(self, text: str) -> None:
        """The sentence changed; it is read a moment later, off this thread."""
        if text == self._text:
            return
        self._text = text
        self._reader.follow(text)
        self.draft_changed.emit()

    def edit_chips(self, edits: ChipEdits) -> None:
        """The user changed the chips."""
        self._edits = edits
        self.draft_changed.emit()

    @property
    def edits(self) -> ChipEdits:
        """What the user changed on the chips so far."""
        return self._edits

    def set_insert(self, target: InsertTarget | None) -> None:
        """Let the prompt speak of one new object above a layer, or of the whole scene again."""
        if target != self._insert or self._splitting:
            self._speak_of(insert=target)

    def set_split(self, on: bool) -> None:
        """Let the prompt name what the visible picture is split into, or speak of the whole scene again."""
        if on != self._splitting:
            self._speak_of(splitting=on)

    def leave_target(self) -> None:
        """Let the prompt speak of the whole scene again (Esc)."""
        if self._insert is not None or self._splitting:
            self._speak_of()

    def _speak_of(self, *, insert: InsertTarget | None = None, splitting: bool = False) -> None:
        self._insert, self._splitting = insert, splitting
        has_target = insert is not None or splitting
        self._text, self._edits = "" if has_target else self.document.scene.prompt, ChipEdits()
        self._reader.forget(self._text)
        self.draft_changed.emit()

    def _insert_command(self) -> InsertObject | None:
        words = self._text.strip()
        return insert_command(self.document, self._insert, self._reader.plan, self._edits, words=words)

    def _split_command(self) -> PlanSplit:
        return PlanSplit(draft=self.draft(), prompt=self._text.strip())

    def read_ahead(self) -> None:
        """Load what reading needs before the user's first sentence comes."""
        self._reader.read_ahead()

    def _forget_inserted(self) -> None:
        """The object is in the scene: the prompt speaks of the whole again."""
        if self._insert is not None:
            self._insert, self._text, self._edits = None, self.document.scene.prompt, ChipEdits()
            self._reader.show(self._text)

    def _follow_scene(self, change: Change) -> None:
        """Show the scene's own sentence again, unless the user has written another one meanwhile."""
        was, now = change.before.scene.prompt.strip(), change.after.scene.prompt.strip()
        if change.origin is not Origin.REPLACED and self._text.strip() not in (was, now):
            return
        if change.origin is Origin.REPLACED and not (
            was or now or change.before.layers or change.after.layers
        ):
            return  # another canvas under the sentence that is being written
        self._text, self._edits = change.after.scene.prompt, ChipEdits()
        self._insert, self._splitting = None, False
        self._reader.show(self._text)
        if change.origin is Origin.UNDO and was and not now and self._asked[0].strip() == was:
            self._text, self._edits = self._asked  # the first run is undone, not the words it was made from
            self._reader.follow(self._text)
