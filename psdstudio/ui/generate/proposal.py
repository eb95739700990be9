"""What the primary button would do, computed from document, chips and insert target. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.errors import CommandError, StudioError
from psdstudio.gen.plan import Plan
from psdstudio.gen.scene_parts import read_scene
from psdstudio.gen.scopes import Scope, Verb, plan_scope
from psdstudio.gen.structure import InsertObject
from psdstudio.ui.generate.draft import ChipEdits, Draft, planned_document, split_document
from psdstudio.ui.generate.run import InsertTarget, PlanSplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The document to begin with, the scope, which chip each object is; empty when nothing is asked.

    `problem` is why what is asked leads to no scope.
    """

    planned: Document | None = None
    scope: Scope | None = None
    keys: Mapping[LayerId, str] = field(default_factory=dict)
    problem: StudioError | None = None


def scene_proposal(doc: Document, draft: Draft, *, prompt: str) -> Proposal:
    """Return what generating these chips would do."""
    if draft.is_empty:
        return Proposal()
    planned, keys = planned_document(doc, draft, prompt=prompt)
    return Proposal(planned=planned, scope=plan_scope(planned, Verb.GENERATE_SCENE), keys=keys)


def split_proposal(doc: Document, command: PlanSplit) -> Proposal:
    """Return what splitting the picture into these chips would do."""
    if command.draft.is_empty:
        return Proposal()
    try:
        planned, keys = split_document(doc, command.draft, prompt=command.prompt)
    except CommandError as problem:
        return Proposal(problem=problem)
    return Proposal(planned=planned, scope=plan_scope(planned, Verb.SPLIT), keys=keys)


def insert_proposal(doc: Document, command: InsertObject | None) -> Proposal:
    """Return what inserting would do; nothing without a command."""
    if command is None:
        return Proposal()
    planned, new = command.apply(doc), command.placeholder_id(doc)
    scope = plan_scope(planned, Verb.INSERT, {new})
    return Proposal(planned=planned, scope=scope, keys={new: command.words})


def insert_command(
    doc: Document, target: InsertTarget | None, plan: Plan | None, edits: ChipEdits, *, words: str
) -> InsertObject | None:
    """Return the command behind a sentence that speaks of one new object; None when it cannot be told yet."""
    if target is None or not words or doc.find(target.above) is None:
        return None
    first = plan.objects[0] if plan is not None and plan.objects else None
    name, words = (first.name, first.words) if first is not None else (words, words)
    return InsertObject(name=name, words=words, above=target.above, box=dict(edits.boxes).get(words))


def kept_chips(doc: Document, keys: Mapping[LayerId, str]) -> frozenset[str]:
    """Return the keys of chips whose object is kept; "" stands for a kept background."""
    view = read_scene(doc)
    kept = {keys[item.id] for item in view.objects if item.pinned and item.id in keys}
    if view.background is not None and view.background.pinned:
        kept.add("")
    return frozenset(kept)
