"""Opening and saving by file name, for every command; files described as JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from psdstudio.core.document import Document
from psdstudio.io.formats import ORA_SUFFIX, PICTURE_SUFFIXES, WriteOptions, Written, open_file, save_by_name
from psdstudio.io.layer_info import FileInfo, LayerInfo, document_info, read_info
from psdstudio.io.psd_read import is_psd
from psdstudio.io.psd_reader import describe_psd


def open_document(path: Path) -> tuple[Document, tuple[str, ...]]:
    """Return the document of any file that can be opened, and sentences on what is not as in the file.

    Raises:
        FileError: The file cannot be opened.
    """
    opened = open_file(path)
    return opened.document, opened.notes


def describe(path: Path) -> FileInfo:
    """Return what a file holds, layer by layer. Raises as `open_document`."""
    if is_psd(path):
        return describe_psd(path)
    suffix = path.suffix.lower()
    if suffix == ORA_SUFFIX or suffix in PICTURE_SUFFIXES:
        info = document_info(open_file(path).document)
        return replace(info, kind="OpenRaster" if suffix == ORA_SUFFIX else "picture")
    return read_info(path)


def save_document(document: Document, path: Path, options: WriteOptions = WriteOptions()) -> Written:
    """Write a document in the format that the name's ending says. Raises `FileWriteFailed`, `FileUnsupported`."""
    return save_by_name(document, path, options)


def info_json(info: FileInfo) -> dict[str, Any]:
    """Return a file's description as JSON values; layers bottom to top, boxes as [x, y, width, height]."""
    return {
        "kind": info.kind,
        "width": info.size.width,
        "height": info.size.height,
        "layers": [_layer_json(layer) for layer in info.layers],
    }


def _layer_json(layer: LayerInfo) -> dict[str, Any]:
    return {
        "name": layer.path[-1],
        "path": list(layer.path),
        "kind": layer.kind,
        "role": layer.role or None,
        "words": layer.words,
        "keep": layer.keep,
        "box": list(layer.box),
        "blend_mode": layer.blend_mode,
        "opacity": layer.opacity,
        "fill": layer.fill,
        "visible": layer.visible,
        "clipping": layer.clipping,
        "mask": layer.has_mask,
        "pixels_sha256": layer.pixels_sha256,
    }
