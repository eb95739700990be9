"""Vector masks of a PSD drawn as coverage.

Source: Adobe Photoshop File Formats Specification, "Path resource format"; the combination of subpaths follows
psd_tools, whose rasteriser (exact area coverage) is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from psd_tools.composite.scanline import fill_coverage, flatten_cubics

from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.tiles import TILE, TileGrid
from psdstudio.io.psd_structure import PsdRecord

VECTOR_MASKS = (b"vmsk", b"vsms")
_RECORD = 26
_CLOSED, _OPEN, _INITIAL_FILL = 0, 3, 8
_KNOTS = (1, 2, 4, 5)
_FIXED = 1 << 24
_EXCLUDE, _UNION, _SUBTRACT, _INTERSECT = 0, 1, 2, 3
_FARTHEST = 64.0
"""Knots lie in fractions of the canvas; farther out than this many canvases nothing can be seen of a curve."""

FloatArray = npt.NDArray[np.float64]
Coverage = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Subpath:
    is_closed: bool
    operation: int
    knots: list[FloatArray] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMask:
    """A path over the canvas. `subpaths` are groups that are filled together, with the operation of their first."""

    subpaths: tuple[tuple[int, tuple[FloatArray, ...]], ...]
    begins_full: bool
    is_inverted: bool


def vector_mask_of(record: PsdRecord, canvas: Size) -> VectorMask | None:
    """Return a record's vector mask in canvas pixels; None without one, and where it is switched off."""
    data = record.block(*VECTOR_MASKS)
    if data is None or len(data) < 8:
        return None
    (flags,) = struct.unpack(">4xI", data[:8])
    if flags & 4:
        return None
    parts = list(_subpaths(data[8:]))
    begins_full = any(struct.unpack(">H", part)[0] for part in _initial_fills(data[8:]))
    groups: list[tuple[int, list[FloatArray]]] = []
    for part in parts:
        line = _polyline(part, canvas)
        if part.operation == -1 and groups:
            groups[-1][1].append(line)
        else:
            groups.append((part.operation, [line]))
    kept = tuple((operation, tuple(line for line in lines if len(line) > 1)) for operation, lines in groups)
    return VectorMask(subpaths=kept, begins_full=begins_full and not kept, is_inverted=bool(flags & 1))


def drawn(mask: VectorMask, area: Rect) -> TileGrid:
    """Return the mask's values (255 shows) inside `area`, pixel (0, 0) at its top left corner.

    The fill of the grid is what the mask holds far away from its paths.
    """
    outside = 255 if _combined(mask, Rect(0, 0, 1, 1), is_far=True)[0, 0] >= 0.5 else 0
    grid = TileGrid(channels=1, fill=outside)
    for top in range(0, area.height, TILE):
        band = Rect(area.x, area.y + top, area.width, min(TILE, area.height - top))
        values = _combined(mask, band) * np.float32(255) + np.float32(0.5)
        grid = grid.write(Point(0, top), np.asarray(values, np.uint8)[..., None])
    return grid


def _combined(mask: VectorMask, area: Rect, *, is_far: bool = False) -> Coverage:
    """Return (area.height, area.width) coverage 0..1; `is_far`: as if no path came near."""
    total = np.full((area.height, area.width), float(mask.begins_full), np.float32)
    for number, (operation, lines) in enumerate(mask.subpaths):
        plane = np.zeros_like(total) if is_far else _filled(lines, area)
        if number == 0 and operation in {_SUBTRACT, _INTERSECT}:
            total = 1 - total
        if operation == _EXCLUDE:
            total = total + plane - 2 * total * plane
        elif operation == _SUBTRACT:
            total = total - plane
        elif operation == _INTERSECT:
            total = total * plane
        else:
            total = total + plane - total * plane
        total = total.clip(0, 1)
    return 1 - total if mask.is_inverted else total


def _filled(lines: tuple[FloatArray, ...], area: Rect) -> Coverage:
    origin = np.array([area.x, area.y], np.float64)
    near = [line - origin for line in lines]
    if not near:
        return np.zeros((area.height, area.width), np.float32)
    return np.asarray(fill_coverage(near, area.width, area.height), np.float32)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    for at in range(0, len(data) - _RECORD + 1, _RECORD):
        (selector,) = struct.unpack(">H", data[at : at + 2])
        yield selector, data[at + 2 : at + _RECORD]


def _initial_fills(data: bytes) -> Iterator[bytes]:
    return (body[:2] for selector, body in _records(data) if selector == _INITIAL_FILL)


def _subpaths(data: bytes) -> Iterator[_Subpath]:
    present: _Subpath | None = None
    for selector, body in _records(data):
        if selector in {_CLOSED, _OPEN}:
            if present is not None:
                yield present
            _length, operation = struct.unpack(">Hh", body[:4])
            present = _Subpath(selector == _CLOSED, operation)
        elif selector in _KNOTS and present is not None:
            numbers = np.array(struct.unpack(">6i", body), np.float64) / _FIXED
            present.knots.append(numbers.clip(-_FARTHEST, _FARTHEST).reshape(3, 2)[:, ::-1])
    if present is not None:
        yield present


def _polyline(part: _Subpath, canvas: Size) -> FloatArray:
    """Return (n, 2) points, x first, in canvas pixels; knots are (before, anchor, behind) in canvas fractions."""
    if len(part.knots) < 2:
        return np.zeros((0, 2), np.float64)
    knots = np.stack(part.knots) * np.array([canvas.width, canvas.height], np.float64)
    following = np.roll(knots, -1, axis=0)
    count = len(knots) if part.is_closed else len(knots) - 1
    curves = flatten_cubics(knots[:count, 1], knots[:count, 2], following[:count, 0], following[:count, 1])
    line = np.asarray(curves, np.float64)
    return line if part.is_closed else np.concatenate([line, knots[-1:, 1]])
