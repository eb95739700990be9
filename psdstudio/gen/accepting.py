"""Puts a result into the newest document, which may have changed since the run began.

Parts are found by layer id. A layer that was kept, locked or deleted meanwhile is not touched: what was made
for it goes into a hidden group "Generated". So does what was made for the outline or for a part of a look that has
changed since. Nothing is lost without a word, and no kept layer gets other tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from psdstudio.core import tree
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import (
    BlendMode,
    GroupLayer,
    Layer,
    LayerId,
    LayerProps,
    Part,
    PixelLayer,
    Recipe,
    Role,
)
from psdstudio.core.parts import EFFECTS, is_pinned, with_stale_contacts
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError
from psdstudio.gen.repainting import filled, placed, recoloured
from psdstudio.gen.request import GenerationResult, ObjectPart, ObjectResult, Raster
from psdstudio.gen.scene_parts import (
    BackgroundView,
    ObjectView,
    child_of_role,
    read_scene,
    refuse_placing,
    render_layer,
    stable_id,
    taken_ids,
)

GENERATED_GROUP = "Generated"
_EFFECT_NAMES = {Role.SHADOW: "Shadow", Role.REFLECTION: "Reflection"}
_EFFECT_MODES = {Role.SHADOW: BlendMode.MULTIPLY, Role.REFLECTION: BlendMode.NORMAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptResult:
    """Take over a result, as one step of undo. `label` is the run's own name ("Generate scene")."""

    result: GenerationResult
    label: str = "Generate"
    merge_key: None = None

    def apply(self, doc: Document) -> Document:
        """Return the document with the result in it; see `apply_result`."""
        return apply_result(doc, self.result)


def apply_result(doc: Document, result: GenerationResult) -> Document:
    """Return the document with every new part in its layer; kept layers hold the very same tiles."""
    before, request = doc, result.request
    lost: list[Layer] = []
    doc = _without_new_marks(doc)
    if result.background is not None:
        doc = _with_background(doc, result, result.background, lost)
    for part, made in _pairs(result):
        doc = _with_object(doc, result, part, made, lost)
    doc = with_stale_contacts(before, doc)
    doc = _with_fresh_contacts(doc, result, unmoved=_unmoved(before, result))
    if lost:
        doc = _with_generated_group(doc, tuple(lost))
    light = result.light if request.light is None else doc.scene.light
    return replace(doc, scene=replace(doc.scene, light=light, seed=request.seed))


def acceptance_notes(doc: Document, result: GenerationResult) -> tuple[str, ...]:
    """Return a sentence for every part that cannot go into its layer in this document any more."""
    notes = []
    if result.background is not None:
        background = _free_background(doc, result.request.background.id)
        if background is None:
            notes.append(_note("The background"))
        elif _new_background(background.layer, result, result.background) is None:
            notes.append(_changed_note("The background"))
    for part, made in _pairs(result):
        view = _object_in(doc, part.id)
        if _is_moved(part):
            if _source_rect(doc, view, part) is None:
                notes.append(
                    f"“{part.name}” was changed, kept or deleted while the run was going; it was not moved."
                )
        elif view is None or (made.look is not None and view.pinned):
            notes.append(_note(f"“{part.name}”"))
        elif _is_repainted(part) and _repainted(view, part, made) is None:
            notes.append(_changed_note(f"“{part.name}”"))
    return tuple(notes)


def _changed_note(who: str) -> str:
    return (
        f"{who} was changed while the run was going; what was made for it is in the hidden group "
        f"“{GENERATED_GROUP}”."
    )


def _note(who: str) -> str:
    return (
        f"{who} was kept or deleted while the run was going; what was made for it is in the hidden group "
        f"“{GENERATED_GROUP}”."
    )


def _pairs(result: GenerationResult) -> Iterator[tuple[ObjectPart, ObjectResult]]:
    made = {item.id: item for item in result.objects}
    for part in result.request.objects:
        if part.id in made:
            yield part, made[part.id]


def _object_in(doc: Document, layer_id: LayerId) -> ObjectView | None:
    return next((item for item in read_scene(doc).objects if item.id == layer_id), None)


def _free_background(doc: Document, layer_id: LayerId) -> BackgroundView | None:
    view = read_scene(doc).background
    return view if view is not None and view.layer.id == layer_id and not view.pinned else None


def _recipe(result: GenerationResult, words: str, library_item: str | None = None) -> Recipe:
    request = result.request
    return Recipe(
        engine=request.engine,
        weights_sha256=result.weights_sha256,
        seed=request.seed,
        steps=request.sampling.steps,
        guidance=request.sampling.text_guidance,
        words=words,
        run_id=request.run_id,
        library_item=library_item,
    )


def _painted(layer: PixelLayer, raster: Raster | None, recipe: Recipe) -> PixelLayer:
    """Return the layer with the raster as its pixels; None empties it. Its mask, mode and name stay."""
    assert layer.part is not None
    if raster is None:
        return replace(layer, pixels=TileGrid(), part=replace(layer.part, native_size=None, recipe=recipe))
    return replace(
        layer,
        pixels=TileGrid.from_array(raster.rgba, raster.rect.origin),
        offset=Point(0, 0),
        part=replace(
            layer.part,
            native_size=raster.native_size or raster.rect.size,
            recipe=recipe,
            is_new=True,
            stale_contacts=False,
        ),
    )


