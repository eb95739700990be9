"""The prompt bar's proposal: what the planner read from the sentence, with what the user changed on the chips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from psdstudio.core.commands import SetBox
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.gen.plan import Plan
from psdstudio.gen.scene_parts import read_scene
from psdstudio.gen.splitting import split_scene
from psdstudio.gen.structure import planned_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLayer:
    """One proposed layer. `nearest` is the known noun it will be drawn as when its own is unknown ("" = none near).

    `key` tells it from the others, also from one with the same words; `of` is the object that is it already.
    """

    name: str
    words: str
    nearest: str | None = None
    key: str = ""
    of: LayerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipEdits:
    """What the user did to the chips, by their keys: survives a new reading of the sentence."""

    removed: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()
    added: tuple[tuple[str, str], ...] = ()
    background: str | None = None
    boxes: tuple[tuple[str, BoxF], ...] = ()

    def with_box(self, key: str, box: BoxF | None) -> ChipEdits:
        """Return the edits with that object's box set, or free again."""
        rest = tuple(pair for pair in self.boxes if pair[0] != key)
        return replace(self, boxes=rest if box is None else (*rest, (key, box)))

    def with_added(self, words: str) -> ChipEdits:
        """Return the edits with another object."""
        last = max((int(key[1:]) for key, _ in self.added), default=0)
        return replace(self, added=(*self.added, (f"+{last + 1}", words)))

    def with_words(self, key: str, words: str) -> ChipEdits:
        """Return the edits with an object's words changed; its box stays with it."""
        if key in dict(self.added):
            return replace(self, added=tuple((k, words if k == key else old) for k, old in self.added))
        return replace(self, renamed=(*(pair for pair in self.renamed if pair[0] != key), (key, words)))

    def without(self, key: str) -> ChipEdits:
        """Return the edits with an object taken away."""
        if key in dict(self.added):
            return replace(self, added=tuple(pair for pair in self.added if pair[0] != key))
        return replace(self, removed=self.removed | {key})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Background and objects, back to front, as chips show them (a `ScenePlan`)."""

    sentence: str = ""
    background: DraftLayer = field(default_factory=lambda: DraftLayer(name="Background", words=""))
    objects: tuple[DraftLayer, ...] = ()
    boxes: tuple[tuple[str, BoxF], ...] = ()
    is_documents: bool = False
    """Whether it shows the document's own scene: then only an object with `of` is there already."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to make."""
        return not self.objects and not self.background.words


def from_plan(plan: Plan, edits: ChipEdits = ChipEdits(), *, any_words: bool = False) -> Draft:
    """Return the planner's proposal with the user's changes on top; with `any_words` no noun is unknown."""
    unknown = {} if any_words else {one.word: one.nearest or "" for one in plan.unknown}
    base = Draft(
        sentence=plan.sentence,
        background=DraftLayer(name="Background", words=plan.background.words),
        objects=_keyed(
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
        objects=_keyed(
            DraftLayer(name=x.name, words=x.words, of=x.id) for x in view.objects if not x.foreign
        ),
        is_documents=True,
    )
    return edited(base, edits)


def edited(base: Draft, edits: ChipEdits) -> Draft:
    """Return the draft with the user's changes."""
    renamed = dict(edits.renamed)
    objects = []
    for layer in base.objects:
        if layer.key in edits.removed:
            continue
        words = renamed.get(layer.key)
        objects.append(layer if words is None else DraftLayer(name=words, words=words, key=layer.key))
    for key, words in edits.added:
        taken, number, name = {layer.name for layer in objects}, 1, words
        while name in taken:
            number += 1
            name = f"{words} {number}"
        objects.append(DraftLayer(name=name, words=words, key=key))
    ground = base.background
    if edits.background is not None:
        ground = replace(ground, words=edits.background)
    return replace(base, background=ground, objects=tuple(objects), boxes=edits.boxes)


def planned_document(
    doc: Document, draft: Draft, *, prompt: str | None
) -> tuple[Document, dict[LayerId, str]]:
    """Return the document with placeholders for everything in the draft, boxes placed, and the key of each object.

    `doc` itself is not changed.
    """
    same = [layer.of for layer in draft.objects] if draft.is_documents else None
    planned, ids = planned_scene(doc, draft, prompt=prompt, same=same)
    return _with_boxes(planned, ids, draft)


def split_document(doc: Document, draft: Draft, *, prompt: str | None) -> tuple[Document, dict[LayerId, str]]:
    """Return the document to split into these chips (`split_scene`), boxes placed, and the key of each object.

    Raises:
        CommandError: There is nothing to split, or the chips name no object or too many.
    """
    planned, ids = split_scene(doc, draft, prompt=prompt)
    return _with_boxes(planned, ids, draft)


def _with_boxes(
    planned: Document, ids: Sequence[LayerId], draft: Draft
) -> tuple[Document, dict[LayerId, str]]:
    keys = {layer_id: layer.key for layer_id, layer in zip(ids, draft.objects, strict=True)}
    boxes = dict(draft.boxes)
    for layer_id, key in keys.items():
        if key in boxes:
            planned = SetBox(layer_id=layer_id, box=boxes[key]).apply(planned)
    return planned, keys


def _keyed(layers: Iterable[DraftLayer]) -> tuple[DraftLayer, ...]:
    """Give every layer its key: its words, and from the second with the same words on a number."""
    seen: Counter[str] = Counter()
    out = []
    for layer in layers:
        seen[layer.words] += 1
        count = seen[layer.words]
        out.append(replace(layer, key=layer.words if count == 1 else f"{layer.words} #{count}"))
    return tuple(out)


def _nearest(unknown: dict[str, str], noun: str, words: str) -> str | None:
    if noun in unknown:
        return unknown[noun]
    last = words.split(" ")[-1] if words else ""
    return unknown.get(last)
