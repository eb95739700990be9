"""OpenRaster (.ora) to Document: files of Krita, MyPaint, GIMP, Pinta and our own. Only read in memory, within limits.

Nothing is ever unpacked to the disk: names inside the zip are looked up, not followed. The XML is read by expat
without document types, so there are no entities to expand.
"""

from __future__ import annotations

import io
import math
import xml.parsers.expat
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import MAX_NAME, MAX_SIDE_PX, Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerProps, Lock, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.colour import converted, profile_name
from psdstudio.io.files import checked_size, read_error
from psdstudio.io.images import ImageLimits, LoadedImage, decode_image
from psdstudio.io.openraster_modes import SOURCE_ATOP, mode_of

_FARTHEST_PX = 10 * MAX_SIDE_PX
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OraLimits:
    """Bounds for files of unknown origin; `max_pixels` counts the pictures of all layers together."""

    max_file_bytes: int = 4 * 2**30
    max_stack_bytes: int = 16 * 2**20
    max_picture_bytes: int = 512 * 2**20
    max_entries: int = 20_000
    max_layers: int = 8_000
    max_depth: int = 64
    max_pixels: int = 600_000_000
    image: ImageLimits = field(default_factory=ImageLimits)


@dataclass(slots=True)
class _Element:
    tag: str
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)

    def text(self, name: str, otherwise: str = "") -> str:
        """An attribute, or what stands for a missing one."""
        return self.attributes.get(name, otherwise)


@dataclass(slots=True)
class _Reading:
    """What goes through the whole tree: the zip, pictures read so far, and what has to be told."""

    archive: zipfile.ZipFile
    path: Path
    limits: OraLimits
    notes: dict[str, None] = field(default_factory=dict)
    pictures: dict[str, TileGrid | None] = field(default_factory=dict)
    profile: ColourProfile | None = None
    has_profile: bool = False
    pixels: int = 0

    def note(self, line: str) -> None:
        """Tell a thing, once."""
        self.notes.setdefault(line)


