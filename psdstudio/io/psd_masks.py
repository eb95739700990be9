"""Masks of a PSD as raster masks: the user's, drawn vector masks, and both together.

Density and feather, which are numbers beside the pixels in the file, are worked into the pixels.

Source: Adobe Photoshop File Formats Specification, "Layer mask / adjustment layer data"; the order of its fields as
psd_tools found it in files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import Mask
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.psd_paths import VECTOR_MASKS, VectorMask, drawn, vector_mask_of
from psdstudio.io.psd_rasters import REAL_USER_MASK, USER_MASK, box_of, mask_grid
from psdstudio.io.psd_structure import PsdRecord, PsdStructure

DISABLED, FROM_RENDER, HAS_PARAMETERS = 2, 8, 16
_MAX_FEATHER_PX = 1000.0
_FARTHEST_PX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRecord:
    """The mask section of a layer record. `real_*` describe the user's own mask beside a rendered one."""

    place: Rect
    fill: int
    flags: int
    real_place: Rect | None = None
    real_fill: int = 0
    real_flags: int = 0
    density: int = 255
    feather_px: float = 0.0
    vector_density: int = 255
    vector_feather_px: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMask:
    """A layer's mask; `notes` say what became pixels.

    `is_path`: it is a drawn path alone, which can stand beside it in a PSD. `is_spent`: the path cannot, as the
    mask stands for a painted one too, or holds its density and feather.
    """

    mask: Mask | None = None
    is_path: bool = False
    is_spent: bool = False
    notes: tuple[str, ...] = ()


def read_mask_record(record: PsdRecord) -> MaskRecord | None:
    """Return the mask section, None where there is none or it is too short to say anything."""
    data = record.mask
    if len(data) < 18:
        return None
    top, left, bottom, right, fill, flags = struct.unpack(">4iBB", data[:18])
    found = MaskRecord(place=_place(left, top, right, bottom), fill=255 if fill else 0, flags=flags)
    at = 18
    if len(data) >= 36 and any(channel.id == REAL_USER_MASK for channel in record.channels):
        real_flags, real_fill, top, left, bottom, right = struct.unpack(">BB4i", data[18:36])
        found = replace(
            found, real_flags=real_flags, real_fill=255 if real_fill else 0,
            real_place=_place(left, top, right, bottom),
        )  # fmt: skip
        at = 36
    return _with_parameters(found, data[at:]) if flags & HAS_PARAMETERS else found


def _place(left: int, top: int, right: int, bottom: int) -> Rect:
    if max(map(abs, (left, top, right, bottom))) > _FARTHEST_PX:
        return Rect(0, 0, 0, 0)
    return Rect.from_edges(left, top, right, bottom)


def _with_parameters(found: MaskRecord, data: bytes) -> MaskRecord:
    """Read density (one byte) and feather (a double) of both masks, as far as the bytes go."""
    if not data:
        return found
    bits, at = data[0], 1
    for bit, name, layout in (
        (1, "density", ">B"), (2, "feather_px", ">d"), (4, "vector_density", ">B"), (8, "vector_feather_px", ">d"),
    ):  # fmt: skip
        if not bits & bit:
            continue
        size = struct.calcsize(layout)
        if len(data) < at + size:
            break
        (value,) = struct.unpack(layout, data[at : at + size])
        at += size
        if layout == ">d":
            value = min(value, _MAX_FEATHER_PX) if value > 0 else 0.0  # a NaN is not above 0
        found = replace(found, **{name: value})
    return found


def mask_of(structure: PsdStructure, record: PsdRecord, name: str, *, is_drawn: bool) -> FoundMask:
    """Return the raster mask that shows what the masks of a layer show.

    `is_drawn`: the layer's stored pixels are cut by its path already (shapes and fills).

    Raises:
        DamagedPsd: Its pixels do not decode.
    """
    info = read_mask_record(record)
    canvas = Size(structure.header.width, structure.header.height)
    has_path = record.has(*VECTOR_MASKS)
    path = None if is_drawn else vector_mask_of(record, canvas)
    user, notes = _user_mask(structure, record, info, name, has_path=has_path)
    if path is None:
        return FoundMask(mask=user, notes=notes)
    shape = _drawn_path(path, info, Rect(0, 0, *canvas).union(box_of(record)))
    notes = (*notes, f"The vector mask of “{name}” became a raster mask.")
    if user is None and not has_soft_path(info):
        return FoundMask(mask=shape, is_path=True, notes=notes)
    if user is not None and user.enabled:
        shape = _product(user, shape, Rect(0, 0, *canvas).union(box_of(record)))
    return FoundMask(mask=shape, is_spent=True, notes=notes)


