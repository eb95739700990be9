"""Laws of the crop convention: the box, the stretch, and colour that never shows a fringe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.training.assets import crops


def _disc(side: int, radius: float, colour: tuple[float, float, float], fringe: float) -> crops.Picture:
    """An antialiased disc whose edge and surroundings hold the grey `fringe`, as badly cut sources do."""
    axis = np.arange(side) + 0.5 - side / 2
    distance = np.hypot(axis[None, :], axis[:, None])
    alpha = np.clip((radius - distance) / 3 + 0.5, 0, 1)
    picture = np.full((side, side, 4), fringe, dtype=np.float32)
    picture[..., :3] = np.where(alpha[..., None] > crops.SURE_ALPHA, np.array(colour), fringe)
    picture[..., 3] = alpha
    return picture


def _over(rgba: np.ndarray, matte: float) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.float64) / 255
    return np.asarray(rgba[..., :3] * alpha + matte * (1 - alpha))


@given(left=st.integers(0, 60), top=st.integers(0, 60), width=st.integers(1, 90), height=st.integers(1, 90))
def test_crop_box_holds_the_grown_box_and_keeps_its_centre(
    left: int, top: int, width: int, height: int
) -> None:
    box = (left, top, left + width, top + height)
    grown = crops.crop_box(box)
    assert grown[0] <= left - crops.GROW * width + 1e-9
    assert grown[3] >= top + height + crops.GROW * height - 1e-9
    assert (grown[0] + grown[2]) / 2 == pytest.approx(left + width / 2)
    assert (grown[1] + grown[3]) / 2 == pytest.approx(top + height / 2)
    aspect = (grown[2] - grown[0]) / (grown[3] - grown[1])
    assert 0.5 - 1e-9 <= aspect <= 2 + 1e-9
    if 0.5 <= width / height <= 2:
        assert aspect == pytest.approx(width / height)


def test_crop_of_a_box_leaves_eight_percent_and_the_ground_line() -> None:
    picture = np.zeros((100, 120, 4), dtype=np.float32)
    picture[30:70, 20:80] = (0.2, 0.4, 0.6, 1)
    crop = crops.square_crop(picture)
    assert crop.rgba.shape == (128, 128, 4)
    assert crop.aspect == pytest.approx(1.5)
    assert crop.ground_frac == pytest.approx(1.08 / 1.16)
    covered = np.flatnonzero((crop.rgba[..., 3] > 127).any(axis=1))
    assert covered[0] == pytest.approx(128 * 0.08 / 1.16, abs=1)
    assert (covered[-1] + 1) / 128 == pytest.approx(crop.ground_frac, abs=1 / 128)


def test_a_drawing_at_the_frame_is_not_clipped_or_smeared() -> None:
    picture = np.ones((64, 64, 4), dtype=np.float32)
    alpha = crops.square_crop(picture).rgba[..., 3]
    assert alpha[0].max() == 0
    assert alpha[64, 64] == 255


def test_an_empty_drawing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        crops.square_crop(np.zeros((16, 16, 4), dtype=np.float32))


@settings(max_examples=12, deadline=None)
@given(
    colour=st.tuples(*[st.floats(0.05, 0.95)] * 3),
    fringe=st.sampled_from([0.0, 0.5, 1.0]),
    radius=st.floats(20, 58),
)
def test_compositing_over_black_and_white_shows_no_fringe(
    colour: tuple[float, float, float], fringe: float, radius: float
) -> None:
    crop = crops.square_crop(_disc(128, radius, colour, fringe)).rgba
    true = np.array(colour) * 255
    alpha = crop[..., 3:].astype(np.float64) / 255
    for matte in (0.0, 255.0):
        wanted = true * alpha + matte * (1 - alpha)
        assert np.abs(_over(crop, matte) - wanted).max() <= 12


@settings(max_examples=8, deadline=None)
@given(colour=st.tuples(*[st.floats(0.05, 0.95)] * 3), fringe=st.sampled_from([0.0, 1.0]))
def test_colour_under_empty_pixels_is_the_colour_of_the_object(
    colour: tuple[float, float, float], fringe: float
) -> None:
    crop = crops.square_crop(_disc(96, 30, colour, fringe)).rgba
    assert np.abs(crop[..., :3].astype(float) - np.array(colour) * 255).max() <= 12


def test_padding_keeps_opaque_pixels_and_alpha() -> None:
    rng = np.random.default_rng(3)
    picture = rng.random((40, 40, 4)).astype(np.float32)
    picture[10:30, 10:30, 3] = 1
    padded = crops.pad_colour(picture)
    assert np.array_equal(padded[..., 3], picture[..., 3])
    sure = picture[..., 3] > crops.SURE_ALPHA
    assert np.abs(padded[sure] - picture[sure]).max() < 1e-6


def test_translucent_interiors_keep_their_own_colour() -> None:
    picture = np.zeros((128, 128, 4), dtype=np.float32)
    picture[20:108, 20:108] = (0.9, 0.1, 0.1, 1)
    picture[40:88, 40:88] = (0.1, 0.2, 0.9, 0.4)
    padded = crops.pad_colour(picture)
    assert np.abs(padded[64, 64, :3] - (0.1, 0.2, 0.9)).max() < 0.02
