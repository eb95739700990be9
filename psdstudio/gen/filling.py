"""Which pixels of a layer that is painted already are to be painted anew: holes, what lies behind, what is covered.

The rules, as a designer who knows content-aware fill expects them:

- *Fill behind* is about the background. Where the background layer is not opaque (erased, moved off the canvas, or
  hidden by its own mask) there are holes, and the holes alone are filled. Without holes, what lies behind the selected
  objects is painted anew: their shape grown by a few pixels, not their shadows and reflections, which are layers of
  their own. A half transparent pixel at the rim of a hole keeps its colour on top of the new one, so there is no seam.
- *Fill the hidden part* is about the selected objects: where an object in front covers one by more than half, its own
  pixels are made, up to a quarter of its size beyond where it ends now. What can be seen of it stays as it is.
- Masks of folders stay as they are; the layer's own mask is opened where it is filled, or nobody would see it.
- A kept or locked layer is never filled, not even in its holes: kept means kept; and where transparency is locked,
  what is transparent stays so. A picture of the user's own is never filled either; split into layers it becomes a
  scene, and then it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import LayerId, Lock, PixelLayer
from psdstudio.core.locks import refuse_locked
from psdstudio.core.tiles import tight_box
from psdstudio.errors import CommandError
from psdstudio.gen.request import PartlyKnown, Raster
from psdstudio.gen.scene_parts import (
    BackgroundView,
    ObjectView,
    SceneView,
    is_opaque,
    own_masks,
    render_layer,
)

Bits = npt.NDArray[np.bool_]
_GROWN_SHARE = 200
"""A shape grows by the canvas's longer side divided by this, at least 2 px: soft edges and their colour go too."""
_BEYOND = 4
"""A covered object may go on behind what covers it by its size divided by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Pixels to be made of the part `id` (an object's id, or the background's)."""

    id: LayerId
    known: PartlyKnown


def background_fill(doc: Document, view: SceneView, behind: Sequence[ObjectView]) -> tuple[Fill, bool]:
    """Return what is to be filled of the background, and whether that is its holes (or else what is behind objects).

    Raises:
        CommandError: There is nothing to fill, or it may not be filled.
    """
    background = view.background
    if background is None:
        raise CommandError(
            "There is no background to fill.", "Generate a scene, or split a picture into layers."
        )
    refuse_fill(background)
    raster = render_layer(background.layer, own_masks(background.layer), doc.canvas)
    assert raster is not None  # a canvas has at least one pixel
    holes = raster.rgba[..., 3] < 255
    if holes.any():
        refuse_locked(doc, background.layer.id, Lock.TRANSPARENCY, "filling")
        return Fill(id=background.layer.id, known=PartlyKnown(raster=raster, unknown=holes)), True
    if not behind:
        raise CommandError(
            "The background has no transparent place to fill.",
            "Select an object to paint anew what lies behind it, or erase a part of the background.",
        )
    shapes = _shapes(doc, behind)
    if not shapes.any():
        raise CommandError(
            f"“{behind[0].name}” covers nothing of the background.", "Select an object on the canvas."
        )
    return Fill(id=background.layer.id, known=PartlyKnown(raster=raster, unknown=shapes)), False


def has_holes(doc: Document, layer: PixelLayer) -> bool:
    """Whether `background_fill` would fill holes; much cheaper, so that a menu can ask whenever it opens."""
    for mask in own_masks(layer):
        shown = mask.pixels.read(doc.canvas.shifted(-mask.offset.x, -mask.offset.y))
        if int(shown.min()) < 255:
            return True
    return not is_opaque(layer, doc.canvas)


def _shapes(doc: Document, objects: Sequence[ObjectView]) -> Bits:
    """Return (canvas height, canvas width): the objects' shapes, grown so that soft edges are inside."""
    shapes = cover_of(objects, doc.canvas, above=0)
    radius = max(2, round(max(doc.size) / _GROWN_SHARE))
    used = tight_box(shapes)  # growing takes memory, and canvases are large
    if not used.is_empty:
        area = Rect(
            used.x - radius, used.y - radius, used.width + 2 * radius, used.height + 2 * radius
        ).intersection(doc.canvas)
        rows, columns = slice(area.y, area.bottom), slice(area.x, area.right)
        shapes[rows, columns] = grown(shapes[rows, columns], radius)
    return shapes


