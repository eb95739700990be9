"""The light of a scene told from a shadow that was painted in it. Geometry as in `engine.shadows`, figures ours."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from psdstudio.core.scene import Light
from psdstudio.engine.sdxl.shadow_finding import FoundShadow
from psdstudio.engine.shadows import GROUND_FLATTENING, MAX_COTANGENT

NEUTRAL_LIGHT = Light(azimuth_deg=60.0, elevation_deg=50.0, softness=0.5, horizon=0.5)
"""What is said where nobody knows better: from above, from behind on the left."""
LOWEST, HIGHEST = 10.0, 85.0
"""Elevations in degrees that a light can have (`engine.conditions.light_value`)."""


def light_of_shadow(density: Tensor, shadow: FoundShadow) -> Light:
    """Return the light that throws a shadow of this density (h, w) from the object whose core `shadow` knows.

    A thing of height H throws a shadow of length H cot(elevation) over the ground, which is seen flattened; its middle
    lies at half of that, away from the light. Soft light is where much of the shadow is half-dense.
    """
    height, width = density.shape
    left, top, right, bottom = shadow.core
    mass = density.sum().clamp(min=1e-6)
    x = float((density.sum(0) * (torch.arange(width) + 0.5)).sum() / mass) - (left + right) / 2
    y = (float((density.sum(1) * (torch.arange(height) + 0.5)).sum() / mass) - bottom) / GROUND_FLATTENING
    cotangent = min(MAX_COTANGENT, 2 * math.hypot(x, y) / max(1.0, bottom - top))
    dense = float(density.max())
    there = density > 0.05 * dense
    half = there & (density < 0.7 * dense)
    return Light(
        azimuth_deg=math.degrees(math.atan2(y, x)),
        elevation_deg=min(HIGHEST, max(LOWEST, math.degrees(math.atan2(1.0, cotangent)))),
        softness=min(1.0, float(half.sum()) / max(1, int(there.sum()))),
        horizon=NEUTRAL_LIGHT.horizon,
    )