def _with_background(doc: Document, result: GenerationResult, raster: Raster, lost: list[Layer]) -> Document:
    part = result.request.background
    recipe = _recipe(result, part.engine_words)
    view = _free_background(doc, part.id)
    new = None if view is None else _new_background(view.layer, result, raster)
    if new is not None:
        return doc.with_layer(new)
    blank = PixelLayer(
        id=stable_id(taken_ids(doc), "lost", result.request.run_id, part.id),
        props=LayerProps(name="Background"),
        part=Part(role=Role.BACKGROUND, words=part.engine_words),
    )
    # Without a part: a second background must not be taken for the scene's own.
    lost.append(replace(_painted(blank, raster, recipe), part=None))
    return doc


def _new_background(layer: PixelLayer, result: GenerationResult, raster: Raster) -> PixelLayer | None:
    """Return the background with what was made for it; None when it is not what was to be filled any more."""
    part = result.request.background
    recipe = _recipe(result, part.engine_words)
    if part.partial is None:
        return _painted(layer, raster, recipe)
    new = filled(layer, part.partial, raster, under_own=True)
    return None if new is None else _marked(new, recipe)


def _is_repainted(part: ObjectPart) -> bool:
    return part.silhouette is not None or part.partial is not None


def _is_moved(part: ObjectPart) -> bool:
    return part.look is not None and part.box is None


def _repainted(view: ObjectView, part: ObjectPart, made: ObjectResult) -> PixelLayer | None:
    """Return the look with what was made for a part of it; None when it is not what the engine was shown any more."""
    if view.look is None or made.look is None:
        return None
    if part.silhouette is not None:
        return recoloured(view.look, view.masks, part.silhouette, made.look)
    assert part.partial is not None
    return filled(view.look, part.partial, made.look, under_own=False)


def _source_rect(doc: Document, view: ObjectView | None, part: ObjectPart) -> Rect | None:
    """Return where the look to be moved is now; None when it may not be moved, or is of another size by now."""
    if view is None or view.look is None or part.look is None:
        return None
    try:
        refuse_placing(doc, view)
    except CommandError:
        return None
    now = render_layer(view.look, view.masks)
    return now.rect if now is not None and now.rect.size == part.look.rect.size else None


def _marked(layer: PixelLayer, recipe: Recipe) -> PixelLayer:
    assert layer.part is not None
    return replace(layer, part=replace(layer.part, recipe=recipe, is_new=True, stale_contacts=False))


def _with_object(
    doc: Document, result: GenerationResult, part: ObjectPart, made: ObjectResult, lost: list[Layer]
) -> Document:
    view = _object_in(doc, part.id)
    if view is None or (made.look is not None and view.pinned):
        if made.look is not None:
            lost.append(_lost_group(doc, result, part, made))
        return doc
    if isinstance(view.layer, PixelLayer):
        return _with_wrapped(doc, result, part, made, view.layer)
    group = view.layer
    recipe = _recipe(result, part.engine_words, made.library_item)
    taken = taken_ids(doc)
    if _is_repainted(part):
        new = _repainted(view, part, made)
        if new is None:
            lost.append(_lost_group(doc, result, part, made))
            return doc
        group = replace(group, children=tree.replaced(group.children, _marked(new, recipe)))
        assert group.part is not None
        group = replace(group, part=replace(group.part, is_new=True))
    elif _is_moved(part):
        source = _source_rect(doc, view, part)
        if source is None:
            return doc
        group = placed(group, source, made.box, result.request.size)
    if made.effects_made:
        for role, raster in ((Role.SHADOW, made.shadow), (Role.REFLECTION, made.reflection)):
            group = _with_effect(group, role, raster, recipe, taken)
    if made.look is not None and not _is_repainted(part):
        group = _with_look(group, made.look, recipe, taken)
        assert group.part is not None
        group = replace(group, part=replace(group.part, box=made.box, is_new=True))
    return doc.with_layer(group)


def _with_effect(
    group: GroupLayer, role: Role, raster: Raster | None, recipe: Recipe, taken: set[LayerId]
) -> GroupLayer:
    """Return the group with a new shadow or reflection below the look; an empty one takes its layer away."""
    old = child_of_role(group, role)
    if old is not None and is_pinned(old):
        return group
    if raster is None:
        return group if old is None else replace(group, children=tree.removed(group.children, old.id))
    if old is not None:
        return replace(group, children=tree.replaced(group.children, _painted(old, raster, recipe)))
    layer = PixelLayer(
        id=stable_id(taken, role.value, group.id),
        props=LayerProps(name=_EFFECT_NAMES[role], blend_mode=_EFFECT_MODES[role]),
        part=Part(role=role),
    )
    taken.add(layer.id)
    shadow = child_of_role(group, Role.SHADOW)
    at = 0
    if role is Role.REFLECTION and shadow is not None:
        at = next((i + 1 for i, x in enumerate(group.children) if x.id == shadow.id), 0)
    children = tree.inserted(group.children, _painted(layer, raster, recipe), parent=None, index=at)
    return replace(group, children=children)


