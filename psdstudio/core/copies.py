"""Copies of layers under ids of their own, and what a copy is still to the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Role
from psdstudio.core.parts import role_of


def copied(layer: Layer, new_id: Callable[[LayerId], LayerId], *, in_object: bool = False) -> Layer:
    """Return a copy whose ids, also those inside, are `new_id` of the old ones.

    A copied object is another object of the scene. A copy of the background, or of one layer of an object, is a plain
    layer: a scene has one background and an object one look. `in_object`: the whole object around it is copied, so its
    layers stay its parts.
    """
    role = role_of(layer)
    part = layer.part if in_object or role is Role.OBJECT_GROUP else None
    if isinstance(layer, GroupLayer):
        inside = in_object or role is Role.OBJECT_GROUP
        children = tuple(copied(child, new_id, in_object=inside) for child in layer.children)
        return replace(layer, id=new_id(layer.id), children=children, part=part)
    return replace(layer, id=new_id(layer.id), part=part)


def rescaled_boxes(layer: Layer, old: Size, new: Size) -> Layer:
    """Return the layer with its layout boxes, which are in fractions of a canvas, at the same pixels of another one."""
    part = layer.part
    if part is not None and part.box is not None:
        x, y = old.width / new.width, old.height / new.height
        box = BoxF(part.box.x * x, part.box.y * y, part.box.width * x, part.box.height * y)
        layer = replace(layer, part=replace(part, box=box))
    if isinstance(layer, GroupLayer):
        return replace(layer, children=tuple(rescaled_boxes(child, old, new) for child in layer.children))
    return layer
