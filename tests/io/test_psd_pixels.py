"""Colour under alpha 0: the bleed against a plain statement of it, and what a scaled cut-out gains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.psd_pixels import bleed, read_planes, trimmed, trimmed_box
from tests.io.documents import noise


def _plainly(planes: U8Array, reach: int) -> U8Array:
    """Ring by ring, every pixel in turn: the rounded mean of the known neighbours of before the ring."""
    out = planes.astype(np.int64)
    known = planes[3] > 0
    out[:3, ~known] = 0
    _, height, width = planes.shape
    for _ in range(reach):
        before, was = out.copy(), known.copy()
        for y in range(height):
            for x in range(width):
                rows, columns = slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2)
                count = int(was[rows, columns].sum())
                if was[y, x] or not count:
                    continue
                total = (before[:3, rows, columns] * was[rows, columns]).sum(axis=(1, 2))
                out[:3, y, x] = (total + count // 2) // count
                known[y, x] = True
    return out.astype(np.uint8)


@settings(max_examples=30)
@given(seed=st.integers(0, 999), width=st.integers(1, 14), height=st.integers(1, 14), share=st.floats(0, 1))
def test_the_bleed_is_what_it_says(seed: int, width: int, height: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (4, height, width), np.uint8)
    planes[3, rng.random((height, width)) < share] = 0
    expected = _plainly(planes, 3)
    alpha = planes[3].copy()
    has_colour = bleed(planes, 3)
    assert np.array_equal(planes, expected)
    assert np.array_equal(planes[3], alpha)
    assert has_colour[alpha > 0].all()
    assert (planes[:3, ~has_colour] == 0).all()


@pytest.mark.parametrize("box", [Rect(0, 0, 300, 280), Rect(-3, 250, 20, 12), Rect(255, 255, 2, 2)])
def test_planes_are_what_the_grid_reads(box: Rect) -> None:
    grid = TileGrid.from_array(noise(1, 290, 300))
    assert np.array_equal(read_planes(grid, box), np.moveaxis(grid.read(box), 2, 0))


def test_the_trimmed_box_has_a_margin_and_an_empty_layer_none() -> None:
    layer = PixelLayer(
        props=LayerProps(name="a"),
        pixels=TileGrid.from_array(np.full((5, 7, 4), 9, np.uint8)),
        offset=Point(3, -4),
    )
    assert trimmed_box(layer) == Rect(1, -6, 11, 9)
    assert trimmed(layer).shape == (4, 9, 11)
    empty = PixelLayer(props=LayerProps(name="a"))
    assert trimmed_box(empty).is_empty
    assert trimmed(empty).shape == (4, 0, 0)
