"""Reads the light off a painted shadow: towards where it falls, and where it touches the ground.

The object's own silhouette is thrown in every direction by the renderer's rule (`training.effects`), and the shadow is
explained as a mixture of one such throw and of the contact shadow; the azimuth is the mean over the throws that explain
it about equally well. That is the inverse of the renderer, so its error on rendered truth is what the picture itself
leaves open: light from the side throws the same shadow over some 20 to 30 degrees, and a high sun throws hardly any.
Where the good explanations point in different directions, the shadow has no direction that anybody could read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame
from psdstudio.training.effects import (
    CONTACT_INSET,
    blur_levels,
    contact_shadow,
    mix_blurs,
    shadow_slopes,
    thrown_silhouette,
)

AZIMUTH_STEP = 6
COTANGENTS = (1.1, 0.85, 0.62, 0.45, 0.3)
SOFTNESS = (0.25, 0.75)
PX, LOOK_PX = 32, 64
FAINTEST = 0.06
"""A shadow nowhere denser than this is none."""
SEEN = 0.97
"""Share of a frame cell that must be on the canvas and free of objects behind for it to count."""
LEAST_SEEN = 0.10
SHARPNESS = 0.015
"""Explained energy that makes an explanation less likely by 1 / e."""
LEAST_CERTAINTY = 0.8
"""Length of the mean direction of the good explanations; 0.8 is a spread of about 38 degrees."""
LEAST_FIT = 0.6
"""Energy of the shadow that the best explanation must reach; noise is explained by about a third."""
LEAST_THROW = 0.03
"""Energy that the throw must explain beyond the contact shadow alone."""
REACH = 12
"""Rows of the frame, up and down, over which the contact line is searched."""


@dataclass(frozen=True, slots=True)
class ShadowReading:
    """What a shadow says. `azimuth_deg` is None where it has no legible direction.

    `azimuth_deg` as in `World`: 0 right, 90 towards the viewer. `certainty` and `fit`: 0..1. `contact` is the row, in
    canvas heights, at which the shadow touches the ground.
    """

    azimuth_deg: float | None
    certainty: float
    fit: float
    contact: float


def read_shadow(look: Tensor, box: Tensor, density: Tensor, free: Tensor) -> ShadowReading | None:
    """Read one shadow; None when there is none to see.

    look: (4, p, p) straight RGBA in the object's crop; box: (4,) in square units; density: (h, w) of the shadow layer
    on the canvas; free: (h, w), 1 where no object behind covers the ground.
    """
    canvas = canvas_frame(torch.tensor([density.shape[1] / density.shape[0]]))
    frame = frames.shadow_frame(box[None])
    both = torch.stack([density, free])[None]
    seen = frames.resample(both, canvas, frame, (PX, PX))[0]
    shown = (seen[1] > SEEN).float()
    shadow = seen[0] * shown
    if float(shadow.max()) < FAINTEST or float(shown.mean()) < LEAST_SEEN:
        return None
    azimuths, throws, contacts = _explanations(look, box)
    explained, weights = _explain(shadow, throws * shown, contacts * shown)
    best = int(explained.argmax())
    likely = torch.exp((explained - explained[best]) / SHARPNESS)
    x, y = (float((likely * f).sum() / likely.sum()) for f in (azimuths.cos(), azimuths.sin()))
    certainty, fit = math.hypot(x, y), float(explained[best])
    alone = contact_shadow(_small(look)[None], box[None], PX)[0, 0] * shown
    gain = fit - float((alone * shadow).sum() ** 2 / ((alone**2).sum() * (shadow**2).sum()).clamp(min=1e-9))
    legible = certainty >= LEAST_CERTAINTY and fit >= LEAST_FIT and gain >= LEAST_THROW
    mixture = weights[0, best] * throws[best] + weights[1, best] * contacts[best]
    return ShadowReading(
        azimuth_deg=math.degrees(math.atan2(y, x)) % 360 if legible else None,
        certainty=certainty,
        fit=fit,
        contact=_contact_row(shadow, mixture, shown, box),
    )


def angle_between(a_deg: float, b_deg: float) -> float:
    """Return the angle between two azimuths, 0..180 degrees."""
    return abs((a_deg - b_deg + 180) % 360 - 180)


def mean_azimuth(azimuths_deg: list[float]) -> float:
    """Return the mean direction of azimuths in degrees, 0..360."""
    x = sum(math.cos(math.radians(a)) for a in azimuths_deg)
    y = sum(math.sin(math.radians(a)) for a in azimuths_deg)
    return math.degrees(math.atan2(y, x)) % 360


def _small(look: Tensor) -> Tensor:
    return F.interpolate(look[None], size=(LOOK_PX, LOOK_PX), mode="area")[0]


def _explanations(look: Tensor, box: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return azimuths (n,) in radians, what each throws (n, PX, PX), and the contact shadow beside it (n, PX, PX)."""
    angles = torch.arange(0, 360, AZIMUTH_STEP) * math.pi / 180
    grid = torch.cartesian_prod(angles, torch.tensor(COTANGENTS))
    n, small = len(grid), _small(look)
    boxes = box.expand(n, 4)
    sharp, far = thrown_silhouette(
        small.expand(n, -1, -1, -1), boxes, *shadow_slopes(grid[:, 0], grid[:, 1]), PX
    )
    levels = blur_levels(sharp, PX)
    throws = torch.cat([mix_blurs(levels, far, torch.full((n,), s)) * (1 - 0.35 * far) for s in SOFTNESS])[
        :, 0
    ]
    contact = contact_shadow(small[None], box[None], PX)[0]
    return grid[:, 0].repeat(len(SOFTNESS)), throws, contact * (1 - throws)


