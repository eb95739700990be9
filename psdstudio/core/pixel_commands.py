"""Commands on pixels and masks.

Only the tiles that really change are new; all others stay shared with the past.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np

from psdstudio.core.commands import need, need_pixel_layer
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import ORIGIN, Layer, LayerId, Lock, Mask
from psdstudio.core.locks import locked_by, refuse_locked
from psdstudio.core.tiles import TileGrid, U8Array, tile_rect
from psdstudio.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WritePixels:
    """Put pixels on a layer: `rgba` (h, w, 4) uint8, straight alpha, sRGB, its top left at canvas position
    `at`.

    With transparency locked, alpha stays as it is and colour changes only where the new pixels are not fully
    clear.
    """

    layer_id: LayerId
    at: Point
    rgba: U8Array
    label: str = "Paint"
    merge_key: Hashable | None = None

    def apply(self, doc: Document) -> Document:
        """Write; raises CommandError for groups and locked pixels."""
        layer = need_pixel_layer(doc, self.layer_id)
        refuse_locked(doc, layer.id, Lock.PIXELS, "painting")
        at = self.at.shifted(-layer.offset.x, -layer.offset.y)
        rgba = self.rgba
        if locked_by(doc, layer.id, Lock.TRANSPARENCY) is not None:
            old = layer.pixels.read(Rect(at.x, at.y, rgba.shape[1], rgba.shape[0]))
            painted = (rgba[..., 3:] > 0) & (old[..., 3:] > 0)
            rgba = np.concatenate([np.where(painted, rgba[..., :3], old[..., :3]), old[..., 3:]], axis=2)
        pixels = layer.pixels.write(at, rgba)
        return doc if pixels is layer.pixels else doc.with_layer(replace(layer, pixels=pixels))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearPixels:
    """Make a layer clear inside `rect` (canvas pixels), or everywhere when it is None."""

    layer_id: LayerId
    rect: Rect | None = None

    label = "Clear"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Clear; raises CommandError for groups and where pixels or transparency are locked."""
        layer = need_pixel_layer(doc, self.layer_id)
        refuse_locked(doc, layer.id, Lock.PIXELS, "clearing")
        refuse_locked(doc, layer.id, Lock.TRANSPARENCY, "clearing")
        if self.rect is None:
            return doc.with_layer(replace(layer, pixels=TileGrid())) if layer.pixels.tiles else doc
        area = self.rect.shifted(-layer.offset.x, -layer.offset.y)
        pixels = layer.pixels
        for tile in pixels.tiles:
            part = area.intersection(tile_rect(tile))
            if not part.is_empty:
                pixels = pixels.write(part.origin, np.zeros((part.height, part.width, 4), np.uint8))
        return doc if pixels is layer.pixels else doc.with_layer(replace(layer, pixels=pixels))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AddMask:
    """Give a layer or group a mask: revealing all, hiding all, or `grey` (h, w) uint8 placed at `at`, 0
    around it.
    """

    layer_id: LayerId
    hides: bool = False
    grey: U8Array | None = None
    at: Point = ORIGIN

    label = "Add layer mask"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Add; raises CommandError when there is a mask already or the layer is fully locked."""
        layer = need(doc, self.layer_id)
        refuse_locked(doc, layer.id, Lock.ALL, "masking")
        if layer.mask is not None:
            raise CommandError(f"“{layer.props.name}” has a mask already.")
        if self.grey is not None:
            mask = Mask(pixels=TileGrid.from_array(self.grey, fill=0), offset=self.at)
        else:
            mask = Mask(pixels=TileGrid(channels=1, fill=0 if self.hides else 255))
        return doc.with_layer(replace(layer, mask=mask))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMask:
    """Take a layer's mask away; its pixels show again."""

    layer_id: LayerId

    label = "Delete layer mask"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Remove; raises CommandError when there is none or the layer is fully locked."""
        layer, _ = _need_mask(doc, self.layer_id)
        refuse_locked(doc, layer.id, Lock.ALL, "masking")
        return doc.with_layer(replace(layer, mask=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyMask:
    """Multiply a layer's alpha by its mask and take the mask away: the layer looks the same."""

    layer_id: LayerId

    label = "Apply layer mask"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Apply; raises CommandError for groups, a mask that is switched off, and locked pixels."""
        layer = need_pixel_layer(doc, self.layer_id)
        _, mask = _need_mask(doc, self.layer_id)
        refuse_locked(doc, layer.id, Lock.PIXELS, "applying the mask")
        refuse_locked(doc, layer.id, Lock.TRANSPARENCY, "applying the mask")
        if not mask.enabled:
            raise CommandError(
                f"The mask of “{layer.props.name}” is switched off.", "Switch it on, or delete it."
            )
        pixels, dx, dy = layer.pixels, layer.offset.x - mask.offset.x, layer.offset.y - mask.offset.y
        for key in layer.pixels.tiles:
            area = tile_rect(key)
            shown = mask.pixels.read(area.shifted(dx, dy))[..., 0].astype(np.uint16)
            rgba = layer.pixels.read(area)
            rgba[..., 3] = (rgba[..., 3] * shown + 127) // 255
            pixels = pixels.write(area.origin, rgba)
        return doc.with_layer(replace(layer, pixels=pixels, mask=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMask:
    """Switch a mask on or off, link or unlink it; a field that is None stays as it is."""

    layer_id: LayerId
    enabled: bool | None = None
    linked: bool | None = None

    merge_key = None

    @property
    def label(self) -> str:
        """What is switched."""
        if self.enabled is None:
            return "Link mask" if self.linked else "Unlink mask"
        return "Enable layer mask" if self.enabled else "Disable layer mask"

    def apply(self, doc: Document) -> Document:
        """Switch; raises CommandError when there is no mask."""
        layer, mask = _need_mask(doc, self.layer_id)
        new = replace(
            mask,
            enabled=mask.enabled if self.enabled is None else self.enabled,
            linked=mask.linked if self.linked is None else self.linked,
        )
        same = (new.enabled, new.linked) == (mask.enabled, mask.linked)
        return doc if same else doc.with_layer(replace(layer, mask=new))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WriteMask:
    """Paint on a mask: `grey` (h, w) uint8, 255 shows, its top left at canvas position `at`."""

    layer_id: LayerId
    at: Point
    grey: U8Array
    label: str = "Paint on mask"
    merge_key: Hashable | None = None

    def apply(self, doc: Document) -> Document:
        """Write; raises CommandError when there is no mask or the pixels are locked."""
        layer, mask = _need_mask(doc, self.layer_id)
        refuse_locked(doc, layer.id, Lock.PIXELS, "painting")
        pixels = mask.pixels.write(self.at.shifted(-mask.offset.x, -mask.offset.y), self.grey)
        return (
            doc
            if pixels is mask.pixels
            else doc.with_layer(replace(layer, mask=replace(mask, pixels=pixels)))
        )


def _need_mask(doc: Document, layer_id: LayerId) -> tuple[Layer, Mask]:
    layer = need(doc, layer_id)
    if layer.mask is None:
        raise CommandError(f"“{layer.props.name}” has no mask.", "Add a layer mask first.")
    return layer, layer.mask
