"""Resampling: flat stays flat, nothing bleeds in, ramps stay ramps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.geometry import Size
from psdstudio.gen.resampling import resampled_rgba


@given(
    st.tuples(*[st.integers(0, 255)] * 4),
    st.tuples(*[st.integers(1, 40)] * 4),
)
def test_one_colour_stays_that_colour_at_any_size(
    rgba: tuple[int, int, int, int], sides: tuple[int, int, int, int]
) -> None:
    flat = np.empty((sides[0], sides[1], 4), np.uint8)
    flat[:] = rgba
    out = resampled_rgba(flat, Size(sides[2], sides[3]))
    assert out.shape == (sides[3], sides[2], 4)
    assert (out[..., 3] == rgba[3]).all()
    if rgba[3]:
        assert np.abs(out[..., :3].astype(int) - rgba[:3]).max() <= 1


def test_transparent_colours_do_not_bleed_in() -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., 0] = 255  # red that nobody sees
    rgba[2:6, 2:6] = (0, 200, 0, 255)
    for size in (Size(5, 5), Size(20, 20)):
        out = resampled_rgba(rgba, size)
        assert out[out[..., 3] > 0][:, 0].max() == 0


def test_halving_and_doubling_keeps_a_smooth_ramp() -> None:
    rgba = np.full((32, 32, 4), 255, np.uint8)
    rgba[..., :3] = np.linspace(0, 255, 32).astype(np.uint8)[None, :, None]
    there = resampled_rgba(resampled_rgba(rgba, Size(64, 64)), Size(32, 32))
    assert np.abs(there.astype(int) - rgba).max() <= 3
    half = resampled_rgba(rgba, Size(16, 16))[0, 2:-2, 0].astype(float)
    assert np.abs(half - (rgba[0, 4:-4:2, 0].astype(float) + rgba[0, 5:-4:2, 0]) / 2).max() <= 2
