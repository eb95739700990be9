"""Pictures from outside as layers: dropped, pasted, or chosen; converted to the document's colours on a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QMimeData, QObject, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.structure_commands import InsertLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.core.wording import listed
from psdstudio.errors import FileError
from psdstudio.gen.references import checked_reference
from psdstudio.io.colour import converted
from psdstudio.io.formats import DOCUMENT_SUFFIXES
from psdstudio.io.images import EXTENSIONS, LoadedImage, read_image
from psdstudio.ui.bridge import Background, SessionBridge
from psdstudio.ui.clipboard import Clipboard, clipboard_picture
from psdstudio.ui.panels.error_bar import Notice, notice_of


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
        self.clipboard = Clipboard(bridge, background, self)
        self.clipboard.said.connect(self.said)
        self.clipboard.failed.connect(self._on_failed)

    def drop(self, data: QMimeData) -> None:
        """Take what was dropped: picture files, a picture, or a document to open."""
        if not self._take_files(data):
            self._take_picture(data, "Dropped picture", is_fitted=True)

    def paste(self, *, in_place: bool = False) -> None:
        """Paste layers of ours, or a picture as a layer, pixel for pixel (Ctrl+V); copied files are placed.

        Layers from a canvas of another size come to the middle, with `in_place` to where they were.
        """
        data: QMimeData | None = QGuiApplication.clipboard().mimeData()  # None where there is no clipboard
        if data is None or not (
            self.clipboard.paste_layers(data, in_place=in_place)
            or self._take_files(data)
            or self._take_picture(data, "Pasted picture", is_fitted=False)
        ):
            self.notice.emit(Notice(message="There is no picture in the clipboard.", is_error=False))

    def ask(self) -> None:
        """Ask for pictures and place them."""
        kinds = f"Pictures ({' '.join('*' + ext for ext in EXTENSIONS)})"
        names, _ = QFileDialog.getOpenFileNames(self._window, "Place pictures as layers", "", kinds)
        self.place_files([Path(name) for name in names])

    def place_files(self, paths: Sequence[Path]) -> None:
        """Put each picture file into a layer; one larger than the canvas is scaled to fit."""
        doc = self._bridge.session.document
        for path in paths:
            self._background.submit(
                lambda path=path: _fitted(read_image(path), doc, is_fitted=True),  # type: ignore[misc]  # mypy: lambda with a default
                lambda found: self._insert(*found),
                self._on_failed,
            )

    def choose_reference(self, then: Callable[[U8Array], None]) -> None:
        """Ask for one picture of a thing that is cut out, and hand its pixels over once they are read."""
        kinds = f"Pictures ({' '.join('*' + ext for ext in EXTENSIONS)})"
        name, _ = QFileDialog.getOpenFileName(self._window, "Picture of the object", "", kinds)
        if name:
            path, profile = Path(name), self._bridge.session.document.profile
            self._background.submit(lambda: _reference(path, profile), then, self._on_failed)

    def _take_files(self, data: QMimeData) -> bool:
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        documents = [path for path in paths if path.suffix.lower() in DOCUMENT_SUFFIXES]
        if documents:
            self.open_asked.emit(documents[0])
        elif paths:
            self.place_files(paths)
        return bool(paths)

    def _take_picture(self, data: QMimeData, name: str, *, is_fitted: bool) -> bool:
        """Place the picture in `data`; False when there is none."""
        doc = self._bridge.session.document
        try:
            image = clipboard_picture(data)
        except FileError as error:
            self._on_failed(error)
            return True
        if image is None:
            return False
        named = replace(image, name=name)
        self._background.submit(
            lambda: _fitted(named, doc, is_fitted=is_fitted),
            lambda found: self._insert(*found),
            self._on_failed,
        )
        return True

    def _insert(self, layer: PixelLayer, scale: float, notes: tuple[str, ...]) -> None:
        doc = self._bridge.session.document
        label = "Place picture"
        if self._bridge.apply(InsertLayer(layer=layer, parent=None, index=len(doc.layers), label=label)):
            self._bridge.session.select((layer.id,))
            if scale < 1:
                name, share = layer.props.name, max(1, round(scale * 100))
                self.said.emit(f"“{name}” is larger than the canvas: placed at {share} %.")
            if notes:
                self.notice.emit(
                    Notice(message=f"Of “{layer.props.name}”, {listed(list(notes))}.", is_error=False)
                )

    def _on_failed(self, error: Exception) -> None:
        self.notice.emit(notice_of(error))


def _reference(path: Path, profile: ColourProfile | None) -> U8Array:
    """Read a cut-out picture in the document's colour space (any thread)."""
    image = read_image(path)
    return converted(checked_reference(image.rgba), image.profile, profile)


def layer_of(rgba: U8Array, name: str, canvas: Size, *, is_fitted: bool) -> tuple[PixelLayer, float]:
    """Return a layer with the picture in the middle of the canvas, and the scale it stands at (1 or below).

    Args:
        rgba: (h, w, 4) uint8, straight, in the document's colour space.
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


def _fitted(
    image: LoadedImage, doc: Document, *, is_fitted: bool
) -> tuple[PixelLayer, float, tuple[str, ...]]:
    """Return the layer, its scale, and what was changed when the picture was read."""
    rgba = converted(image.rgba, image.profile, doc.profile)
    return *layer_of(rgba, image.name, doc.size, is_fitted=is_fitted), image.notes


def _scaled(rgba: U8Array, scale: float) -> U8Array:
    if scale >= 1:
        return rgba
    height, width = rgba.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Pillow weighs colours by alpha while it resamples RGBA: no dark seams at soft edges.
    return np.asarray(Image.fromarray(rgba, "RGBA").resize(size, Image.Resampling.LANCZOS)).copy()
