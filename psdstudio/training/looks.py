"""Looks for training: recolouring, light and small warps of drawings, batched; and the words that describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.training.sprites import Noun, Sprite

COLOURS: dict[str, float] = {
    "red": 0.0,
    "orange": 28.0,
    "yellow": 52.0,
    "green": 125.0,
    "teal": 175.0,
    "blue": 218.0,
    "purple": 275.0,
    "pink": 330.0,
}
"""Hue in degrees of every colour word that recolouring can reach."""
PARAPHRASES: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "ruby"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "golden", "lemon yellow"),
    "green": ("green", "emerald", "grass green"),
    "teal": ("teal", "turquoise"),
    "blue": ("blue", "azure", "navy blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rose pink"),
}


@dataclass(frozen=True, slots=True)
class LookPlan:
    """How one drawing is changed. `hue` is a target hue in degrees or None; `gain` per channel; `shade` x, y slopes."""

    sprite: Sprite
    mirror: bool
    hue: float | None
    gain: tuple[float, float, float]
    shade: tuple[float, float]
    turn_deg: float
    zoom: float


def object_words(noun: Noun, colour: str | None, rng: np.random.Generator) -> str:
    """Return a caption such as "a red lantern"; synonyms and paraphrases occur in a third of the cases."""
    name = noun.noun
    if noun.synonyms and rng.random() < 0.2:
        name = str(rng.choice(noun.synonyms))
    if colour is not None:
        choices = PARAPHRASES.get(colour, (colour,))
        name = f"{choices[0] if rng.random() < 0.7 else rng.choice(choices)} {name}"
    form = rng.random()
    if form < 0.5:
        return name
    return f"{_article(name)} {name}"


def all_object_words(noun: Noun, sprites: Sequence[Sprite]) -> set[str]:
    """Return every caption that `object_words` can draw for a noun and its drawings."""
    colours = {c for sprite in sprites for c in sprite.colours[:1]}
    if any(sprite.recolourable for sprite in sprites):
        colours |= set(COLOURS)
    said = [""] + [f"{word} " for colour in sorted(colours) for word in PARAPHRASES.get(colour, (colour,))]
    names = [f"{word}{name}" for word in said for name in (noun.noun, *noun.synonyms)]
    return set(names) | {f"{_article(name)} {name}" for name in names}


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def choose_colour(sprite: Sprite, rng: np.random.Generator) -> tuple[str | None, float | None]:
    """Return a colour word for the caption (or None) and the hue to paint with (None = as drawn)."""
    if sprite.recolourable and rng.random() < 0.45:
        colour = str(rng.choice(list(COLOURS)))
        return colour, COLOURS[colour] + float(rng.uniform(-8, 8))
    if sprite.colours and rng.random() < 0.3:
        return sprite.colours[0], None
    return None, None


def plan_look(
    sprite: Sprite,
    hue: float | None,
    gain: tuple[float, float, float],
    shade: tuple[float, float],
    rng: np.random.Generator,
) -> LookPlan:
    """Return a plan with random mirroring and small warps under a given light."""
    return LookPlan(
        sprite=sprite,
        mirror=bool(rng.random() < 0.5),
        hue=hue,
        gain=gain,
        shade=shade,
        turn_deg=float(np.clip(rng.normal(0, 1.5), -4, 4)),
        zoom=float(rng.uniform(0.97, 1.0)),
    )


def render_looks(pixels: Tensor, plans: list[LookPlan], px: int) -> Tensor:
    """Return straight RGBA (n, 4, px, px) float32 in 0..1 of planned looks; `pixels` is the library's tensor."""
    rgba = pixels[torch.tensor([p.sprite.index for p in plans])].float() / 255
    if px < rgba.shape[-1]:
        rgba = _shrink(rgba, px)
    rgba = _warp(rgba, plans)
    rgb = _recolour(rgba[:, :3], plans)
    gain = torch.tensor([p.gain for p in plans])[..., None, None]
    slopes = torch.tensor([p.shade for p in plans])
    ramp = torch.linspace(-1, 1, px)
    light = (
        1 + slopes[:, 0, None, None] * ramp[None, None, :] + slopes[:, 1, None, None] * ramp[None, :, None]
    )
    return torch.cat([(rgb * gain * light[:, None]).clamp(0, 1), rgba[:, 3:]], dim=1)


def _shrink(rgba: Tensor, px: int) -> Tensor:
    # The colour is padded beyond the edge, so colour and alpha may be reduced apart without a fringe.
    return F.interpolate(rgba, size=(px, px), mode="area")


def _warp(rgba: Tensor, plans: list[LookPlan]) -> Tensor:
    theta = torch.empty(len(plans), 2, 3)
    for i, p in enumerate(plans):
        a, z = math.radians(p.turn_deg), 1 / p.zoom
        m = -1.0 if p.mirror else 1.0
        theta[i] = torch.tensor(
            [[m * z * math.cos(a), -z * math.sin(a), 0], [m * z * math.sin(a), z * math.cos(a), 0]]
        )
    grid = F.affine_grid(theta, list(rgba.shape), align_corners=False)
    colour = F.grid_sample(rgba[:, :3], grid, padding_mode="border", align_corners=False)
    alpha = F.grid_sample(rgba[:, 3:], grid, padding_mode="zeros", align_corners=False)
    return torch.cat([colour, alpha], dim=1)


def _recolour(rgb: Tensor, plans: list[LookPlan]) -> Tensor:
    """Turn the saturated colours of planned looks to one hue, keeping lightness and saturation (HSV-like)."""
    chosen = [i for i, p in enumerate(plans) if p.hue is not None]
    if not chosen:
        return rgb
    at = torch.tensor(chosen)
    part = rgb[at]
    top, low = part.amax(1, keepdim=True), part.amin(1, keepdim=True)
    chroma = top - low
    # Grey things take colour too: at least a third of what their lightness allows.
    chroma = torch.maximum(chroma, 0.45 * top * (1 - (2 * top - 1).clamp(min=0) ** 4))
    low = top - chroma
    hue = torch.tensor([plans[i].hue or 0.0 for i in chosen])[:, None, None, None] / 60
    offsets = torch.tensor([5.0, 3.0, 1.0])[None, :, None, None]
    k = (offsets + hue) % 6
    out = rgb.clone()
    out[at] = top - chroma * torch.minimum(k, 4 - k).clamp(0, 1)
    return out
