"""The table of file formats: endings, words for dialogs, what each holds, and the one way in and out for all of them.

What writes, and what reads PSD files, is imported when it is needed: it takes a third of a second, and a window that
opens does not need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileUnsupported
from psdstudio.io.files import SAFE
from psdstudio.io.flat_options import FlatOptions
from psdstudio.io.images import EXTENSIONS, LoadedImage, read_image
from psdstudio.io.openraster_read import import_openraster, is_openraster
from psdstudio.io.project import EXTENSION as PROJECT_SUFFIX
from psdstudio.io.project import load_project, save_project
from psdstudio.io.psd_options import ExportOptions
from psdstudio.io.psd_reader import read_psd
from psdstudio.io.sprites import MANIFEST, SpriteOptions

PSD_SUFFIXES = (".psd", ".psb")
ORA_SUFFIX = ".ora"
PICTURE_SUFFIXES = EXTENSIONS
_PSD_MAGIC = b"8BPS"


class ExportFormat(Enum):
    """The ways out besides the project file; the value is the usual ending, or the word for what has none."""

    PSD = "psd"
    ORA = "ora"
    PNG = "png"
    WEBP = "webp"
    JPEG = "jpg"
    TIFF = "tiff"
    SPRITES = "sprites"
    LAYERS = "layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatFacts:
    """What a format is called, how its files end (the first is written), and what it holds, as a sentence.

    A folder has no ending. `files` is what a file dialog calls them.
    """

    title: str
    files: str
    suffixes: tuple[str, ...]
    holds: str
    is_flat: bool = False


FORMATS: Mapping[ExportFormat, FormatFacts] = MappingProxyType(
    {
        ExportFormat.PSD: FormatFacts(
            title="Photoshop document, all layers (PSD)",
            files="Photoshop document",
            suffixes=PSD_SUFFIXES,
            holds="All layers, groups, masks and blend modes.",
        ),
        ExportFormat.ORA: FormatFacts(
            title="OpenRaster, all layers, for Krita and GIMP (ORA)",
            files="OpenRaster",
            suffixes=(ORA_SUFFIX,),
            holds="All layers and groups; masks are applied, and what is clipped may be merged.",
        ),
        ExportFormat.PNG: FormatFacts(
            title="Flat picture with transparency (PNG)",
            files="PNG picture",
            suffixes=(".png",),
            holds="One picture as the canvas shows it, without loss.",
            is_flat=True,
        ),
        ExportFormat.WEBP: FormatFacts(
            title="Flat picture with transparency, small (WebP)",
            files="WebP picture",
            suffixes=(".webp",),
            holds="One picture as the canvas shows it, without loss unless a quality is set.",
            is_flat=True,
        ),
        ExportFormat.JPEG: FormatFacts(
            title="Flat photograph without transparency (JPEG)",
            files="JPEG picture",
            suffixes=(".jpg", ".jpeg"),
            holds="One picture as the canvas shows it, on a colour where it is transparent, with small losses.",
            is_flat=True,
        ),
        ExportFormat.TIFF: FormatFacts(
            title="Flat picture with transparency, for print (TIFF)",
            files="TIFF picture",
            suffixes=(".tiff", ".tif"),
            holds="One picture as the canvas shows it, without loss.",
            is_flat=True,
        ),
        ExportFormat.SPRITES: FormatFacts(
            title="Sprite sheet for games and the web (PNG and JSON)",
            files="Sprite sheet",
            suffixes=(".png",),
            holds="Every visible layer trimmed on one sheet; a JSON beside it tells names, places and modes.",
        ),
        ExportFormat.LAYERS: FormatFacts(
            title="Folder with a picture of every layer (PNG and JSON)",
            files="Folder",
            suffixes=(),
            holds=f"Every visible layer trimmed as a PNG; {MANIFEST} tells names, places and modes.",
        ),
    }
)
OUTPUT_SUFFIXES = (
    PROJECT_SUFFIX,
    *PSD_SUFFIXES,
    ORA_SUFFIX,
    ".png",
    ".webp",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
)
OPEN_SUFFIXES = (PROJECT_SUFFIX, *PSD_SUFFIXES, ORA_SUFFIX, *PICTURE_SUFFIXES)
DOCUMENT_SUFFIXES = (PROJECT_SUFFIX, *PSD_SUFFIXES, ORA_SUFFIX)
"""Endings of files that hold layers: they open as a document where a picture would become a layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What all formats together can be told; each takes what concerns it."""

    strip_prompts: bool = False
    quality: int | None = None
    matte: tuple[int, int, int] = (255, 255, 255)
    merges_objects: bool = False
    with_hidden: bool = False
    psd: ExportOptions = field(default_factory=ExportOptions)
    """How to shape a PSD; `strip_prompts` is said above."""

    @property
    def flat(self) -> FlatOptions:
        """As a flat picture takes them."""
        return FlatOptions(quality=self.quality, matte=self.matte, strip_prompts=self.strip_prompts)

    @property
    def sprites(self) -> SpriteOptions:
        """As sprites take them."""
        return SpriteOptions(merges_objects=self.merges_objects, with_hidden=self.with_hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written; `losses` are sentences on what the format could not hold. A folder's size is its files'."""

    path: Path
    size_bytes: int
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A document from a file; `notes` are sentences on what is not as in the file. Only projects are saved in place."""

    document: Document
    notes: tuple[str, ...] = ()
    is_project: bool = False


def format_of(path: Path) -> ExportFormat | None:
    """Return the format that the ending of a file name means; None for a project and for unknown endings."""
    suffix = path.suffix.lower()
    return next((kind for kind, facts in FORMATS.items() if suffix in facts.suffixes), None)


def open_file(path: Path) -> Opened:
    """Open any file that can be opened: PSD and OpenRaster by their first bytes, pictures by their ending.

    Raises:
        FileError: It cannot be read, is damaged, too large, or of a kind that cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return _open_picture(path)
    if suffix == ORA_SUFFIX or (suffix != PROJECT_SUFFIX and is_openraster(path)):
        document, notes = import_openraster(path)
        return Opened(document=document, notes=notes)
    if suffix in PSD_SUFFIXES or _has_psd_magic(path):
        document, report = read_psd(path)
        return Opened(document=document, notes=report.losses)
    return Opened(document=load_project(path), is_project=True)


