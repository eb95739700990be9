"""Placeholders: the layers of a plan before anything is painted, and the rows that a single insert needs.

Ids are made from words, so that the same sentence and seed paint the same picture in every new document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from psdstudio.core import tree
from psdstudio.core.document import MAX_NAME, Document
from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import (
    BlendMode,
    GroupLayer,
    Layer,
    LayerId,
    LayerProps,
    Part,
    PixelLayer,
    Role,
)
from psdstudio.core.parts import is_pinned
from psdstudio.errors import CommandError, PromptError
from psdstudio.gen.scene_parts import ObjectView, SceneView, read_scene, stable_id, taken_ids


class PlannedWords(Protocol):
    """The words of a planned background."""

    @property
    def words(self) -> str:
        """What the layer should show."""


class PlannedThing(PlannedWords, Protocol):
    """A planned object."""

    @property
    def name(self) -> str:
        """What the layer panel calls it."""


class ScenePlan(Protocol):
    """What a planner proposes; objects back to front."""

    @property
    def background(self) -> PlannedWords:
        """The background."""

    @property
    def objects(self) -> Sequence[PlannedThing]:
        """The objects, back to front."""


def new_scene(doc: Document, plan: ScenePlan, *, prompt: str | None = None) -> Document:
    """Return the document with a placeholder for everything in the plan; see `planned_scene`."""
    return planned_scene(doc, plan, prompt=prompt)[0]


def planned_scene(
    doc: Document,
    plan: ScenePlan,
    *,
    prompt: str | None = None,
    same: Sequence[LayerId | None] | None = None,
) -> tuple[Document, tuple[LayerId, ...]]:
    """Return the document with a placeholder for everything in the plan, and the id of each planned object.

    An object that is there already (same words) stays with its pixels, pin and box; one that the plan no
    longer names goes, unless it is kept or has something of the user's inside. Everything that is not a
    generated layer stays where it is.

    Args:
        doc: Any document.
        plan: Background and objects, back to front.
        prompt: The sentence the plan came from; None leaves the scene's prompt alone.
        same: For each object the one in the document that it is, None for a new one. Without it objects are
            found by their words.
    """
    view = read_scene(doc)
    known = {item.id: item for item in view.objects}
    matched = (
        _matched(view, plan)
        if same is None
        else [known.get(one) if one is not None else None for one in same]
    )
    named = {item.id for item in matched if item is not None}
    layers = doc.layers
    for item in view.objects:
        if item.id not in named and not _must_stay(item):
            layers = tree.removed(layers, item.id)
    doc = _with_background(doc.with_layers(layers), view, plan.background.words)
    doc, ids = _with_objects(doc, plan, matched)
    return (doc if prompt is None else replace(doc, scene=replace(doc.scene, prompt=prompt))), ids


def _must_stay(item: ObjectView) -> bool:
    """Whether an object that the plan does not name stays all the same."""
    if item.pinned or isinstance(item.layer, PixelLayer):
        return True
    return any(layer.part is None or is_pinned(layer) for layer in tree.walk(item.layer.children))


def _matched(view: SceneView, plan: ScenePlan) -> list[ObjectView | None]:
    """For each planned object one in the document with the same words.

    Of more than are planned the kept ones stay; those that stay keep their order, or two ducks would change places.
    """
    left: dict[str, list[ObjectView]] = {}
    for words in {_folded(planned.words) for planned in plan.objects}:
        there = [item for item in view.objects if not item.foreign and _folded(item.words) == words]
        wanted = sum(_folded(planned.words) == words for planned in plan.objects)
        staying = {item.id for item in sorted(there, key=lambda item: not item.pinned)[:wanted]}
        left[words] = [item for item in there if item.id in staying]
    return [
        left[words].pop(0) if left[words] else None
        for words in (_folded(planned.words) for planned in plan.objects)
    ]


def _folded(words: str) -> str:
    return " ".join(words.split()).casefold()


def _with_background(doc: Document, view: SceneView, words: str) -> Document:
    """Give the background its words; one that is kept, or a picture of the user's, is not touched."""
    old = view.background
    if old is None:
        layer = PixelLayer(
            id=stable_id(taken_ids(doc), "background"),
            props=LayerProps(name="Background"),
            part=Part(role=Role.BACKGROUND, words=words),
        )
        return doc.with_layers((layer, *doc.layers))
    if old.pinned or old.part.words == words:
        return doc
    return doc.with_layer(replace(old.layer, part=replace(old.part, words=words)))


