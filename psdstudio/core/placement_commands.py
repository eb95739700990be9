"""Commands that move layers and resize the canvas.

Pixels are never resampled: only offsets and boxes change.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from psdstudio.core import tree
from psdstudio.core.bounds import shifted_mask
from psdstudio.core.commands import need_some
from psdstudio.core.document import MAX_SIDE_PX, Document
from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, LayerId, Lock, Role
from psdstudio.core.locks import refuse_locked_inside
from psdstudio.core.parts import object_group_of, role_of, with_stale_contacts
from psdstudio.errors import CommandError

_FARTHEST_PX = 10 * MAX_SIDE_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslateLayers:
    """Move layers by whole pixels, groups with everything inside, linked masks along; an adjustment is its mask.

    An object moved as a group takes its layout box along; so does its object layer alone. Contacts that no
    longer fit are marked stale: the moved object's own, and those of objects in front that stood on it.
    """

    ids: tuple[LayerId, ...]
    dx: int
    dy: int
    is_nudge: bool = False

    @property
    def label(self) -> str:
        """Nudge or Move."""
        return "Nudge" if self.is_nudge else "Move"

    @property
    def merge_key(self) -> Hashable | None:
        """Arrow keys in a row are one step; drags are not."""
        return ("nudge", self.ids) if self.is_nudge else None

    def apply(self, doc: Document) -> Document:
        """Move the layers; raises CommandError when one, or a layer inside one, is locked against moving."""
        need_some(doc, self.ids)
        moving = tree.roots(doc.layers, self.ids)
        for layer in moving:
            refuse_locked_inside(doc, layer, Lock.POSITION, "moving")
        if self.dx == 0 and self.dy == 0:
            return doc
        if max(abs(self.dx), abs(self.dy)) > _FARTHEST_PX:
            raise CommandError("That is too far away from the canvas.")
        after = doc
        for layer in moving:
            after = after.with_layer(shifted_layer(layer, self.dx, self.dy, size=doc.size))
            if role_of(layer) is Role.OBJECT:
                after = _with_box_of_group_shifted(after, layer, self.dx, self.dy)
        return with_stale_contacts(doc, after)


def shifted_layer(layer: Layer, dx: int, dy: int, *, size: Size) -> Layer:
    """Return the layer or group moved by (dx, dy) pixels on a canvas of `size`: pixels, linked masks, layout
    boxes.
    """
    mask = layer.mask
    if mask is not None and mask.linked:
        mask = shifted_mask(mask, dx, dy)
    if isinstance(layer, GroupLayer):
        part = layer.part
        if part is not None and part.box is not None:
            part = replace(part, box=shifted_box(part.box, dx, dy, size=size))
        children = tuple(shifted_layer(child, dx, dy, size=size) for child in layer.children)
        return replace(layer, children=children, mask=mask, part=part)
    if isinstance(layer, AdjustmentLayer):
        return layer if mask is layer.mask else replace(layer, mask=mask)
    return replace(layer, offset=layer.offset.shifted(dx, dy), mask=mask)


def shifted_box(box: BoxF, dx: int, dy: int, *, size: Size) -> BoxF:
    """Return the box moved by (dx, dy) pixels of a canvas of `size`."""
    return BoxF(box.x + dx / size.width, box.y + dy / size.height, box.width, box.height)


def _with_box_of_group_shifted(doc: Document, layer: Layer, dx: int, dy: int) -> Document:
    group = object_group_of(doc, layer.id)
    if group is None or group.part is None or group.part.box is None:
        return doc
    box = shifted_box(group.part.box, dx, dy, size=doc.size)
    return doc.with_layer(replace(group, part=replace(group.part, box=box)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeCanvas:
    """Give the canvas another size; what was at (0, 0) comes to (dx, dy).

    Nothing is cropped away or resampled.

    Locks do not matter: the layers stay where they are in the picture, the canvas around them changes.
    """

    size: Size
    dx: int = 0
    dy: int = 0

    label = "Canvas size"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Resize; raises CommandError for a size that a PSD cannot hold."""
        if not (1 <= self.size.width <= MAX_SIDE_PX and 1 <= self.size.height <= MAX_SIDE_PX):
            raise CommandError(f"A canvas is 1 to {MAX_SIDE_PX} pixels wide and high.")
        if self.size == doc.size and self.dx == 0 and self.dy == 0:
            return doc
        scene = doc.scene
        if scene.light is not None:
            horizon = (scene.light.horizon * doc.size.height + self.dy) / self.size.height
            scene = replace(scene, light=replace(scene.light, horizon=horizon))
        layers = tuple(self._placed(layer, doc.size) for layer in doc.layers)
        return replace(doc, size=self.size, layers=layers, scene=scene)

    def _placed(self, layer: Layer, old: Size) -> Layer:
        mask = shifted_mask(layer.mask, self.dx, self.dy)
        if isinstance(layer, GroupLayer):
            part = layer.part
            if part is not None and part.box is not None:
                part = replace(part, box=self._refitted(part.box, old))
            children = tuple(self._placed(child, old) for child in layer.children)
            return replace(layer, children=children, mask=mask, part=part)
        if isinstance(layer, AdjustmentLayer):
            return replace(layer, mask=mask)
        return replace(layer, offset=layer.offset.shifted(self.dx, self.dy), mask=mask)

    def _refitted(self, box: BoxF, old: Size) -> BoxF:
        return BoxF(
            (box.x * old.width + self.dx) / self.size.width,
            (box.y * old.height + self.dy) / self.size.height,
            box.width * old.width / self.size.width,
            box.height * old.height / self.size.height,
        )