def export_file(
    document: Document, path: Path, kind: ExportFormat, options: WriteOptions = WriteOptions()
) -> Written:
    """Write a document in a format, completely or not at all.

    Raises:
        FileUnsupported: The format cannot hold the document.
        FileWriteFailed: It could not be written; what was there is untouched.
        ModelNotFound, ModelLoadFailed: as `credits.library_credits`.
    """
    match kind:
        case ExportFormat.PSD:
            from psdstudio.io.psd_export import export_psd

            report = export_psd(document, path, replace(options.psd, strip_prompts=options.strip_prompts))
            losses = (*report.changes, *report.losses)
        case ExportFormat.ORA:
            from psdstudio.io.openraster_write import export_openraster

            losses = export_openraster(document, path, strip_prompts=options.strip_prompts)
        case ExportFormat.SPRITES:
            from psdstudio.io.sprite_export import export_sprite_sheet

            losses = export_sprite_sheet(document, path, options.sprites, strip_prompts=options.strip_prompts)
        case ExportFormat.LAYERS:
            from psdstudio.io.sprite_export import export_layers

            losses = export_layers(document, path, options.sprites, strip_prompts=options.strip_prompts)
        case _:
            from psdstudio.io.flat_export import export_flat

            losses = export_flat(document, path, options.flat)
    return Written(path=path, size_bytes=size_of(path), losses=losses)


def save_by_name(document: Document, path: Path, options: WriteOptions = WriteOptions()) -> Written:
    """Write a project, or export in the format that the ending says.

    Raises:
        FileError: as `export_file`; `FileUnsupported` also for an ending that says nothing.
    """
    if path.suffix.lower() == PROJECT_SUFFIX:
        save_project(document, path)
        return Written(path=path, size_bytes=size_of(path))
    kind = format_of(path)
    if kind is None:
        raise FileUnsupported(
            f"The ending of “{path.name}” does not say which kind of file to write.",
            f"{SAFE} Use one of {', '.join(OUTPUT_SUFFIXES)}.",
        )
    return export_file(document, path, kind, options)


def picture_document(image: LoadedImage) -> Document:
    """Return a picture as a document of one layer, in the picture's space and resolution."""
    height, width = image.rgba.shape[:2]
    layer = PixelLayer(props=LayerProps(name=image.name), pixels=TileGrid.from_array(image.rgba))
    return Document(
        size=Size(width, height),
        layers=(layer,),
        resolution_dpi=image.resolution_dpi or 72.0,
        profile=image.profile,
    )


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    if path.is_dir():
        return sum(entry.stat().st_size for entry in path.iterdir() if entry.is_file())
    return path.stat().st_size


def _open_picture(path: Path) -> Opened:
    image = read_image(path)
    notes = tuple(f"Of “{path.name}”, {note}." for note in image.notes)
    return Opened(document=picture_document(image), notes=notes)


def _has_psd_magic(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == _PSD_MAGIC
    except OSError:
        return False  # the reader that is asked next says what is wrong
