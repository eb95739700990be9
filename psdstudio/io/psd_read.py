"""A PSD as a tree of records whose pixels can be decoded. Everything a file claims is held against a limit first."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import numpy as np
from psd_tools import ParseLimits
from psd_tools.compression import PSDDecompressionWarning
from psd_tools.constants import ChannelID, ColorMode, Compression, SectionDivider, Tag
from psd_tools.psd.document import PSD
from psd_tools.psd.layer_and_mask import ChannelData, LayerRecord

from psdstudio.core.document import MAX_SIDE_PX
from psdstudio.core.geometry import Rect
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.files import checked_size, read_error

MAX_NESTING = 64
_MAGIC = b"8BPS"
_DIVIDERS = (Tag.SECTION_DIVIDER_SETTING, Tag.NESTED_SECTION_DIVIDER_SETTING)
_COLOUR_PLANES = {ColorMode.RGB: 3, ColorMode.GRAYSCALE: 1}
_GROUP_KINDS = {SectionDivider.OPEN_FOLDER, SectionDivider.CLOSED_FOLDER}
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

    record: LayerRecord
    channels: Sequence[ChannelData]
    children: tuple[PsdNode, ...] | None = None


Nodes: TypeAlias = tuple[PsdNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdFile:
    """An opened file: the low-level document and its layers as a tree, bottom to top."""

    psd: PSD
    layers: Nodes
    path: Path

    def walk(self) -> Iterator[PsdNode]:
        """Yield every node, a group before its children."""
        return _walk(self.layers)

    def has_known_colours(self) -> bool:
        """Whether the pixels are RGB or grey with 8 or 16 bits, which `rgba_of` can decode."""
        header = self.psd.header
        return header.color_mode in _COLOUR_PLANES and header.depth in {8, 16}


def is_psd(path: Path) -> bool:
    """Whether a file begins as a PSD or PSB does; False when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == _MAGIC
    except OSError:
        return False


def open_psd(path: Path, limits: PsdLimits = PsdLimits()) -> PsdFile:
    """Read the structure of a PSD or PSB; pixels stay packed.

    Raises:
        FileUnsupported: It is no PSD.
        FileCorrupt: It is truncated or damaged.
        FileTooLarge: It claims more than `limits`.
        MemoryError: It needs more than there is; see `within_memory`.
    """
    size = checked_size(path, limits.max_file_bytes, "PSD")
    try:
        with open(path, "rb") as file:
            if file.read(4) != _MAGIC:
                raise FileUnsupported(f"“{path.name}” is not a PSD file.", "Nothing was changed.")
            file.seek(0)
            psd = PSD.read(
                file, parse_limits=ParseLimits(max_read_bytes=size + 1, max_total_bytes=8 * size + 2**20)
            )
            nodes = _tree(psd, path)
    except (FileError, MemoryError):
        raise
    except OSError as exc:
        raise read_error(path, exc) if exc.errno else corrupt_psd(path) from exc
    except Exception as exc:  # a parser of somebody else on bytes of unknown origin
        raise corrupt_psd(path) from exc
    opened = PsdFile(psd=psd, layers=nodes, path=path)
    _check(opened, limits)
    return opened


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
    """Inside, pixels that do not decode raise: psd_tools alone fills the channel with black and only warns.

    One thread at a time, because the filters of warnings belong to the process.
    """
    with _decoding, warnings.catch_warnings():
        warnings.simplefilter("error", PSDDecompressionWarning)
        yield


def box_of(record: LayerRecord) -> Rect:
    """Return where a record's pixels stand on the canvas."""
    return Rect.from_edges(record.left, record.top, record.right, record.bottom)


def name_of(record: LayerRecord) -> str:
    """Return the Unicode name, or the old one; never empty."""
    name = record.tagged_blocks.get_data(Tag.UNICODE_LAYER_NAME) or record.name
    return str(name).rstrip("\0") or "Layer"


def rgba_of(file: PsdFile, node: PsdNode) -> U8Array:
    """Return a layer's pixels, (h, w, 4) uint8 straight; a missing colour is 0, a missing transparency 255.

    16-bit values are rounded to 8 bit.

    Raises:
        FileCorrupt: The pixels do not decode.
        FileUnsupported: The colours are neither RGB nor grey.
    """
    planes_wanted = _COLOUR_PLANES.get(file.psd.header.color_mode, 0)
    if not file.has_known_colours():
        raise unsupported_colours(file)
    place = box_of(node.record)
    rgba = np.zeros((place.height, place.width, 4), np.uint8)
    rgba[..., 3] = 255
    if place.is_empty:
        return rgba
    for info, channel in zip(node.record.channel_info, node.channels, strict=False):
        if info.id == ChannelID.TRANSPARENCY_MASK:
            rgba[..., 3] = _plane(file, channel, place)
        elif 0 <= info.id < planes_wanted:
            targets = slice(0, 3) if planes_wanted == 1 else slice(info.id, info.id + 1)
            rgba[..., targets] = _plane(file, channel, place)[..., None]
    return rgba


