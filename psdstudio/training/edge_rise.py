"""Effective resolution: over how many pixels of a 128 px crop an edge rises from 10 to 90 %.

Two edges say it. The *outline*: alpha along the normal, from nothing to full. *Inner* edges: lightness along the
normal where two tones of at least 0.2 apart meet within 6 px and the object is opaque all around; shading, which is
slower, and texture, which goes up and down, do not count. Both are medians over all edge points of one crop. What is
delivered has its own pixels, and an anti-aliased step spreads over 1.6 of them: rasters smaller than `LEAST_PX` say
nothing of how the object was painted.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NOMINAL = 128
LEAST_PX = 128
"""Geometric mean of the sides below which a raster cannot show an edge of 2 px of 128."""
OUTLINE_REACH, INNER_REACH = 10.0, 6.0
"""How far to both sides of an edge its profile is read, in px of 128."""
STEP = 0.1
LEAST_CONTRAST = 0.2
WAVERING = 0.1
"""Share of the contrast that an inner profile may go the wrong way."""
LEAST_POINTS, MOST_POINTS = 16, 600
LUMA = (0.2126, 0.7152, 0.0722)


def outline_rise(look: Tensor) -> float | None:
    """Return the median rise of the outline of straight RGBA (4, h, w), in px of 128; None when there is too little.

    An outline that does not get from 0.1 to 0.9 within 20 px counts 20.
    """
    scale = _scale(look)
    if scale is None:
        return None
    alpha = look[3]
    inside = alpha >= 0.5
    outside = F.max_pool2d((~inside).float()[None, None], 3, 1, 1)[0, 0] > 0
    # Along the raster's own border nothing is known of the other side.
    edge = inside & outside & _away_from_border(alpha, 2)
    profiles = _profiles(alpha, edge, OUTLINE_REACH / scale)
    if profiles is None:
        return None
    middle = profiles.shape[1] // 2
    up, down = profiles[:, middle:] >= 0.9, profiles[:, : middle + 1].flip(1) <= 0.1
    width = (_first(up) + _first(down)) * STEP * scale
    width[~(up.any(1) & down.any(1))] = 2 * OUTLINE_REACH
    return float(width.median())


def inner_rise(look: Tensor) -> float | None:
    """Return the median rise of the inner edges of straight RGBA (4, h, w), in px of 128; None when it has too few."""
    scale = _scale(look)
    if scale is None:
        return None
    light = (look[:3] * torch.tensor(LUMA).view(3, 1, 1)).sum(0)
    reach = INNER_REACH / scale
    room = round(reach) + 1
    solid = -F.max_pool2d(-look[3][None, None], 2 * room + 1, 1, room)[0, 0] > 0.99
    profiles = _profiles(light, solid & _crests(light) & _away_from_border(light, room), reach)
    if profiles is None:
        return None
    low, high = profiles.amin(1), profiles.amax(1)
    falls = (-profiles.diff(dim=1)).clamp(min=0).sum(1)
    clear = ((high - low) >= LEAST_CONTRAST) & (falls <= WAVERING * (high - low))
    if int(clear.sum()) < LEAST_POINTS:
        return None
    tone = (profiles[clear] - low[clear, None]) / (high - low)[clear, None]
    width = _first(tone >= 0.9) - _first(tone >= 0.1)
    return float((width * STEP * scale).median())


def _scale(look: Tensor) -> float | None:
    """Return px of 128 per pixel of the raster, or None when it is too small."""
    side = float((look.shape[1] * look.shape[2]) ** 0.5)
    return NOMINAL / side if side >= LEAST_PX else None


def _away_from_border(picture: Tensor, room: int) -> Tensor:
    inside = torch.zeros_like(picture, dtype=torch.bool)
    inside[room:-room, room:-room] = True
    return inside


def _first(hit: Tensor) -> Tensor:
    """Return the first index of each row (n, m) at which it is true; m where never."""
    return torch.where(hit.any(1), hit.float().argmax(1), hit.shape[1]).float()


def _gradient(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slopes right and down of (h, w), by Sobel's kernel: 1 is from 0 to 1 in one pixel."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    padded = F.pad(picture[None, None], (1, 1, 1, 1), mode="replicate")
    slopes = F.conv2d(padded, torch.stack([kernel, kernel.T])[:, None])[0]
    return slopes[0], slopes[1]


def _crests(picture: Tensor) -> Tensor:
    """Where the slope (h, w) is the steepest along its own direction: right, down or diagonal."""
    right, down = _gradient(picture)
    steep = (right**2 + down**2).sqrt()
    padded = F.pad(steep[None, None], (1, 1, 1, 1))[0, 0]
    h, w = steep.shape
    turn = (torch.atan2(down, right) / (torch.pi / 4)).round().long() % 4
    crest = torch.zeros_like(steep, dtype=torch.bool)
    for k, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        behind = padded[1 - dy : 1 - dy + h, 1 - dx : 1 - dx + w]
        crest |= (turn == k) & (steep >= ahead) & (steep > behind)
    return crest & (steep > LEAST_CONTRAST / (2 * INNER_REACH))


def _profiles(picture: Tensor, points: Tensor, reach: float) -> Tensor | None:
    """Return values (n, m) of (h, w) along the uphill normal at the marked points, `STEP` pixels apart; None if few."""
    ys, xs = points.nonzero(as_tuple=True)
    if len(ys) < LEAST_POINTS:
        return None
    if len(ys) > MOST_POINTS:
        chosen = torch.linspace(0, len(ys) - 1, MOST_POINTS).long()
        ys, xs = ys[chosen], xs[chosen]
    right, down = (g[ys, xs] for g in _gradient(picture))
    length = (right**2 + down**2).sqrt().clamp(min=1e-6)
    count = max(1, round(reach / STEP))
    t = torch.arange(-count, count + 1) * STEP
    h, w = picture.shape
    x = (xs + 0.5)[:, None] + (right / length)[:, None] * t
    y = (ys + 0.5)[:, None] + (down / length)[:, None] * t
    grid = torch.stack([x / w * 2 - 1, y / h * 2 - 1], dim=-1)[None]
    read = F.grid_sample(picture[None, None], grid, padding_mode="border", align_corners=False)
    return read[0, 0]
