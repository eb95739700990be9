"""Edge rise: a known blur measures what it is, and what is too small or too smooth says nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.core.geometry import Rect
from psdstudio.engine.pictures import to_u8
from psdstudio.gen.request import Raster
from psdstudio.training.edge_rise import inner_rise, outline_rise
from psdstudio.training.evaluation_calibration import INNER, OUTLINE, edge_figures, truth_figures
from psdstudio.training.evaluation_light import AGAINST_LIGHT, FLOATING, LEANS
from psdstudio.training.sprites import SpriteLibrary

RISE_OF_SIGMA = 2.563
"""10 to 90 % of a Gaussian edge, in its standard deviations."""


def disc(side: int, sigma: float, tones: tuple[float, float] = (0.2, 0.8)) -> Tensor:
    """A disc (4, side, side) of two tones side by side; all edges are Gaussian, sigma in px of 128."""
    at = (torch.arange(side) + 0.5) / side * 128 - 64
    x, y = at[None].expand(side, side), at[:, None].expand(side, side)

    def edge(distance: Tensor) -> Tensor:
        return 0.5 + 0.5 * torch.erf(distance / (sigma * math.sqrt(2)))

    # The line between the tones is slanted: along rows and columns alone nothing would be proved.
    light = tones[0] + (tones[1] - tones[0]) * edge(0.8 * x + 0.6 * y)
    return torch.stack([light, light, light, edge(48 - (x**2 + y**2).sqrt())])


@pytest.mark.parametrize("side", [128, 200, 256])
@pytest.mark.parametrize("sigma", [0.8, 1.2, 2.0])
def test_a_known_edge_measures_its_rise(side: int, sigma: float) -> None:
    truth = RISE_OF_SIGMA * sigma
    outline, inner = outline_rise(disc(side, sigma)), inner_rise(disc(side, sigma))
    assert outline is not None
    assert inner is not None
    # Between pixels the raster itself is read linearly, which softens an edge by a fraction of a pixel.
    assert truth - 0.3 < outline < 1.1 * truth + 0.4
    assert truth - 0.3 < inner < 1.1 * truth + 0.4


def test_enlarging_brings_no_resolution() -> None:
    """What was painted at 48 px and enlarged is as soft as 48 px are."""
    small = F.interpolate(disc(192, 0.4)[None], size=(48, 48), mode="area")
    big = F.interpolate(small, size=(192, 192), mode="bicubic").clamp(0, 1)[0]
    sharp = disc(192, 0.4)
    for measure in (outline_rise, inner_rise):
        one, two = measure(sharp), measure(big)
        assert one is not None
        assert two is not None
        assert one < 2
        assert two > 2.5


def test_what_cannot_be_measured_is_left_out() -> None:
    assert outline_rise(disc(96, 1.0)) is None, "too few pixels"
    assert inner_rise(disc(128, 1.0, tones=(0.4, 0.5))) is None, "hardly a contrast"
    assert inner_rise(disc(128, 30.0)) is None, "shading"
    nothing = torch.zeros(4, 128, 128)
    assert outline_rise(nothing) is None
    assert inner_rise(nothing) is None
    fog = nothing.clone()
    fog[3] = 0.4
    assert outline_rise(fog) is None


def test_an_outline_that_never_gets_there_counts_as_soft() -> None:
    veiled = disc(128, 1.0)
    veiled[3] *= 0.8
    assert outline_rise(veiled) == 20


def test_figures_are_medians_over_delivered_looks() -> None:
    def raster(sigma: float) -> Raster:
        rgba = to_u8(disc(160, sigma))
        return Raster(rgba=np.ascontiguousarray(rgba), rect=Rect(0, 0, 160, 160))

    figures = edge_figures([[raster(1.0), raster(1.0)], [raster(3.0)], []])
    assert figures[OUTLINE]["n"] == 3
    assert figures[OUTLINE]["value"] == pytest.approx(RISE_OF_SIGMA, rel=0.12)
    assert figures[INNER]["value"] == pytest.approx(RISE_OF_SIGMA, rel=0.12)


def test_rendered_truth_scores_well(library: SpriteLibrary) -> None:
    figures = truth_figures(library, 6)
    again = truth_figures(library, 6)
    assert all(figures[name]["n"] == again[name]["n"] for name in figures), "frozen"
    assert figures[AGAINST_LIGHT] == again[AGAINST_LIGHT]
    assert figures[AGAINST_LIGHT]["value"] < 10
    assert figures[LEANS]["value"] > 0.75
    assert figures[FLOATING]["value"] == 0
    assert figures[OUTLINE]["value"] < 3
