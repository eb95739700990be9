"""Small pictures of layers and masks for the panel, made on a thread and kept by tile identity. GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, LayerId, PixelLayer, Role
from psdstudio.core.parts import children_with
from psdstudio.ui.bridge import Background
from psdstudio.ui.canvas.images import layer_thumbnail, mask_thumbnail

EDGE = 96
"""Pixels of a thumbnail: 32 logical ones are sharp up to 300 % display scale."""


class _Kind(Enum):
    LAYER = "layer"
    MASK = "mask"


_Slot = tuple[LayerId, _Kind]
_Source = tuple[object, ...]
"""What a picture was made from: grids count by identity, places by value."""


class Thumbnails(QObject):
    """Answers at once with what it has; `made` tells when there is something newer."""

    made = Signal(str)
    """The id of a layer whose picture is new."""

    def __init__(self, background: Background, parent: QObject | None = None, *, edge: int = EDGE) -> None:
        super().__init__(parent)
        self._background, self._edge = background, edge
        self._images: dict[_Slot, tuple[_Source, QImage]] = {}
        self._making: dict[_Slot, _Source] = {}

    def get(self, layer: Layer) -> QImage | None:
        """Return the layer's picture; an object's group shows the object. None while, or where, there is none."""
        if isinstance(layer, GroupLayer):
            is_object = layer.part is not None and layer.part.role is Role.OBJECT_GROUP
            looks = children_with(layer, Role.OBJECT) if is_object else ()
            return self.get(looks[-1]) if looks else None
        if isinstance(layer, AdjustmentLayer):
            return None
        return self._get((layer.id, _Kind.LAYER), (layer.pixels,), lambda: layer_thumbnail(layer, self._edge))

    def mask(self, layer: Layer, canvas: Size) -> QImage | None:
        """Return the picture of the layer's mask in grey; None without a mask and while there is none."""
        mask = layer.mask
        if mask is None:
            return None
        source: _Source = (mask.pixels, mask.offset, canvas)
        if isinstance(layer, PixelLayer):
            # A linked mask moves with its layer: what counts is where they stand to one another.
            between = Point(mask.offset.x - layer.offset.x, mask.offset.y - layer.offset.y)
            source = (mask.pixels, layer.pixels, between, canvas)
        return self._get(
            (layer.id, _Kind.MASK), source, lambda: mask_thumbnail(mask, layer, canvas, self._edge)
        )

    def forget(self) -> None:
        """Drop everything: another document is open, or the run that the pictures were made for is over."""
        self._images.clear()
        self._making.clear()

    def _get(self, slot: _Slot, source: _Source, make: Callable[[], QImage]) -> QImage | None:
        known = self._images.get(slot)
        is_fresh = known is not None and _same(known[0], source)
        if not is_fresh and not _same(self._making.get(slot, ()), source):
            self._making[slot] = source
            self._background.submit(make, lambda image: self._store(slot, source, image))
        return None if known is None else known[1]

    def _store(self, slot: _Slot, source: _Source, image: QImage) -> None:
        if self._making.get(slot) is source:
            del self._making[slot]
            self._images[slot] = (source, image)
            self.made.emit(slot[0])


def _same(a: _Source, b: _Source) -> bool:
    return len(a) == len(b) and all(
        x is y or (isinstance(x, Point | Size) and x == y) for x, y in zip(a, b, strict=True)
    )
