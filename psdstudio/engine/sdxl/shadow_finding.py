"""Where an object's RGBA holds the shadow that it casts on the ground. All rules and figures are ours.

Eating into dark things would spoil them, leaving a shadow in the object only makes it less handy: in doubt nothing is
found. A shadow is dark, neutral, half-clear and smooth; thick, where hair and soft outlines are thin; soft at its outer
edge, where dark glass is sharp; and it spreads over the ground from where the opaque core of the object touches it,
where smoke has no such core and rises. The decision falls at a size of at most 256 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.pictures import pad_colour

WORK_PX = 256
CLEAR, OPAQUE = 0.02, 0.9
DARKEST, TOO_BRIGHT = 0.18, 0.32
"""Shadows have no channel above the first; above the second it is no shadow."""
NEUTRAL, COLOURFUL = 0.08, 0.2
ROUGH = 0.06
"""Alpha that differs by more than this from its surroundings is texture: hair, leaves, a mesh."""
THIN = 0.012
"""Half the thickness, as a share of the longer side, that a shadow has at least."""
FOOT, NEAR = 0.15, 0.04
"""The lowest part of the core touches the ground; a shadow starts this near to it."""
LOW = 0.25
"""Up to so much of the core's height above the ground also thin parts are taken; outlines higher up are the core's."""
RISE = 0.5
"""So much of the core's height above the ground a shadow may reach: it lies on ground that is seen at a low angle."""
SMALLEST_CORE, SMALLEST_SHADOW = 0.004, 0.01
"""Shares: of the picture, and of the box of the core."""
SHARP = 0.6
"""An outer edge that climbs to this share of the density within one pixel to each side is no soft one."""
OPEN_BORDER = 0.12
"""At least so much of a shadow's border with nothing or the core is with nothing: what is set into a frame is glass."""
COLLAR, FREE = 0.004, 0.012
"""Shares of the longer side: within the first distance from the core half-clear pixels may be its own outline, with its
own colour; from the second on they cannot."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundShadow:
    """`mask` (h, w) in 0..1: how sure a pixel is shadow; `brightest` (h, w): how bright the object can be there.

    `core`: (left, top, right, bottom) of the object's opaque part in pixels.
    """

    mask: Tensor
    brightest: Tensor
    core: tuple[float, float, float, float]


def found_shadow(rgba: Tensor) -> FoundShadow | None:
    """Find the cast shadow in straight RGBA (4, h, w) in 0..1; None when there is none, or none that is sure."""
    height, width = rgba.shape[1:]
    small = _reduced(rgba)
    core = small[3] > OPAQUE
    if float(core.float().mean()) < SMALLEST_CORE:
        return None
    region = _region(small, core)
    if region is None:
        return None
    around = _upsampled(_grown(region, 2).float(), (height, width))
    distance = _upsampled(_distance_from(core, round(FREE * WORK_PX) + 2), (height, width))
    collar = 1 - ((distance / WORK_PX - COLLAR) / (FREE - COLLAR)).clamp(0, 1)
    own = pad_colour(torch.cat([rgba[:3] * (sure := (rgba[3:] > OPAQUE).float()), sure])[None])[0, :3].amax(0)
    likeness = torch.maximum(_likeness(rgba)[0], collar)
    rows, columns = (core.any(1).nonzero()[:, 0], core.any(0).nonzero()[:, 0])
    sx, sy = width / small.shape[2], height / small.shape[1]
    box = (float(columns[0]) * sx, float(rows[0]) * sy, float(columns[-1] + 1) * sx, float(rows[-1] + 1) * sy)
    return FoundShadow(around * likeness, own * collar + (1 - collar), box)


def _region(small: Tensor, core: Tensor) -> Tensor | None:
    """Return the pixels (h, w) bool of the working size that are cast shadow."""
    alpha, side = small[3], max(small.shape[1:])
    likeness, smooth = _likeness(small)
    like = (likeness > 0.5) & ~core
    reach = max(2, round(THIN * side))
    thick = like & (likeness * smooth > 0.5)
    thick &= _grown(_shrunk(thick, reach), reach)
    rows = core.any(1).nonzero()[:, 0]
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    tall = bottom - top
    line = torch.arange(alpha.shape[0])[:, None]
    foot = core & (line >= bottom - max(2, FOOT * tall))
    start = thick & _grown(foot, reach + max(2, round(NEAR * side)))
    region = _spread(start, thick & (line >= bottom - RISE * tall))
    columns = core.any(0).nonzero()[:, 0]
    box_area = tall * (int(columns[-1]) + 1 - int(columns[0]))
    if float(region.sum()) < SMALLEST_SHADOW * box_area or not _is_soft(region, core, alpha):
        return None
    # Its thin parts, as of the legs of a chair, are shadow too, low down and where they hang together with thick ones.
    return region | _spread(region, like & (line >= bottom - LOW * tall))


def _is_soft(region: Tensor, core: Tensor, alpha: Tensor) -> bool:
    """Whether a region fades out towards nothing, and is not just set into the core."""
    density = float(alpha[region].quantile(0.9))
    outer = region & _grown(alpha <= CLEAR, 1)
    if int(outer.sum()) < OPEN_BORDER * int((region & _grown(core, 2) | outer).sum()):
        return False
    climb = F.max_pool2d(alpha[None, None], 3, 1, 1) + F.max_pool2d(-alpha[None, None], 3, 1, 1)
    return float(climb[0, 0][outer].median()) < SHARP * density


def _likeness(rgba: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much pixels look like shadow by colour and alpha, and how smooth alpha is there: (h, w) in 0..1."""
    alpha = rgba[3]
    clear = (alpha < OPAQUE).float()
    # Without the core: its colour and its alpha say nothing of what lies beside it.
    seen = torch.cat([rgba[:3] * alpha * clear, (alpha * clear)[None], clear[None]])
    around = F.avg_pool2d(seen[None], 5, 1, 2, count_include_pad=False)[0]
    # Of single pixels, and more so where almost nothing is, a decoder's colour is noisy.
    colour = around[:3] / around[3:4].clamp(min=1e-3)
    peak = colour.amax(0)
    dark = ((TOO_BRIGHT - peak) / (TOO_BRIGHT - DARKEST)).clamp(0, 1)
    neutral = ((COLOURFUL - (peak - colour.amin(0))) / (COLOURFUL - NEUTRAL)).clamp(0, 1)
    smooth = ((2 * ROUGH - (alpha - around[3] / around[4].clamp(min=1e-3)).abs()) / ROUGH).clamp(0, 1)
    return dark * neutral * (alpha > CLEAR / 4) * clear, smooth


