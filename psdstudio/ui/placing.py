"""Pictures from outside as layers: dropped, pasted, or chosen. Decoding and scaling happen on a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QMimeData, QObject, Signal
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.structure_commands import InsertLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.images import EXTENSIONS, read_image
from psdstudio.io.project import EXTENSION
from psdstudio.ui.bridge import Background, SessionBridge
from psdstudio.ui.panels.error_bar import Notice, notice_of
from psdstudio.ui.psd_files import PSD_EXTENSIONS

_DOCUMENTS = (EXTENSION, *PSD_EXTENSIONS)


class Placing(QObject):
    """Puts each picture into a layer of its own, on top, as one step of undo. GUI thread."""

    notice = Signal(object)
    """A `Notice` for the bar."""
    said = Signal(str)
    """A sentence for the status bar."""
    open_asked = Signal(object)
    """The path of a project or PSD that was dropped: it is a document, not a layer."""

    def __init__(self, bridge: SessionBridge, background: Background, window: QWidget) -> None:
        super().__init__(window)
        self._bridge, self._background, self._window = bridge, background, window

    def drop(self, data: QMimeData) -> None:
        """Take what was dropped: picture files, a picture, or a document to open."""
        if not self._take_files(data) and data.hasImage():
            self._place(rgba_of(QImage(data.imageData())), "Dropped picture", is_fitted=True)

    def paste(self) -> None:
        """Paste a picture as a layer, pixel for pixel (Ctrl+V); copied files are placed."""
        data: QMimeData | None = QGuiApplication.clipboard().mimeData()  # None where there is no clipboard
        if data is not None and self._take_files(data):
            return
        if data is not None and data.hasImage():
            self._place(rgba_of(QImage(data.imageData())), "Pasted picture", is_fitted=False)
        else:
            self.notice.emit(Notice(message="There is no picture in the clipboard.", is_error=False))

    def ask(self) -> None:
        """Ask for pictures and place them."""
        kinds = f"Pictures ({' '.join('*' + ext for ext in EXTENSIONS)})"
        names, _ = QFileDialog.getOpenFileNames(self._window, "Place pictures as layers", "", kinds)
        self.place_files([Path(name) for name in names])

    def place_files(self, paths: Sequence[Path]) -> None:
        """Put each picture file into a layer; one larger than the canvas is scaled to fit."""
        canvas = self._bridge.session.document.size
        for path in paths:
            self._background.submit(
                lambda path=path: _read(path, canvas),  # type: ignore[misc]  # mypy: lambda with a default
                lambda found: self._insert(*found),
                self._on_failed,
            )

    def _take_files(self, data: QMimeData) -> bool:
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        documents = [path for path in paths if path.suffix.lower() in _DOCUMENTS]
        if documents:
            self.open_asked.emit(documents[0])
        elif paths:
            self.place_files(paths)
        return bool(paths)

    def _place(self, rgba: U8Array, name: str, *, is_fitted: bool) -> None:
        canvas = self._bridge.session.document.size
        self._background.submit(
            lambda: layer_of(rgba, name, canvas, is_fitted=is_fitted),
            lambda found: self._insert(*found),
            self._on_failed,
        )

    def _insert(self, layer: PixelLayer, scale: float) -> None:
        doc = self._bridge.session.document
        label = "Place picture"
        if self._bridge.apply(InsertLayer(layer=layer, parent=None, index=len(doc.layers), label=label)):
            self._bridge.session.select((layer.id,))
            if scale < 1:
                name, share = layer.props.name, max(1, round(scale * 100))
                self.said.emit(f"“{name}” is larger than the canvas: placed at {share} %.")

    def _on_failed(self, error: Exception) -> None:
        self.notice.emit(notice_of(error))


def layer_of(rgba: U8Array, name: str, canvas: Size, *, is_fitted: bool) -> tuple[PixelLayer, float]:
    """Return a layer with the picture in the middle of the canvas, and the scale it stands at (1 or below).

    Args:
        rgba: (h, w, 4) uint8, straight sRGB.
        name: The layer's name.
        canvas: Size of the document.
        is_fitted: Whether a picture larger than the canvas is made smaller, its proportions kept.
    """
    scale = 1.0
    if is_fitted:
        height, width = rgba.shape[:2]
        scale = min(1.0, canvas.width / width, canvas.height / height)
        rgba = _scaled(rgba, scale)
    height, width = rgba.shape[:2]
    offset = Point((canvas.width - width) // 2, (canvas.height - height) // 2)
    layer = PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(rgba))
    return replace(layer, offset=offset), scale


def _read(path: Path, canvas: Size) -> tuple[PixelLayer, float]:
    image = read_image(path)
    return layer_of(image.rgba, image.name, canvas, is_fitted=True)


def _scaled(rgba: U8Array, scale: float) -> U8Array:
    if scale >= 1:
        return rgba
    height, width = rgba.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Pillow weighs colours by alpha while it resamples RGBA: no dark seams at soft edges.
    return np.asarray(Image.fromarray(rgba, "RGBA").resize(size, Image.Resampling.LANCZOS)).copy()


def rgba_of(image: QImage) -> U8Array:
    """Return a QImage as (h, w, 4) uint8, straight RGBA, on memory of its own."""
    converted = image.convertToFormat(QImage.Format.Format_RGBA8888)
    height, width, stride = converted.height(), converted.width(), converted.bytesPerLine()
    rows = np.frombuffer(converted.constBits(), np.uint8).reshape(height, stride)
    # A copy: the view does not keep the image alive.
    return rows[:, : width * 4].reshape(height, width, 4).copy()
