"""Changes of a layer that stays itself: other colours under its alpha, filled places, another place and size.

Pure functions on layers. Where the layer is no longer what the engine was shown they return None: the caller keeps
what was made elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from psdstudio.core.bounds import layer_bounds, shifted_mask
from psdstudio.core.geometry import BoxF, Point, Rect, Size
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, Mask, PixelLayer
from psdstudio.core.parts import EFFECTS, role_of
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.gen.request import PartlyKnown, Raster
from psdstudio.gen.resampling import resampled_grey, resampled_rgba
from psdstudio.gen.scene_parts import own_masks, render_layer


def recoloured(layer: PixelLayer, masks: tuple[Mask, ...], asked: Raster, made: Raster) -> PixelLayer | None:
    """Return the layer with the colours of `made` where `asked` has alpha; its alpha, masks and place stay.

    A layer that was moved meanwhile takes them along; None when its outline, masks applied, is another by now.
    """
    now = render_layer(layer, masks)
    if now is None or not np.array_equal(now.rgba[..., 3], asked.rgba[..., 3]):
        return None
    own = layer.pixels.read(now.rect.shifted(-layer.offset.x, -layer.offset.y))
    seen = asked.rgba[..., 3] > 0
    own[seen, :3] = made.rgba[seen, :3]
    at = now.rect.origin.shifted(-layer.offset.x, -layer.offset.y)
    return replace(layer, pixels=layer.pixels.write(at, own))


def filled(layer: PixelLayer, known: PartlyKnown, made: Raster, *, under_own: bool) -> PixelLayer | None:
    """Return the layer with `made` where pixels were unknown, its own mask opened there; None when it has changed.

    With `under_own` pixels that are not opaque stay on top of the new ones (holes); opaque ones give way all the same.
    """
    rect = known.raster.rect
    now = render_layer(layer, own_masks(layer), rect)
    if now is None or not np.array_equal(now.rgba, known.raster.rgba):
        return None
    place = rect.shifted(-layer.offset.x, -layer.offset.y)
    own = layer.pixels.read(place)
    new = made.rgba
    if under_own:
        new = np.where(now.rgba[..., 3:] < 255, _over(now.rgba, made.rgba), made.rgba)
    own[known.unknown] = new[known.unknown]
    mask = layer.mask
    if mask is not None and mask.enabled:
        shown = rect.shifted(-mask.offset.x, -mask.offset.y)
        cover = mask.pixels.read(shown)
        cover[known.unknown] = 255
        mask = replace(mask, pixels=mask.pixels.write(shown.origin, cover))
    return replace(layer, pixels=layer.pixels.write(place.origin, own), mask=mask)


def _over(top: U8Array, below: U8Array) -> U8Array:
    """Composite straight RGBA uint8 (h, w, 4) over another (Porter & Duff 1984, 'over')."""
    a, b = top[..., 3:].astype(np.float32) / 255, below[..., 3:].astype(np.float32) / 255
    alpha = a + b * (1 - a)
    colour = top[..., :3] * a + below[..., :3] * b * (1 - a)
    colour = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0)
    out: U8Array = np.rint(np.concatenate([colour, alpha * 255], axis=-1)).astype(np.uint8)
    return out


def placed(group: GroupLayer, source: Rect, box: BoxF, size: Size) -> GroupLayer:
    """Return an object moved and scaled so that what is at `source` (canvas pixels) comes to `box`.

    Everything inside goes along except shadow and reflection, with linked masks. Where the size is the same within a
    pixel nothing is resampled.
    """
    target = target_rect(source, box, size)
    moved = _placed_group(group, source, target)
    assert moved.part is not None
    part = replace(moved.part, box=BoxF.from_rect(target, size), box_is_users=False, is_new=True)
    return replace(moved, part=part)


def target_rect(source: Rect, box: BoxF, size: Size) -> Rect:
    """Return the pixels that `box` stands for; of the size of `source` when it is that within a pixel."""
    rect = box.to_rect(size)
    wide, high = box.width * size.width - source.width, box.height * size.height - source.height
    if max(abs(wide), abs(high)) > 1:
        return rect
    # The foot stays on the ground: what is rounded away is taken from the top.
    x = round((box.x + box.width / 2) * size.width - source.width / 2)
    bottom = round((box.y + box.height) * size.height)
    return Rect(x, bottom - source.height, source.width, source.height)


def _placed_group(group: GroupLayer, source: Rect, target: Rect) -> GroupLayer:
    children: list[Layer] = []
    for child in group.children:
        if role_of(child) in EFFECTS:
            children.append(child)
        elif isinstance(child, GroupLayer):
            children.append(_placed_group(child, source, target))
        elif isinstance(child, AdjustmentLayer):
            children.append(replace(child, mask=_placed_mask(child.mask, source, target)))
        else:
            children.append(_placed_pixels(child, source, target))
    return replace(group, children=tuple(children), mask=_placed_mask(group.mask, source, target))


def _placed_pixels(layer: PixelLayer, source: Rect, target: Rect) -> PixelLayer:
    mask = _placed_mask(layer.mask, source, target)
    if source.size == target.size:
        offset = layer.offset.shifted(target.x - source.x, target.y - source.y)
        return replace(layer, offset=offset, mask=mask)
    bounds = layer_bounds(layer)
    if bounds.is_empty:
        return replace(layer, mask=mask)
    own = layer.pixels.read(bounds.shifted(-layer.offset.x, -layer.offset.y))
    rect = _mapped(bounds, source, target)
    pixels = TileGrid.from_array(resampled_rgba(own, rect.size))
    return replace(layer, pixels=pixels, offset=rect.origin, mask=mask)


def _placed_mask(mask: Mask | None, source: Rect, target: Rect) -> Mask | None:
    if mask is None or not mask.linked:
        return mask
    if source.size == target.size:
        return shifted_mask(mask, target.x - source.x, target.y - source.y)
    bounds = mask.pixels.bounds()
    where = bounds.shifted(mask.offset.x, mask.offset.y)
    if bounds.is_empty:
        return mask
    # A ring of what is outside comes along, so that the rim is as soft outwards as inwards.
    ring = Rect(bounds.x - 4, bounds.y - 4, bounds.width + 8, bounds.height + 8)
    rect = _mapped(where.union(ring.shifted(mask.offset.x, mask.offset.y)), source, target)
    grey = resampled_grey(mask.pixels.read(ring), rect.size)
    return replace(mask, pixels=TileGrid.from_array(grey, fill=mask.pixels.fill), offset=rect.origin)


def _mapped(rect: Rect, source: Rect, target: Rect) -> Rect:
    """Return where the map from `source` to `target` takes another rectangle, in nearest pixels."""
    x_scale, y_scale = target.width / source.width, target.height / source.height
    at = Point(
        round(target.x + (rect.x - source.x) * x_scale), round(target.y + (rect.y - source.y) * y_scale)
    )
    right = round(target.x + (rect.right - source.x) * x_scale)
    bottom = round(target.y + (rect.bottom - source.y) * y_scale)
    return Rect(at.x, at.y, max(1, right - at.x), max(1, bottom - at.y))
