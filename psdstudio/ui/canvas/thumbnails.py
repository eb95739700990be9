"""Small pictures of layers, made on a thread, remembered while the layer's pixels are the same. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from psdstudio.core.layers import GroupLayer, Layer, LayerId, PixelLayer, Role
from psdstudio.core.parts import children_with
from psdstudio.core.tiles import TileGrid
from psdstudio.ui.bridge import Background
from psdstudio.ui.canvas.images import layer_thumbnail

EDGE = 96
"""Pixels of a thumbnail: 32 logical ones are sharp up to 300 % display scale."""


class Thumbnails(QObject):
    """Answers at once with what it has; `made` tells when there is something newer."""

    made = Signal(str)
    """The id of a layer whose picture is new."""

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._images: dict[LayerId, tuple[TileGrid, QImage]] = {}
        self._making: dict[LayerId, TileGrid] = {}

    def get(self, layer: Layer) -> QImage | None:
        """Return the layer's picture; an object's group shows the object. None while there is none."""
        if isinstance(layer, GroupLayer):
            is_object = layer.part is not None and layer.part.role is Role.OBJECT_GROUP
            looks = children_with(layer, Role.OBJECT) if is_object else ()
            return self.get(looks[-1]) if looks else None
        known = self._images.get(layer.id)
        if (known is None or known[0] is not layer.pixels) and self._making.get(layer.id) is not layer.pixels:
            self._make(layer)
        return None if known is None else known[1]

    def forget(self) -> None:
        """Drop everything: another document is open."""
        self._images.clear()
        self._making.clear()

    def _make(self, layer: PixelLayer) -> None:
        self._making[layer.id] = layer.pixels
        self._background.submit(lambda: layer_thumbnail(layer, EDGE), lambda image: self._store(layer, image))

    def _store(self, layer: PixelLayer, image: QImage) -> None:
        if self._making.get(layer.id) is layer.pixels:
            del self._making[layer.id]
            self._images[layer.id] = (layer.pixels, image)
            self.made.emit(layer.id)
