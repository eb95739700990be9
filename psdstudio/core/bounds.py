"""Where layers are on the canvas. Knows nothing of blending: a hidden layer has bounds too."""

from __future__ import annotations

from collections.abc import Iterable

from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect, union_of
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, LayerId, Mask
from psdstudio.core.tiles import tile_rect


def layer_bounds(layer: Layer) -> Rect:
    """Return the box (canvas pixels) of everything with alpha above 0 in the layer or group, masks not
    regarded. An adjustment layer has no pixels, so its box is empty: see `reach_of`.
    """
    if isinstance(layer, GroupLayer):
        return union_of(map(layer_bounds, layer.children))
    if isinstance(layer, AdjustmentLayer):
        return EMPTY_RECT
    box = layer.pixels.bounds()
    return box if box.is_empty else box.shifted(layer.offset.x, layer.offset.y)


def reach_of(layer: Layer, canvas: Rect) -> Rect:
    """Return where on the canvas the layer can make a difference: for an adjustment, wherever its mask shows."""
    if isinstance(layer, GroupLayer):
        return union_of(reach_of(child, canvas) for child in layer.children)
    if not isinstance(layer, AdjustmentLayer):
        return layer_bounds(layer)
    mask = layer.mask
    if mask is None or not mask.enabled or mask.pixels.fill > 0:
        return canvas
    return union_of(tile_rect(key).shifted(mask.offset.x, mask.offset.y) for key in mask.pixels.tiles)


def bounds_of(doc: Document, ids: Iterable[LayerId]) -> Rect:
    """Return the box of several layers together; one that is gone adds nothing."""
    found = (doc.find(layer_id) for layer_id in ids)
    return union_of(layer_bounds(layer) for layer in found if layer is not None)


def shifted_mask(mask: Mask | None, dx: int, dy: int) -> Mask | None:
    """Return the mask moved by (dx, dy) pixels; None stays None."""
    if mask is None:
        return None
    return Mask(
        pixels=mask.pixels, offset=mask.offset.shifted(dx, dy), enabled=mask.enabled, linked=mask.linked
    )
