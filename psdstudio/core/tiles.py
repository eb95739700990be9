"""TileGrid: an immutable, sparse uint8 raster of 256-pixel tiles with copy-on-write edits.

Tiles are keyed by (tile x, tile y) and may be negative: a grid has no bounds. A missing tile holds `fill` in
every channel. The arrays are read-only, so any number of documents may share them. A tile may still be packed
(`psdstudio.core.packed_tiles`): whoever asks for its pixels gets them, and nobody else need know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import EMPTY_RECT, Point, Rect, union_of
from psdstudio.core.packed_tiles import PackedTile

TILE = 256
"""Edge of a tile in pixels."""

U8Array = npt.NDArray[np.uint8]
TileKey = tuple[int, int]
TileEntry: TypeAlias = U8Array | PackedTile


def tile_keys(rect: Rect) -> Iterator[TileKey]:
    """Yield the keys of all tiles that `rect` touches, row by row."""
    if rect.is_empty:
        return
    for ty in range(rect.y // TILE, (rect.bottom - 1) // TILE + 1):
        for tx in range(rect.x // TILE, (rect.right - 1) // TILE + 1):
            yield tx, ty


def tile_rect(key: TileKey) -> Rect:
    """Return the pixels that the tile `key` covers."""
    return Rect(key[0] * TILE, key[1] * TILE, TILE, TILE)


def tight_box(used: npt.NDArray[np.bool_]) -> Rect:
    """Return the smallest rectangle holding every true pixel of (h, w); empty when there is none."""
    rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    if not rows.size:
        return EMPTY_RECT
    return Rect.from_edges(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def used_box(tile: U8Array, fill: int) -> Rect:
    """Return the tight box of what matters in (256, 256, c) pixels: alpha above 0, or for a mask unequal to `fill`."""
    return tight_box(tile[..., 3] > 0 if tile.shape[2] == 4 else tile[..., 0] != fill)


class _Unpacking(Mapping[TileKey, U8Array]):
    """The pixels of entries, unpacked one by one when they are looked at."""

    def __init__(self, entries: Mapping[TileKey, TileEntry]) -> None:
        self._entries = entries

    def __getitem__(self, key: TileKey) -> U8Array:
        return _pixels(self._entries[key])

    def __iter__(self) -> Iterator[TileKey]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _pixels(entry: TileEntry) -> U8Array:
    return entry.array() if isinstance(entry, PackedTile) else entry


class TileGrid:
    """An immutable raster; see the module text. `channels` is 4 (straight RGBA, sRGB) or 1 (a mask)."""

    __slots__ = ("_bounds", "_entries", "channels", "fill")

    def __init__(
        self, tiles: Mapping[TileKey, TileEntry] | None = None, *, channels: int = 4, fill: int = 0
    ) -> None:
        """Wrap `tiles`, each (256, 256, channels) uint8 or still packed; they are made read-only, not copied."""
        self.channels = channels
        self.fill = fill
        held = dict(tiles or {})
        for key, tile in held.items():
            if tile.shape != (TILE, TILE, channels):
                raise ValueError(f"tile {key} is {tile.shape}")
            if isinstance(tile, PackedTile):
                continue
            if tile.dtype != np.uint8:
                raise ValueError(f"tile {key} is {tile.dtype}")
            tile.flags.writeable = False
        self._entries = MappingProxyType(held)
        self._bounds: Rect | None = None  # found on first use; racing threads find the same value

    @classmethod
    def from_array(cls, pixels: U8Array, at: Point = Point(0, 0), *, fill: int = 0) -> TileGrid:
        """Cut (h, w, c) uint8 pixels into tiles, the top left pixel at `at`; a 2-D array is one channel."""
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        return cls(channels=pixels.shape[2], fill=fill).write(at, pixels)

    @property
    def tiles(self) -> Mapping[TileKey, U8Array]:
        """The pixels of the stored tiles, read-only; identity of a tile array means equality of its pixels.

        Keys and length cost nothing, values unpack what is packed: `entries` does not.
        """
        return _Unpacking(self._entries)

    @property
    def entries(self) -> Mapping[TileKey, TileEntry]:
        """The stored tiles as they are held, packed or not; identity of an entry means equality of its pixels."""
        return self._entries

    @property
    def mem_bytes(self) -> int:
        """Bytes held by the stored tiles once all are unpacked."""
        return len(self._entries) * TILE * TILE * self.channels

    def tile(self, key: TileKey) -> U8Array | None:
        """Return the pixels of the stored tile, or None where everything equals `fill`."""
        entry = self._entries.get(key)
        return None if entry is None else _pixels(entry)

    def read(self, rect: Rect) -> U8Array:
        """Return a fresh (rect.height, rect.width, channels) uint8 copy of the pixels under `rect`."""
        out = np.full((max(0, rect.height), max(0, rect.width), self.channels), self.fill, np.uint8)
        for key in tile_keys(rect):
            tile = self.tile(key)
            if tile is None:
                continue
            area = tile_rect(key)
            part = area.intersection(rect)
            out[part.y - rect.y : part.bottom - rect.y, part.x - rect.x : part.right - rect.x] = tile[
                part.y - area.y : part.bottom - area.y, part.x - area.x : part.right - area.x
            ]
        return out

    def write(self, at: Point, pixels: U8Array) -> TileGrid:
        """Return a grid in which (h, w, channels) `pixels` stand at `at`; untouched tiles are shared.

        A tile that ends up equal to `fill` everywhere is dropped; one that does not change keeps its
        identity, and a write that changes nothing returns this very grid.
        """
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.shape[2] != self.channels:
            raise ValueError(f"{pixels.shape[2]} channels written into a grid of {self.channels}")
        rect = Rect(at.x, at.y, pixels.shape[1], pixels.shape[0])
        tiles = dict(self._entries)
        changed = False
        for key in tile_keys(rect):
            area = tile_rect(key)
            part = area.intersection(rect)
            source = pixels[part.y - rect.y : part.bottom - rect.y, part.x - rect.x : part.right - rect.x]
            old = self.tile(key)
            new = np.full((TILE, TILE, self.channels), self.fill, np.uint8) if old is None else old.copy()
            new[part.y - area.y : part.bottom - area.y, part.x - area.x : part.right - area.x] = source
            if bool((new == self.fill).all()):
                changed = tiles.pop(key, None) is not None or changed
            elif old is None or not np.array_equal(old, new):
                tiles[key] = new
                changed = True
        return TileGrid(tiles, channels=self.channels, fill=self.fill) if changed else self

    def bounds(self) -> Rect:
        """Return the tight box of pixels that matter: alpha above 0, or for a mask unequal to `fill`."""
        if self._bounds is None:
            self._bounds = self._find_bounds()
        return self._bounds

    def _find_bounds(self) -> Rect:
        return union_of(
            (tile.bounds if isinstance(tile, PackedTile) else used_box(tile, self.fill)).shifted(
                *tile_rect(key).origin
            )
            for key, tile in self._entries.items()
        )

    def dirty(self, other: TileGrid) -> tuple[Rect, ...]:
        """Return the tile rectangles in which this grid and `other` hold different arrays (by identity)."""
        mine, others = self._entries, other.entries
        keys = mine.keys() | others.keys()
        return tuple(tile_rect(key) for key in sorted(keys) if mine.get(key) is not others.get(key))

    def __eq__(self, other: object) -> bool:
        """Compare pixel by pixel (shared tiles at once, tiles that are both packed by their digests)."""
        if not isinstance(other, TileGrid):
            return NotImplemented
        if (
            self.channels != other.channels
            or self.fill != other.fill
            or self._entries.keys() != other.entries.keys()
        ):
            return False
        return all(_are_equal(entry, other.entries[key]) for key, entry in self._entries.items())

    def __hash__(self) -> int:
        """Hash by the set of tile positions: equal grids hash alike."""
        return hash((self.channels, self.fill, frozenset(self._entries)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content, so that a grid may cross a process border."""
        return (_rebuild, (dict(self.tiles), self.channels, self.fill))


def _are_equal(one: TileEntry, other: TileEntry) -> bool:
    if one is other:
        return True
    if isinstance(one, PackedTile) and isinstance(other, PackedTile):
        return one.digest == other.digest
    return np.array_equal(_pixels(one), _pixels(other))


def _rebuild(tiles: dict[TileKey, U8Array], channels: int, fill: int) -> TileGrid:
    return TileGrid(tiles, channels=channels, fill=fill)
