"""From words to layers: keeps the draft in step with the sentence, starts runs, follows them, takes results over."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from psdstudio.core.changes import Change, Origin
from psdstudio.core.commands import Command
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.errors import PromptError, StudioError
from psdstudio.gen.engine import Stage
from psdstudio.gen.engine_words import WordsFilter
from psdstudio.gen.plan import Plan
from psdstudio.gen.planning import build_request
from psdstudio.gen.request import Sampling
from psdstudio.gen.scopes import DEFAULT_MAX_OBJECTS, Scope, Verb, plan_scope
from psdstudio.gen.structure import InsertObject
from psdstudio.jobs.events import (
    EnginePhase,
    EngineState,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobLayout,
    JobPreview,
    JobProgress,
    JobStarted,
)
from psdstudio.jobs.job import JobId
from psdstudio.ui.bridge import Background, JobBridge, SessionBridge
from psdstudio.ui.generate.draft import ChipEdits, Draft, from_document, from_plan
from psdstudio.ui.generate.proposal import (
    Proposal,
    insert_command,
    insert_proposal,
    scene_proposal,
)
from psdstudio.ui.generate.run import (
    InsertTarget,
    PlanScene,
    Runner,
    RunView,
    phase_text,
    planned_again,
    select_inserted,
)
from psdstudio.ui.generate.run_store import RunStore

PLAN_DELAY_MS = 180
"""Quiet time after a keystroke before the sentence is read."""


class Generation(QObject):
    """Owner of the prompt's state and of the one run. GUI thread."""

    draft_changed = Signal()
    """Sentence, chips or scope are different."""
    run_changed = Signal(object)
    """A `RunView`, or None when no run goes on."""
    preview = Signal(object)
    """A `Preview` of the run."""
    accepted = Signal(object)
    """Notes (sentences) about a result that has just landed."""
    failed = Signal(object, object)
    """An `ErrorReport` or `StudioError`, and the job id or None."""
    engine_state = Signal(object)

    def __init__(
        self,
        bridge: SessionBridge,
        runner: Runner,
        jobs: JobBridge,
        store: RunStore,
        *,
        plan: Callable[[str], Plan],
        engine_words: WordsFilter,
        engine_key: str,
        background: Background,
        steps: int | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._runner, self._store = bridge, runner, store
        self._plan_sentence, self._engine_words, self._engine_key = plan, engine_words, engine_key
        self._background = background
        self._sampling = None if steps is None else Sampling(steps=steps)
        self._text = bridge.session.document.scene.prompt
        self._plan: Plan | None = None
        self._plan_error: StudioError | None = None
        self._edits = ChipEdits()
        self._insert: InsertTarget | None = None
        self._run: RunView | None = None
        self._asked = ("", self._edits)
        self._last_seed = 0
        self._max_objects = DEFAULT_MAX_OBJECTS
        self._reading = 0
        self._memo: tuple[tuple[object, ...], Proposal] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PLAN_DELAY_MS)
        self._timer.timeout.connect(self._read_sentence)
        bridge.changed.connect(self._on_change)
        jobs.happened.connect(self._on_event)

    # ---- what is asked

    @property
    def text(self) -> str:
        """The sentence in the prompt bar."""
        return self._text

    @property
    def run(self) -> RunView | None:
        """The run that goes on, if any."""
        return self._run

    @property
    def insert_target(self) -> InsertTarget | None:
        """Where an inserted object goes; None when the prompt speaks of the whole scene."""
        return self._insert

    @property
    def problem(self) -> StudioError | None:
        """Why the primary button cannot run; None when it can."""
        if self._plan_error is not None and self.is_fresh:
            return self._plan_error
        scope = self.scope()
        if scope is None:
            return PromptError("Describe a scene to begin.")
        return scope.problem(max_objects=self._max_objects)

    @property
    def is_fresh(self) -> bool:
        """Whether the sentence says something other than the document's scene."""
        return self._text.strip() != self.document.scene.prompt.strip() or self._insert is not None

    @property
    def is_reading(self) -> bool:
        """Whether the newest sentence is not read yet."""
        return self._timer.isActive() or self._reading > 0

    @property
    def document(self) -> Document:
        """The open document."""
        return self._bridge.session.document

    def draft(self) -> Draft:
        """Return the chips: the planner's for a new sentence, else the document's own scene."""
        if self.is_fresh and self._plan is not None:
            return from_plan(self._plan, self._edits)
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
        key = (self.document, self._text, self._plan, self._edits, self._insert)
        known = self._memo
        if known is None or any(a is not b for a, b in zip(known[0], key, strict=True)):
            self._memo = known = (key, self._propose())
        return known[1]

    def _propose(self) -> Proposal:
        if self._insert is not None:
            return insert_proposal(self.document, self._insert_command())
        return scene_proposal(self.document, self.draft(), prompt=self._text.strip())

    def set_text(self, text: str) -> None:
        """The sentence changed; it is read a moment later, off this thread."""
        if text == self._text:
            return
        self._text = text
        self._timer.start()
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
        if target == self._insert:
            return
        self._insert, self._plan, self._plan_error = target, None, None
        self._text = "" if target is not None else self.document.scene.prompt
        self._edits = ChipEdits()
        self.draft_changed.emit()

    def _insert_command(self) -> InsertObject | None:
        return insert_command(self.document, self._insert, self._plan, self._edits, words=self._text.strip())

    # ---- reading the sentence

    def _read_sentence(self) -> None:
        text = self._text
        if not text.strip():
            self._plan, self._plan_error = None, None
            self.draft_changed.emit()
            return
        self._reading += 1
        self._background.submit(
            lambda: self._plan_sentence(text),
            lambda plan: self._on_read(text, plan, None),
            lambda error: self._on_read(text, None, error),
        )

    def read_ahead(self) -> None:
        """Read any sentence, so that the lexicon is loaded before the user's first one comes.

        Loading holds Python's lock for tens of milliseconds at a time: better now than between two keystrokes. What
        is wrong with it is told when a sentence needs it.
        """
        self._background.submit(lambda: self._plan_sentence("a tree"), lambda _: None, lambda _: None)

    def _on_read(self, text: str, plan: Plan | None, error: Exception | None) -> None:
        self._reading -= 1
        if error is not None and not isinstance(error, StudioError):
            raise error
        if text == self._text:
            self._plan, self._plan_error = plan, error
            self.draft_changed.emit()

    # ---- runs

    def start(self) -> None:
        """Start what the primary button says (Ctrl+Enter)."""
        problem, scope, planned = self.problem, self.scope(), self.planned()
        if self.is_reading:
            QTimer.singleShot(PLAN_DELAY_MS, self.start)  # the sentence is being read: a moment later
        elif problem is not None or scope is None or planned is None:
            self.failed.emit(problem or PromptError("Describe a scene to begin."), None)
        elif self._insert is not None:
            command = self._insert_command()
            assert command is not None
            self._submit(planned, scope, (command,), label=command.label)
        else:
            label = "Generate scene" if scope.button_text().startswith("Generate") else "Regenerate"
            prepare = PlanScene(draft=self.draft(), prompt=self._text.strip())
            self._asked = (self._text, self._edits)
            self._submit(planned, scope, (prepare,), label=label)

    def start_verb(self, verb: Verb, ids: Collection[LayerId]) -> None:
        """Start a verb on layers: new look, regenerate, refresh contacts."""
        scope = plan_scope(self.document, verb, ids)
        problem = scope.problem(max_objects=self._max_objects)
        if problem is not None:
            self.failed.emit(problem, None)
            return
        label = {Verb.NEW_LOOK: "New look", Verb.REFRESH_CONTACTS: "Refresh contacts"}.get(
            verb, "Regenerate layer"
        )
        self._submit(self.document, scope, (), label=label)

    def stop(self) -> None:
        """Stop the run within one step (Ctrl+.)."""
        if self._run is not None and not self._run.is_stopping:
            self._runner.cancel(self._run.job_id)
            self._show(replace(self._run, is_stopping=True, phase="Stopping", eta_s=None))

    def restart_engine(self) -> None:
        """Start the engine again after a crash."""
        self._runner.restart()

    def save_again(self, job_id: JobId) -> None:
        """Write a finished result again."""
        self._runner.save_again(job_id)

    def _submit(self, planned: Document, scope: Scope, prepare: tuple[Command, ...], *, label: str) -> None:
        if self._run is not None:
            self.failed.emit(
                PromptError("A run is going on.", "Stop it first, or wait until it is done."), None
            )
            return
        run_id = uuid.uuid4().hex
        painted = any(x.is_painted and not x.look_known for x in scope.objects)
        painted = painted or (scope.background_painted and not scope.background_known)
        seed = max(planned.scene.seed, self._last_seed) + 1 if painted else planned.scene.seed
        try:
            request = build_request(
                planned,
                scope,
                run_id=run_id,
                seed=seed,
                engine=self._engine_key,
                sampling=self._sampling,
                max_objects=self._max_objects,
                engine_words=self._engine_words,
            )
        except StudioError as error:
            self.failed.emit(error, None)
            return
        self._last_seed = seed
        self._store.expect(run_id, label, prepare)
        job_id = self._runner.submit(request)
        self._show(RunView(job_id=job_id, request=request, scope=scope, planned=planned, prepare=prepare))

    def _show(self, run: RunView | None) -> None:
        self._run = run
        self.run_changed.emit(run)

    # ---- news

    def _on_change(self, change: Change) -> None:
        if change.origin in (Origin.REPLACED, Origin.UNDO, Origin.REDO, Origin.GENERATION):
            self._follow_scene(change)
        if self._run is not None and change.before.layers is not change.after.layers:
            self._show(replace(self._run, planned=planned_again(change.after, self._run)))
        if change.origin is not Origin.PREVIEW:
            self.draft_changed.emit()

    def _follow_scene(self, change: Change) -> None:
        """Show the scene's own sentence again, unless the user has written another one meanwhile."""
        was, now = change.before.scene.prompt.strip(), change.after.scene.prompt.strip()
        if change.origin is not Origin.REPLACED and self._text.strip() not in (was, now):
            return
        if change.origin is Origin.REPLACED and not (
            was or now or change.before.layers or change.after.layers
        ):
            return  # another canvas under the sentence that is being written
        self._text, self._edits, self._insert = change.after.scene.prompt, ChipEdits(), None
        if change.origin is Origin.UNDO and was and not now and self._asked[0].strip() == was:
            self._text, self._edits = self._asked  # the first run is undone, not the words it was made from
            self._timer.start()

    def _on_event(self, event: object) -> None:
        if isinstance(event, EngineState):
            self._on_engine(event)
            return
        run = self._run
        if isinstance(event, JobFailed) and (run is None or event.job_id == run.job_id):
            self._on_failed(event)
        if isinstance(event, JobFinished):
            self._on_finished(event)  # also one saved only at the second try, when its run is over
            return
        if run is None or getattr(event, "job_id", None) != run.job_id:
            return
        match event:
            case JobStarted():
                self._show(replace(run, phase="Starting"))
            case JobProgress() if not run.is_stopping:
                phase = phase_text(event)
                fraction = 0.0 if event.stage is Stage.LOAD else event.fraction
                self._show(replace(run, phase=phase, fraction=fraction, eta_s=event.eta_s))
            case JobLayout():
                self._show(replace(run, boxes=event.boxes))
            case JobPreview() if not run.is_stopping:
                self.preview.emit(event.preview)
            case JobCancelled():
                self._store.forget(run.request.run_id)
                self._show(None)
            case _:
                pass

    def _on_finished(self, event: JobFinished) -> None:
        command = self._store.take(event.result.request.run_id)
        notes = command.notes(self.document)
        if self._insert is not None:
            self._insert, self._text, self._edits = None, self.document.scene.prompt, ChipEdits()
        run, self._run = self._run, None
        self._bridge.session.apply(command, Origin.GENERATION)
        select_inserted(self._bridge.session, run)
        self.run_changed.emit(None)
        self.accepted.emit(notes)

    def _on_failed(self, event: JobFailed) -> None:
        self._show(None)
        self.failed.emit(event.report, event.job_id)

    def _on_engine(self, state: EngineState) -> None:
        if state.phase is EnginePhase.READY and state.info is not None:
            self._max_objects = state.info.max_objects
            self.draft_changed.emit()
        if state.phase is EnginePhase.STOPPED and state.report is not None and self._run is None:
            self.failed.emit(state.report, None)
        self.engine_state.emit(state)
