"""A split picture comes back when its layers are stacked; what is hidden stays as painted; seams are carried inward."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.geometry import Rect
from psdstudio.engine.joining import moved_to, with_alpha, with_known
from psdstudio.engine.splitting import BAND, SplitObject, fitted_to_picture
from psdstudio.gen.request import PartlyKnown, Raster

pytestmark = pytest.mark.torch


def smooth(rng: np.random.Generator, rect: Rect, *, alpha: int | None = None, black: bool = False) -> Raster:
    """A raster whose pixels change slowly; `alpha`: the same everywhere."""
    coarse = rng.integers(0, 256, (5, 5, 4)).astype(np.float64)
    y, x = np.linspace(0, 3.99, rect.height), np.linspace(0, 3.99, rect.width)
    rgba = coarse[y.astype(int)][:, x.astype(int)]
    if alpha is not None:
        rgba[..., 3] = alpha
    if black:
        rgba[..., :3] = 0
        rgba[..., 3] *= 0.6
    return Raster(rgba=rgba.astype(np.uint8), rect=rect)


def stacked(
    background: Raster, objects: list[SplitObject]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Multiply shadows, lay the rest over: a plain slow compositor in 0..255."""
    out = background.rgba[..., :3].astype(np.float64)
    for one in objects:
        for raster in (one.shadow, one.reflection, one.look):
            if raster is None:
                continue
            there = moved_to(raster, background.rect).rgba.astype(np.float64)
            alpha = there[..., 3:] / 255
            out = out * (1 - alpha) + (0 if raster is one.shadow else there[..., :3] * alpha)
    return out


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 3))
def test_the_layers_give_the_picture_back(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    canvas = Rect(0, 0, 40, 30)
    picture, ground = smooth(rng, canvas, alpha=255), smooth(rng, canvas, alpha=255)
    objects = [
        SplitObject(
            smooth(rng, Rect(int(rng.integers(-5, 20)), 8, 18, 12), black=True)
            if rng.random() < 0.7
            else None,
            smooth(rng, Rect(int(rng.integers(-5, 30)), 14, 9, 12), alpha=90) if rng.random() < 0.5 else None,
            smooth(rng, Rect(int(rng.integers(-8, 30)), int(rng.integers(-8, 20)), 16, 15)),
        )
        for _ in range(count)
    ]
    before = [one.look.rgba.copy() for one in objects]
    background, fitted = fitted_to_picture(picture, ground, objects)
    error = stacked(background, fitted) - picture.rgba[..., :3]
    assert np.abs(np.rint(error)).max() <= 1
    for one, old, new in zip(objects, before, fitted, strict=True):
        assert np.array_equal(one.look.rgba, old), "what was handed over is not written to"
        assert np.array_equal(new.look.rgba[..., 3], old[..., 3]), "silhouettes stay"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 6))
def test_without_shadows_every_picture_comes_back_exactly(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    canvas = Rect(0, 0, 20, 16)

    def noise() -> Raster:
        rgba = rng.integers(0, 256, (canvas.height, canvas.width, 4), dtype=np.uint8)
        rgba[rng.random(rgba.shape[:2]) < 0.3, 3] = rng.choice([0, 255])
        return Raster(rgba=rgba, rect=canvas)

    picture, ground = noise(), noise()
    picture.rgba[..., 3] = ground.rgba[..., 3] = 255
    background, fitted = fitted_to_picture(
        picture, ground, [SplitObject(None, None, noise()) for _ in range(count)]
    )
    assert np.abs(np.rint(stacked(background, fitted)) - picture.rgba[..., :3]).max() <= 1


def test_hidden_colours_stay_as_painted() -> None:
    canvas = Rect(0, 0, 12, BAND + 40)
    flat = np.full((canvas.height, canvas.width, 4), (200, 30, 30, 255), np.uint8)
    grey = np.full_like(flat, 128)
    grey[..., 3] = 255
    look = Raster(rgba=grey[:, :6].copy(), rect=Rect(3, 0, 6, canvas.height))
    background, (fitted,) = fitted_to_picture(
        Raster(rgba=flat, rect=canvas), Raster(rgba=grey, rect=canvas), [SplitObject(None, None, look)]
    )
    assert (background.rgba[:, 3:9] == grey[:, 3:9]).all(), "behind the object"
    assert (background.rgba[:, :3] == flat[:, :3]).all()
    assert (fitted.look.rgba == flat[:, :6]).all()


def test_a_shadow_is_no_denser_than_the_picture_allows() -> None:
    canvas = Rect(0, 0, 8, 8)
    white = np.full((8, 8, 4), 255, np.uint8)
    dark = np.zeros((8, 8, 4), np.uint8)
    dark[..., 3] = 150
    look = Raster(rgba=white[:2, :2].copy(), rect=Rect(0, 0, 2, 2))
    background, (made,) = fitted_to_picture(
        Raster(rgba=white, rect=canvas), Raster(rgba=white, rect=canvas),
        [SplitObject(Raster(rgba=dark, rect=canvas), None, look)],
    )  # fmt: skip
    assert made.shadow is not None
    assert not made.shadow.rgba[2:, 2:, 3].any()
    assert (np.abs(stacked(background, [made]) - 255) < 1).all()


def test_known_pixels_come_back_and_the_hole_continues_them() -> None:
    rect = Rect(4, 6, 60, 40)
    rng = np.random.default_rng(0)
    known = rng.integers(90, 110, (40, 60, 4), dtype=np.uint8)
    known[..., 3] = 255
    unknown = np.zeros((40, 60), np.bool_)
    unknown[10:30, 20:40] = True
    made = Raster(rgba=np.full((60, 80, 4), (160, 160, 160, 255), np.uint8), rect=Rect(0, 0, 80, 60))
    out = with_known(made, PartlyKnown(raster=Raster(rgba=known, rect=rect), unknown=unknown))
    assert out.rect == rect
    assert (out.rgba[~unknown] == known[~unknown]).all()
    inside = out.rgba[unknown][:, :3].astype(int)
    assert abs(float(inside.mean()) - 100) < 8, "60 levels of mistake at the border are carried into the hole"


def test_a_silhouette_keeps_its_alpha_whatever_was_painted() -> None:
    rng = np.random.default_rng(1)
    outline = Raster(rgba=rng.integers(0, 256, (20, 30, 4), dtype=np.uint8), rect=Rect(5, 5, 30, 20))
    made = Raster(rgba=np.full((10, 10, 4), (10, 200, 10, 255), np.uint8), rect=Rect(12, 8, 10, 10))
    out = with_alpha(made, outline)
    assert out.rect == outline.rect
    assert (out.rgba[..., 3] == outline.rgba[..., 3]).all()
    shown = out.rgba[..., 3] > 0
    assert (np.abs(out.rgba[shown][:, :3].astype(int) - (10, 200, 10)) < 3).all(), "colour goes on outward"