def has_soft_path(info: MaskRecord | None) -> bool:
    """Whether a layer's path has density or feather, which its stored pixels do not show."""
    return info is not None and (info.vector_density < 255 or info.vector_feather_px > 0)


def path_coverage(structure: PsdStructure, record: PsdRecord) -> TileGrid:
    """Return what the path of a fill leaves of the canvas: one channel, canvas pixels, 0 outside."""
    canvas = Size(structure.header.width, structure.header.height)
    path = vector_mask_of(record, canvas)
    if path is None:
        path = VectorMask(subpaths=(), begins_full=True, is_inverted=False)
    mask = _drawn_path(path, read_mask_record(record), Rect(0, 0, *canvas))
    grid = TileGrid(channels=1)
    for top in range(0, canvas.height, 256):
        band = Rect(0, top, canvas.width, min(256, canvas.height - top))
        grid = grid.write(band.origin, mask.pixels.read(band.shifted(-mask.offset.x, -mask.offset.y)))
    return grid


def _drawn_path(path: VectorMask, info: MaskRecord | None, area: Rect) -> Mask:
    density, feather = (info.vector_density, info.vector_feather_px) if info else (255, 0.0)
    return _softened(Mask(pixels=drawn(path, area), offset=area.origin), density, feather)


def _user_mask(
    structure: PsdStructure, record: PsdRecord, info: MaskRecord | None, name: str, *, has_path: bool
) -> tuple[Mask | None, tuple[str, ...]]:
    """Return the mask that the user painted, not the one that Photoshop rendered from a path for old programs."""
    if info is None:
        return None, ()
    channel, place, fill, flags = USER_MASK, info.place, info.fill, info.flags
    if info.real_place is not None:
        channel, place, fill, flags = REAL_USER_MASK, info.real_place, info.real_fill, info.real_flags
    elif has_path and info.flags & FROM_RENDER:
        return None, ()
    grid = mask_grid(structure, record, channel, place, fill)
    if grid is None:
        return None, ()
    mask = Mask(
        pixels=grid, offset=Point(0, 0) if place.is_empty else place.origin,
        enabled=not (flags | (info.flags & DISABLED)) & DISABLED,
    )  # fmt: skip
    if info.density == 255 and info.feather_px == 0:
        return mask, ()
    note = f"Density and feather of the mask of “{name}” became part of its pixels."
    return _softened(mask, info.density, info.feather_px), (note,)


def _softened(mask: Mask, density: int, feather_px: float) -> Mask:
    """Work feather (a Gaussian) and then density (it fades the mask towards white) into the pixels."""
    grid, offset = mask.pixels, mask.offset
    if feather_px > 0:
        reach = int(3 * feather_px) + 1
        box = grid.bounds()
        if not box.is_empty:
            box = Rect.from_edges(box.x - reach, box.y - reach, box.right + reach, box.bottom + reach)
            image = Image.fromarray(np.ascontiguousarray(grid.read(box)[..., 0]))
            soft = np.asarray(image.filter(ImageFilter.GaussianBlur(feather_px)))
            grid, offset = TileGrid.from_array(soft, fill=grid.fill), offset.shifted(box.x, box.y)
    if density < 255:
        table = _faded(np.arange(256, dtype=np.uint8), density)
        tiles = {key: table[tile] for key, tile in grid.tiles.items()}
        grid = TileGrid(tiles, channels=1, fill=int(table[grid.fill]))
    return replace(mask, pixels=grid, offset=offset)


def _faded(values: U8Array, density: int) -> U8Array:
    """d m + (1 - d), rounded half up."""
    return ((255 * (255 - density) + density * values.astype(np.int32) + 127) // 255).astype(np.uint8)


def _product(one: Mask, other: Mask, area: Rect) -> Mask:
    """Multiply two masks inside `area` (canvas pixels); outside of it their fills."""
    grid = TileGrid(channels=1, fill=one.pixels.fill * other.pixels.fill // 255)
    for top in range(area.y, area.bottom, 256):
        band = Rect(area.x, top, area.width, min(256, area.bottom - top))
        values = [
            m.pixels.read(band.shifted(-m.offset.x, -m.offset.y)).astype(np.uint16) for m in (one, other)
        ]
        product = ((values[0] * values[1] + 127) // 255).astype(np.uint8)
        grid = grid.write(Point(0, top - area.y), product)
    return Mask(pixels=grid, offset=area.origin)
