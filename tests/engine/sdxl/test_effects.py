"""Shadows leave the object without a trace: nothing changes over any background, and nothing else is eaten."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from psdstudio.engine.pictures import to_u8
from psdstudio.engine.sdxl.effects import HAZE, split, split_effects
from psdstudio.engine.sdxl.shadow_finding import found_shadow
from psdstudio.engine.sdxl.shadow_light import light_of_shadow
from tests.engine.sdxl import drawn

pytestmark = pytest.mark.torch
SIZES = (128, 256, 512)


def shown(rgba: Tensor, under: Tensor, density: Tensor | None = None) -> Tensor:
    """The stack over a background (3, h, w): shadow multiplied, then the object over it."""
    ground = under if density is None else under * (1 - density)
    return rgba[:3] * rgba[3] + ground * (1 - rgba[3])


@st.composite
def pixels(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """RGBA (4, 4, 4) in whole 255ths, a mask, and how bright the object can be."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rgba = rng.integers(0, 256, (4, 4, 4))
    if draw(st.booleans()):
        rgba[:3] //= 8  # dark, as shadows are
    mask = rng.random((4, 4)) * draw(st.sampled_from([0.0, 0.5, 1.0]))
    brightest = np.maximum(rng.random((4, 4)), draw(st.sampled_from([0.02, 1.0])))
    return tuple(torch.from_numpy(a).float() for a in (rgba / 255, mask, brightest))  # type: ignore[return-value]  # three of them


@given(pixels(), st.floats(0, 1))
def test_any_split_gives_back_the_original_over_any_background(
    given_pixels: tuple[Tensor, Tensor, Tensor], grey: float
) -> None:
    rgba, mask, brightest = given_pixels
    under = torch.full((3, 4, 4), grey)
    for bright in (None, brightest):
        look, density = split(rgba, mask, bright)
        assert bool((look >= 0).all()) and bool((look <= 1).all())
        assert bool((density >= 0).all()) and bool((density <= 1).all())
        assert float((shown(look, under, density) - shown(rgba, under)).abs().max()) < 1e-4


@given(pixels(), st.integers(0, 255))
def test_rounded_to_eight_bits_the_stack_is_one_level_off_at_most(
    given_pixels: tuple[Tensor, Tensor, Tensor], grey: int
) -> None:
    rgba, mask, _ = given_pixels
    look, density = split(rgba, mask)
    under = torch.full((3, 4, 4), grey / 255)
    look8 = (look * 255).round() / 255
    density8 = (density * 255).round() / 255
    now = (shown(look8, under, density8) * 255).round()
    before = (shown(rgba, under) * 255).round()
    assert int((now - before).abs().max()) <= 1


@given(pixels())
def test_without_a_mask_nothing_is_touched(given_pixels: tuple[Tensor, Tensor, Tensor]) -> None:
    rgba = given_pixels[0]
    look, density = split(rgba, torch.zeros(4, 4))
    assert torch.equal(look, rgba)
    assert float(density.max()) == 0


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dx", [-0.14, 0.0, 0.14])
def test_the_shadow_of_a_ball_is_found_and_the_ball_is_clean(n: int, dx: float) -> None:
    rgba, density = drawn.ball(n, dx=dx)
    parts = split_effects(rgba)
    assert parts is not None
    body = drawn.disc(n, 0.42, 0.52, 0.25, 0.25)
    seen = density * (body < 0.01)
    missed = (parts.density - seen)[body < 0.01].abs()
    assert float(missed.mean()) < 0.01 and float(missed.quantile(0.99)) < 0.1
    # the object is the ball: alpha as drawn, and its edge red, not black
    assert float((parts.look[3] - body).abs().mean()) < 0.005
    edge = (body > 0.2) & (body < 0.95) & (seen > 0.1)
    if bool(edge.any()):
        assert float(parts.look[0][edge].median()) > 0.5
    for grey in (0.0, 0.5, 1.0):
        under = torch.full((3, n, n), grey)
        off = (shown(parts.look, under, parts.density) - shown(rgba, under)).abs()
        assert float(off.max()) < HAZE + 1 / 255, "exact but for the haze that is taken out"


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    "thing", [drawn.cat, drawn.hairy, drawn.smoke, drawn.bottle, drawn.sunglasses], ids=lambda f: f.__name__
)
def test_dark_things_without_a_shadow_stay_whole(n: int, thing: Callable[[int], Tensor]) -> None:
    assert split_effects(thing(n)) is None