def _reduced(rgba: Tensor) -> Tensor:
    """Shrink straight RGBA by area so that the longer side is at most WORK_PX."""
    longer = max(rgba.shape[1:])
    if longer <= WORK_PX:
        return rgba
    size = [max(1, round(side * WORK_PX / longer)) for side in rgba.shape[1:]]
    premul = torch.cat([rgba[:3] * rgba[3:], rgba[3:]])[None]
    small = F.interpolate(premul, size=size, mode="area")[0]
    return torch.cat([small[:3] / small[3:].clamp(min=1e-4), small[3:]])


def _upsampled(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def _grown(where: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(where.float()[None, None], 2 * reach + 1, 1, reach)[0, 0] > 0


def _shrunk(where: Tensor, reach: int) -> Tensor:
    return ~_grown(~where, reach)


def _spread(start: Tensor, allowed: Tensor) -> Tensor:
    """Return what of `allowed` is connected to `start`: geodesic dilation to its end."""
    reached = start & allowed
    while True:
        wider = _grown(reached, 1) & allowed
        if bool((wider == reached).all()):
            return reached
        reached = wider


def _distance_from(where: Tensor, limit: int) -> Tensor:
    """Return the chessboard distance (h, w) to the nearest True pixel, at most `limit`."""
    distance = torch.full(where.shape, float(limit))
    for step in range(limit - 1, -1, -1):
        distance[_grown(where, step) if step else where] = float(step)
    return distance