def mask_of(file: PsdFile, node: PsdNode) -> tuple[Rect, U8Array] | None:
    """Return the user mask's box on the canvas and its (h, w) uint8 pixels; None without one."""
    data = node.record.mask_data
    if data is None:
        return None
    place = Rect.from_edges(data.left, data.top, data.right, data.bottom)
    for info, channel in zip(node.record.channel_info, node.channels, strict=False):
        if info.id == ChannelID.USER_LAYER_MASK:
            empty = np.zeros((place.height, place.width), np.uint8)
            return place, empty if place.is_empty else _plane(file, channel, place)
    return None


def merged_rgb(file: PsdFile) -> U8Array:
    """Return the stored merged image, (h, w, 3) uint8, as it is in the file. Raises as `rgba_of`."""
    if not file.has_known_colours():
        raise unsupported_colours(file)
    header = file.psd.header
    try:
        with strict_decoding():
            planes = file.psd.image_data.get_data(header)
    except MemoryError:
        raise
    except Exception as exc:  # a parser of somebody else on bytes of unknown origin
        raise corrupt_psd(file.path) from exc
    size = (header.height, header.width)
    wanted = _COLOUR_PLANES[header.color_mode]
    if isinstance(planes, bytes):
        raise AssertionError("split planes were asked for")
    colour = [_to_u8(plane, header.depth).reshape(size) for plane in planes[:wanted]]
    return np.dstack(colour if wanted == 3 else colour * 3)


def corrupt_psd(path: Path) -> FileCorrupt:
    """Return the error for a file that breaks its own format."""
    return FileCorrupt(
        f"“{path.name}” is damaged or incomplete and cannot be opened.",
        "Nothing was changed. Use another copy, or save it again in the program that it came from.",
    )


def unsupported_colours(file: PsdFile) -> FileUnsupported:
    """Return the error for colour modes and depths that are not read."""
    header = file.psd.header
    return FileUnsupported(
        f"“{file.path.name}” is a {header.color_mode.name.lower()} file with {header.depth} bits.",
        "Nothing was changed. Only RGB and greyscale with 8 or 16 bits can be opened: convert a copy.",
    )


def _plane(file: PsdFile, channel: ChannelData, place: Rect) -> U8Array:
    header = file.psd.header
    try:
        _check_rows(channel, place.height, header.version)
        with strict_decoding():
            raw = channel.get_data(place.width, place.height, header.depth, header.version)
        return _to_u8(raw, header.depth).reshape(place.height, place.width)
    except MemoryError:
        raise
    except Exception as exc:  # a parser of somebody else on bytes of unknown origin
        raise corrupt_psd(file.path) from exc


def _check_rows(channel: ChannelData, height: int, version: int) -> None:
    """Raise ValueError when packed rows claim more bytes than there are: the decoder would fill up with zeros."""
    if channel.compression is not Compression.RLE:
        return
    counts = np.frombuffer(channel.data, ">u2" if version == 1 else ">u4", count=height)
    if int(counts.sum()) > len(channel.data) - counts.nbytes:
        raise ValueError("rows longer than their channel")


def _to_u8(raw: bytes, depth: int) -> U8Array:
    if depth == 8:
        return np.frombuffer(raw, np.uint8)
    wide = np.frombuffer(raw, ">u2").astype(np.uint32)
    return ((wide + 128) // 257).astype(np.uint8)


def _tree(psd: PSD, path: Path) -> Nodes:
    """Return the records as a tree. A group without an end, or an end without a group, is closed where it stands."""
    stack: list[list[PsdNode]] = [[]]
    for record, channels in psd._iter_layers():  # noqa: SLF001  # it knows where 16-bit files keep their layers
        kind = _divider(record)
        if kind is SectionDivider.BOUNDING_SECTION_DIVIDER:
            stack.append([])
            if len(stack) > MAX_NESTING:
                raise FileUnsupported(
                    f"“{path.name}” nests its groups more than {MAX_NESTING} deep.", "Nothing was changed."
                )
        elif kind in _GROUP_KINDS:
            children = tuple(stack.pop()) if len(stack) > 1 else ()
            stack[-1].append(PsdNode(record=record, channels=tuple(channels), children=children))
        else:
            stack[-1].append(PsdNode(record=record, channels=tuple(channels)))
    while len(stack) > 1:
        left_over = stack.pop()
        stack[-1].extend(left_over)
    return tuple(stack[0])


def _divider(record: LayerRecord) -> SectionDivider:
    for tag in _DIVIDERS:
        setting = record.tagged_blocks.get_data(tag)
        if setting is not None:
            return SectionDivider(setting.kind)
    return SectionDivider.OTHER


def _walk(nodes: Nodes) -> Iterator[PsdNode]:
    for node in nodes:
        yield node
        yield from _walk(node.children or ())


def _check(file: PsdFile, limits: PsdLimits) -> None:
    header = file.psd.header
    nodes = list(file.walk())
    pixels = header.width * header.height
    pixels += sum(width * height for node in nodes for width, height in node.record.channel_sizes) // 4
    side = max(header.width, header.height)
    if side > limits.max_side_px or pixels > limits.max_pixels or len(nodes) > limits.max_layers:
        raise FileTooLarge(
            f"“{file.path.name}” is too large: {header.width:,} × {header.height:,} px, {len(nodes):,} layers.",
            f"Nothing was changed. Up to {limits.max_side_px:,} px a side and"
            f" {limits.max_layers:,} layers can be opened.",
        )
