"""The drop shadow effect that comes nearest to a shadow layer, measured on the layer's own pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import BlendMode, GroupLayer, PixelLayer, Role
from psdstudio.core.parts import children_with
from psdstudio.core.scene import Light
from psdstudio.io.psd_outline import clipping_bases

SHADOW_MODES = frozenset({BlendMode.MULTIPLY, BlendMode.NORMAL, BlendMode.LINEAR_BURN})
"""The blend modes of a shadow layer for which there is an effect."""
MAX_DISTANCE_PX = 30_000.0
MAX_SIZE_PX = 250.0
"""What Photoshop's dialog takes."""
_Plane = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropShadow:
    """Photoshop's drop shadow: a copy of the layer's outline, moved, softened and filled with a colour.

    `angle_deg` is where the light stands, counted from the right against the clock: the shadow falls the other way.
    `size_px` is the width of the soft edge, `rgb` 0..255 in the document's colour space.
    """

    mode: BlendMode
    rgb: tuple[int, int, int]
    opacity_percent: float
    angle_deg: float
    distance_px: float
    size_px: float


def effect_pair(group: GroupLayer) -> tuple[PixelLayer, PixelLayer] | None:
    """Return an object's shadow layer and the layer it could be an effect of; None where an effect cannot stand for it.

    That takes one of each, a shadow that is seen and darkens in a way that the effect knows, and no clipping on either
    side: an effect would be cut off with the layer.
    """
    shadows, things = children_with(group, Role.SHADOW), children_with(group, Role.OBJECT)
    if len(shadows) != 1 or len(things) != 1:
        return None
    shadow, thing = shadows[0], things[0]
    clipped = clipping_bases(group.children)
    if {shadow.id, thing.id} & (clipped.keys() | set(clipped.values())):
        return None
    is_plain = shadow.props.visible and shadow.props.blend_mode in SHADOW_MODES and shadow.mask is None
    if not is_plain or shadow.pixels.bounds().is_empty or thing.pixels.bounds().is_empty:
        return None
    return shadow, thing


def drop_shadow(shadow: PixelLayer, thing: PixelLayer, light: Light | None) -> DropShadow:
    """Return the effect on `thing` that comes nearest to the layer `shadow`; neither may be empty (`effect_pair`).

    The direction is the light's where the scene has one, else from the centre of the object to that of its shadow;
    the distance is how far the centres lie apart in that direction. Colour and opacity are those of the shadow's dark
    part; the size is the area of its half-dark rim over the length of its outline. A shadow on the ground is no
    copy of the outline: this is an approximation.
    """
    box = shadow.pixels.bounds()
    place = thing.pixels.bounds()
    rgba = shadow.pixels.read(box)
    alpha = rgba[..., 3].astype(np.float32) / 255
    peak = float(np.percentile(alpha[alpha > 0], 90))
    own = thing.pixels.read(place)[..., 3].astype(np.float32)
    from_x, from_y = _centre(own, place.shifted(*thing.offset))
    to_x, to_y = _centre(alpha, box.shifted(*shadow.offset))
    dx, dy = to_x - from_x, to_y - from_y
    if light is not None:
        fall = math.radians(light.azimuth_deg)
        distance = max(0.0, dx * math.cos(fall) + dy * math.sin(fall))
        angle = 180 - light.azimuth_deg
    else:
        distance = math.hypot(dx, dy)
        angle = math.degrees(math.atan2(dy, -dx)) if distance else 90.0
    dark = rgba[..., :3][alpha >= peak].reshape(-1, 3).mean(axis=0)
    red, green, blue = (round(float(value)) for value in dark)
    props = shadow.props
    return DropShadow(
        mode=props.blend_mode,
        rgb=(red, green, blue),
        opacity_percent=round(100 * peak * props.opacity / 255 * props.fill / 255, 1),
        angle_deg=round((angle + 180) % 360 - 180, 1),
        distance_px=round(min(distance, MAX_DISTANCE_PX), 1),
        size_px=round(min(_softness(alpha / peak), MAX_SIZE_PX), 1),
    )


def _centre(weight: _Plane, place: Rect) -> tuple[float, float]:
    """The centre of mass of (h, w), in canvas pixels."""
    total = float(weight.sum(dtype=np.float64))
    x = float((weight.sum(axis=0, dtype=np.float64) * np.arange(weight.shape[1])).sum()) / total
    y = float((weight.sum(axis=1, dtype=np.float64) * np.arange(weight.shape[0])).sum()) / total
    return place.x + x, place.y + y


def _softness(level: _Plane) -> float:
    """Width in pixels of the rim between a tenth and nine tenths of the darkness."""
    inside = np.pad(level > 0.5, 1)
    # Steps between pixels count an outline in blocks, which is 4/pi times too long on the average of directions.
    steps = int((inside[1:] != inside[:-1]).sum()) + int((inside[:, 1:] != inside[:, :-1]).sum())
    rim = int(((level > 0.1) & (level < 0.9)).sum())
    return rim / max(1.0, steps * math.pi / 4)