def hidden_fills(doc: Document, view: SceneView, chosen: Sequence[ObjectView]) -> tuple[Fill, ...]:
    """Return what is covered of each of these objects; those of which nothing is covered are left out.

    Raises:
        CommandError: Nothing is covered of any, or one may not be filled.
    """
    fills = []
    for item in chosen:
        refuse_fill(item)
        assert item.look is not None  # refuse_fill has seen to it
        refuse_locked(doc, item.look.id, Lock.TRANSPARENCY, "filling")
        at = next(i for i, other in enumerate(view.objects) if other.id == item.id)
        front = [other for other in view.objects[at + 1 :] if not other.hidden]
        if (known := _covered(doc, item, front)) is not None:
            fills.append(Fill(id=item.id, known=known))
    if not fills:
        names = "”, “".join(item.name for item in chosen)
        raise CommandError(
            f"No object in front covers “{names}”.",
            "There is nothing hidden to fill; layers further up cover.",
        )
    return tuple(fills)


def refuse_fill(part: ObjectView | BackgroundView) -> None:
    """Raise CommandError when no pixel of this part may be made: it is the user's own, kept, or not painted yet."""
    name = part.layer.props.name
    if part.foreign:
        raise CommandError(
            f"“{name}” is a picture of your own, and generating never changes those.",
            "Split it into layers first (menu Scene).",
        )
    if part.pinned:
        raise CommandError(
            f"“{name}” is kept, so nothing in it is changed.", "Stop keeping it, or unlock it, first."
        )
    if not part.is_painted:
        raise CommandError(f"“{name}” is not painted yet.", "Generate the scene first.")


def _covered(doc: Document, item: ObjectView, front: Sequence[ObjectView]) -> PartlyKnown | None:
    assert item.look is not None  # refuse_fill has seen to it
    masks = own_masks(item.look)
    seen = render_layer(item.look, masks)
    if seen is None:
        return None
    wide, high = seen.rect.width // _BEYOND, seen.rect.height // _BEYOND
    around = Rect(
        seen.rect.x - wide, seen.rect.y - high, seen.rect.width + 2 * wide, seen.rect.height + 2 * high
    ).intersection(doc.canvas)
    if around.is_empty:
        return None
    cover = cover_of(front, around, above=127)
    own = np.zeros_like(cover)
    _stamp(own, around, seen, above=0)
    if not (cover & grown(own, 2)).any():
        return None
    rect = seen.rect.union(tight_box(cover).shifted(around.x, around.y))
    unknown = np.zeros((rect.height, rect.width), np.bool_)
    part = around.intersection(rect)
    unknown[part.y - rect.y : part.bottom - rect.y, part.x - rect.x : part.right - rect.x] = cover[
        part.y - around.y : part.bottom - around.y, part.x - around.x : part.right - around.x
    ]
    raster = render_layer(item.look, masks, rect)
    assert raster is not None
    return PartlyKnown(raster=raster, unknown=unknown)


def cover_of(objects: Sequence[ObjectView], area: Rect, *, above: int) -> Bits:
    """Return (area.height, area.width): where the alpha of any of the objects, masks applied, is above a value."""
    cover = np.zeros((area.height, area.width), np.bool_)
    for item in objects:
        raster = None if item.look is None else render_layer(item.look, item.masks)
        if raster is not None:
            _stamp(cover, area, raster, above=above)
    return cover


def _stamp(cover: Bits, area: Rect, raster: Raster, *, above: int) -> None:
    part, at = raster.rect.intersection(area), raster.rect
    if part.is_empty:
        return
    alpha = raster.rgba[part.y - at.y : part.bottom - at.y, part.x - at.x : part.right - at.x, 3]
    cover[part.y - area.y : part.bottom - area.y, part.x - area.x : part.right - area.x] |= alpha > above


def grown(shape: Bits, radius_px: int) -> Bits:
    """Return the shape (h, w) grown by a square of 2 * radius + 1 pixels (dilation)."""
    for axis in (0, 1):
        length = shape.shape[axis]
        counts = np.cumsum(shape, axis=axis, dtype=np.int32)
        counts = np.concatenate([np.zeros_like(counts.take([0], axis)), counts], axis)
        places = np.arange(length)
        last = counts.take(np.minimum(places + radius_px + 1, length), axis)
        shape = last > counts.take(np.maximum(places - radius_px, 0), axis)
    return shape
