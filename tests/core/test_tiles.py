"""TileGrid: what is written can be read, and nothing else changes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.geometry import EMPTY_RECT, Point, Rect
from psdstudio.core.tiles import TILE, TileGrid, tile_keys, tile_rect
from tests.strategies import blocks, grids, points, rects


@given(grids(), points(), blocks(), rects())
@settings(max_examples=60)
def test_a_write_can_be_read_and_touches_nothing_else(
    grid: TileGrid, at: Point, block: np.ndarray, window: Rect
) -> None:
    written = grid.write(at, block)
    area = Rect(at.x, at.y, block.shape[1], block.shape[0])
    assert np.array_equal(written.read(area), block)
    expected = grid.read(window)
    part = area.intersection(window)
    if not part.is_empty:
        expected[part.y - window.y : part.bottom - window.y, part.x - window.x : part.right - window.x] = (
            block[part.y - area.y : part.bottom - area.y, part.x - area.x : part.right - area.x]
        )
    assert np.array_equal(written.read(window), expected)
    touched = set(tile_keys(area))
    assert all(written.tile(key) is grid.tile(key) for key in grid.tiles.keys() - touched)
    assert written.write(at, block) is written


@given(grids(), st.booleans())
@settings(max_examples=40)
def test_bounds_hold_exactly_the_pixels_that_matter(grid: TileGrid, again: bool) -> None:
    box = grid.bounds()
    if again:
        assert grid.bounds() is box
    total = sum(int((tile[..., 3] > 0).sum()) for tile in grid.tiles.values())
    assert int((grid.read(box)[..., 3] > 0).sum()) == total
    if not box.is_empty:
        seen = grid.read(box)[..., 3] > 0
        assert seen[0].any()
        assert seen[-1].any()
        assert seen[:, 0].any()
        assert seen[:, -1].any()


def test_one_pixel_edit_copies_one_tile() -> None:
    grid = TileGrid.from_array(np.full((4 * TILE, 4 * TILE, 4), 9, np.uint8))
    assert len(grid.tiles) == 16
    edited = grid.write(Point(300, 300), np.zeros((1, 1, 4), np.uint8))
    other = [key for key in grid.tiles if edited.tile(key) is not grid.tile(key)]
    assert other == [(1, 1)]
    assert edited.dirty(grid) == (tile_rect((1, 1)),)
    assert grid.read(Rect(300, 300, 1, 1)).tolist() == [[[9, 9, 9, 9]]]


def test_tiles_cannot_be_written_in_place() -> None:
    grid = TileGrid.from_array(np.ones((4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        grid.tiles[0, 0][0, 0, 0] = 7
    copy = grid.read(Rect(0, 0, 4, 4))
    copy[:] = 0
    assert grid.read(Rect(0, 0, 4, 4)).min() == 1


def test_a_tile_that_becomes_fill_is_dropped() -> None:
    grid = TileGrid.from_array(np.full((4, 4), 7, np.uint8), fill=255)
    cleared = grid.write(Point(0, 0), np.full((4, 4), 255, np.uint8))
    assert not cleared.tiles
    assert cleared.bounds() == EMPTY_RECT
    assert cleared.read(Rect(900, -900, 2, 2)).min() == 255


def test_a_grid_crosses_a_process_border_unchanged() -> None:
    grid = TileGrid.from_array(np.arange(300 * 20 * 4, dtype=np.uint32).astype(np.uint8).reshape(20, 300, 4))
    again = pickle.loads(pickle.dumps(grid))
    assert again == grid
    assert again.write(Point(0, 0), np.full((1, 1, 4), 77, np.uint8)) != grid


@pytest.mark.parametrize("tile", [np.zeros((TILE, TILE, 3), np.uint8), np.zeros((TILE, TILE, 4), np.float32)])
def test_tiles_of_another_shape_or_kind_are_refused(tile: np.ndarray) -> None:
    with pytest.raises(ValueError, match="tile"):
        TileGrid({(0, 0): tile})
