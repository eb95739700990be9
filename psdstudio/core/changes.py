"""What differs between two documents, found by comparing values by identity; never by hand-written
notifications.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from psdstudio.core import tree
from psdstudio.core.bounds import reach_of
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, LayerId, LayerProps, Mask, PixelLayer
from psdstudio.core.ordering import longest_rising
from psdstudio.core.tiles import TileGrid


class Origin(Enum):
    """Where a change comes from. PREVIEW is one moment of an unfinished drag; it is no undo step yet."""

    USER = "user"
    GENERATION = "generation"
    PREVIEW = "preview"
    UNDO = "undo"
    REDO = "redo"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Change:
    """The document was `before` and is `after`. Everything else is derived on first use (main thread)."""

    before: Document
    after: Document
    origin: Origin
    label: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed (a committed drag tells so: its last preview was seen already)."""
        return self.before is self.after

    @cached_property
    def _old(self) -> dict[LayerId, Layer]:
        return {layer.id: layer for layer in self.before.walk()}

    @cached_property
    def _new(self) -> dict[LayerId, Layer]:
        return {layer.id: layer for layer in self.after.walk()}

    @cached_property
    def added(self) -> frozenset[LayerId]:
        """Layers that are new, children of new groups included."""
        return frozenset(self._new.keys() - self._old.keys())

    @cached_property
    def removed(self) -> frozenset[LayerId]:
        """Layers that are gone."""
        return frozenset(self._old.keys() - self._new.keys())

    @cached_property
    def moved(self) -> frozenset[LayerId]:
        """Layers under another parent or in another order; the fewest that explain the new order."""
        if self.before.layers is self.after.layers:
            return frozenset()
        return _moved(self.before, self.after)

    @cached_property
    def edited(self) -> frozenset[LayerId]:
        """Layers whose own content differs (a group is not edited by what happens inside it)."""
        both = self._old.keys() & self._new.keys()
        return frozenset(i for i in both if is_edited(self._old[i], self._new[i]))

    @property
    def is_structural(self) -> bool:
        """Whether the tree changed (rows came, went or moved)."""
        return bool(self.added or self.removed or self.moved)

    @cached_property
    def dirty(self) -> tuple[Rect, ...]:
        """Canvas rectangles whose picture may differ, clipped to the new canvas; none when only words
        changed.
        """
        canvas = self.after.canvas
        if self.before.size != self.after.size:
            return (canvas,)
        if self.before.layers is self.after.layers:
            return ()
        rects: list[Rect] = []
        for layer_id in self.removed | self.moved:
            rects.append(reach_of(self._old[layer_id], canvas))
        for layer_id in self.added | self.moved:
            rects.append(reach_of(self._new[layer_id], canvas))
        for layer_id in self.edited:
            rects += _edited_rects(self._old[layer_id], self._new[layer_id], canvas)
        rects += self._clipped_rects()
        clipped = (rect.intersection(canvas) for rect in rects)
        return tuple(dict.fromkeys(rect for rect in clipped if not rect.is_empty))

    def _clipped_rects(self) -> list[Rect]:
        """Clipped layers that may have got another base: any in a list of siblings that changed."""
        disturbed = self.added | self.removed | self.moved
        disturbed |= {i for i in self.edited if self._old[i].props.clipping != self._new[i].props.clipping}
        if not disturbed:
            return []
        rects = []
        for doc, layers in ((self.before, self._old), (self.after, self._new)):
            around = tree.parents(doc.layers)
            lists = {around[i] for i in disturbed if i in around}
            rects += [
                reach_of(layer, doc.canvas)
                for i, layer in layers.items()
                if layer.props.clipping and around[i] in lists
            ]
        return rects


def is_edited(old: Layer, new: Layer) -> bool:
    """Whether a layer's own content differs: properties, part, mask, place, pixels; not the children."""
    if old is new:
        return False
    if type(old) is not type(new) or old.props != new.props or old.part != new.part:
        return True
    if _mask_differs(old.mask, new.mask):
        return True
    if isinstance(old, PixelLayer) and isinstance(new, PixelLayer):
        return old.offset != new.offset or _grid_differs(old.pixels, new.pixels)
    if isinstance(old, AdjustmentLayer) and isinstance(new, AdjustmentLayer):
        return old.adjustment != new.adjustment
    return False


def _grid_differs(old: TileGrid, new: TileGrid) -> bool:
    return old is not new and (old.fill != new.fill or old.channels != new.channels or bool(old.dirty(new)))


def _mask_differs(old: Mask | None, new: Mask | None) -> bool:
    if old is new:
        return False
    if old is None or new is None:
        return True
    same_place = (old.offset, old.enabled, old.linked) == (new.offset, new.enabled, new.linked)
    return not same_place or _grid_differs(old.pixels, new.pixels)


def _seen(props: LayerProps) -> tuple[object, ...]:
    return (props.visible, props.opacity, props.fill, props.blend_mode, props.clipping)


def _edited_rects(old: Layer, new: Layer, canvas: Rect) -> list[Rect]:
    """Return what of an edited layer must be drawn again, in canvas pixels."""
    whole = [reach_of(old, canvas), reach_of(new, canvas)]
    if type(old) is not type(new) or _seen(old.props) != _seen(new.props):
        return whole
    if (
        isinstance(old, AdjustmentLayer)
        and isinstance(new, AdjustmentLayer)
        and old.adjustment != new.adjustment
    ):
        return whole
    rects: list[Rect] = []
    if _mask_differs(old.mask, new.mask):
        if old.mask is None or new.mask is None or _mask_head(old.mask) != _mask_head(new.mask):
            return whole
        at = new.mask.offset
        rects += [rect.shifted(at.x, at.y) for rect in old.mask.pixels.dirty(new.mask.pixels)]
    if isinstance(old, PixelLayer) and isinstance(new, PixelLayer):
        if old.offset != new.offset:
            return whole
        rects += [rect.shifted(new.offset.x, new.offset.y) for rect in old.pixels.dirty(new.pixels)]
    return rects


def _mask_head(mask: Mask) -> tuple[object, ...]:
    return (mask.offset, mask.enabled, mask.pixels.fill)


def _moved(before: Document, after: Document) -> frozenset[LayerId]:
    old_parent, new_parent = tree.parents(before.layers), tree.parents(after.layers)
    both = old_parent.keys() & new_parent.keys()
    moved = {i for i in both if old_parent[i] != new_parent[i]}
    old_order = {i: place for place, i in enumerate(old_parent)}
    lists: list[tuple[Layer, ...]] = [after.layers]
    lists += [layer.children for layer in after.walk() if isinstance(layer, GroupLayer)]
    for siblings in lists:
        stayed = [layer.id for layer in siblings if layer.id in both and layer.id not in moved]
        in_order = longest_rising(stayed, old_order)
        moved |= set(stayed) - in_order
    return frozenset(moved)
