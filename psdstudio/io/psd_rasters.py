"""The channels of a PSD's layers and of its merged image as tiles, one band of rows after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from psdstudio.core.geometry import Rect
from psdstudio.core.tiles import TILE, TileGrid, TileKey, U8Array
from psdstudio.io.psd_channels import Plane, Values, layer_plane, merged_planes, to_u8
from psdstudio.io.psd_colour import Colours, transparent_index
from psdstudio.io.psd_structure import PsdHeader, PsdRecord, PsdStructure

TRANSPARENCY, USER_MASK, REAL_USER_MASK = -1, -2, -3


def box_of(record: PsdRecord) -> Rect:
    """Return where a record's pixels stand on the canvas; crossed edges are an empty box."""
    return Rect.from_edges(record.left, record.top, record.right, record.bottom)


def layer_grid(structure: PsdStructure, colours: Colours, record: PsdRecord) -> TileGrid:
    """Return a layer's pixels, straight RGBA, its top left one at (0, 0); a missing transparency is opaque.

    Raises:
        DamagedPsd: They do not decode.
    """
    place, planes = box_of(record), _planes(structure.header, record)
    if place.is_empty:
        return TileGrid()
    colour = [planes.get(index) for index in range(colours.planes)]
    return _Weaver(colours, structure.header.depth).woven(colour, planes.get(TRANSPARENCY), place)


