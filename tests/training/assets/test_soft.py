"""Procedural drawings: deterministic, soft, uncut, and varied."""

from __future__ import annotations

import numpy as np
import pytest

from psdstudio.training.assets import soft
from psdstudio.training.assets.crops import resample, square_crop

NOUNS = sorted(soft.PAINTERS)


@pytest.mark.parametrize("noun", NOUNS)
def test_the_same_variant_is_the_same_picture(noun: str) -> None:
    assert np.array_equal(soft.draw(noun, 0, 3), soft.draw(noun, 0, 3))
    assert not np.array_equal(soft.draw(noun, 0, 3), soft.draw(noun, 0, 4))
    assert not np.array_equal(soft.draw(noun, 0, 3), soft.draw(noun, 1, 3))


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("family", [0, 1])
def test_alpha_is_really_soft_and_clear_of_the_frame(noun: str, family: int) -> None:
    for variant in range(4):
        picture = soft.draw(noun, family, variant)
        alpha = picture[..., 3]
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 1
        covered = alpha > 8 / 255
        assert 0.02 < covered.mean() < 0.9
        translucent = covered & (alpha < 0.85)
        assert translucent.sum() > 0.2 * covered.sum()
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert border.max() < 0.05


@pytest.mark.parametrize("noun", NOUNS)
def test_crops_of_soft_things_composite_like_their_source(noun: str) -> None:
    source = soft.draw(noun, 0, 0)
    crop = square_crop(source)
    alpha = crop.rgba[..., 3:].astype(np.float64) / 255
    for matte in (0.0, 1.0):
        # Composited first and reduced then, without any colour of empty pixels in play.
        flat = source[..., :3] * source[..., 3:] + matte * (1 - source[..., 3:])
        opaque = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=2)
        wanted = resample(opaque, crop.box, 128)[..., :3]
        inside = (
            resample(np.ones_like(source), crop.box, 128)[..., 3] > 0.999
        )  # the box may leave the picture
        shown = crop.rgba[..., :3] / 255 * alpha + matte * (1 - alpha)
        error = np.abs(shown - wanted)[inside]
        assert error.mean() < 0.006
        assert np.quantile(error, 0.999) < 0.1
