"""Values around a run: what the window needs of a runner, a run as it is shown, and the commands a run starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from psdstudio.core.commands import Command
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.core.session import Session
from psdstudio.errors import StudioError
from psdstudio.gen.engine import Stage
from psdstudio.gen.request import GenerationRequest
from psdstudio.gen.scopes import Scope, Verb
from psdstudio.jobs.events import JobProgress
from psdstudio.jobs.job import JobId
from psdstudio.ui.generate.draft import Draft, planned_document, split_document


class Runner(Protocol):
    """What the window needs of a `JobRunner`."""

    def submit(self, request: GenerationRequest) -> JobId:
        """Queue a request."""

    def cancel(self, job_id: JobId) -> None:
        """Stop a job."""

    def restart(self) -> None:
        """Start the engine again."""

    def save_again(self, job_id: JobId) -> None:
        """Write a finished result again."""

    def warm_up(self) -> None:
        """Load the engine ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScene:
    """The command behind a draft: placeholders, boxes and the sentence, as part of a run's one step."""

    draft: Draft
    prompt: str | None
    label: str = "Plan scene"
    merge_key: None = None

    def apply(self, doc: Document) -> Document:
        """Return the planned document."""
        return planned_document(doc, self.draft, prompt=self.prompt)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSplit:
    """The command that makes room for the layers of a picture: hides it, brings placeholders and the sentence."""

    draft: Draft
    prompt: str | None
    label: str = "Split into layers"
    merge_key: None = None

    def apply(self, doc: Document) -> Document:
        """Return the document to split into; raises CommandError when there is nothing to split."""
        return split_document(doc, self.draft, prompt=self.prompt)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertTarget:
    """Where the next object shall be inserted: right above this layer."""

    above: LayerId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as the window shows it."""

    job_id: JobId
    request: GenerationRequest
    scope: Scope
    planned: Document
    prepare: tuple[Command, ...] = ()
    phase: str = "Waiting for the engine"
    fraction: float = 0.0
    eta_s: float | None = None
    is_stopping: bool = False
    boxes: tuple[tuple[LayerId, BoxF], ...] = ()


def planned_again(doc: Document, run: RunView) -> Document:
    """Return the edited document with the run's placeholders; without them where they no longer apply."""
    try:
        for command in run.prepare:
            doc = command.apply(doc)
    except StudioError:
        return run.planned
    return doc


def run_label(scope: Scope) -> str:
    """Return what the Edit menu calls the run of a verb on layers."""
    match scope.verb:
        case Verb.NEW_LOOK:
            return "New look"
        case Verb.SAME_OUTLINE:
            return "New look, same outline"
        case Verb.NEW_PLACE:
            return "New place"
        case Verb.REFRESH_CONTACTS:
            return "Refresh contacts"
        case Verb.FILL_BEHIND | Verb.FILL_HIDDEN:
            return scope.button_text()
        case _:
            return "Regenerate layer"


def select_inserted(session: Session, run: RunView | None) -> None:
    """Select the object that a run has inserted: the next words, moves and keys are about it."""
    if run is not None and run.scope.verb is Verb.INSERT:
        session.select(tuple(i for i in run.scope.free_ids if session.document.find(i) is not None))


def phase_text(event: JobProgress) -> str:
    """Return what the status bar says of a step."""
    if event.stage is Stage.LOAD:
        return f"{event.stage.value}, once"
    return (
        f"{event.stage.value}, step {event.done} of {event.total}" if event.total > 1 else event.stage.value
    )