def is_openraster(path: Path) -> bool:
    """Whether the file says in its first bytes that it is OpenRaster. Raises `FileError` when it cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(100)
    except OSError as exc:
        raise read_error(path, exc) from exc
    return head.startswith(b"PK\3\4") and b"mimetypeimage/openraster" in head


def import_openraster(path: Path, limits: OraLimits = OraLimits()) -> tuple[Document, tuple[str, ...]]:
    """Open an OpenRaster file; returns the document and sentences on what is not as in the file.

    Raises:
        FileUnsupported: It is no OpenRaster file.
        FileCorrupt: It breaks the format.
        FileTooLarge: It is beyond the limits, or there is too little memory.
        FileError: It cannot be read.
    """
    checked_size(path, limits.max_file_bytes, "OpenRaster")
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > limits.max_entries:
                raise _too_large(path)
            return _document(_Reading(archive, path, limits))
    except FileError:
        raise
    except zipfile.BadZipFile as exc:
        raise FileUnsupported(f"“{path.name}” is not an OpenRaster file.", "Nothing was changed.") from exc
    except MemoryError as exc:
        raise FileTooLarge(
            f"There is not enough memory free to open “{path.name}”.",
            "Nothing was changed and the file is fine. Close other programs and try again.",
        ) from exc
    except OSError as exc:
        raise read_error(path, exc) from exc
    except _ZIP_ERRORS as exc:
        raise _corrupt(path) from exc


def _document(reading: _Reading) -> tuple[Document, tuple[str, ...]]:
    root = _parsed(_read(reading, "stack.xml", reading.limits.max_stack_bytes), reading)
    stack = next((child for child in root.children if child.tag == "stack"), None)
    if root.tag != "image" or stack is None:
        raise _corrupt(reading.path)
    size = Size(_whole(root, "w", reading), _whole(root, "h", reading))
    if not (1 <= size.width <= MAX_SIDE_PX and 1 <= size.height <= MAX_SIDE_PX):
        raise _corrupt(reading.path)
    layers = _children(stack, reading, depth=0)
    resolution = _number(root.text("xres"), 72.0)
    document = Document(
        size=size,
        layers=layers,
        resolution_dpi=resolution if 1 <= resolution <= 30_000 else 72.0,
        profile=reading.profile,
    )
    faults = document.validate()
    if faults:
        raise FileUnsupported(
            f"“{reading.path.name}” has a structure that is not supported ({faults[0]}).",
            "Nothing was changed.",
        )
    return document, tuple(reading.notes)


# ---- XML


def _parsed(data: bytes, reading: _Reading) -> _Element:
    """Return the root element; a document type, too many or too deep elements are refused."""
    top = _Element("", {})
    open_elements = [top]
    count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > reading.limits.max_layers + 2 or len(open_elements) > reading.limits.max_depth:
            raise _too_large(reading.path)
        element = _Element(tag, attributes)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def refuse(*_: object) -> None:
        raise _corrupt(reading.path)

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_elements.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (xml.parsers.expat.ExpatError, LookupError, ValueError) as exc:
        raise _corrupt(reading.path) from exc
    if not top.children:
        raise _corrupt(reading.path)
    return top.children[0]


def _number(text: str, otherwise: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if math.isfinite(value) else otherwise


def _whole(element: _Element, name: str, reading: _Reading) -> int:
    value = _number(element.text(name, "0"), math.inf)
    if abs(value) > _FARTHEST_PX:
        raise _corrupt(reading.path)
    return round(value)


# ---- layers


def _children(stack: _Element, reading: _Reading, *, depth: int) -> tuple[Layer, ...]:
    """Return the layers of a stack bottom to top; the file lists the topmost first."""
    made: list[Layer] = []
    bases = 0
    for element in reversed(stack.children):
        if element.tag == "stack":
            made += _group(element, reading, depth=depth + 1)
            bases += 1
        elif element.tag == "layer":
            layer = _layer(element, reading)
            if layer is not None:
                _note_clipping(layer, bases, reading)
                bases += not layer.props.clipping
                made.append(layer)
        else:
            name = element.text("name") or element.tag
            reading.note(f"“{_name(name, 'Layer')}” ({element.tag}) is of a kind that was left out.")
    return tuple(made)


def _note_clipping(layer: PixelLayer, bases: int, reading: _Reading) -> None:
    """`svg:src-atop` is held by all that lies below in the group; our clipping holds by one layer."""
    if layer.props.clipping and bases != 1:
        name = layer.props.name
        reading.note(f"“{name}” was held by everything below it; it is clipped to the layer below now.")


def _group(element: _Element, reading: _Reading, *, depth: int) -> tuple[Layer, ...]:
    props = _props(element, reading, "Group")
    children = _children(element, reading, depth=depth)
    if props.clipping:
        reading.note(f"The group “{props.name}” is no longer clipped to what is below.")
        props = replace(props, clipping=False)
    isolated = element.text("isolation", "auto") == "isolate"
    if isolated and _is_clipping_stack(props.name, children):
        base = children[0].with_props(
            blend_mode=props.blend_mode, opacity=props.opacity, visible=props.visible, locks=props.locks
        )
        return (base, *children[1:])
    if not isolated and props.blend_mode is BlendMode.NORMAL and props.opacity == 255:
        props = replace(props, blend_mode=BlendMode.PASS_THROUGH)
    return (GroupLayer(props=props, children=children),)


def _is_clipping_stack(name: str, children: tuple[Layer, ...]) -> bool:
    """Whether a group is what our writer makes of a layer and those clipped to it: the layers can stand alone again."""
    if len(children) < 2:
        return False
    base = children[0].props
    is_plain = base.visible and base.opacity == 255 and base.blend_mode is BlendMode.NORMAL
    is_base = base.name == name and is_plain and not base.clipping
    return is_base and all(layer.props.clipping for layer in children[1:])


def _layer(element: _Element, reading: _Reading) -> PixelLayer | None:
    props = _props(element, reading, "Layer")
    picture = _picture(element.text("src"), reading)
    if picture is None:
        reading.note(f"“{props.name}” holds no picture that can be read and was left out.")
        return None
    offset = Point(_whole(element, "x", reading), _whole(element, "y", reading))
    return PixelLayer(props=props, pixels=picture, offset=offset)


def _props(element: _Element, reading: _Reading, fallback: str) -> LayerProps:
    name = _name(element.text("name"), fallback)
    op = element.text("composite-op", "svg:src-over")
    mode = BlendMode.NORMAL if op == SOURCE_ATOP else mode_of(op)
    if mode is None:
        reading.note(f"The blend mode of “{name}” ({op[:40]}) is not known; it became Normal.")
        mode = BlendMode.NORMAL
    opacity = min(1.0, max(0.0, _number(element.text("opacity"), 1.0)))
    locked = element.text("edit-locked") == "true"
    return LayerProps(
        name=name,
        visible=element.text("visibility", "visible") != "hidden",
        opacity=round(opacity * 255),
        blend_mode=mode,
        clipping=op == SOURCE_ATOP,
        locks=frozenset({Lock.ALL}) if locked else frozenset(),
    )


def _name(text: str, fallback: str) -> str:
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    return kept.strip()[:MAX_NAME].strip() or fallback


# ---- pictures


def _picture(source: str, reading: _Reading) -> TileGrid | None:
    """Return the pixels of a picture in the zip, in the space of the first one; None when there is no such picture."""
    if source not in reading.pictures:
        reading.pictures[source] = _decoded(source, reading)
    return reading.pictures[source]


def _decoded(source: str, reading: _Reading) -> TileGrid | None:
    if source not in reading.archive.NameToInfo:
        return None
    data = _read(reading, source, reading.limits.max_picture_bytes)
    try:
        image = decode_image(io.BytesIO(data), source[-80:], reading.limits.image, formats=("PNG",))
    except (FileUnsupported, FileCorrupt):
        return None
    reading.pixels += image.rgba.shape[0] * image.rgba.shape[1]
    if reading.pixels > reading.limits.max_pixels:
        raise _too_large(reading.path)
    for note in image.notes:
        reading.note(f"Of the pictures inside: {note}.")
    return TileGrid.from_array(_in_space(image, reading))


def _in_space(image: LoadedImage, reading: _Reading) -> U8Array:
    """The first picture says which space the document is in; others are converted to it."""
    if not reading.has_profile:
        reading.has_profile, reading.profile = True, image.profile
    if image.profile != reading.profile:
        reading.note(f"Layers in another colour space were converted to {profile_name(reading.profile)}.")
    return converted(image.rgba, image.profile, reading.profile)


def _read(reading: _Reading, name: str, most: int) -> bytes:
    """Return an entry of the zip, unpacked no further than the limit."""
    if name not in reading.archive.NameToInfo:
        raise _corrupt(reading.path)
    with reading.archive.open(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(reading.path)
    return data


def _corrupt(path: Path) -> FileCorrupt:
    return FileCorrupt(
        f"“{path.name}” is damaged and cannot be opened.",
        "Nothing was changed. Use another copy of the file, or save it again in the program it came from.",
    )


def _too_large(path: Path) -> FileTooLarge:
    return FileTooLarge(
        f"“{path.name}” holds more than can be opened.",
        "Nothing was changed. Make it smaller in the program that wrote it.",
    )
