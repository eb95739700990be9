"""What every row is shown of the others: the parts that are kept and, while painting, the guesses of the free ones.

The composite sees the whole stack, a look what stands around it, an effect its own look and the ground under it; the
background sees nothing but mean colours. Attention alone, at the lowest resolution, would have to carry all this.
Pictures are 0..1 with straight alpha, plates -1..1; everything is a batch of b scenes with k objects each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.compose import Placed, canvas_frame, place_object
from psdstudio.engine.rows import (
    CANVAS_PICTURE,
    CONTEXT_PLATE,
    COVER,
    EFFECT_GEOMETRY,
    GROUPS,
    LOOK_AROUND,
    LOOK_COLOUR,
    REFERENCE_PLATE,
    RowRole,
    Rows,
)
from psdstudio.engine.shadows import light_slopes, thrown_silhouette
from psdstudio.gen.colours import named_colour

GROWN = 5
"""Edges are mixed of both sides: what hides the background is taken for a little larger, in canvas pixels."""


@dataclass(slots=True)
class Parts:
    """The parts of scenes as far as they are there.

    background: (b, 3, h, w), there where `ground` (b,); looks: (b, k, 4, p, p), there where `shown` (b, k); effects:
    (b, k, 5, q, q), there where `cast` (b, k); boxes: (b, k, 4) in square units; aspect: (b,); light: (b, 6) in the
    network's units, zeros where it is not told.
    """

    background: Tensor
    ground: Tensor
    looks: Tensor
    shown: Tensor
    effects: Tensor
    cast: Tensor
    boxes: Tensor
    aspect: Tensor
    light: Tensor

    def placed(self, i: int) -> Placed:
        """Resample object i onto the canvas, whether it is there or not."""
        size = (self.background.shape[2], self.background.shape[3])
        return place_object(self.looks[:, i], self.effects[:, i], self.boxes[:, i], self.aspect, size)


def set_plates(groups: Sequence[Rows], parts: Parts, placed: Sequence[Placed]) -> None:
    """Show `parts` to all rows of `groups`; references, colours and what is given stay. `placed`: all objects."""
    for rows in groups:
        if rows.group == "canvas":
            stacks = [_canvas_plate(parts, placed, int(role)) for role in rows.role]
            if bool(rows.plate[:, -1, CANVAS_PICTURE].any()):
                stacks[-1] = _cover_plate(parts, placed)
            rows.plate = torch.cat([torch.stack(stacks, dim=1), rows.plate[:, :, CONTEXT_PLATE:]], dim=2)
            continue
        objects, place = torch.unique(rows.index - 1, return_inverse=True)
        at = (torch.arange(place.shape[0])[:, None], place)
        if rows.group == "look":
            around = _surroundings(parts, placed, objects.tolist(), rows.x.shape[-1])[at]
            reference, rest = rows.plate[:, :, :REFERENCE_PLATE], rows.plate[:, :, LOOK_AROUND.stop :]
            rows.plate = torch.cat([reference, around, rest], dim=2)
        else:
            geometry = _effect_plates(parts, objects.tolist(), rows.x.shape[-1])[at]
            rows.plate = torch.cat([geometry, rows.plate[:, :, EFFECT_GEOMETRY:]], dim=2)


def hide_stack(groups: Sequence[Rows], kept: Parts, placed: Sequence[Placed]) -> None:
    """Show the composite rows of `groups` only what is kept."""
    for rows in groups:
        if rows.group == "canvas":
            stacks = [
                _canvas_plate(kept, placed, int(role))
                if role == RowRole.COMPOSITE
                else rows.plate[:, r, :CONTEXT_PLATE]
                for r, role in enumerate(rows.role)
            ]
            rows.plate = torch.cat([torch.stack(stacks, dim=1), rows.plate[:, :, CONTEXT_PLATE:]], dim=2)


def known_means(parts: Parts, placed: Sequence[Placed]) -> Tensor:
    """Return (b, 8): mean colour (-1..1) of the ground and 1, mean colour of the objects and their cover; else zeros.

    What all parts of a scene share (exposure, warmth, an accent colour) stands in no single place; convolutions would
    never gather it.
    """
    has_ground = parts.ground.float()[:, None]
    ground = torch.cat([parts.background.mean((2, 3)) * 2 - 1, torch.ones_like(has_ground)], dim=1)
    colour, cover = torch.zeros_like(ground[:, :3]), torch.zeros_like(has_ground)
    for i, one in enumerate(placed):
        look = one.look.mean((2, 3)) * parts.shown[:, i : i + 1]
        colour, cover = colour + look[:, :3], cover + look[:, 3:]
    mean = (colour / cover.clamp(min=1e-6)).clamp(0, 1) * 2 - 1
    return torch.cat([ground * has_ground, mean * (cover > 0), cover], dim=1)


def stack_plate(parts: Parts, placed: Sequence[Placed], leave_out: int | None = None) -> Tensor:
    """Return the stack of what is there, (b, 5, h, w): colour (-1..1) where there is any, cover of looks, ground there.

    Effects need the ground they lie on. Object number `leave_out` is not in it.
    """
    has_ground = parts.ground.float().view(-1, 1, 1, 1)
    premul = parts.background * has_ground
    alpha = has_ground.expand(-1, 1, *premul.shape[-2:])
    cover = torch.zeros_like(alpha)
    for i, one in enumerate(placed):
        if i == leave_out:
            continue
        lies = parts.cast[:, i].float().view(-1, 1, 1, 1) * has_ground * (1 - cover)
        premul = premul * (1 - one.density * lies)
        mirror, look = one.reflection * lies, one.look * parts.shown[:, i].float().view(-1, 1, 1, 1)
        premul = mirror[:, :3] + premul * (1 - mirror[:, 3:4])
        premul = look[:, :3] + premul * (1 - look[:, 3:4])
        alpha = look[:, 3:4] + alpha * (1 - look[:, 3:4])
        cover = look[:, 3:4] + cover * (1 - look[:, 3:4])
    return torch.cat([premul * 2 - alpha, cover, has_ground.expand_as(cover)], dim=1)


def look_plate(reference: Tensor, phrases: Sequence[str]) -> Tensor:
    """Return the plates of looks, (n, 24, px, px): reference (n, 5, px, px), colour of the n phrases, nothing else yet.

    A colour is a number to a painter: read from words alone it took the network longest of all.
    """
    colours = torch.zeros(len(phrases), 4)
    for i, phrase in enumerate(phrases):
        asked = named_colour(phrase)
        if asked is not None:
            colours[i] = torch.tensor([*(2 * value - 1 for value in asked), 1.0])
    flat = colours[..., None, None].expand(-1, -1, *reference.shape[-2:])
    plate = reference.new_zeros(len(phrases), GROUPS["look"].plate, *reference.shape[-2:])
    plate[:, :REFERENCE_PLATE], plate[:, LOOK_COLOUR] = reference, flat
    return plate


def _canvas_plate(parts: Parts, placed: Sequence[Placed], role: int) -> Tensor:
    if role == RowRole.COMPOSITE:
        return stack_plate(parts, placed)
    # Shown the objects in their places, the background painted their ghosts: it is what they do not hide.
    b, _, h, w = parts.background.shape
    return torch.zeros(b, CONTEXT_PLATE, h, w)


def _cover_plate(parts: Parts, placed: Sequence[Placed]) -> Tensor:
    """Return what a background that is cut out of a picture is shown: where objects hide it, and nothing else.

    There the picture shows somebody else, so nothing is copied from it (`copying`).
    """
    b, _, h, w = parts.background.shape
    plate = torch.zeros(b, CONTEXT_PLATE, h, w)
    for i, one in enumerate(placed):
        hidden = one.look[:, 3:4] * parts.shown[:, i].float().view(-1, 1, 1, 1)
        plate[:, COVER] = torch.maximum(plate[:, COVER], F.max_pool2d(hidden, GROWN, 1, GROWN // 2))
    return plate


def _surroundings(parts: Parts, placed: Sequence[Placed], objects: Sequence[int], px: int) -> Tensor:
    """Return for n `objects` the stack without each in its look's frame: (b, n, 5, px, px), 0 off the canvas."""
    crops, canvas = frames.crop_of(parts.boxes), canvas_frame(parts.aspect)
    out = [frames.resample(stack_plate(parts, placed, i), canvas, crops[:, i], (px, px)) for i in objects]
    return torch.stack(out, dim=1)


