"""The picture of a run while it goes on: live predictions and the layers that stay, in their order. GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QImage, QPainter

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, LayerId, PixelLayer
from psdstudio.gen.engine import Preview
from psdstudio.gen.request import Raster
from psdstudio.ui.canvas.images import SCREEN_FORMAT, to_qimage

EDGE = 640
"""Longest side of the picture in pixels: some times what the engine paints, cheap at every step."""
_MODES = {
    BlendMode.NORMAL: QPainter.CompositionMode.CompositionMode_SourceOver,
    BlendMode.PASS_THROUGH: QPainter.CompositionMode.CompositionMode_SourceOver,
    BlendMode.MULTIPLY: QPainter.CompositionMode.CompositionMode_Multiply,
    BlendMode.SCREEN: QPainter.CompositionMode.CompositionMode_Screen,
}
Picture = Callable[[Layer], QImage | None]
"""Returns a layer's pixels, made smaller, or None while they are not made yet."""


def live_picture(planned: Document, preview: Preview, picture: Picture) -> QImage:
    """Return the canvas as the run would leave it now.

    Every predicted layer stands at its place between those that stay. A document with masks, clipping, adjustments or
    modes that Qt cannot draw shows the engine's own picture of the whole scene instead: a wrong one would lie.
    """
    if not all(_is_drawable(layer) for layer in planned.walk() if layer.props.visible):
        return to_qimage(preview.composite.rgba)
    canvas = planned.size
    scale = min(1.0, EDGE / max(canvas.width, canvas.height))
    size = QSize(max(1, round(canvas.width * scale)), max(1, round(canvas.height * scale)))
    image = QImage(size, SCREEN_FORMAT)
    image.fill(0)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.scale(size.width() / canvas.width, size.height() / canvas.height)
    _paint(painter, planned.layers, dict(preview.rasters), picture, opacity=1.0)
    painter.end()
    return image


def _is_drawable(layer: Layer) -> bool:
    if isinstance(layer, AdjustmentLayer):
        return False
    has_mask = layer.mask is not None and layer.mask.enabled
    return not has_mask and not layer.props.clipping and layer.props.blend_mode in _MODES


def _paint(
    painter: QPainter,
    layers: tuple[Layer, ...],
    live: Mapping[LayerId, Raster],
    picture: Picture,
    *,
    opacity: float,
) -> None:
    for layer in layers:
        if not layer.props.visible:
            continue
        share = opacity * layer.props.opacity * layer.props.fill / 255**2
        raster = live.get(layer.id)
        if raster is not None:
            _draw(painter, to_qimage(raster.rgba), raster.rect, layer, share)
        elif isinstance(layer, GroupLayer):
            _paint(painter, layer.children, live, picture, opacity=share)
        elif isinstance(layer, PixelLayer):
            image = picture(layer)
            if image is not None and not image.isNull():
                _draw(painter, image, _place(layer), layer, share)


def _place(layer: PixelLayer) -> Rect:
    return layer.pixels.bounds().shifted(layer.offset.x, layer.offset.y)


def _draw(painter: QPainter, image: QImage, rect: Rect, layer: Layer, opacity: float) -> None:
    painter.setOpacity(opacity)
    painter.setCompositionMode(_MODES[layer.props.blend_mode])
    painter.drawImage(QRectF(rect.x, rect.y, rect.width, rect.height), image)
