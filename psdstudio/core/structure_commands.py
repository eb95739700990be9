"""Commands on the layer tree: add, delete, duplicate, move, group, ungroup, merge.

A layer that leaves its object's group is no longer a part of the scene (its `part` goes): a shadow elsewhere
is just a picture of a shadow. Order among moved layers is always kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from psdstudio.core import tree
from psdstudio.core.commands import checked_name, need, need_some
from psdstudio.core.document import MAX_NAME, Document
from psdstudio.core.geometry import Point
from psdstudio.core.layers import (
    ORIGIN,
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Layer,
    LayerId,
    LayerProps,
    Lock,
    PixelLayer,
    Role,
    new_layer_id,
)
from psdstudio.core.locks import refuse_locked, refuse_locked_inside
from psdstudio.core.parts import object_group_of, role_of, with_stale_contacts
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertLayer:
    """Put a ready layer or group into a group (`parent`), or at the top level, at `index` (0 = bottom)."""

    layer: Layer
    parent: LayerId | None = None
    index: int
    label: str = "Insert layer"

    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Insert; raises CommandError when the parent is no group, is fully locked, or an id is taken."""
        _need_open_group(doc, self.parent)
        taken = {layer.id for layer in doc.walk()}
        if any(layer.id in taken for layer in tree.walk((self.layer,))):
            raise CommandError(f"“{self.layer.props.name}” is in the document already.")
        checked_name(self.layer.props.name)
        after = doc.with_layers(tree.inserted(doc.layers, self.layer, parent=self.parent, index=self.index))
        return with_stale_contacts(doc, after)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLayer:
    """Add an empty layer above another one (on top when `above` is None), named "Layer n" unless a name is
    given.
    """

    above: LayerId | None = None
    name: str | None = None
    layer_id: LayerId = field(default_factory=new_layer_id)

    label = "New layer"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Add; raises CommandError when `above` is gone or stands in a fully locked group."""
        name = checked_name(self.name) if self.name is not None else free_name(doc, "Layer")
        layer = PixelLayer(id=self.layer_id, props=LayerProps(name=name))
        parent, index = place_above(doc, self.above)
        return InsertLayer(layer=layer, parent=parent, index=index).apply(doc)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteLayers:
    """Delete layers, groups with everything inside."""

    ids: tuple[LayerId, ...]

    merge_key = None

    @property
    def label(self) -> str:
        """One layer or several."""
        return "Delete layer" if len(self.ids) == 1 else "Delete layers"

    def apply(self, doc: Document) -> Document:
        """Delete; raises CommandError when a layer, or one inside it, is locked with ALL."""
        after = doc
        for layer in need_some(doc, self.ids):
            refuse_locked_inside(doc, layer, Lock.ALL, "deleting")
            after = after.with_layers(tree.removed(after.layers, layer.id))
        return with_stale_contacts(doc, after)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateLayers:
    """Put a copy of each layer right above it.

    Ids of copies follow from `seed`: applied twice, they are the same.

    A copied object is another object of the scene. A copy of the background, or of one layer of an object, is
    a plain layer: a scene has one background and an object one look.
    """

    ids: tuple[LayerId, ...]
    seed: str = field(default_factory=new_layer_id)

    merge_key = None

    @property
    def label(self) -> str:
        """One layer or several."""
        return "Duplicate layer" if len(self.ids) == 1 else "Duplicate layers"

    def copy_id(self, layer_id: LayerId) -> LayerId:
        """Return the id that the copy of a layer gets."""
        return LayerId(hashlib.sha256(f"{self.seed}/{layer_id}".encode()).hexdigest()[:32])

    def apply(self, doc: Document) -> Document:
        """Duplicate; raises CommandError when a layer stands in a fully locked group."""
        need_some(doc, self.ids)
        after = doc
        for layer in tree.roots(doc.layers, self.ids):
            parent = tree.parent_of(after.layers, layer.id)
            _need_open_group(doc, parent.id if parent else None)
            siblings = parent.children if parent else after.layers
            copy = self._copied(layer)
            names = {sibling.props.name for sibling in siblings}
            copy = copy.with_props(name=_copy_name(layer.props.name, names))
            index = _index_of(siblings, layer.id) + 1
            after = after.with_layers(
                tree.inserted(after.layers, copy, parent=parent.id if parent else None, index=index)
            )
        return with_stale_contacts(doc, after)

    def _copied(self, layer: Layer, *, in_object: bool = False) -> Layer:
        """Return the copy.

        `in_object`: the whole object around it is copied, so its layers stay its parts.
        """
        role = role_of(layer)
        part = layer.part if in_object or role is Role.OBJECT_GROUP else None
        if isinstance(layer, GroupLayer):
            inside = in_object or role is Role.OBJECT_GROUP
            children = tuple(self._copied(child, in_object=inside) for child in layer.children)
            return replace(layer, id=self.copy_id(layer.id), children=children, part=part)
        return replace(layer, id=self.copy_id(layer.id), part=part)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLayers:
    """Move layers to a gap among the children of `parent` (None: top level).

    `index` counts the children before the move, from the bottom: 0 is below all, their number above all, as a
    drop between two rows says it.
    """

    ids: tuple[LayerId, ...]
    parent: LayerId | None
    index: int

    label = "Layer order"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Move; raises CommandError when a group would get into itself, or a fully locked group is left or
        entered.
        """
        need_some(doc, self.ids)
        moving = tree.roots(doc.layers, self.ids)
        _need_open_group(doc, self.parent, leaving=moving)
        if self.parent is not None:
            inside = {self.parent, *(group.id for group in tree.ancestors(doc.layers, self.parent))}
            for layer in moving:
                if layer.id in inside:
                    raise CommandError(f"The group “{layer.props.name}” cannot go into itself.")
        target = doc.layers if self.parent is None else tree.siblings_in(doc.layers, self.parent)
        ids = {layer.id for layer in moving}
        index = sum(1 for layer in target[: max(0, self.index)] if layer.id not in ids)
        layers = doc.layers
        for layer in moving:
            layers = tree.removed(layers, layer.id)
        new_home = None if self.parent is None else object_group_of(doc, self.parent)
        for place, layer in enumerate(moving):
            moved = _at_home(doc, layer, new_home)
            layers = tree.inserted(layers, moved, parent=self.parent, index=index + place)
        if _order(layers) == _order(doc.layers):
            return doc
        return with_stale_contacts(doc, doc.with_layers(layers))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLayers:
    """Put layers into a new group, at the place of the topmost one, which passes through until told
    otherwise.
    """

    ids: tuple[LayerId, ...]
    name: str | None = None
    group_id: LayerId = field(default_factory=new_layer_id)

    label = "Group layers"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Group; raises CommandError when a layer stands in a fully locked group."""
        need_some(doc, self.ids)
        top = tree.roots(doc.layers, self.ids)[-1]
        parent = tree.parent_of(doc.layers, top.id)
        siblings = parent.children if parent else doc.layers
        name = checked_name(self.name) if self.name is not None else free_name(doc, "Group")
        group = GroupLayer(id=self.group_id, props=LayerProps(name=name, blend_mode=BlendMode.PASS_THROUGH))
        parent_id = parent.id if parent else None
        index = _index_of(siblings, top.id) + 1
        doc_with = InsertLayer(layer=group, parent=parent_id, index=index).apply(doc)
        return MoveLayers(ids=self.ids, parent=self.group_id, index=0).apply(doc_with)


@dataclass(frozen=True, slots=True, kw_only=True)
class UngroupLayer:
    """Put a group's children into its place. The group's mask, opacity and blend mode go with it.

    Children of a hidden group are hidden; those of an object group are no longer parts of the scene.
    """

    layer_id: LayerId

    label = "Ungroup layers"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Ungroup; raises CommandError for layers that are no group and for fully locked groups."""
        group = need(doc, self.layer_id)
        if not isinstance(group, GroupLayer):
            raise CommandError(f"“{group.props.name}” is not a group.")
        refuse_locked(doc, group.id, Lock.ALL, "ungrouping")
        parent = tree.parent_of(doc.layers, group.id)
        index = _index_of(parent.children if parent else doc.layers, group.id)
        home = object_group_of(doc, parent.id) if parent else None
        layers = tree.removed(doc.layers, group.id)
        for place, child in enumerate(group.children):
            freed = _at_home(doc, child, home)
            if not group.props.visible:
                freed = freed.with_props(visible=False)
            layers = tree.inserted(layers, freed, parent=parent.id if parent else None, index=index + place)
        return with_stale_contacts(doc, doc.with_layers(layers))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceWithMerged:
    """Replace layers by one that shows their rendered picture; the caller renders, the core does not.

    The result takes the place, name, colour and clipping of `into` (one of `ids`); when that is a pixel layer
    also its id and its part, so that a background with something merged onto it stays the background. Opacity
    and fill become 100 %, the mask goes: both are in `pixels` (layer coordinates, placed by `offset`).
    """

    ids: tuple[LayerId, ...]
    into: LayerId
    pixels: TileGrid
    offset: Point = ORIGIN
    blend_mode: BlendMode = BlendMode.NORMAL
    new_id: LayerId = field(default_factory=new_layer_id)
    label: str = "Merge layers"

    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Merge; raises CommandError for locked pixels (inside groups too), and when `into` is an adjustment."""
        need_some(doc, self.ids)
        merged = tree.roots(doc.layers, self.ids)
        into = next((layer for layer in merged if layer.id == self.into), None)
        if into is None:
            raise CommandError("Layers can only be merged into one of them.")
        if isinstance(into, AdjustmentLayer):
            raise CommandError(
                f"“{into.props.name}” is an adjustment: nothing can be merged into it.",
                "Select the layer below it as well.",
            )
        for layer in merged:
            refuse_locked_inside(doc, layer, Lock.PIXELS, "merging")
        is_pixels = isinstance(into, PixelLayer)
        props = replace(
            into.props,
            opacity=255,
            fill=255,
            visible=True,
            blend_mode=self.blend_mode,
            locks=into.props.locks - {Lock.TRANSPARENCY},
        )
        result = PixelLayer(
            id=into.id if is_pixels else self.new_id,
            props=props,
            pixels=self.pixels,
            offset=self.offset,
            part=into.part if is_pixels else None,
        )
        parent = tree.parent_of(doc.layers, into.id)
        index = _index_of(parent.children if parent else doc.layers, into.id)
        layers = tree.removed(doc.layers, into.id)
        layers = tree.inserted(layers, result, parent=parent.id if parent else None, index=index)
        for layer in merged:
            if layer.id != into.id:
                layers = tree.removed(layers, layer.id)
        return with_stale_contacts(doc, doc.with_layers(layers))


def free_name(doc: Document, stem: str) -> str:
    """Return "stem n" with the smallest n >= 1 that no layer of the document has."""
    names = {layer.props.name for layer in doc.walk()}
    number = 1
    while f"{stem} {number}" in names:
        number += 1
    return f"{stem} {number}"


def _copy_name(name: str, taken: set[str]) -> str:
    stem = name[: MAX_NAME - 12]
    candidate, number = f"{stem} copy", 1
    while candidate in taken:
        number += 1
        candidate = f"{stem} copy {number}"
    return candidate


def _index_of(siblings: Iterable[Layer], layer_id: LayerId) -> int:
    return next(place for place, layer in enumerate(siblings) if layer.id == layer_id)


def place_above(doc: Document, above: LayerId | None) -> tuple[LayerId | None, int]:
    """Return the group and the index at which a layer made above another one goes; on top of all for None."""
    if above is None:
        return None, len(doc.layers)
    need(doc, above)
    # A new layer is no part of the object it is made on: it goes above the whole object.
    home = object_group_of(doc, above)
    anchor = home.id if home is not None else above
    parent = tree.parent_of(doc.layers, anchor)
    siblings = parent.children if parent else doc.layers
    return (parent.id if parent else None), _index_of(siblings, anchor) + 1


def _need_open_group(doc: Document, parent: LayerId | None, *, leaving: tuple[Layer, ...] = ()) -> None:
    """Raise CommandError when `parent` is no group, or a fully locked group would be entered or left."""
    if parent is not None and not isinstance(need(doc, parent), GroupLayer):
        raise CommandError(f"“{need(doc, parent).props.name}” is not a group.")
    entered = parent
    for layer in leaving:
        old = tree.parent_of(doc.layers, layer.id)
        if (old.id if old else None) == parent:
            entered = None
        elif old is not None:
            refuse_locked(doc, old.id, Lock.ALL, "taking layers out")
    if entered is not None:
        refuse_locked(doc, entered, Lock.ALL, "adding layers")


def _at_home(doc: Document, layer: Layer, new_home: GroupLayer | None) -> Layer:
    """Return the layer, no longer a part of the scene if it leaves the object whose part it was."""
    if role_of(layer) not in (Role.OBJECT, Role.SHADOW, Role.REFLECTION):
        if role_of(layer) is None and isinstance(layer, GroupLayer):
            children = tuple(_at_home(doc, child, new_home) for child in layer.children)
            same = all(a is b for a, b in zip(children, layer.children, strict=True))
            return layer if same else replace(layer, children=children)
        return layer
    old_home = object_group_of(doc, layer.id)
    return layer if old_home is not None and old_home is new_home else replace(layer, part=None)


def _order(layers: tuple[Layer, ...]) -> list[tuple[LayerId, LayerId | None]]:
    return list(tree.parents(layers).items())