def mask_grid(
    structure: PsdStructure, record: PsdRecord, channel: int, place: Rect, fill: int
) -> TileGrid | None:
    """Return a mask channel (`USER_MASK` or `REAL_USER_MASK`), its top left pixel at (0, 0); None without it.

    Raises:
        DamagedPsd: It does not decode.
    """
    found = next((one for one in record.channels if one.id == channel), None)
    if found is None:
        return None
    if place.is_empty or not len(found.data):
        return TileGrid(channels=1, fill=fill)
    header = structure.header
    plane = layer_plane(
        found.data, width=place.width, height=place.height, depth=header.depth, version=header.version
    )
    tiles: dict[TileKey, U8Array] = {}
    for top, rows in _bands(place.height):
        band = to_u8(plane.rows(rows), header.depth)
        for left in range(0, place.width, TILE):
            part = band[:, left : left + TILE]
            if bool((part == fill).all()):
                continue
            tile = np.full((TILE, TILE, 1), fill, np.uint8)
            tile[:rows, : part.shape[1], 0] = part
            tiles[left // TILE, top // TILE] = tile
    return TileGrid(tiles, channels=1, fill=fill)


def solid_grid(coverage: TileGrid, rgb: tuple[int, int, int]) -> TileGrid:
    """Return one colour whose alpha is a mask (one channel, filled with 0 outside its tiles)."""
    whole = np.full((TILE, TILE, 4), (*rgb, 255), np.uint8)
    tiles: dict[TileKey, U8Array] = {}
    for key, alpha in coverage.tiles.items():
        if bool((alpha == 255).all()):
            tiles[key] = whole
            continue
        tiles[key] = np.where(alpha > 0, whole, np.uint8(0))
        tiles[key][..., 3] = alpha[..., 0]
    return TileGrid(tiles)


def merged_grid(structure: PsdStructure, colours: Colours) -> TileGrid:
    """Return the stored merged image, straight RGBA; Photoshop stores it over white where it is transparent.

    Raises:
        DamagedPsd: It does not decode.
    """
    header = structure.header
    planes = merged_planes(
        structure.merged, channels=header.channels, width=header.width, height=header.height,
        depth=header.depth, version=header.version,
    )  # fmt: skip
    alpha = None
    if structure.has_transparency and len(planes) > colours.planes:
        alpha = planes[colours.planes]
    weaver = _Weaver(colours, header.depth, clear_index=transparent_index(structure), is_matted=True)
    colour: list[Plane | None] = list(planes[: colours.planes])
    return weaver.woven(colour, alpha, Rect(0, 0, header.width, header.height))


def _planes(header: PsdHeader, record: PsdRecord) -> dict[int, Plane]:
    place = box_of(record)
    if place.is_empty:
        return {}
    return {
        channel.id: layer_plane(
            channel.data, width=place.width, height=place.height, depth=header.depth, version=header.version
        )
        for channel in record.channels
        if channel.id >= TRANSPARENCY and len(channel.data)
    }


def _bands(height: int) -> list[tuple[int, int]]:
    return [(top, min(TILE, height - top)) for top in range(0, height, TILE)]


class _Weaver:
    """Puts planes together into RGBA tiles. Tiles of one colour are one array: a white page costs one tile."""

    def __init__(
        self, colours: Colours, depth: int, *, clear_index: int | None = None, is_matted: bool = False
    ) -> None:
        self._colours, self._depth = colours, depth
        self._clear_index, self._is_matted = clear_index, is_matted
        self._plain: dict[int, U8Array] = {}

    def woven(self, colour: Sequence[Plane | None], alpha: Plane | None, place: Rect) -> TileGrid:
        """Return the tiles of (place.height, place.width) pixels."""
        tiles: dict[TileKey, U8Array] = {}
        for top, rows in _bands(place.height):
            bands = [self._rows(plane, rows, place.width) for plane in colour]
            if self._colours.is_plain:
                seen: Sequence[U8Array] = [to_u8(band, 8) for band in bands]
            else:
                rgb = self._colours.to_rgb(bands)
                seen = [rgb[..., index] for index in range(3)]
            shown = None if alpha is None else to_u8(alpha.rows(rows), self._depth)
            if self._clear_index is not None:
                shown = np.where(bands[0] == self._clear_index, np.uint8(0), np.uint8(255))
            if shown is not None and self._is_matted:
                seen = [_unmatted(one, shown) for one in seen]
            self._cut(tiles, top, seen, shown)
        return TileGrid(tiles)

    def _rows(self, plane: Plane | None, rows: int, width: int) -> Values:
        if plane is not None:
            return plane.rows(rows)
        if self._depth == 32:
            return np.zeros((rows, width), np.float32)
        kind = np.uint16 if self._depth == 16 else np.uint8
        return np.full((rows, width), self._colours.empty * (257 if self._depth == 16 else 1), kind)

    def _cut(
        self, tiles: dict[TileKey, U8Array], top: int, seen: Sequence[U8Array], shown: U8Array | None
    ) -> None:
        rows, width = seen[0].shape
        for left in range(0, width, TILE):
            right = min(left + TILE, width)
            parts = [one[:, left:right] for one in seen]
            alpha = None if shown is None else shown[:, left:right]
            if alpha is not None and not alpha.any() and not any(part.any() for part in parts):
                continue
            is_whole = rows == TILE and right - left == TILE
            tile = (np.empty if is_whole else np.zeros)((TILE, TILE, 4), np.uint8)
            for index, part in enumerate(parts):
                tile[:rows, : right - left, index] = part
            tile[:rows, : right - left, 3] = 255 if alpha is None else alpha
            tiles[left // TILE, top // TILE] = self._shared(tile) if is_whole else tile

    def _shared(self, tile: U8Array) -> U8Array:
        """Return the tile, or the one of the same single colour that is already there."""
        words = tile.view(np.uint32)
        first = int(words[0, 0, 0])
        if int(words[-1, -1, 0]) != first or not bool((words == first).all()):
            return tile
        return self._plain.setdefault(first, tile)


def _unmatted(stored: U8Array, alpha: U8Array) -> U8Array:
    """Take the white out again: stored = alpha c + (1 - alpha) 255."""
    wide = alpha.astype(np.int32)
    straight = ((stored.astype(np.int32) - 255 + wide) * 255 + wide // 2) // np.maximum(wide, 1)
    return np.where(wide > 0, straight.clip(0, 255), 0).astype(np.uint8)