def _with_objects(
    doc: Document, plan: ScenePlan, matched: list[ObjectView | None]
) -> tuple[Document, tuple[LayerId, ...]]:
    order: list[LayerId] = []
    for planned, item in zip(plan.objects, matched, strict=True):
        if item is not None:
            order.append(item.id)
            continue
        group = placeholder(doc, name=planned.name, words=planned.words)
        below = order[-1] if order else _background_id(doc)
        doc = _inserted_above(doc, group, below)
        order.append(group.id)
    # Objects at the top level take each other's slots until they stand in the plan's order.
    top = {layer.id: layer for layer in doc.layers}
    wanted = iter([layer_id for layer_id in order if layer_id in top])
    slots = set(order)
    layers = tuple(top[next(wanted)] if layer.id in slots else layer for layer in doc.layers)
    return doc.with_layers(layers), tuple(order)


def _background_id(doc: Document) -> LayerId | None:
    background = read_scene(doc).background
    return None if background is None else background.layer.id


def _inserted_above(doc: Document, layer: Layer, below: LayerId | None) -> Document:
    """Put the layer right above the top-level layer that is, or holds, `below`; at the bottom for None."""
    at = 0
    if below is not None:
        groups = tree.ancestors(doc.layers, below)
        root = groups[0].id if groups else below
        at = next((i + 1 for i, x in enumerate(doc.layers) if x.id == root), 0)
        # What is clipped to that layer stays clipped to it.
        while 0 < at < len(doc.layers) and doc.layers[at].props.clipping:
            at += 1
    return doc.with_layers(tree.inserted(doc.layers, layer, parent=None, index=at))


def placeholder(doc: Document, *, name: str, words: str, box: BoxF | None = None) -> GroupLayer:
    """Return an empty object group that is not yet in the document; a box given here is the user's."""
    taken = taken_ids(doc)
    group_id = stable_id(taken, "object", words.casefold())
    look = PixelLayer(
        id=stable_id(taken, "look", group_id),
        props=LayerProps(name=_name(name)),
        part=Part(role=Role.OBJECT, words=words),
    )
    return GroupLayer(
        id=group_id,
        props=LayerProps(name=_name(name), blend_mode=BlendMode.PASS_THROUGH),
        children=(look,),
        part=Part(role=Role.OBJECT_GROUP, words=words, box=box, box_is_users=box is not None),
    )


def _name(name: str) -> str:
    short = " ".join(name.split())[:MAX_NAME].strip()
    return short or "Object"


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertObject:
    """Add the placeholder of one object right above a layer (None: in front of everything).

    `placeholder_id` says which id the new group will get in a document, for the run that follows.
    """

    name: str
    words: str
    above: LayerId | None = None
    box: BoxF | None = None
    merge_key: None = None

    @property
    def label(self) -> str:
        """Insert and the name."""
        return f"Insert {self.name}"

    def placeholder_id(self, doc: Document) -> LayerId:
        """Return the id of the group that `apply` will add to this very document."""
        return stable_id(taken_ids(doc), "object", self.words.casefold())

    def apply(self, doc: Document) -> Document:
        """Return the document with the placeholder; raises CommandError without words or `above`."""
        if not self.words.strip():
            raise PromptError("There are no words for the new object.", "Say what it should show.")
        group = placeholder(doc, name=self.name, words=self.words, box=self.box)
        if self.above is not None and doc.find(self.above) is None:
            raise CommandError("The layer to insert above is no longer in the document.")
        top = doc.layers[-1].id if doc.layers else None
        view = read_scene(doc)
        doc = _inserted_above(doc, group, self.above or top)
        return doc if view.background is not None else _with_background(doc, view, "")
