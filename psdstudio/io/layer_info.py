"""What a project or PSD file holds, layer by layer, with a hash of every layer's visible pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size, union_of
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array, tight_box
from psdstudio.io.project_load import load_project
from psdstudio.io.psd_adjustments import ADJUSTMENT_KEYS
from psdstudio.io.psd_rasters import box_of
from psdstudio.io.psd_read import (
    Nodes,
    PsdFile,
    PsdNode,
    is_psd,
    mode_of,
    name_of,
    open_psd,
    rgba_of,
    within_memory,
)
from psdstudio.io.xmp import LayerOrigin, layer_origins

_XMP = 1060
_HIDDEN, _MASK_BYTES = 2, 18
_KINDS: dict[type[Layer], str] = {PixelLayer: "pixels", GroupLayer: "group", AdjustmentLayer: "adjustment"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One layer, in the order bottom to top, a group before its children.

    `path` is the names of the groups around it and its own. `box` (canvas pixels) holds every pixel with alpha
    above 0. `pixels_sha256` covers the size of that box and its RGBA bytes, colour under alpha 0 as 0: the same
    layer has the same hash in a project and in its exported PSD. None for groups and adjustments, and for colours
    not decoded.
    """

    path: tuple[str, ...]
    kind: str
    role: str
    words: str
    keep: bool | None
    box: Rect
    blend_mode: str
    opacity: int
    fill: int
    visible: bool
    clipping: bool
    has_mask: bool
    pixels_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """A file's kind ("project" or "psd"), canvas and layers."""

    kind: str
    size: Size
    layers: tuple[LayerInfo, ...]


def read_info(path: Path) -> FileInfo:
    """Describe a project or PSD file, told apart by its first bytes. Raises `FileError` as the readers do."""
    if is_psd(path):
        with within_memory(path):
            return psd_info(open_psd(path))
    return document_info(load_project(path))


def document_info(document: Document) -> FileInfo:
    """Describe a document as a project file holds it."""
    layers = tuple(_document_layers(document.layers, ()))
    return FileInfo(kind="project", size=document.size, layers=layers)


def psd_info(file: PsdFile) -> FileInfo:
    """Describe an opened PSD; roles and words come from the XMP that our export writes."""
    origins = layer_origins(file.structure.resource(_XMP) or b"")
    header = file.structure.header
    layers = tuple(_psd_layers(file, file.layers, (), origins))
    return FileInfo(kind="psd", size=Size(header.width, header.height), layers=layers)


def visible_pixels_sha256(rgba: U8Array) -> str:
    """Return the hash of (h, w, 4) uint8: size of the alpha > 0 box, then its bytes, hidden colour as 0."""
    seen = rgba[..., 3] > 0
    box = tight_box(seen)
    cut = slice(box.y, box.bottom), slice(box.x, box.right)
    shown = np.where(seen[cut][..., None], rgba[cut], np.uint8(0))
    return hashlib.sha256(f"{box.width} {box.height} ".encode() + shown.tobytes()).hexdigest()


def _document_layers(layers: tuple[Layer, ...], above: tuple[str, ...]) -> Iterator[LayerInfo]:
    for layer in layers:
        path = (*above, layer.props.name)
        part, props = layer.part, layer.props
        yield LayerInfo(
            path=path,
            kind=_KINDS[type(layer)],
            role=part.role.value if part else "",
            words=(part.words or (part.recipe.words if part.recipe else "")) if part else "",
            keep=part.keep if part else None,
            box=layer_bounds(layer),
            blend_mode=_mode_word(props.blend_mode.name),
            opacity=props.opacity,
            fill=props.fill,
            visible=props.visible,
            clipping=props.clipping,
            has_mask=layer.mask is not None,
            pixels_sha256=_grid_sha256(layer.pixels) if isinstance(layer, PixelLayer) else None,
        )
        if isinstance(layer, GroupLayer):
            yield from _document_layers(layer.children, path)


def _psd_layers(
    file: PsdFile, nodes: Nodes, above: tuple[str, ...], origins: dict[int, LayerOrigin]
) -> Iterator[LayerInfo]:
    for node in nodes:
        record, number = node.record, node.record.block(b"lyid")
        path = (*above, name_of(record))
        origin = origins.get(int.from_bytes(number[:4], "big") if number else -1)
        kind = _psd_kind(node)
        decoded = kind == "pixels" and file.colours is not None
        rgba = rgba_of(file, node) if decoded else None
        yield LayerInfo(
            path=path,
            kind=kind,
            role=origin.role if origin else "",
            words=origin.words if origin else "",
            keep=None,
            box=_seen_box(file, node, rgba),
            blend_mode=_mode_word((mode_of(node) or BlendMode.NORMAL).name),
            opacity=record.opacity,
            fill=record.number(b"iOpa", 255),
            visible=not record.flags & _HIDDEN,
            clipping=record.clipping,
            has_mask=len(record.mask) >= _MASK_BYTES,
            pixels_sha256=None if rgba is None else visible_pixels_sha256(rgba),
        )
        if node.children is not None:
            yield from _psd_layers(file, node.children, path, origins)


def _psd_kind(node: PsdNode) -> str:
    if node.children is not None:
        return "group"
    return "adjustment" if node.record.has(*ADJUSTMENT_KEYS) else "pixels"


def _seen_box(file: PsdFile, node: PsdNode, rgba: U8Array | None) -> Rect:
    """Return the box of alpha > 0 on the canvas; that of all children for a group."""
    if node.children is not None:
        decodes = file.colours is not None
        return union_of(
            _seen_box(file, child, rgba_of(file, child) if decodes and child.children is None else None)
            for child in node.children
        )
    place = box_of(node.record)
    if rgba is None:
        return place
    box = tight_box(rgba[..., 3] > 0)
    return box if box.is_empty else box.shifted(place.x, place.y)


def _grid_sha256(grid: TileGrid) -> str:
    return visible_pixels_sha256(grid.read(grid.bounds()))


def _mode_word(name: str) -> str:
    return name.lower().replace("_", " ")
