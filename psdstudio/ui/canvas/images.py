"""Pixels on their way to the screen: straight RGBA arrays become premultiplied QImages. Any thread."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import Layer, Mask, PixelLayer
from psdstudio.core.tiles import U8Array
from psdstudio.ui.canvas.display import on_screen

SCREEN_FORMAT = QImage.Format.Format_ARGB32_Premultiplied


def to_qimage(rgba: U8Array) -> QImage:
    """Return (h, w, 4) straight RGBA uint8 as an image of its own, premultiplied for drawing."""
    pixels = np.ascontiguousarray(rgba)
    height, width = pixels.shape[:2]
    view = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGBA8888)
    return view.convertToFormat(SCREEN_FORMAT)  # another format, so always a copy


def srgb_qimage(rgba: U8Array) -> QImage:
    """Return straight sRGB pixels, as an engine paints them, as `to_qimage` does, in the colours of the screen."""
    return to_qimage(on_screen(rgba))


def halved(image: QImage) -> QImage:
    """Return the image at half the size, averaged."""
    size = QSize(max(1, image.width() // 2), max(1, image.height() // 2))
    return image.scaled(
        size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


def layer_thumbnail(layer: PixelLayer, edge: int, profile: ColourProfile | None = None) -> QImage:
    """Return the layer's visible box fitted into `edge` pixels; a null image when it is empty.

    `profile` is the document's colour space.

    Reads every n-th pixel first, so that a large layer costs no more than a small one.
    """
    box = layer.pixels.bounds()
    if box.is_empty:
        return QImage()
    step = max(1, min(box.width, box.height) // (edge * 2))
    rows = [
        layer.pixels.read(Rect(box.x, y, box.width, 1))[0, ::step] for y in range(box.y, box.bottom, step)
    ]
    return fitted(to_qimage(on_screen(np.stack(rows), profile)), edge)


def mask_thumbnail(mask: Mask, layer: Layer, canvas: Size, edge: int) -> QImage:
    """Return the mask in grey over the box of the layer's own thumbnail, fitted into `edge` pixels.

    A group, or a layer without pixels, has no such box: there the whole canvas is shown.
    """
    box = Rect(0, 0, canvas.width, canvas.height)
    if isinstance(layer, PixelLayer) and not layer.pixels.bounds().is_empty:
        box = layer.pixels.bounds().shifted(layer.offset.x, layer.offset.y)
    area = box.shifted(-mask.offset.x, -mask.offset.y)
    step = max(1, min(box.width, box.height) // (edge * 2))
    rows = [
        mask.pixels.read(Rect(area.x, y, area.width, 1))[0, ::step, 0]
        for y in range(area.y, area.bottom, step)
    ]
    grey = np.ascontiguousarray(np.stack(rows))
    height, width = grey.shape
    view = QImage(grey.data, width, height, grey.strides[0], QImage.Format.Format_Grayscale8)
    return fitted(view.convertToFormat(SCREEN_FORMAT), edge)


def fitted(image: QImage, edge: int) -> QImage:
    """Return the image scaled to fit a square of `edge` pixels."""
    return image.scaled(
        edge, edge, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


def checkered(size: QSize, cell: int, dark: str, light: str) -> QImage:
    """Return a checkerboard of `cell` pixels (two by two cells are enough to tile with)."""
    from PySide6.QtGui import QColor  # only used here

    out = QImage(size, SCREEN_FORMAT)
    out.fill(QColor(light))
    painter = QPainter(out)
    for y in range(0, size.height(), cell):
        for x in range((y // cell % 2) * cell, size.width(), cell * 2):
            painter.fillRect(QRect(x, y, cell, cell), QColor(dark))
    painter.end()
    return out
