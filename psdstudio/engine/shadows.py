"""Where the light throws the shadow of a flat drawing: geometry only, no softness and no density.

A point of the object at height z above the ground throws its shadow z * cot(elevation) away from the light; seen at the
low angle of our scenes the ground is flattened to 0.35. The renderer of the training scenes makes its shadows from it,
and effect rows are shown it: where a shadow lies is geometry, what it looks like is painted.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames

GROUND_FLATTENING = 0.35
MAX_COTANGENT = 1.1
CONTACT_INSET = 0.02
"""The ground touches a little above the lowest pixel of the alpha box, in object heights."""


def frame_grid(frame: Tensor, px: int) -> tuple[Tensor, Tensor]:
    """Return x and y in square units of the px * px pixel centres of frames (n, 4): (n, px, px) both."""
    steps = (torch.arange(px) + 0.5) / px
    x = frame[:, 0:1, None] + steps[None, None, :] * frame[:, 2:3, None]
    y = frame[:, 1:2, None] + steps[None, :, None] * frame[:, 3:4, None]
    return x.expand(-1, px, -1), y.expand(-1, -1, px)


def look_at(image: Tensor, crop: Tensor, x: Tensor, y: Tensor, padding: str = "zeros") -> Tensor:
    """Sample images (n, c, h, w) that lie in crops (n, 4) at points x, y (n, a, b) in square units: (n, c, a, b)."""
    u = (x - crop[:, 0, None, None]) / crop[:, 2, None, None] * 2 - 1
    v = (y - crop[:, 1, None, None]) / crop[:, 3, None, None] * 2 - 1
    return F.grid_sample(image, torch.stack([u, v], -1), padding_mode=padding, align_corners=False)


def shadow_slopes(azimuth: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far right and down the canvas a shadow runs per height above the ground; azimuth in radians, (n,)."""
    along_x = azimuth.cos() * cotangent
    along_y = azimuth.sin() * cotangent * GROUND_FLATTENING
    # Light straight from the side would flatten the shadow to a line: an object has some depth.
    along_y = torch.where(along_y.abs() < 0.10, torch.where(along_y < 0, -0.10, 0.10), along_y)
    return along_x, along_y


def light_slopes(light: Tensor) -> tuple[Tensor, Tensor]:
    """Return `shadow_slopes` of lights (n, 6) in the network's units (`conditions.light_units`)."""
    elevation = torch.deg2rad((light[:, 2] * 25 + 45).clamp(5, 85))
    return shadow_slopes(
        torch.atan2(light[:, 1], light[:, 0]), elevation.tan().reciprocal().clamp(max=MAX_COTANGENT)
    )


def thrown_silhouette(
    looks: Tensor, boxes: Tensor, along_x: Tensor, along_y: Tensor, px: int
) -> tuple[Tensor, Tensor]:
    """Return the sharp shadow of looks (n, 4, p, p) in its frame, and the height that throws it: (n, 1, px, px) both.

    boxes: (n, 4) in square units; along_x, along_y: (n,) of `shadow_slopes`; heights in object heights, 0..1.
    """
    along_x, along_y = along_x[:, None, None], along_y[:, None, None]
    height = boxes[:, 3, None, None]
    ground = boxes[:, 1, None, None] + height * (1 - CONTACT_INSET)
    x, y = frame_grid(frames.shadow_frame(boxes), px)
    z = (y - ground) / along_y
    alpha = look_at(_softened(looks[:, 3:4]), frames.crop_of(boxes), x - z * along_x, ground - z)
    alpha = alpha * ((z >= 0) & (z <= height))[:, None]
    return alpha, (z / height).clamp(0, 1)[:, None]


def _softened(alpha: Tensor) -> Tensor:
    return F.avg_pool2d(alpha, 2) if alpha.shape[-1] >= 128 else alpha
