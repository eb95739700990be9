"""The prompt bar's proposal: what the planner read from the sentence, with what the user changed on the chips."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from psdstudio.core.commands import SetBox
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF
from psdstudio.gen.plan import Plan
from psdstudio.gen.scene_parts import read_scene
from psdstudio.gen.structure import new_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLayer:
    """One proposed layer. `nearest` is the known noun it will be drawn as when its own is unknown ("" = none near)."""

    name: str
    words: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipEdits:
    """What the user did to the chips, by the words the planner gave: survives a new reading of the sentence."""

    removed: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()
    added: tuple[str, ...] = ()
    background: str | None = None
    boxes: tuple[tuple[str, BoxF], ...] = ()

    def with_box(self, words: str, box: BoxF | None) -> ChipEdits:
        """Return the edits with that object's box set, or free again."""
        rest = tuple(pair for pair in self.boxes if pair[0] != words)
        return replace(self, boxes=rest if box is None else (*rest, (words, box)))

    def with_words(self, old: str, new: str) -> ChipEdits:
        """Return the edits with an object's words changed; its box stays with it."""
        boxes = tuple((new if words == old else words, box) for words, box in self.boxes)
        if old in self.added:
            return replace(
                self, added=tuple(new if words == old else words for words in self.added), boxes=boxes
            )
        first = next((was for was, now in self.renamed if now == old), old)
        renamed = (*(pair for pair in self.renamed if pair[0] != first), (first, new))
        return replace(self, renamed=renamed, boxes=boxes)

    def without(self, words: str) -> ChipEdits:
        """Return the edits with an object taken away."""
        if words in self.added:
            return replace(self, added=tuple(x for x in self.added if x != words))
        first = next((was for was, now in self.renamed if now == words), words)
        return replace(self, removed=self.removed | {first})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Background and objects, back to front, as chips show them (a `ScenePlan`)."""

    sentence: str = ""
    background: DraftLayer = field(default_factory=lambda: DraftLayer(name="Background", words=""))
    objects: tuple[DraftLayer, ...] = ()
    boxes: tuple[tuple[str, BoxF], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to make."""
        return not self.objects and not self.background.words


def from_plan(plan: Plan, edits: ChipEdits = ChipEdits()) -> Draft:
    """Return the planner's proposal with the user's changes on top."""
    unknown = {one.word: one.nearest or "" for one in plan.unknown}
    base = Draft(
        sentence=plan.sentence,
        background=DraftLayer(name="Background", words=plan.background.words),
        objects=tuple(
            DraftLayer(name=thing.name, words=thing.words, nearest=_nearest(unknown, thing.noun, thing.words))
            for thing in plan.objects
        ),
    )
    return edited(base, edits)


def from_document(doc: Document, edits: ChipEdits = ChipEdits()) -> Draft:
    """Return the scene that the document holds, with the user's changes on top."""
    view = read_scene(doc)
    ground = view.background
    base = Draft(
        sentence=doc.scene.prompt,
        background=DraftLayer(
            name="Background", words="" if ground is None or ground.foreign else ground.part.words
        ),
        objects=tuple(DraftLayer(name=x.name, words=x.words) for x in view.objects if not x.foreign),
    )
    return edited(base, edits)


def edited(base: Draft, edits: ChipEdits) -> Draft:
    """Return the draft with the user's changes."""
    renamed = dict(edits.renamed)
    objects = []
    for layer in base.objects:
        if layer.words in edits.removed:
            continue
        words = renamed.get(layer.words)
        objects.append(layer if words is None else DraftLayer(name=words, words=words))
    objects += [DraftLayer(name=words, words=words) for words in edits.added]
    ground = base.background
    if edits.background is not None:
        ground = replace(ground, words=edits.background)
    return replace(base, background=ground, objects=tuple(objects), boxes=edits.boxes)


def planned_document(doc: Document, draft: Draft, *, prompt: str | None) -> Document:
    """Return the document with placeholders for everything in the draft, boxes placed; `doc` itself is not changed."""
    planned = new_scene(doc, draft, prompt=prompt)
    boxes = dict(draft.boxes)
    for item in read_scene(planned).objects:
        if item.words in boxes and not item.foreign:
            planned = SetBox(layer_id=item.id, box=boxes[item.words]).apply(planned)
    return planned


def _nearest(unknown: dict[str, str], noun: str, words: str) -> str | None:
    if noun in unknown:
        return unknown[noun]
    last = words.split(" ")[-1] if words else ""
    return unknown.get(last)
