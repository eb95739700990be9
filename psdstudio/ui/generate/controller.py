"""From words to layers: starts what is asked, follows the run, takes its result over."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from psdstudio.core.changes import Change, Origin
from psdstudio.core.commands import Command
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.core.tiles import U8Array
from psdstudio.errors import CommandError, ModelIncompatible, PromptError, StudioError
from psdstudio.gen.catalogue import capabilities_of
from psdstudio.gen.costs import RunCost
from psdstudio.gen.engine import EngineInfo, Stage
from psdstudio.gen.engine_words import WordsFilter, words_for
from psdstudio.gen.plan import Plan
from psdstudio.gen.planning import build_request
from psdstudio.gen.request import Raster
from psdstudio.gen.scopes import DEFAULT_MAX_OBJECTS, Scope, plan_scope
from psdstudio.gen.splitting import flat_picture
from psdstudio.gen.verbs import NEEDED, Capability, Verb
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
from psdstudio.render.compositor import Compositor
from psdstudio.ui.bridge import Background, JobBridge, SessionBridge
from psdstudio.ui.engines import Engines
from psdstudio.ui.generate.asking import Asking
from psdstudio.ui.generate.draft import ChipEdits
from psdstudio.ui.generate.pricing import cost_of
from psdstudio.ui.generate.reading import PLAN_DELAY_MS
from psdstudio.ui.generate.run import (
    PlanScene,
    Runner,
    RunView,
    phase_text,
    planned_again,
    run_label,
    select_inserted,
)
from psdstudio.ui.generate.run_store import RunStore


class Generation(Asking):
    """What is asked, and the one run. GUI thread."""

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
        engines: Engines,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(bridge, plan, background, parent)
        self._runner, self._store = runner, store
        self._engine_words, self._engines = engine_words, engines
        self._flattened: Document | None = None
        self._run: RunView | None = None
        self._last_seed = 0
        self._engine: EngineInfo | None = None
        bridge.changed.connect(self._on_change)
        jobs.happened.connect(self._on_event)
        engines.replaced.connect(self._on_replaced)
        engines.changed.connect(self.draft_changed)

    @property
    def run(self) -> RunView | None:
        """The run that goes on, if any."""
        return self._run

    @property
    def engine(self) -> EngineInfo | None:
        """What the engine said of itself; None as long as it has not."""
        return self._engine

    @property
    def _max_objects(self) -> int:
        return DEFAULT_MAX_OBJECTS if self._engine is None else self._engine.max_objects

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the engine can do; while it loads, what is known of it without."""
        return capabilities_of(self._engines.key, self._engine)

    @property
    def paints_any_words(self) -> bool:
        """Whether the engine gets the user's words as they are written."""
        return Capability.ANY_WORDS in self.capabilities

    @property
    def cost(self) -> RunCost | None:
        """What the primary run would take; None when nothing can run, or the engine has no prices."""
        if self._engine is None or self._engine.costs is None or self.problem is not None:
            return None
        scope = self.scope()
        if scope is None or scope.background_id is None:
            return None
        return cost_of(scope, self.document.size, self._engines.sampling, self._engine.costs)

    def lack(self, verb: Verb) -> str:
        """Return why the engine cannot do a verb, as a sentence; "" when it can."""
        needed = NEEDED.get(verb)
        if needed is None:
            return ""
        if self._engine is None:
            return "The engine is still starting."
        return (
            ""
            if needed in self._engine.capabilities
            else f"The engine “{self._engine.title}” cannot {needed.value}."
        )

    @property
    def problem(self) -> StudioError | None:
        """Why the primary button cannot run; None when it can."""
        if self._reader.error is not None and self.is_fresh:
            return self._reader.error
        if self._splitting and (why := self.lack(Verb.SPLIT)):
            return ModelIncompatible(why, "Nothing was changed.")
        scope, asked = self.scope(), self._proposal().problem
        if scope is None and self._splitting:
            return asked or PromptError("Name what is in the picture, up to six things.")
        if scope is None:
            return PromptError("Describe a scene to begin.")
        return self._only_splits(scope) or scope.problem(max_objects=self._max_objects)

    def _only_splits(self, scope: Scope) -> ModelIncompatible | None:
        card = self._engines.card
        only = self._engine.only_splits if self._engine is not None else card is not None and card.only_splits
        if not only or scope.verb is Verb.SPLIT:
            return None
        return ModelIncompatible(
            "This engine only splits pictures into layers.", "Choose another one under Scene, Models."
        )

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
        elif self._splitting:
            self._start_split(planned, scope)
        else:
            label = "Generate scene" if scope.button_text().startswith("Generate") else "Regenerate"
            prepare = PlanScene(draft=self.draft(), prompt=self._text.strip())
            self._asked = (self._text, self._edits)
            self._submit(planned, scope, (prepare,), label=label)

    def start_verb(
        self, verb: Verb, ids: Collection[LayerId], references: Mapping[LayerId, U8Array] | None = None
    ) -> None:
        """Start a verb on layers: new look, new place, fill, regenerate, refresh contacts.

        `references`: pictures that the looks of these objects follow.
        """
        if why := self.lack(verb):
            self.failed.emit(ModelIncompatible(why, "Nothing was changed."), None)
            return
        scope = plan_scope(self.document, verb, ids)
        problem = self._only_splits(scope) or scope.problem(max_objects=self._max_objects)
        if problem is not None:
            self.failed.emit(problem, None)
            return
        self._submit(self.document, scope, (), label=run_label(scope), references=references)

    def _start_split(self, planned: Document, scope: Scope) -> None:
        """Flatten what is seen on a thread, then start; an edit in between ends it."""
        doc, command = self.document, self._split_command()
        if self._flattened is doc or self._run is not None:
            return  # pressed twice
        self._flattened, self._asked = doc, ("", ChipEdits())

        def begin(picture: Raster) -> None:
            self._flattened = None
            if self.document is not doc or self._run is not None:
                change = CommandError("The picture changed before it could be split.", "Start it again.")
                self.failed.emit(change, None)
            else:
                self._submit(planned, scope, (command,), label=command.label, picture=picture)

        def refuse(error: Exception) -> None:
            self._flattened = None
            if not isinstance(error, StudioError):
                raise error
            self.failed.emit(error, None)

        self._background.submit(lambda: flat_picture(doc, Compositor().render(doc)), begin, refuse)

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

    def _submit(
        self,
        planned: Document,
        scope: Scope,
        prepare: tuple[Command, ...],
        *,
        label: str,
        picture: Raster | None = None,
        references: Mapping[LayerId, U8Array] | None = None,
    ) -> None:
        if self._run is not None:
            self.failed.emit(
                PromptError("A run is going on.", "Stop it first, or wait until it is done."), None
            )
            return
        run_id = uuid.uuid4().hex
        is_another = scope.paints_over
        seed = max(planned.scene.seed, self._last_seed) + 1 if is_another else planned.scene.seed
        try:
            request = build_request(
                planned,
                scope,
                run_id=run_id,
                seed=seed,
                engine=self._engines.key,
                sampling=self._engines.sampling,
                max_objects=self._max_objects,
                engine_words=words_for(self.capabilities, self._engine_words),
                references=references,
                picture=picture,
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
        self._forget_inserted()
        run, self._run = self._run, None
        self._bridge.session.apply(command, Origin.GENERATION)
        select_inserted(self._bridge.session, run)
        self.run_changed.emit(None)
        self.accepted.emit((*event.result.notes, *notes))

    def _on_failed(self, event: JobFailed) -> None:
        self._show(None)
        self.failed.emit(event.report, event.job_id)

    def _on_replaced(self) -> None:
        self._engine = None

    def _on_engine(self, state: EngineState) -> None:
        if state.phase is EnginePhase.READY and state.info is not None:
            self._engine = state.info
            self.draft_changed.emit()
        if state.phase is EnginePhase.STOPPED and state.report is not None and self._run is None:
            self.failed.emit(state.report, None)
        self.engine_state.emit(state)
