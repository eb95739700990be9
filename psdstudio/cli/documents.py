"""Opening and saving by file name, for every command: project, PSD, PNG."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.io.images import EXTENSIONS, read_image
from psdstudio.io.layer_info import FileInfo, LayerInfo, read_info
from psdstudio.io.png_export import export_png
from psdstudio.io.project import load_project, save_project
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_options import ExportOptions
from psdstudio.io.psd_read import is_psd
from psdstudio.io.psd_reader import describe_psd, read_psd

OUTPUT_SUFFIXES = (".psdstudio", ".psd", ".psb", ".png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What was written; `losses` are sentences on what the format could not hold."""

    path: Path
    size_bytes: int
    losses: tuple[str, ...] = ()


def open_document(path: Path) -> tuple[Document, tuple[str, ...]]:
    """Return the document of a project or PSD, and sentences on what a PSD held that a document cannot.

    Raises:
        FileError: The file cannot be opened.
    """
    if is_psd(path):
        document, report = read_psd(path)
        return document, report.losses
    return load_project(path), ()


def describe(path: Path) -> FileInfo:
    """Return what a project or PSD holds, layer by layer. Raises as `open_document`."""
    return describe_psd(path) if is_psd(path) else read_info(path)


def open_flat(path: Path) -> tuple[Document, tuple[str, ...]]:
    """Return what `split` takes apart: a picture as a document of one layer, or a project or PSD as it is.

    Raises:
        FileError: The file cannot be opened.
    """
    if path.suffix.lower() not in EXTENSIONS:
        return open_document(path)
    image = read_image(path)
    height, width = image.rgba.shape[:2]
    layer = PixelLayer(props=LayerProps(name=image.name), pixels=TileGrid.from_array(image.rgba))
    return Document(size=Size(width, height), layers=(layer,)), image.notes


def save_document(
    document: Document, path: Path, *, strip_prompts: bool = False, psd: ExportOptions = ExportOptions()
) -> Saved:
    """Write a document in the format that the name's ending says. Raises `FileWriteFailed`, `FileUnsupported`."""
    losses: tuple[str, ...] = ()
    match path.suffix.lower():
        case ".psdstudio":
            save_project(document, path)
        case ".psd" | ".psb":
            report = export_psd(document, path, replace(psd, strip_prompts=strip_prompts))
            losses = (*report.changes, *report.losses)
        case ".png":
            export_png(document, path, strip_prompts=strip_prompts)
        case suffix:
            raise AssertionError(f"the parser let {suffix} through")
    return Saved(path=path, size_bytes=path.stat().st_size, losses=losses)


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
