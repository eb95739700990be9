"""Painting a drawing anew in one colour: its mid tone becomes it, darker tones shades of it, lighter ones tints.

Turning the hue alone keeps dark things dark: of those called "orange" five in six were not then, most of them brown.
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMINANCE = (0.2126, 0.7152, 0.0722)


def recoloured(straight: Tensor, target: Tensor) -> Tensor:
    """Return the colours (n, 3, h, w) of straight RGBA (n, 4, h, w), all in 0..1, painted in `target` (n, 3, 1, 1)."""
    light = (straight[:, :3] * torch.tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)
    middle = _median(light, straight[:, 3:]).clamp(0.12, 0.9)
    shade = (light / middle).clamp(max=1) ** 0.8
    tint = 0.75 * ((light - middle) / (1 - middle)).clamp(min=0)
    return target * shade + (1 - target) * tint


def _median(light: Tensor, alpha: Tensor) -> Tensor:
    """Return the median lightness (n, 1, 1, 1) of what alpha shows."""
    shown = torch.where(alpha > 0.5, light, torch.full_like(light, torch.nan)).flatten(1)
    return shown.nanmedian(1).values.nan_to_num(0.5).view(-1, 1, 1, 1)
