"""Where layers are on the canvas. Knows nothing of blending: a hidden layer has bounds too."""

from __future__ import annotations

from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.core.layers import GroupLayer, Layer, Mask


def layer_bounds(layer: Layer) -> Rect:
    """Return the box (canvas pixels) of everything with alpha above 0 in the layer or group, masks not
    regarded.
    """
    if isinstance(layer, GroupLayer):
        box = EMPTY_RECT
        for child in layer.children:
            box = box.union(layer_bounds(child))
        return box
    box = layer.pixels.bounds()
    return box if box.is_empty else box.shifted(layer.offset.x, layer.offset.y)


def shifted_mask(mask: Mask | None, dx: int, dy: int) -> Mask | None:
    """Return the mask moved by (dx, dy) pixels; None stays None."""
    if mask is None:
        return None
    return Mask(
        pixels=mask.pixels, offset=mask.offset.shifted(dx, dy), enabled=mask.enabled, linked=mask.linked
    )
