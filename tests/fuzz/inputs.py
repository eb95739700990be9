"""What is fuzzed: for each kind the sound files to begin with, how they are damaged, and how they are opened."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.history import grids
from psdstudio.io.images import encode_png, read_image
from psdstudio.io.openraster_read import import_openraster
from psdstudio.io.openraster_write import export_openraster
from psdstudio.io.project import TileHashes, load_project, save_project
from psdstudio.io.project_schema import rasters_of, to_manifest
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_import import import_psd
from psdstudio.io.psd_options import ExportOptions
from tests.fuzz import ora_mutations, png_mutations, project_mutations, psd_mutations
from tests.io.documents import noise, scene_document
from tests.io.golden import FOLDER, document_of_version_2

Mutations = Callable[[int, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Input:
    """A kind of file. `damage` knows the format; `share` is how often it is drawn.

    `open` reads everything in a file and returns a few words, or raises `StudioError`.
    """

    suffix: str
    share: int
    originals: Callable[[], tuple[bytes, ...]]
    damage: Mutations
    open: Callable[[Path], str]


@cache
def _projects() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted(FOLDER.glob("version-*.psdstudio")))


@cache
def _psds() -> tuple[bytes, ...]:
    out = []
    for options in (ExportOptions(), ExportOptions(big=True)):
        file = io.BytesIO()
        export_psd(scene_document(), file, options)
        out.append(file.getvalue())
    return tuple(out)


@cache
def _openrasters() -> tuple[bytes, ...]:
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for document in (scene_document(), document_of_version_2()):
            path = Path(folder) / "a.ora"
            export_openraster(document, path)
            out.append(path.read_bytes())
    return tuple(out)


@cache
def _pngs() -> tuple[bytes, ...]:
    rgba = noise(1, 40, 30)
    ours = io.BytesIO()
    encode_png(ours, rgba, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    out = [ours.getvalue()]
    picture = Image.fromarray(rgba)
    others: list[tuple[Image.Image, dict[str, object]]] = [
        (picture.convert("P"), {"transparency": 3}),
        (picture.convert("L"), {}),
        (picture.convert("1"), {}),
        (picture.convert("LA"), {}),
        (Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50), {}),
        (picture, {"save_all": True, "append_images": [picture.rotate(90)]}),
    ]
    for image, options in others:
        file = io.BytesIO()
        image.save(file, "PNG", **options)
        out.append(file.getvalue())
    return tuple(out)


def _open_project(path: Path) -> str:
    document = load_project(path)
    pixels = _look_at(document)
    if pixels < 2**22:
        copy = path.with_name("copy.psdstudio")
        save_project(document, copy)
        again = load_project(copy)
        if _manifest(again) != _manifest(document) or rasters_of(again) != rasters_of(document):
            raise AssertionError("what was saved is not what was opened")
    return f"{pixels} bytes"


def _manifest(document: Document) -> str:
    """All that is no pixel, as text: numbers that are none would differ from themselves."""
    return to_manifest(document, TileHashes().names).model_dump_json()


def _open_psd(path: Path) -> str:
    document, _ = import_psd(path)
    if faults := document.validate():
        raise AssertionError(f"unsound: {faults}")
    return f"{_look_at(document)} bytes"


def _open_openraster(path: Path) -> str:
    document, _ = import_openraster(path)
    if faults := document.validate():
        raise AssertionError(f"unsound: {faults}")
    return f"{_look_at(document)} bytes"


def _open_picture(path: Path) -> str:
    image = read_image(path)
    height, width, channels = image.rgba.shape
    if channels != 4 or image.rgba.dtype != np.uint8:
        raise AssertionError(f"{image.rgba.shape} {image.rgba.dtype}")
    Size(width, height)
    return f"{image.rgba.nbytes} bytes"


def _look_at(document: Document) -> int:
    """Look at every pixel, as a canvas would, and return how many bytes there are."""
    return sum(tile.nbytes for grid in grids(document) for tile in grid.tiles.values())


INPUTS: Mapping[str, Input] = {
    "ora": Input(".ora", 3, _openrasters, ora_mutations.mutations, _open_openraster),
    "project": Input(".psdstudio", 4, _projects, project_mutations.mutations, _open_project),
    "psd": Input(".psd", 4, _psds, psd_mutations.mutations, _open_psd),
    "png": Input(".png", 2, _pngs, png_mutations.mutations, _open_picture),
}
