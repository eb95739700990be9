"""Which layer is under the pointer, by what is really visible there."""

from __future__ import annotations

import math

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, LayerId, Mask, PixelLayer
from psdstudio.core.parts import object_group_of

SEEN_ALPHA = 13
"""Alpha (0..255) from which a pixel counts as hit: about 5 %."""


def layer_at(doc: Document, x: float, y: float) -> PixelLayer | None:
    """Return the topmost visible pixel layer whose alpha at (x, y), canvas pixels, is above 5 %.

    None if none.
    """
    return _top_hit(doc.layers, math.floor(x), math.floor(y))


def unit_of(doc: Document, layer_id: LayerId) -> LayerId:
    """Return what moves as one with the layer: its object's group, else the layer itself."""
    group = object_group_of(doc, layer_id)
    return layer_id if group is None else group.id


def _top_hit(layers: tuple[Layer, ...], x: int, y: int) -> PixelLayer | None:
    for place in range(len(layers) - 1, -1, -1):
        layer = layers[place]
        if isinstance(layer, AdjustmentLayer):
            continue  # it lies over everything and shows nothing of its own
        if not layer.props.visible or layer.props.opacity == 0 or _mask_at(layer.mask, x, y) < SEEN_ALPHA:
            continue
        if isinstance(layer, GroupLayer):
            found = _top_hit(layer.children, x, y)
            if found is not None:
                return found
        elif _alpha_at(layer, x, y) >= SEEN_ALPHA and _base_shows(layers, place, x, y):
            return layer
    return None


def _base_shows(layers: tuple[Layer, ...], place: int, x: int, y: int) -> bool:
    """Whether the layer that the one at `place` is clipped to, if any, is visible at (x, y)."""
    if not layers[place].props.clipping:
        return True
    base = next((layer for layer in reversed(layers[:place]) if not layer.props.clipping), None)
    if isinstance(base, AdjustmentLayer):
        return base.props.visible and _mask_at(base.mask, x, y) >= SEEN_ALPHA
    return base is None or _top_hit((base,), x, y) is not None


def _alpha_at(layer: PixelLayer, x: int, y: int) -> int:
    return int(layer.pixels.read(Rect(x - layer.offset.x, y - layer.offset.y, 1, 1))[0, 0, 3])


def _mask_at(mask: Mask | None, x: int, y: int) -> int:
    if mask is None or not mask.enabled:
        return 255
    return int(mask.pixels.read(Rect(x - mask.offset.x, y - mask.offset.y, 1, 1))[0, 0, 0])
