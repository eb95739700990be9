"""An object's picture split into its shadow on the ground (black, Multiply) and the object itself, without a trace.

Transparent layers of the photoreal engine hold the shadow that an object casts in the object's own RGBA, as dark
half-clear pixels. The document keeps it in a layer of its own. Over every background B the two give what the one gave:

    a c + (1 - a) B = a' c' + (1 - a') (1 - d) B,    a' c' = a c,    (1 - a') (1 - d) = 1 - a        (ours)

so the object's alpha a' may be anything from a max(c), below which c' would exceed 1, to a, where nothing is split.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from psdstudio.engine.pictures import pad_colour
from psdstudio.engine.sdxl.shadow_finding import FoundShadow, found_shadow

LEVELS = 255
SHEER, SOLID = 0.8, 0.97
"""A pixel more opaque than the second is the object's alone; between them the share of shadow fades."""
HAZE = 6 / 255
"""What is left of a dark grey shadow in the object, when fainter than this, is not seen and taken out."""


@dataclass(frozen=True, slots=True, eq=False)
class SplitLook:
    """`look` (4, h, w) straight RGBA of the object, `density` (h, w) of its shadow, and where the shadow was found."""

    look: Tensor
    density: Tensor
    shadow: FoundShadow


def split_effects(rgba: Tensor) -> SplitLook | None:
    """Split an object's straight RGBA (4, h, w) in 0..1, float32; None when it casts no shadow that can be told.

    Only soft, dark, neutral, half-clear pixels that spread from where the object touches the ground count as shadow
    (`shadow_finding`); everything else stays with the object to the bit.
    """
    shadow = found_shadow(rgba)
    if shadow is None:
        return None
    look, density = split(rgba, shadow.mask, shadow.brightest)
    return SplitLook(_without_haze(look, shadow.mask), density, shadow)


def split(rgba: Tensor, mask: Tensor, brightest: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Split straight RGBA (4, h, w) exactly: the object (4, h, w) and its shadow's density (h, w).

    Args:
        rgba: In 0..1; where its alpha is a whole 255th, the object's is one too, so that rounding to 8 bits costs at
            most one level of any composite.
        mask: (h, w) in 0..1, how much of the darkness is shadow.
        brightest: (h, w), how bright the object's own colour can be there; 1 where None.
    """
    colour, alpha = rgba[:3], rgba[3]
    peak = colour.amax(0)
    least = alpha * peak if brightest is None else alpha * (peak / brightest.clamp(min=1e-3)).clamp(max=1)
    share = mask * ((SOLID - alpha) / (SOLID - SHEER)).clamp(0, 1)
    kept = ((alpha - share * (alpha - least)) * LEVELS - 1e-3).ceil() / LEVELS
    kept = torch.where(share > 0, torch.minimum(kept.clamp(min=0), alpha), alpha)
    own = (alpha * colour / kept.clamp(min=1e-6)).clamp(0, 1)
    changed = kept < alpha
    density = torch.where(changed, 1 - (1 - alpha) / (1 - kept).clamp(min=1e-6), torch.zeros_like(alpha))
    return torch.cat([torch.where(changed, own, colour), kept[None]]), density.clamp(0, 1)


def _without_haze(look: Tensor, mask: Tensor) -> Tensor:
    """Clear what is too faint to be seen where the shadow was, and let sure colour go on outward under it."""
    alpha = torch.where((mask > 0) & (look[3] < HAZE), torch.zeros_like(look[3]), look[3])
    padded = pad_colour(torch.cat([look[:3] * alpha, alpha[None]])[None])[0]
    return torch.cat([torch.where(mask > 0, padded[:3], look[:3]), alpha[None]])
