"""The stack of a scene in tensors: background, then per object shadow, reflection, look.

The same stack as `render.compositor` draws for a generated document (`gen.planning` builds it): shadow = black,
Multiply, alpha = density; reflection and look = Normal. Effects lie on the ground, so the alpha of every object behind
masks them. All pictures are 0..1 float32, straight alpha unless the name says `premul`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from psdstudio.engine import frames


@dataclass(slots=True)
class Placed:
    """One object's layers on the canvas: premultiplied look and reflection (b, 4, h, w), density (b, 1, h, w)."""

    look: Tensor
    density: Tensor
    reflection: Tensor


def canvas_frame(aspect: Tensor) -> Tensor:
    """Return the canvas as a frame (b, 4) in square units; `aspect`: (b,)."""
    zero = torch.zeros_like(aspect)
    return torch.stack([zero, zero, aspect, torch.ones_like(aspect)], dim=-1)


def place_object(look: Tensor, effect: Tensor, box: Tensor, aspect: Tensor, size: tuple[int, int]) -> Placed:
    """Resample one object's rows onto the canvas. look: (b, 4, p, p); effect: (b, 5, q, q); box: (b, 4)."""
    canvas = canvas_frame(aspect)
    density = frames.resample(effect[:, :1], frames.shadow_frame(box), canvas, size)
    reflection = frames.resample_rgba(effect[:, 1:], frames.reflection_frame(box), canvas, size)
    return Placed(frames.resample_rgba(look, frames.crop_of(box), canvas, size), density, reflection)


def mask_effects(objects: list[Placed]) -> list[Placed]:
    """Return the objects with effects masked by everybody behind them (ground effects)."""
    masked, behind = [], torch.zeros(())
    for placed in objects:
        masked.append(Placed(placed.look, placed.density * (1 - behind), placed.reflection * (1 - behind)))
        behind = behind + (1 - behind) * placed.look[:, 3:4]
    return masked


def over_composite(background: Tensor, objects: list[Placed]) -> Tensor:
    """Return the whole picture (b, 3, h, w); `objects` back to front, effects already masked."""
    picture = background
    for placed in objects:
        picture = picture * (1 - placed.density)
        for premul in (placed.reflection, placed.look):
            picture = premul[:, :3] + picture * (1 - premul[:, 3:4])
    return picture