def _effect_plates(parts: Parts, objects: Sequence[int], px: int) -> Tensor:
    """Return what the effect rows of n `objects` see: (b, n, 10, px, px).

    Channels: own alpha in the shadow frame; own look mirrored at the contact line in the reflection frame (colour
    premultiplied, alpha); the background's colour (-1..1) in the shadow frame; where the light throws the own
    silhouette, and that by the height which throws it. Zero where it is not (yet) there.
    """
    n, size = len(objects), (px, px)
    look, box = parts.looks[:, objects].flatten(0, 1), parts.boxes[:, objects].flatten(0, 1)
    background = (parts.background * 2 - 1).repeat_interleave(n, dim=0)
    canvas = canvas_frame(parts.aspect.repeat_interleave(n))
    alpha = frames.resample(look[:, 3:4], frames.crop_of(box), frames.shadow_frame(box), size)
    mirrored = frames.resample_rgba(
        look.flip(2), frames.mirrored_crop(box), frames.reflection_frame(box), size
    )
    ground = frames.resample(background, canvas, frames.shadow_frame(box), size)
    light = parts.light.repeat_interleave(n, dim=0)
    thrown, far = thrown_silhouette(look, box, *light_slopes(light), px)
    lit = (light[:, 5] > 0.5).float().view(-1, 1, 1, 1)
    cast = torch.cat([thrown, thrown * far], dim=1) * lit
    own = torch.cat([alpha, mirrored, cast], dim=1) * parts.shown[:, objects].float().view(-1, 1, 1, 1)
    there = parts.ground.float().repeat_interleave(n).view(-1, 1, 1, 1)
    return torch.unflatten(torch.cat([own[:, :5], ground * there, own[:, 5:]], dim=1), 0, (-1, n))
