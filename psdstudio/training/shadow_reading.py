"""Reads the light off a painted shadow: towards where it falls, and where it touches the ground.

The object's own silhouette is thrown in every direction by the renderer's rule (`training.effects`), and the shadow is
explained as a mixture of one such throw and of the contact shadow; the azimuth is the mean over the throws that explain
it about equally well. That is the inverse of the renderer, so its error on rendered truth is what the picture itself
leaves open: light from the side throws the same shadow over some 20 to 30 degrees, and a high sun throws hardly any.
Where the good explanations point in different directions, or a round stain under the object explains the shadow as
well, it has no direction that anybody could read; which side it leans to can still be told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame
from psdstudio.engine.shadows import CONTACT_INSET, shadow_slopes, thrown_silhouette
from psdstudio.training.effects import blur_levels, contact_shadow, mix_blurs

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
LEAST_BEYOND_STAIN = 0.3
"""Share of the energy which a stain leaves that the throw must explain: truth 0.28 and more, blobs 0.2 and less."""
STAIN_WIDTHS = (0.6, 0.75, 0.9, 1.05, 1.3)
"""Widths and heights of the stains tried, in standard deviations of the shadow."""
REACH, MOVE_STEP = 12, 2
"""Rows of the frame, up and down, over which the contact line is searched, and the step of the first search."""
MOVE_COST = 0.004
"""Explained energy that a row more between the box and the contact line must be worth."""


@dataclass(frozen=True, slots=True)
class ShadowReading:
    """What a shadow says. `azimuth_deg` is None where it has no legible direction.

    `azimuth_deg` as in `World`: 0 right, 90 towards the viewer. `certainty` and `fit`: 0..1. `lean`: how far to the
    right of the object's foot the middle of the shadow lies, in object heights. `contact`: the row, in canvas heights,
    at which the shadow touches the ground: where the best explanation starts, or the middle of a mere stain.
    """

    azimuth_deg: float | None
    certainty: float
    fit: float
    lean: float
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
    moved, explained, weights = _explain_moved(shadow, shown, throws, contacts)
    best = int(explained.argmax())
    likely = torch.exp((explained - explained[best]) / SHARPNESS)
    x, y = (float((likely * f).sum() / likely.sum()) for f in (azimuths.cos(), azimuths.sin()))
    certainty, fit = math.hypot(x, y), float(explained[best])
    foot = contact_shadow(_small(look)[None], box[None], PX)[0, 0]
    stain = max(_likeness(shadow, foot * shown), _best_stain(shadow, shown, _middle(foot)[0]))
    beyond = (fit - stain) / max(1e-6, 1 - stain)
    legible = certainty >= LEAST_CERTAINTY and fit >= LEAST_FIT and beyond >= LEAST_BEYOND_STAIN
    if beyond < 0:
        row = (_middle(shadow)[1] + 0.5) / PX
        contact = float(frame[0, 1] + row * frame[0, 3])
    else:
        mixture = _shifted(weights[0, best] * throws[best] + weights[1, best] * contacts[best], moved)
        contact = _ground(box) + (moved + _finer_move(shadow, mixture, shown)) / PX * float(frame[0, 3])
    return ShadowReading(
        azimuth_deg=math.degrees(math.atan2(y, x)) % 360 if legible else None,
        certainty=certainty,
        fit=fit,
        lean=(_middle(shadow)[0] - _middle(foot)[0]) / PX * float(frame[0, 2] / box[3]),
        contact=contact,
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


def _shifted(pictures: Tensor, down: int) -> Tensor:
    """Return (..., PX, PX) so many rows lower, empty where nothing came from."""
    padded = F.pad(pictures, (0, 0, REACH, REACH))
    return padded[..., REACH - down : REACH - down + PX, :]


def _explain_moved(
    shadow: Tensor, shown: Tensor, throws: Tensor, contacts: Tensor
) -> tuple[int, Tensor, Tensor]:
    """Explain the shadow from the contact line that explains it best: rows down, then as `_explain`.

    Without this a shadow painted off its contact line would be taken for one thrown in another direction.
    """
    found = []
    for down in range(-REACH, REACH + 1, MOVE_STEP):
        explained, weights = _explain(
            shadow, _shifted(throws, down) * shown, _shifted(contacts, down) * shown
        )
        found.append((float(explained.max()) - MOVE_COST * abs(down), down, explained, weights))
    _, moved, explained, weights = max(found, key=lambda each: each[0])
    return moved, explained, weights


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


def _middle(shadow: Tensor) -> tuple[float, float]:
    """Return column and row of the centre of (PX, PX), in cells."""
    at, total = torch.arange(PX).float(), float(shadow.sum()) or 1.0
    return float((shadow.sum(0) * at).sum()) / total, float((shadow.sum(1) * at).sum()) / total


def _likeness(shadow: Tensor, other: Tensor) -> float:
    """Return the share of the shadow's energy that a multiple of the other explains."""
    together = (shadow * other).sum() ** 2
    return float(together / ((other**2).sum() * (shadow**2).sum()).clamp(min=1e-9))


def _best_stain(shadow: Tensor, shown: Tensor, foot: float) -> float:
    """Return the most that an upright ellipse, centred at the foot's column or at the shadow's own, explains."""
    column, row = _middle(shadow)
    at, best = torch.arange(PX).float(), 0.0
    for middle in (foot, column):
        spread = [(shadow.sum(d) * (at - m) ** 2).sum() / shadow.sum() for d, m in ((0, middle), (1, row))]
        for wide in STAIN_WIDTHS:
            for high in STAIN_WIDTHS:
                x = torch.exp(-0.5 * (at - middle) ** 2 / (spread[0] * wide**2).clamp(min=0.25))
                y = torch.exp(-0.5 * (at - row) ** 2 / (spread[1] * high**2).clamp(min=0.25))
                best = max(best, _likeness(shadow, y[:, None] * x[None] * shown))
    return best


def _ground(box: Tensor) -> float:
    return float(box[1] + box[3] * (1 - CONTACT_INSET))


def _finer_move(shadow: Tensor, mixture: Tensor, shown: Tensor) -> float:
    """Return the rows, not whole ones, by which an explanation must go down to fit best."""
    moved = torch.stack([_shifted(mixture, d) for d in range(-MOVE_STEP, MOVE_STEP + 1)]) * shown
    likeness = (moved * shadow).sum((1, 2)) / moved.pow(2).sum((1, 2)).sqrt().clamp(min=1e-6)
    at = int(likeness.argmax())
    if not 0 < at < len(likeness) - 1:
        return float(at - MOVE_STEP)
    low, top, high = (float(v) for v in likeness[at - 1 : at + 2])
    return at - MOVE_STEP + 0.5 * (low - high) / min(-1e-9, low - 2 * top + high)
