"""The stack of a scene in tensors: background, then per object shadow, reflection, look; and the plates made from it.

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


def known_plate(
    background: Tensor, background_known: Tensor, objects: list[Placed], look_known: Tensor
) -> Tensor:
    """Return what is known of the canvas, (b, 5, h, w): colour (-1..1) where known, alpha, background known.

    background: (b, 3, h, w) 0..1; background_known: (b,) bool; look_known: (b, k) bool.
    """
    has_ground = background_known.float().view(-1, 1, 1, 1)
    premul = background * has_ground
    alpha = has_ground.expand(-1, 1, *background.shape[-2:])
    cover = torch.zeros_like(alpha)
    for i, placed in enumerate(objects):
        look = placed.look * look_known[:, i].float().view(-1, 1, 1, 1)
        premul = look[:, :3] + premul * (1 - look[:, 3:4])
        alpha = look[:, 3:4] + alpha * (1 - look[:, 3:4])
        cover = look[:, 3:4] + cover * (1 - look[:, 3:4])
    return torch.cat([premul * 2 - alpha, cover, has_ground.expand_as(cover)], dim=1)


def effect_plate(
    look: Tensor,
    look_valid: Tensor,
    background: Tensor,
    ground_valid: Tensor,
    box: Tensor,
    aspect: Tensor,
    px: int,
) -> Tensor:
    """Return what an effect row sees: (n, 8, px, px).

    Channels: own alpha in the shadow frame; own look mirrored at the contact line in the reflection frame (colour
    premultiplied, alpha); the background's colour (-1..1) in the shadow frame. Zero where it is not (yet) known.
    look: (n, 4, p, p); background: (n, 3, h, w); look_valid, ground_valid: (n,) float; box: (n, 4); aspect: (n,).
    """
    size = (px, px)
    alpha = frames.resample(look[:, 3:4], frames.crop_of(box), frames.shadow_frame(box), size)
    mirrored = frames.resample_rgba(
        look.flip(2), frames.mirrored_crop(box), frames.reflection_frame(box), size
    )
    ground = frames.resample(background * 2 - 1, canvas_frame(aspect), frames.shadow_frame(box), size)
    own = torch.cat([alpha, mirrored], dim=1) * look_valid.view(-1, 1, 1, 1)
    return torch.cat([own, ground * ground_valid.view(-1, 1, 1, 1)], dim=1)