def _with_look(group: GroupLayer, raster: Raster, recipe: Recipe, taken: set[LayerId]) -> GroupLayer:
    old = child_of_role(group, Role.OBJECT)
    if old is not None:
        return replace(group, children=tree.replaced(group.children, _painted(old, raster, recipe)))
    assert group.part is not None
    layer = PixelLayer(
        id=stable_id(taken, "look", group.id),
        props=LayerProps(name=group.props.name),
        part=Part(role=Role.OBJECT, words=group.part.words),
    )
    effects = [i for i, x in enumerate(group.children) if x.part and x.part.role in EFFECTS]
    at = effects[-1] + 1 if effects else 0
    children = tree.inserted(group.children, _painted(layer, raster, recipe), parent=None, index=at)
    return replace(group, children=children)


def _with_wrapped(
    doc: Document, result: GenerationResult, part: ObjectPart, made: ObjectResult, layer: PixelLayer
) -> Document:
    """Give a picture of the user's the effects made for it: it becomes the look of an object group."""
    if not made.effects_made or (made.shadow is None and made.reflection is None):
        return doc
    taken = taken_ids(doc)
    look = replace(layer, part=Part(role=Role.OBJECT, words=layer.props.name, keep=True))
    group = GroupLayer(
        id=stable_id(taken, "wrapped", layer.id),
        props=LayerProps(name=layer.props.name, blend_mode=BlendMode.PASS_THROUGH),
        children=(look,),
        part=Part(role=Role.OBJECT_GROUP, words=layer.props.name, keep=True, box=part.box),
    )
    taken.add(group.id)
    recipe = _recipe(result, part.engine_words)
    for role, raster in ((Role.SHADOW, made.shadow), (Role.REFLECTION, made.reflection)):
        group = _with_effect(group, role, raster, recipe, taken)
    parent = tree.parent_of(doc.layers, layer.id)
    siblings = tree.siblings_of(doc.layers, layer.id)
    at = next(i for i, x in enumerate(siblings) if x.id == layer.id)
    layers = tree.removed(doc.layers, layer.id)
    return doc.with_layers(
        tree.inserted(layers, group, parent=None if parent is None else parent.id, index=at)
    )


def _lost_group(doc: Document, result: GenerationResult, part: ObjectPart, made: ObjectResult) -> GroupLayer:
    taken = taken_ids(doc)
    group = GroupLayer(
        id=stable_id(taken, "lost", result.request.run_id, part.id),
        props=LayerProps(name=part.name, blend_mode=BlendMode.PASS_THROUGH),
        part=Part(role=Role.OBJECT_GROUP, words=part.name, box=made.box, is_new=True),
    )
    recipe = _recipe(result, part.engine_words, made.library_item)
    taken.add(group.id)
    for role, raster in ((Role.SHADOW, made.shadow), (Role.REFLECTION, made.reflection)):
        group = _with_effect(group, role, raster, recipe, taken)
    assert made.look is not None
    return _with_look(group, made.look, recipe, taken)


def _with_generated_group(doc: Document, lost: tuple[Layer, ...]) -> Document:
    """Put what found no place into a hidden group on top: it must not change the picture unasked."""
    group = GroupLayer(
        id=stable_id(taken_ids(doc) | {layer.id for layer in tree.walk(lost)}, GENERATED_GROUP),
        props=LayerProps(name=GENERATED_GROUP, blend_mode=BlendMode.PASS_THROUGH, visible=False),
        children=lost,
    )
    return doc.with_layers((*doc.layers, group))


def _without_new_marks(doc: Document) -> Document:
    for layer in doc.walk():
        if layer.part is not None and layer.part.is_new:
            current = doc.layer(layer.id)
            doc = doc.with_layer(replace(current, part=replace(layer.part, is_new=False)))
    return doc


def _unmoved(doc: Document, result: GenerationResult) -> frozenset[LayerId]:
    """Ids of objects that were to be moved and cannot be any more: they keep shadow and reflection too."""
    moved = [part for part, _ in _pairs(result) if _is_moved(part)]
    return frozenset(part.id for part in moved if _source_rect(doc, _object_in(doc, part.id), part) is None)


def _with_fresh_contacts(doc: Document, result: GenerationResult, *, unmoved: frozenset[LayerId]) -> Document:
    """Clear the stale mark where effects were made; set it where kept ones fall on a new background."""
    for part, made in _pairs(result):
        group = doc.find(part.id)
        if not isinstance(group, GroupLayer) or group.part is None or part.id in unmoved:
            continue
        stale = group.part.stale_contacts
        if made.effects_made:
            stale = False
        elif result.background is not None and result.request.background.partial is None:
            stale = any(child_of_role(group, role) is not None for role in _EFFECT_NAMES)
        if stale != group.part.stale_contacts:
            doc = doc.with_layer(replace(group, part=replace(group.part, stale_contacts=stale)))
    return doc