@pytest.mark.parametrize("n", SIZES)
def test_a_bright_ball_without_a_shadow_and_an_empty_picture_stay_as_they_are(n: int) -> None:
    assert split_effects(drawn.ball(n, shadow=0)[0]) is None
    assert split_effects(torch.zeros(4, n, n)) is None
    assert split_effects(torch.ones(4, n, n)) is None


@pytest.mark.parametrize("n", SIZES)
def test_a_black_cat_with_a_shadow_loses_the_shadow_alone(n: int) -> None:
    cat = drawn.cat(n)
    density = 0.5 * drawn.disc(n, 0.6, 0.84, 0.3, 0.07, soft=0.08)
    alpha = cat[3] + density * (1 - cat[3])
    rgba = torch.cat([cat[:3] * cat[3] / alpha.clamp(min=1e-6), alpha[None]])
    parts = split_effects(rgba)
    assert parts is not None
    opaque = cat[3] > 0.9
    assert torch.equal(parts.look[:, opaque], rgba[:, opaque])
    away = (cat[3] < 0.01) & (density > 0.1)
    assert float((parts.density - density)[away].abs().mean()) < 0.05
    assert float(to_u8(parts.look)[..., 3][away.numpy()].mean()) < 12


@pytest.mark.parametrize("n", SIZES)
def test_a_noisy_tinted_shadow_is_found_too(n: int) -> None:
    """As a decoder paints it: not quite black, alpha and colour with a little noise."""
    rgba, density = drawn.ball(n, tint=0.1)
    noise = torch.randn(4, n, n, generator=torch.Generator().manual_seed(1))
    rough = (rgba + noise * torch.tensor([0.05, 0.05, 0.05, 0.006]).view(4, 1, 1)).clamp(0, 1)
    parts = split_effects(rough)
    assert parts is not None
    away = (drawn.disc(n, 0.42, 0.52, 0.26, 0.26) < 0.01) & (density > 0.2)
    assert float((parts.density - density)[away].mean().abs()) < 0.15


@pytest.mark.parametrize(("dx", "azimuth"), [(0.2, 0.0), (-0.2, 180.0)])
def test_the_light_is_told_from_the_shadow(dx: float, azimuth: float) -> None:
    parts = split_effects(drawn.ball(256, dx=dx)[0])
    assert parts is not None
    light = light_of_shadow(parts.density, parts.shadow)
    assert abs((light.azimuth_deg - azimuth + 180) % 360 - 180) < 35
    assert 30 < light.elevation_deg < 70


def test_a_light_from_above_throws_a_short_shadow() -> None:
    found = [split_effects(drawn.ball(256, dx=dx)[0]) for dx in (0.05, 0.15, 0.25)]
    high = [light_of_shadow(one.density, one.shadow).elevation_deg for one in found if one is not None]
    assert len(high) == 3
    assert high == sorted(high, reverse=True)


def test_a_shadow_stands_where_it_was_drawn() -> None:
    rgba, _ = drawn.ball(256)
    found = found_shadow(rgba)
    assert found is not None
    assert [edge / 256 for edge in found.core] == pytest.approx([0.17, 0.27, 0.67, 0.77], abs=0.01)
    rows = found.mask.amax(1).nonzero()[:, 0]
    assert int(rows[0]) > 0.5 * 256
