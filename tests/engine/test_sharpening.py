"""Warp sharpening: soft edges become steep where they were, and nothing else happens: no halo, no new colour."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from psdstudio.engine.detail import DetailNet, with_detail
from psdstudio.engine.sharpening import FAINT, PASSES, sharpened
from psdstudio.training.edge_rise import inner_rise
from tests.engine.toys import TINY_DETAIL

pytestmark = pytest.mark.torch
SIDE = 128
DARK, BRIGHT = torch.tensor([0.7, 0.1, 0.1]), torch.tensor([0.2, 0.6, 0.9])
TAKEN_FROM = PASSES + 1
"""Pixels around a colour that it can come from: a pixel a pass, and the one that reading between pixels adds."""


def soft_edge(degrees: float, sigma: float) -> Tensor:
    """An opaque picture (1, 4, 128, 128) of two tones; between them an edge that rises over 2.56 sigma pixels."""
    axis = torch.arange(SIDE) + 0.5 - SIDE / 2
    angle = math.radians(degrees)
    across = axis[None] * math.cos(angle) + axis[:, None] * math.sin(angle)
    share = (torch.erf(across / (sigma * 2**0.5)) + 1) / 2
    colour = DARK.view(3, 1, 1) + (BRIGHT - DARK).view(3, 1, 1) * share
    return torch.cat([colour, torch.ones(1, SIDE, SIDE)])[None]


def rise(picture: Tensor) -> float:
    value = inner_rise(picture[0])
    assert value is not None
    return value


def painted(seed: int, grain: int) -> Tensor:
    """Random soft blotches with random alpha, (1, 4, 40, 56)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 4, 40 // grain + 1, 56 // grain + 1, generator=generator)
    return F.interpolate(coarse, size=(40, 56), mode="bilinear", align_corners=True)


def _mirrored(picture: Tensor) -> Tensor:
    return picture.flip(-1)


def _upside_down(picture: Tensor) -> Tensor:
    return picture.flip(-2)


def _transposed(picture: Tensor) -> Tensor:
    return picture.transpose(-1, -2)


@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 200])
def test_a_soft_edge_becomes_steep_where_it_was(degrees: float) -> None:
    soft = soft_edge(degrees, 2.0)
    made = sharpened(soft)
    assert rise(soft) == pytest.approx(5.1, abs=0.3)
    assert rise(made) < 2.2
    share = [((p[0, :3] - DARK.view(3, 1, 1)).sum(0) / (BRIGHT - DARK).sum()).mean() for p in (soft, made)]
    moved = abs(float(share[1] - share[0])) * SIDE
    assert moved < 0.3, "pixels that the edge has moved"


def test_what_is_sharp_already_stays() -> None:
    sharp = soft_edge(17, 0.5)
    assert float((sharpened(sharp) - sharp).abs().max()) < 0.02


def test_shading_and_plain_colour_stay() -> None:
    ramp = torch.linspace(0.2, 0.8, SIDE).expand(1, 4, SIDE, SIDE)
    assert float(ramp[0, 0, 0, 8] - ramp[0, 0, 0, 0]) < FAINT
    torch.testing.assert_close(sharpened(ramp), ramp)
    plain = torch.full((1, 4, 9, 7), 0.4)
    torch.testing.assert_close(sharpened(plain), plain)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([3, 6, 10]))
def test_every_colour_was_there_nearby_and_alpha_is_left_alone(seed: int, grain: int) -> None:
    given_picture = painted(seed, grain)
    made = sharpened(given_picture)
    assert torch.equal(made[:, 3], given_picture[:, 3])
    side = 2 * TAKEN_FROM + 1
    most = F.max_pool2d(given_picture[:, :3], side, 1, TAKEN_FROM)
    least = -F.max_pool2d(-given_picture[:, :3], side, 1, TAKEN_FROM)
    assert bool(((made[:, :3] <= most + 1e-5) & (made[:, :3] >= least - 1e-5)).all()), "no halo"


def test_between_two_colours_there_is_no_third() -> None:
    made = sharpened(soft_edge(30, 2.0))[0, :3].flatten(1)
    line = (BRIGHT - DARK)[:, None]
    share = ((made - DARK[:, None]) * line).sum(0) / (line**2).sum()
    assert float((made - DARK[:, None] - share * line).abs().max()) < 1e-5
    assert -1e-5 <= float(share.min()) <= float(share.max()) <= 1 + 1e-5


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_a_mirrored_or_turned_picture_is_sharpened_alike(seed: int) -> None:
    picture = painted(seed, 8)
    # Where a slope is flat its direction is a matter of rounding.
    for turned in (_mirrored, _upside_down, _transposed):
        apart = (sharpened(turned(picture)) - turned(sharpened(picture))).abs()
        assert float(apart.mean()) < 1e-4


def test_a_batch_is_sharpened_one_by_one() -> None:
    one, two = painted(1, 8), painted(2, 8)
    together = sharpened(torch.cat([one, two]))
    apart = torch.cat([sharpened(one), sharpened(two)])
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=0)


def test_delivered_parts_have_steep_edges_and_hidden_colour_makes_none() -> None:
    net = DetailNet(TINY_DETAIL)  # untrained, it only enlarges
    low = F.avg_pool2d(soft_edge(20, 2.0), 2)[0]
    hidden = low.clone()
    hidden[3, :, SIDE // 8 :] = 0
    hidden[:3, :, SIDE // 8 :] = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    with torch.no_grad():
        made = with_detail(net, low, torch.zeros(384), (SIDE, SIDE))
        cut = with_detail(net, hidden, torch.zeros(384), (SIDE, SIDE))
    assert rise(made[None]) < 3
    inside = cut[:3, :, : SIDE // 4 - 8]
    assert float((inside - DARK.view(3, 1, 1)).abs().max()) < 0.02, "no green from beyond the outline"
