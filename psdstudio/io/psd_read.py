"""A PSD as a tree of records whose pixels can be decoded. Everything a file claims is held against a limit first."""

from __future__ import annotations

import errno
import mmap
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from psd_tools.compression import PSDDecompressionWarning

from psdstudio.core.document import MAX_SIDE_PX
from psdstudio.core.layers import BlendMode
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.errors import FileCorrupt, FileTooLarge, FileUnsupported
from psdstudio.io.files import checked_size, read_error
from psdstudio.io.psd_colour import ColourMode, Colours, colours_of
from psdstudio.io.psd_rasters import box_of, layer_grid, merged_grid
from psdstudio.io.psd_structure import MAGIC, PsdRecord, PsdStructure, read_structure

MAX_NESTING = 64
_DIVIDERS = (b"lsct", b"lsdk")
OPEN_FOLDER, CLOSED_FOLDER, BOUNDING_DIVIDER = 1, 2, 3
_UNICODE_NAME = b"luni"
_DECODE_ERRORS = (ValueError, LookupError, TypeError, OverflowError, OSError, struct.error, zlib.error)
"""What reading bytes of unknown origin may raise. `MemoryError` is not among them: it says nothing of the file."""
_decoding = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdLimits:
    """Bounds for files of unknown origin; `max_pixels` counts all layers and masks together."""

    max_file_bytes: int = 4 * 2**30
    max_side_px: int = MAX_SIDE_PX
    max_pixels: int = 1_500_000_000
    max_layers: int = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdNode:
    """A layer or group of the file; `children` (bottom to top) is None for a layer."""

    record: PsdRecord
    children: tuple[PsdNode, ...] | None = None


