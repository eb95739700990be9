"""Ground effects of flat drawings: cast shadow, contact shadow and reflection, each in its own frame (`engine.frames`).

The reflection is the drawing mirrored at the contact line; how shadows are thrown: `engine.shadows`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.shadows import (
    CONTACT_INSET,
    MAX_COTANGENT,
    frame_grid,
    look_at,
    shadow_slopes,
    thrown_silhouette,
)
from psdstudio.training.world import World

MIN_REFLECTIVITY = 0.05


def render_effects(
    looks: Tensor, boxes: Tensor, worlds: Sequence[World], standing: Tensor, px: int
) -> Tensor:
    """Return (n, 5, px, px) in 0..1: shadow density, reflection RGBA (straight, padded).

    looks: (n, 4, p, p) straight RGBA in their crops; boxes: (n, 4); standing: (n,) 1 on the ground, 0 in the air.
    """
    density = _cast_shadow(looks, boxes, worlds, px)
    density = density + (1 - density) * contact_shadow(looks, boxes, px)
    strength = torch.tensor([w.density for w in worlds]) * standing
    reflection = _reflection(looks, boxes, worlds, standing, px)
    return torch.cat([density * strength.view(-1, 1, 1, 1), reflection], dim=1)


def _cast_shadow(looks: Tensor, boxes: Tensor, worlds: Sequence[World], px: int) -> Tensor:
    azimuth = torch.tensor([math.radians(w.azimuth_deg) for w in worlds])
    cot = torch.tensor([min(MAX_COTANGENT, 1 / math.tan(math.radians(w.elevation_deg))) for w in worlds])
    thrown, far = thrown_silhouette(looks, boxes, *shadow_slopes(azimuth, cot), px)
    soft = torch.tensor([w.softness for w in worlds])
    return mix_blurs(blur_levels(thrown, px), far, soft) * (1 - 0.35 * far)


def blur_levels(alpha: Tensor, px: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return three degrees of blur of (n, 1, px, px), the sharpest first."""
    near = _blur(alpha, 0.011 * px)
    middle = _blur(near, 0.03 * px)
    return near, middle, _blur(middle, 0.06 * px)


def mix_blurs(levels: tuple[Tensor, Tensor, Tensor], far: Tensor, softness: Tensor) -> Tensor:
    """Return the shadow of a light of `softness` (n,) from `blur_levels`: the farther from the foot, the softer."""
    near, middle, wide = levels
    amount = (far * 0.9 + softness.view(-1, 1, 1, 1) * 0.7).clamp(0, 1) * 2
    low, high = amount.clamp(0, 1), (amount - 1).clamp(0, 1)
    return near * (1 - low) + middle * (low - high) + wide * high


def _blur(image: Tensor, sigma: float) -> Tensor:
    radius = max(1, round(2.5 * sigma))
    t = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-(t**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    image = F.conv2d(image, kernel.view(1, 1, 1, -1), padding=(0, radius))
    return F.conv2d(image, kernel.view(1, 1, -1, 1), padding=(radius, 0))


def contact_shadow(looks: Tensor, boxes: Tensor, px: int) -> Tensor:
    """Return a dark ellipse (n, 1, px, px) under the part of the silhouette that touches the ground."""
    inside = frames.box_in_crop(boxes)
    p = looks.shape[-1]
    rows = (torch.arange(p) + 0.5) / p
    bottom = inside[:, 1] + inside[:, 3]
    low = (rows[None] > (bottom - 0.10 * inside[:, 3])[:, None]) & (rows[None] <= bottom[:, None] + 0.02)
    profile = (looks[:, 3] * low[:, :, None]).amax(1)
    weight = profile / profile.sum(1, keepdim=True).clamp(min=1e-3)
    centre = (weight * rows).sum(1)
    spread = ((weight * (rows - centre[:, None]) ** 2).sum(1)).sqrt().clamp(min=0.03) * 1.6
    crop = frames.crop_of(boxes)
    cx, rx = crop[:, 0] + centre * crop[:, 2], spread * crop[:, 2]
    cy, ry = (
        boxes[:, 1] + boxes[:, 3] * (1 - CONTACT_INSET),
        (0.22 * rx).clamp(min=0.015) + 0.015 * boxes[:, 3],
    )
    x, y = frame_grid(frames.shadow_frame(boxes), px)
    d = ((x - cx[:, None, None]) / rx[:, None, None]) ** 2 + (
        (y - cy[:, None, None]) / ry[:, None, None]
    ) ** 2
    return 0.75 * torch.exp(-d.clamp(max=30))[:, None]


def _reflection(looks: Tensor, boxes: Tensor, worlds: Sequence[World], standing: Tensor, px: int) -> Tensor:
    frame = frames.reflection_frame(boxes)
    x, y = frame_grid(frame, px)
    depth = (y - frame[:, 1, None, None]) / frame[:, 3, None, None]
    wave = torch.tensor([0.035 if w.family.key == "water" else 0.0 for w in worlds])[:, None, None]
    phase = torch.tensor([w.seed % 628 / 100 for w in worlds])[:, None, None]
    shift = wave * depth.clamp(min=0.1) * torch.sin(depth * 40 + phase) * boxes[:, 2, None, None]
    ground = boxes[:, 1, None, None] + boxes[:, 3, None, None] * (1 - CONTACT_INSET)
    mirrored = look_at(looks, frames.crop_of(boxes), x + shift, 2 * ground - y, padding="border")
    strength = (
        torch.tensor([w.reflectivity if w.reflectivity >= MIN_REFLECTIVITY else 0.0 for w in worlds])
        * standing
    )
    fade = (1 - 0.75 * depth)[:, None]
    return torch.cat([mirrored[:, :3] * 0.9, mirrored[:, 3:] * strength.view(-1, 1, 1, 1) * fade], dim=1)