def _explain(shadow: Tensor, throws: Tensor, contacts: Tensor) -> tuple[Tensor, Tensor]:
    """Fit shadow = a throw + c contact, a and c at least 0: share of energy explained (n,), weights (2, n)."""

    def dot(one: Tensor, two: Tensor) -> Tensor:
        return (one * two).sum((-2, -1))

    ts, cs = dot(throws, shadow), dot(contacts, shadow)
    tt, cc, tc = dot(throws, throws), dot(contacts, contacts), dot(throws, contacts)
    fall = (tt * cc - tc * tc).clamp(min=1e-6)
    a, c = (ts * cc - cs * tc) / fall, (cs * tt - ts * tc) / fall
    alone = c < 0
    a = torch.where(alone, ts / tt.clamp(min=1e-6), a)
    c = c.clamp(min=0)
    explained = (a * ts + c * cs) / dot(shadow, shadow)
    # A negative throw is no shadow: such an explanation explains nothing.
    return torch.where(a < 0, torch.zeros_like(explained), explained), torch.stack([a, c])


def _contact_row(shadow: Tensor, mixture: Tensor, shown: Tensor, box: Tensor) -> float:
    """Return the row of the contact line, in canvas heights: the renderer's, moved to where the shadow fits best."""
    padded = F.pad(mixture, (0, 0, REACH, REACH))
    moved = torch.stack([padded[REACH - d : REACH - d + PX] for d in range(-REACH, REACH + 1)]) * shown
    likeness = (moved * shadow).sum((1, 2)) / moved.pow(2).sum((1, 2)).sqrt().clamp(min=1e-6)
    at = int(likeness.argmax())
    shift = float(at)
    if 0 < at < len(likeness) - 1:
        low, top, high = (float(v) for v in likeness[at - 1 : at + 2])
        shift += 0.5 * (low - high) / min(-1e-9, low - 2 * top + high)
    ground = float(box[1] + box[3] * (1 - CONTACT_INSET))
    return ground + (shift - REACH) / PX * float(frames.shadow_frame(box)[3])