Nodes: TypeAlias = tuple[PsdNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdFile:
    """An opened file: its structure and its layers as a tree, bottom to top.

    `colours` is None where the colour mode is none that anybody writes.
    """

    structure: PsdStructure
    layers: Nodes
    path: Path
    colours: Colours | None

    def walk(self) -> Iterator[PsdNode]:
        """Yield every node, a group before its children."""
        return _walk(self.layers)

    def known_colours(self) -> Colours:
        """Return how colours are read; raises FileUnsupported where they cannot be."""
        if self.colours is None:
            raise unsupported_colours(self)
        return self.colours


def is_psd(path: Path) -> bool:
    """Whether a file begins as a PSD or PSB does; False when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def open_psd(path: Path, limits: PsdLimits = PsdLimits()) -> PsdFile:
    """Read the structure of a PSD or PSB; pixels stay packed, in the mapped file.

    Raises:
        FileUnsupported: It is no PSD.
        FileCorrupt: It is truncated or damaged.
        FileTooLarge: It claims more than `limits`.
        MemoryError: It needs more than there is; see `within_memory`.
    """
    checked_size(path, limits.max_file_bytes, "PSD")
    try:
        with open(path, "rb") as file:
            if file.read(4) != MAGIC:
                raise FileUnsupported(f"“{path.name}” is not a PSD file.", "Nothing was changed.")
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as exc:
        if exc.errno == errno.ENOMEM:
            raise MemoryError from exc  # no room to map the file
        raise read_error(path, exc) from exc
    with damage_named(path):
        structure = read_structure(data)
        colours = colours_of(structure)
    opened = PsdFile(structure=structure, layers=_tree(structure, path), path=path, colours=colours)
    _check(opened, limits)
    return opened


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Inside, what bytes of unknown origin raise becomes `FileCorrupt`."""
    try:
        yield
    except _DECODE_ERRORS as exc:
        raise corrupt_psd(path) from exc


@contextmanager
def within_memory(path: Path) -> Iterator[None]:
    """Inside, a lack of memory while this file is opened becomes `FileTooLarge`: the file itself is sound."""
    try:
        yield
    except MemoryError as exc:
        raise FileTooLarge(
            f"There is not enough memory free to open “{path.name}”.",
            "Nothing was changed and the file is fine. Close other programs and try again.",
        ) from exc


@contextmanager
def strict_decoding() -> Iterator[None]:
    """Inside, pixels that psd_tools does not decode raise: alone it fills the channel with black and only warns.

    One thread at a time, because the filters of warnings belong to the process.
    """
    with _decoding, warnings.catch_warnings():
        warnings.simplefilter("error", PSDDecompressionWarning)
        yield


def name_of(record: PsdRecord) -> str:
    """Return the Unicode name, or the old one; never empty."""
    data = record.block(_UNICODE_NAME)
    name = ""
    if data is not None and len(data) >= 4:
        count = int.from_bytes(data[:4], "big")
        units = data[4 : 4 + 2 * count]
        name = units[: len(units) // 2 * 2].decode("utf-16-be", "replace")
    name = name.rstrip("\0") or _old_name(record.pascal_name)
    return name or "Layer"


def _old_name(data: bytes) -> str:
    """Return a Pascal name. Photoshop writes MacRoman, others UTF-8, which MacRoman text hardly ever is."""
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("mac_roman")


def mode_of(node: PsdNode) -> BlendMode | None:
    """Return the blend mode, None for a key that PSD does not have.

    A group keeps its own in the divider block, where "pass through" can stand.
    """
    key = node.record.blend_key
    if node.children is not None:
        data = node.record.block(*_DIVIDERS)
        if data is not None and len(data) >= 12:
            key = data[8:12]
    try:
        mode = BlendMode(key.decode("ascii", "replace"))
    except ValueError:
        return None
    return None if mode is BlendMode.PASS_THROUGH and node.children is None else mode


def grid_of(file: PsdFile, node: PsdNode) -> TileGrid:
    """Return a layer's pixels as tiles, straight RGBA, its top left one at (0, 0).

    Raises:
        FileCorrupt: The pixels do not decode.
        FileUnsupported: The colours are of no known mode.
    """
    colours = file.known_colours()
    with damage_named(file.path):
        return layer_grid(file.structure, colours, node.record)


def rgba_of(file: PsdFile, node: PsdNode) -> U8Array:
    """Return a layer's pixels, (h, w, 4) uint8 straight; a missing colour is 0, a missing transparency 255.

    Raises as `grid_of`.
    """
    place = box_of(node.record)
    return grid_of(file, node).read(place.shifted(-place.x, -place.y))


def merged_of(file: PsdFile) -> TileGrid:
    """Return the stored merged image as tiles, straight RGBA. Raises as `grid_of`."""
    colours = file.known_colours()
    with damage_named(file.path):
        return merged_grid(file.structure, colours)


def corrupt_psd(path: Path) -> FileCorrupt:
    """Return the error for a file that breaks its own format."""
    return FileCorrupt(
        f"“{path.name}” is damaged or incomplete and cannot be opened.",
        "Nothing was changed. Use another copy, or save it again in the program that it came from.",
    )


def unsupported_colours(file: PsdFile) -> FileUnsupported:
    """Return the error for colour modes and depths that are not read."""
    header = file.structure.header
    known = {mode.value: mode.name.lower() for mode in ColourMode}
    mode = known.get(header.color_mode, f"number {header.color_mode}")
    return FileUnsupported(
        f"“{file.path.name}” has {header.depth}-bit colours of the mode {mode}, which are not read.",
        "Nothing was changed. Save a copy as RGB in the program that it came from.",
    )


def _tree(structure: PsdStructure, path: Path) -> Nodes:
    """Return the records as a tree. A group without an end, or an end without a group, is closed where it stands."""
    stack: list[list[PsdNode]] = [[]]
    for record in structure.records:
        kind = divider_kind(record)
        if kind == BOUNDING_DIVIDER:
            stack.append([])
            if len(stack) > MAX_NESTING:
                raise FileUnsupported(
                    f"“{path.name}” nests its groups more than {MAX_NESTING} deep.", "Nothing was changed."
                )
        elif kind in {OPEN_FOLDER, CLOSED_FOLDER}:
            children = tuple(stack.pop()) if len(stack) > 1 else ()
            stack[-1].append(PsdNode(record=record, children=children))
        else:
            stack[-1].append(PsdNode(record=record))
    while len(stack) > 1:
        left_over = stack.pop()
        stack[-1].extend(left_over)
    return tuple(stack[0])


def divider_kind(record: PsdRecord) -> int:
    """Return what a record divides: 0 nothing, 1 an open group, 2 a closed one, 3 the lower end of a group."""
    data = record.block(*_DIVIDERS)
    return int.from_bytes(data[:4], "big") if data is not None and len(data) >= 4 else 0


def _walk(nodes: Nodes) -> Iterator[PsdNode]:
    for node in nodes:
        yield node
        yield from _walk(node.children or ())


def _check(file: PsdFile, limits: PsdLimits) -> None:
    header = file.structure.header
    nodes = list(file.walk())
    boxes = [box_of(node.record) for node in nodes]
    pixels = header.width * header.height + sum(box.width * box.height for box in boxes)
    side = max([header.width, header.height])
    if side > limits.max_side_px or pixels > limits.max_pixels or len(nodes) > limits.max_layers:
        raise FileTooLarge(
            f"“{file.path.name}” is too large: {header.width:,} × {header.height:,} px, {len(nodes):,} layers.",
            f"Nothing was changed. Up to {limits.max_side_px:,} px a side and"
            f" {limits.max_layers:,} layers can be opened.",
        )
