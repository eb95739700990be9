"""Looks for training: recolouring, light and small warps of drawings, batched; and the words that describe them."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.recolouring import recoloured
from psdstudio.gen.colours import RGB, named_colour
from psdstudio.training.held_combinations import trained_colours
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
SHADES: dict[str, tuple[float, float]] = {
    "red": (0.85, 0.82),
    "orange": (0.87, 0.96),
    "yellow": (0.82, 0.98),
    "green": (0.69, 0.64),
    "teal": (0.70, 0.70),
    "blue": (0.80, 0.84),
    "purple": (0.68, 0.72),
    "pink": (0.56, 0.95),
}
"""HSV saturation and value of the colour that a word means: orange is light, brown is the same hue in the dark."""
PLAIN = ("brown", "black", "white", "grey", "golden")
"""Colour words without a hue of their own on the wheel."""
PAINT_RATE, ODD_PAINT_RATE, PLAIN_RATE = 0.55, 0.12, 0.3
"""How often a thing is painted in a colour that is said: things of any colour, things with one by nature; and PLAIN."""
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

SIZES: dict[str, tuple[float, float]] = {
    "tiny": (0.45, 0.6),
    "small": (0.62, 0.76),
    "little": (0.62, 0.76),
    "large": (1.35, 1.6),
    "big": (1.35, 1.6),
    "huge": (1.75, 2.1),
    "tall": (1.4, 1.7),
}
"""What a word of size does to the usual height of a thing: the range of the factor."""
SIZES_WITH_COLOUR = ("tiny", "small", "big", "huge")


@dataclass(frozen=True, slots=True)
class LookPlan:
    """How one drawing is changed: `paint` is the colour of its mid tone or None (as drawn), `gain` per channel, `shade`
    x and y slopes.
    """

    sprite: Sprite
    mirror: bool
    paint: RGB | None
    gain: tuple[float, float, float]
    shade: tuple[float, float]
    turn_deg: float
    zoom: float


def object_words(noun: Noun, colour: str | None, rng: np.random.Generator, *, size: str | None = None) -> str:
    """Return a caption such as "a red lantern" or "small fox"; synonyms and paraphrases occur in a third of the cases.

    Beside a size there are neither, and beside a colour only the sizes of SIZES_WITH_COLOUR are said: with everything
    times everything the captions would be too many to encode ahead.
    """
    name = noun.noun
    if size is None and noun.synonyms and rng.random() < 0.2:
        name = str(rng.choice(noun.synonyms))
    if colour is not None:
        choices = PARAPHRASES.get(colour, (colour,)) if noun.recolourable else (colour,)
        name = f"{choices[0] if size or rng.random() < 0.7 else rng.choice(choices)} {name}"
    if size is not None:
        name = f"{size} {name}"
    form = rng.random()
    if form < 0.5 or (size is not None and colour is not None):
        return name
    return f"{article(name)} {name}"


def all_object_words(noun: Noun, sprites: Sequence[Sprite]) -> set[str]:
    """Return every caption that `object_words` can draw for a noun and its drawings."""
    colours = {c for sprite in sprites for c in sprite.colours[:1]} | {*COLOURS, *PLAIN}
    paraphrases = PARAPHRASES if noun.recolourable else {}
    said = [""] + [f"{word} " for colour in sorted(colours) for word in paraphrases.get(colour, (colour,))]
    names = [f"{word}{name}" for word in said for name in (noun.noun, *noun.synonyms)]
    names += [f"{size} {noun.noun}" for size in SIZES]
    sized = {f"{size} {colour} {noun.noun}" for size in SIZES_WITH_COLOUR for colour in colours}
    return set(names) | {f"{article(name)} {name}" for name in names} | sized


def article(name: str) -> str:
    """Return "a" or "an", by the first letter."""
    return "an" if name[0] in "aeiou" else "a"


def choose_colour(sprite: Sprite, rng: np.random.Generator) -> tuple[str | None, RGB | None]:
    """Return a colour word for the caption (or None) and the colour to paint with (None = as drawn).

    People ask for blue foxes, too: things that have a colour by nature are painted now and then. Some colours of every
    noun are left to the evaluation (`held_combinations`).
    """
    if rng.random() < (PAINT_RATE if sprite.recolourable else ODD_PAINT_RATE):
        plain = trained_colours(sprite.noun, PLAIN)
        if plain and rng.random() < PLAIN_RATE:
            colour = str(rng.choice(plain))
            paint = named_colour(f"{colour} thing")
            assert paint is not None
            level = float(rng.uniform(0.9, 1.05))
            return colour, (
                min(1.0, paint[0] * level),
                min(1.0, paint[1] * level),
                min(1.0, paint[2] * level),
            )
        colour = str(rng.choice(trained_colours(sprite.noun, COLOURS)))
        return colour, colour_of(COLOURS[colour] + float(rng.uniform(-8, 8)))
    if sprite.colours and rng.random() < 0.3:
        return sprite.colours[0], None
    return None, None


def plan_look(
    sprite: Sprite,
    paint: RGB | None,
    gain: tuple[float, float, float],
    shade: tuple[float, float],
    rng: np.random.Generator,
) -> LookPlan:
    """Return a plan with random mirroring and small warps under a given light."""
    return LookPlan(
        sprite=sprite,
        mirror=bool(rng.random() < 0.5),
        paint=paint,
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
    rgb = _recolour(rgba, plans)
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


def _recolour(rgba: Tensor, plans: list[LookPlan]) -> Tensor:
    """Paint planned looks anew in one colour, (n, 4, h, w) -> (n, 3, h, w)."""
    rgb = rgba[:, :3]
    chosen = [i for i, p in enumerate(plans) if p.paint is not None]
    if not chosen:
        return rgb
    at = torch.tensor(chosen)
    out = rgb.clone()
    out[at] = recoloured(rgba[at], torch.tensor([plans[i].paint for i in chosen])[..., None, None])
    return out


def colour_of(hue: float) -> RGB:
    """Return the RGB (0..1) that a hue in degrees is painted with: between the colours that words name."""
    hues = [*COLOURS.values(), 360.0]
    rows = [*SHADES.values(), SHADES["red"]]
    saturation = float(np.interp(hue % 360, hues, [s for s, _ in rows]))
    value = float(np.interp(hue % 360, hues, [v for _, v in rows]))
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
