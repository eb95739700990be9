"""Which layers make up an object of the scene, where it is, what is kept, whose contacts are stale."""

from __future__ import annotations

from dataclasses import replace

from psdstudio.core import tree
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect, union_of
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Lock, PixelLayer, Role

EFFECTS = frozenset({Role.SHADOW, Role.REFLECTION})
PIXEL_LOCKS = frozenset({Lock.PIXELS, Lock.ALL})
"""The edit locks under which nothing may paint on a layer, a run neither."""


def role_of(layer: Layer) -> Role | None:
    """Return the layer's role in the scene; None when it has none."""
    return layer.part.role if layer.part is not None else None


def object_group_of(doc: Document, layer_id: LayerId) -> GroupLayer | None:
    """Return the object group that the layer is or stands in; None outside all objects."""
    layer = doc.find(layer_id)
    around: tuple[Layer | None, ...] = (*tree.ancestors(doc.layers, layer_id), layer)
    groups = [x for x in around if isinstance(x, GroupLayer) and role_of(x) is Role.OBJECT_GROUP]
    return groups[-1] if groups else None


def object_groups(doc: Document) -> tuple[GroupLayer, ...]:
    """Return all object groups, back to front."""
    return tuple(x for x in doc.walk() if isinstance(x, GroupLayer) and role_of(x) is Role.OBJECT_GROUP)


def background_of(doc: Document) -> PixelLayer | None:
    """Return the scene's background layer, the lowest if there are several."""
    return next((x for x in doc.walk() if isinstance(x, PixelLayer) and role_of(x) is Role.BACKGROUND), None)


def children_with(group: GroupLayer, role: Role) -> tuple[PixelLayer, ...]:
    """Return the pixel layers of that role inside a group, bottom to top."""
    return tuple(x for x in tree.walk(group.children) if isinstance(x, PixelLayer) and role_of(x) is role)


def object_rect(group: GroupLayer) -> Rect:
    """Return the canvas box of the object itself, without its effects; empty before it is painted."""
    return union_of(map(layer_bounds, children_with(group, Role.OBJECT)))


def effects_rect(group: GroupLayer) -> Rect:
    """Return the canvas box of the object's shadow and reflection; empty when it has none."""
    return union_of(layer_bounds(x) for role in EFFECTS for x in children_with(group, role))


def is_kept(layer: Layer) -> bool:
    """Whether generation must leave this part as it is: see `is_pinned`; an object by its group or its look."""
    if is_pinned(layer):
        return True
    if isinstance(layer, GroupLayer) and role_of(layer) is Role.OBJECT_GROUP:
        return any(is_pinned(child) for child in children_with(layer, Role.OBJECT))
    return False


def is_pinned(layer: Layer) -> bool:
    """Whether the layer itself forbids new pixels: the Keep pin, or an edit lock on its pixels."""
    return (layer.part is not None and layer.part.keep) or bool(layer.props.locks & PIXEL_LOCKS)


def with_stale_contacts(before: Document, after: Document) -> Document:
    """Return `after` with `stale_contacts` set where shadow and reflection no longer fit what they fall on.

    That is so for an object that was painted and moved over the ground, whose own effects moved apart from
    it, whose ground moved, or which has effects where an object behind it went away, came or moved
    (`engine.md` 2.3: effects are masked by the alpha of objects behind them).
    """
    ground_moved = _ground(before) != _ground(after)
    old_groups = {group.id: group for group in object_groups(before)}
    behind_before = _rects_behind(before)
    behind_after = _rects_behind(after)
    for group in object_groups(after):
        old = old_groups.get(group.id)
        if old is None or group.part is None or group.part.stale_contacts or object_rect(group).is_empty:
            continue
        area = effects_rect(old).union(effects_rect(group))
        if (
            ground_moved
            or _has_moved(_places(old), _places(group))
            or _differ_within(behind_before[group.id], behind_after[group.id], area)
        ):
            current = after.layer(group.id)
            after = after.with_layer(replace(current, part=replace(group.part, stale_contacts=True)))
    return after


def _ground(doc: Document) -> tuple[object, ...]:
    ground = background_of(doc)
    return () if ground is None else (ground.id, ground.offset)


def _places(group: GroupLayer) -> dict[LayerId, object]:
    return {
        x.id: x.offset
        for x in tree.walk(group.children)
        if isinstance(x, PixelLayer) and role_of(x) in EFFECTS | {Role.OBJECT}
    }


def _has_moved(old: dict[LayerId, object], new: dict[LayerId, object]) -> bool:
    return any(old[layer_id] != new[layer_id] for layer_id in old.keys() & new.keys())


def _rects_behind(doc: Document) -> dict[LayerId, dict[LayerId, Rect]]:
    """Return, for every object, the boxes of the objects behind it."""
    out: dict[LayerId, dict[LayerId, Rect]] = {}
    seen: dict[LayerId, Rect] = {}
    for group in object_groups(doc):
        out[group.id] = dict(seen)
        seen[group.id] = object_rect(group)
    return out


def _differ_within(old: dict[LayerId, Rect], new: dict[LayerId, Rect], area: Rect) -> bool:
    if area.is_empty:
        return False
    for layer_id in old.keys() | new.keys():
        was, now = old.get(layer_id, EMPTY_RECT), new.get(layer_id, EMPTY_RECT)
        if was != now and not (was.intersection(area).is_empty and now.intersection(area).is_empty):
            return True
    return False
