"""The clipboard: layers with everything they have for our own documents, a picture with alpha for everybody else.

Three things are offered at once: our own type (a small project file, read back with all its checks), a PNG with alpha
and profile, and Qt's picture for programs that ask for a bitmap.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QByteArray, QMimeData, QObject, Signal
from PySide6.QtGui import QGuiApplication, QImage

from psdstudio.core import tree
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.commands import Command
from psdstudio.core.commands import Sequence as CommandSequence
from psdstudio.core.copies import copied, rescaled_boxes
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, union_of
from psdstudio.core.layers import Layer, LayerId, new_layer_id
from psdstudio.core.placement_commands import shifted_layer
from psdstudio.core.scene import Scene
from psdstudio.core.structure_commands import InsertLayer
from psdstudio.core.tiles import U8Array
from psdstudio.core.wording import counted
from psdstudio.errors import StudioError
from psdstudio.io.colour import converted, converted_layers, profile_from_icc
from psdstudio.io.images import LoadedImage, decode_image, encode_png
from psdstudio.io.project import EXTENSION, load_project, save_project
from psdstudio.render.compositor import Compositor
from psdstudio.ui.bridge import Background, SessionBridge

LAYERS_TYPE = "application/x-psdstudio-layers"
PNG_TYPE = "image/png"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    """What goes into the clipboard; `project` is empty for a merged picture."""

    rgba: U8Array
    profile: ColourProfile | None
    png: bytes
    project: bytes


class Clipboard(QObject):
    """Copies what is selected or seen, and pastes layers. GUI thread; encoding happens on one behind it."""

    said = Signal(str)
    """A sentence for the status bar."""
    failed = Signal(object)
    copied = Signal()
    """The clipboard holds what was copied."""

    def __init__(self, bridge: SessionBridge, background: Background, parent: QObject) -> None:
        super().__init__(parent)
        self._bridge, self._background = bridge, background

    def copy(self) -> None:
        """Copy the selected layers (Ctrl+C)."""
        doc = self._bridge.session.document
        layers = tree.roots(doc.layers, self._bridge.session.selection)
        if layers:
            self._background.submit(
                lambda: _copied_layers(doc, layers),
                lambda found: self._offer(found, f"{counted(len(layers), 'layer')} copied"),
                self.failed.emit,
            )

    def copy_merged(self) -> None:
        """Copy what is seen of the canvas as one picture (Ctrl+Shift+C)."""
        doc = self._bridge.session.document
        self._background.submit(
            lambda: _picture(Compositor().render(doc), doc.profile, b"", doc.resolution_dpi),
            lambda found: self._offer(found, "The picture was copied"),
            self.failed.emit,
        )

    def paste_layers(self, data: QMimeData, *, in_place: bool) -> bool:
        """Paste layers of ours above the selection; False when there are none."""
        if not data.hasFormat(LAYERS_TYPE):
            return False
        project = bytes(data.data(LAYERS_TYPE).data())
        doc = self._bridge.session.document
        self._background.submit(
            lambda: _fitting_layers(project, doc, in_place=in_place), self._insert, self.failed.emit
        )
        return True

    def _offer(self, found: _Copied, words: str) -> None:
        data = QMimeData()
        data.setImageData(_qt_image(converted(found.rgba, found.profile, None)))
        data.setData(PNG_TYPE, QByteArray(found.png))
        if found.project:
            data.setData(LAYERS_TYPE, QByteArray(found.project))
        QGuiApplication.clipboard().setMimeData(data)
        self.said.emit(words)
        self.copied.emit()

    def _insert(self, layers: tuple[Layer, ...]) -> None:
        doc = self._bridge.session.document
        index = _index_above(doc, self._bridge.session.selection)
        steps: tuple[Command, ...] = tuple(
            InsertLayer(layer=layer, parent=None, index=index + place) for place, layer in enumerate(layers)
        )
        label = "Paste layer" if len(layers) == 1 else "Paste layers"
        if self._bridge.apply(CommandSequence(label=label, commands=steps)):
            self._bridge.session.select(tuple(layer.id for layer in layers))


def clipboard_picture(data: QMimeData) -> LoadedImage | None:
    """Return the picture in the clipboard, a PNG with its alpha and profile before a plain bitmap; None without one.

    Raises:
        FileError: The PNG is damaged or too large.
    """
    if data.hasFormat(PNG_TYPE):
        png = bytes(data.data(PNG_TYPE).data())
        if png:
            return decode_image(io.BytesIO(png), "Pasted picture", formats=("PNG",))
    if not data.hasImage():
        return None
    image = QImage(data.imageData())
    return LoadedImage(rgba=rgba_of(image), name="Pasted picture", profile=_profile_of(image))


def rgba_of(image: QImage) -> U8Array:
    """Return a QImage as (h, w, 4) uint8, straight RGBA, on memory of its own."""
    converted_image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    height, width, stride = converted_image.height(), converted_image.width(), converted_image.bytesPerLine()
    rows = np.frombuffer(converted_image.constBits(), np.uint8).reshape(height, stride)
    # A copy: the view does not keep the image alive.
    return rows[:, : width * 4].reshape(height, width, 4).copy()


def _profile_of(image: QImage) -> ColourProfile | None:
    icc = bytes(image.colorSpace().iccProfile().data())
    try:
        return profile_from_icc(icc) if icc else None
    except StudioError:
        return None


def _qt_image(rgba: U8Array) -> QImage:
    pixels = np.ascontiguousarray(rgba)
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGBA8888).copy()


def _copied_layers(doc: Document, layers: tuple[Layer, ...]) -> _Copied:
    """The layers alone, and the picture that they give over nothing."""
    part = replace(doc, layers=layers, scene=Scene(), guides=(), foreign=None)
    with tempfile.TemporaryDirectory(prefix="psdstudio-") as folder:
        path = Path(folder) / f"copy{EXTENSION}"
        save_project(part, path)
        project = path.read_bytes()
    box = union_of(map(layer_bounds, layers))
    rgba = Compositor().render_layers(layers, Rect(0, 0, 1, 1) if box.is_empty else box)
    return _picture(rgba, doc.profile, project, doc.resolution_dpi)


def _picture(rgba: U8Array, profile: ColourProfile | None, project: bytes, resolution_dpi: float) -> _Copied:
    out = io.BytesIO()
    encode_png(out, rgba, resolution_dpi=resolution_dpi, profile=profile, keep_alpha=True)
    return _Copied(rgba=rgba, profile=profile, png=out.getvalue(), project=project)


def _fitting_layers(project: bytes, doc: Document, *, in_place: bool) -> tuple[Layer, ...]:
    """Return copied layers for this document: in its colour space, under new ids, in the middle of another canvas."""
    with tempfile.TemporaryDirectory(prefix="psdstudio-") as folder:
        path = Path(folder) / f"Clipboard{EXTENSION}"
        path.write_bytes(project)
        source = load_project(path)
    layers = converted_layers(source.layers, source.profile, doc.profile)
    layers = tuple(
        rescaled_boxes(copied(layer, lambda _: new_layer_id()), source.size, doc.size) for layer in layers
    )
    if in_place or source.size == doc.size:
        return layers
    box = union_of(map(layer_bounds, layers))
    dx, dy = (doc.size.width - box.width) // 2 - box.x, (doc.size.height - box.height) // 2 - box.y
    return tuple(shifted_layer(layer, dx, dy, size=doc.size) for layer in layers)


def _index_above(doc: Document, selection: Sequence[LayerId]) -> int:
    """Return the place right above the topmost selected layer, or the group at the top level that holds it."""
    chosen = set(selection)
    places = [
        place for place, layer in enumerate(doc.layers) if any(x.id in chosen for x in tree.walk((layer,)))
    ]
    return max(places) + 1 if places else len(doc.layers)
