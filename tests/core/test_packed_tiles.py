"""Packed tiles: a grid of them is the same value, and they are unpacked once, at first need."""

from __future__ import annotations

import hashlib
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings

from psdstudio.core.geometry import Point, Rect
from psdstudio.core.packed_tiles import PackedTile
from psdstudio.core.tiles import TILE, TileGrid, U8Array, used_box
from psdstudio.errors import FileCorrupt
from tests.strategies import blocks, grids, points, rects


class Source:
    """Pixels that are handed out; counts how often."""

    def __init__(self, pixels: U8Array) -> None:
        self.pixels = pixels
        self.asked = 0

    def unpack(self) -> U8Array:
        self.asked += 1
        return self.pixels.copy()


def packed_tile(pixels: U8Array, fill: int = 0) -> tuple[PackedTile, Source]:
    """A packed tile of these pixels, and what it unpacks from."""
    source = Source(pixels)
    tile = PackedTile(
        shape=(TILE, TILE, pixels.shape[2]),
        digest=hashlib.sha256(pixels.tobytes()).digest(),
        bounds=used_box(pixels, fill),
        source=source,
    )
    return tile, source


def packed(grid: TileGrid) -> tuple[TileGrid, list[Source]]:
    """The same grid, every tile packed."""
    pairs = {key: packed_tile(tile, grid.fill) for key, tile in grid.tiles.items()}
    tiles = {key: tile for key, (tile, _) in pairs.items()}
    return TileGrid(tiles, channels=grid.channels, fill=grid.fill), [source for _, source in pairs.values()]


@given(grids(), points(), blocks(), rects())
@settings(max_examples=40)
def test_a_packed_grid_is_the_same_value(grid: TileGrid, at: Point, block: np.ndarray, window: Rect) -> None:
    other, sources = packed(grid)
    again, _ = packed(grid)
    assert other.tiles.keys() == grid.tiles.keys()
    assert (other.bounds(), other.mem_bytes, hash(other)) == (grid.bounds(), grid.mem_bytes, hash(grid))
    assert other == again
    assert not any(source.asked for source in sources)  # none of this needed a pixel
    assert other == grid
    assert np.array_equal(other.read(window), grid.read(window))
    assert other.write(at, block) == grid.write(at, block)
    assert pickle.loads(pickle.dumps(other)) == grid


@given(grids(channels=1), points(), blocks(channels=1))
@settings(max_examples=20)
def test_so_is_a_packed_mask(grid: TileGrid, at: Point, block: np.ndarray) -> None:
    other, _ = packed(grid)
    assert other.bounds() == grid.bounds()
    assert other.write(at, block) == grid.write(at, block)
    assert other.write(at, block).bounds() == grid.write(at, block).bounds()


def test_a_write_unpacks_what_it_touches_and_shares_the_rest() -> None:
    grid, sources = packed(TileGrid.from_array(np.full((2 * TILE, 2 * TILE, 4), 9, np.uint8)))
    edited = grid.write(Point(3, 3), np.zeros((1, 1, 4), np.uint8))
    assert [source.asked for source in sources] == [1, 0, 0, 0]
    assert edited.dirty(grid) == (Rect(0, 0, TILE, TILE),)
    assert all(edited.entries[key] is grid.entries[key] for key in [(1, 0), (0, 1), (1, 1)])
    assert [source.asked for source in sources] == [1, 0, 0, 0]
    assert (
        grid.write(Point(300, 0), np.full((1, 1, 4), 9, np.uint8)) is grid
    )  # nothing changed: the same value


def test_many_threads_get_one_array_that_was_unpacked_once() -> None:
    tile, source = packed_tile(np.full((TILE, TILE, 4), 5, np.uint8))
    start = threading.Barrier(8)

    def look() -> U8Array:
        start.wait()
        return tile.array()

    with ThreadPoolExecutor(8) as pool:
        arrays = [future.result() for future in [pool.submit(look) for _ in range(8)]]
    assert {id(array) for array in arrays} == {id(tile.array())}
    assert source.asked == 1
    assert tile.source is None  # what it was made from is let go
    with pytest.raises(ValueError, match="read-only"):
        tile.array()[0, 0, 0] = 1


def test_a_source_that_fails_says_so_every_time() -> None:
    class Broken:
        def unpack(self) -> U8Array:
            raise FileCorrupt("A part of it is damaged.", "Open a backup.")

    tile = PackedTile(shape=(TILE, TILE, 4), digest=b"x" * 32, bounds=Rect(0, 0, 5, 5), source=Broken())
    grid = TileGrid({(0, 0): tile, (2, 0): np.ones((TILE, TILE, 4), np.uint8)})
    assert grid.bounds() == Rect(0, 0, 3 * TILE, TILE)
    for _ in range(2):
        with pytest.raises(FileCorrupt, match="damaged"):
            grid.read(Rect(0, 0, 1, 1))
    assert grid.read(Rect(600, 0, 1, 1)).tolist() == [[[1, 1, 1, 1]]]  # the other tiles are as they were
