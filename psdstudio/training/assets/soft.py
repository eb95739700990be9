"""Procedural drawings of soft things: smoke, steam, flame, cloud here; glass, light and weather beside it.

`draw(noun, family, variant)` is a pure function of its arguments. Family 0 teaches the generator, family 1 is
a differently tuned set that only the classifier sees.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from psdstudio.training.assets.crops import Picture
from psdstudio.training.assets.fields import grid, margin, noise, smooth, with_colour
from psdstudio.training.assets.glass import (
    draw_champagne_flute,
    draw_drinking_glass,
    draw_fishbowl,
    draw_glass_ball,
    draw_glass_bottle,
    draw_glass_jar,
    draw_glass_vase,
    draw_soap_bubble,
    draw_wine_glass,
)
from psdstudio.training.assets.weather import (
    draw_dust_cloud,
    draw_fog,
    draw_glow,
    draw_lens_flare,
    draw_light_beam,
    draw_rain,
    draw_sheer_curtain,
    draw_snowfall,
    draw_sparks,
)

VARIANTS: Final = 16
CLASSIFIER_VARIANTS: Final = 5

Painter = Callable[[np.random.Generator, int], Picture]


def draw(noun: str, family: int, variant: int) -> Picture:
    """Float32 (256, 256, 4) straight RGBA 0..1 of one variant.

    Args:
        noun: A key of PAINTERS.
        family: 0 or 1.
        variant: Any whole number from 0.

    Raises:
        ValueError: The painter produced a value that is not finite.
    """
    rng = np.random.default_rng([zlib.crc32(noun.encode()), family, variant])
    picture = PAINTERS[noun](rng, family)
    if not np.isfinite(picture).all():
        raise ValueError(f"{noun} variant {variant} of family {family} is not finite")
    return np.clip(picture, 0, 1).astype(np.float32)


def _smoke(rng: np.random.Generator, family: int) -> Picture:
    """A plume that widens and thins as it rises; light from one side models its billows."""
    x, y = grid()
    height = (1 - y) / 2  # 0 at the bottom
    spread = rng.uniform(0.26, 0.5) * height ** rng.uniform(0.6, 1.0) + rng.uniform(0.05, 0.1)
    bend = rng.uniform(-0.35, 0.35) * height**2 + 0.06 * np.sin(
        height * rng.uniform(3, 6) + rng.uniform(0, 6)
    )
    coarse, fine = noise(rng, 2.0, 2.2), noise(rng, 5.0 if family == 0 else 8.0, 2.0)
    across = (x - bend + 0.09 * coarse * (0.3 + height)) / spread
    body = 1 - across**2 + (0.35 * coarse + 0.16 * fine) * (0.25 + 0.75 * height)
    density = smooth(-0.1, 0.9, body) * smooth(0.0, 0.22, height)
    density = density * smooth(rng.uniform(0.95, 1.05), 0.35, height - 0.05 * coarse)
    tone, side = rng.uniform(0.3, 0.85), rng.choice([-1.0, 1.0])
    relief = np.gradient(body, axis=1) * side - np.gradient(body, axis=0)
    shade = _soft_clip(tone + 1.4 * relief - 0.05 * across * side)
    tint = np.array([1.0, rng.uniform(0.97, 1.0), rng.uniform(0.95, 1.04)], dtype=np.float32)
    return with_colour(shade[..., None] * tint, density * rng.uniform(0.65, 0.93) * margin(x, y))


def _soft_clip(value: Picture) -> Picture:
    """Keeps shades in 0.06..0.97 without flat patches."""
    return np.asarray(0.515 + 0.455 * np.tanh((value - 0.515) / 0.455), dtype=np.float32)


def _steam(rng: np.random.Generator, family: int) -> Picture:
    x, y = grid()
    height = (1 - y) / 2
    alpha = np.zeros_like(x)
    count = int(rng.integers(2, 4)) if family == 0 else int(rng.integers(3, 5))
    for index in range(count):
        start = (index - (count - 1) / 2) * rng.uniform(0.3, 0.42)
        phase, turns = rng.uniform(0, 6.28), rng.uniform(5, 8)
        path = start + (0.04 + 0.14 * height) * np.sin(height * turns + phase) + noise(rng, 2.0) * 0.03
        width = (0.045 + 0.1 * height) * rng.uniform(0.8, 1.3)
        top = rng.uniform(0.75, 1.0)
        wisp = (
            np.exp(-(((x - path) / width) ** 2)) * smooth(0, 0.18, height) * smooth(top, top * 0.45, height)
        )
        alpha = 1 - (1 - alpha) * (1 - wisp * rng.uniform(0.5, 0.85))
    alpha = alpha * (1 + 0.15 * noise(rng, 5.0)) * margin(x, y)
    shade = np.clip(0.95 + 0.02 * noise(rng, 4.0), 0.85, 1.0)
    return with_colour(
        shade[..., None] * np.array([0.98, 0.99, 1.0], dtype=np.float32), np.clip(alpha, 0, 0.85)
    )


def _flame(rng: np.random.Generator, family: int) -> Picture:
    """Tongues over a bright heart; the outside is red and thin, a faint glow surrounds all."""
    x, y = grid()
    height = (1 - y) / 2
    lick = 0.09 * noise(rng, 1.6, 2.4) * height + rng.uniform(0.05, 0.1) * height * np.sin(
        height * rng.uniform(3, 6) + rng.uniform(0, 6)
    )
    heat = np.zeros_like(x)
    tongues = int(rng.integers(1, 4)) if family == 0 else int(rng.integers(3, 6))
    for index in range(tongues):
        place = index - (tongues - 1) / 2
        lean, top = place * rng.uniform(0.2, 0.3), rng.uniform(0.74, 0.95) * (1 - 0.16 * abs(place))
        rise = np.clip((height - 0.03) / top, 0, 1)
        width = (
            rng.uniform(0.34, 0.46)
            / (1 + 0.12 * tongues)
            * np.clip(np.sin(np.pi * np.clip(rise, 0.02, 1) ** 0.55), 0, 1) ** 0.9
            + 1e-3
        )
        off = (x + lick - lean * (0.4 + 0.8 * height)) / width
        heat = np.maximum(heat, np.clip(1 - off**2, 0, 1) * smooth(1.0, 0.5, rise))
    core = smooth(0.0, 0.3, heat) * smooth(0.02, 0.08, height)
    glow = 0.2 * np.exp(-((x / 0.7) ** 2 + ((y - 0.25) / 0.75) ** 2) * 2.2)
    alpha = np.maximum(core * rng.uniform(0.86, 0.97), glow) * margin(x, y)
    hot = np.clip(heat * (1.15 - 0.55 * height) + 0.03 * noise(rng, 3.0), 0, 1)
    stops = np.array([0.0, 0.35, 0.7, 1.0])
    channels = ([0.85, 0.96, 1.0, 1.0], [0.18, 0.45, 0.76, 0.95], [0.05, 0.07, 0.18, 0.66])
    return with_colour(
        np.stack([np.interp(hot, stops, c) for c in channels], axis=2).astype(np.float32), alpha
    )


def _cloud(rng: np.random.Generator, family: int) -> Picture:
    x, y = grid()
    field = np.zeros_like(x)
    count = int(rng.integers(6, 10)) if family == 0 else int(rng.integers(10, 16))
    base = rng.uniform(0.18, 0.3)
    lit = np.zeros_like(x)
    for index in range(count):
        # Evenly spread with jitter: purely random centres leave puffs apart from the rest.
        cx = (index / (count - 1) - 0.5) * 1.05 + rng.uniform(-0.09, 0.09)
        radius = rng.uniform(0.16, 0.34) * (1.15 - abs(cx))
        cy = base - radius * rng.uniform(0.3, 1.0)
        d2 = ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
        puff = np.exp(-(d2**1.5) * 0.9)
        field = 1 - (1 - field) * (1 - puff)
        lit = np.maximum(lit, puff * (0.5 - 0.5 * (y - cy) / radius))
    field = field * smooth(base + 0.16, base - 0.1, y + 0.03 * noise(rng, 3.0))
    edge = field + 0.1 * noise(rng, 7.0 if family == 0 else 4.0) * field * (1.2 - field)
    alpha = smooth(0.12, rng.uniform(0.55, 0.85), edge) * rng.uniform(0.88, 1.0) * margin(x, y)
    dark = rng.uniform(0.62, 0.86)
    shade = np.clip(dark + (1 - dark) * smooth(0.1, 0.75, lit) + 0.03 * noise(rng, 4.0), 0, 1)
    tint = np.array([rng.uniform(0.93, 1.0), rng.uniform(0.95, 0.99), 1.0], dtype=np.float32)
    return with_colour(shade[..., None] ** np.array([1.1, 1.0, 0.9]) * tint, alpha)


PAINTERS: Final[Mapping[str, Painter]] = {
    "smoke": _smoke,
    "steam": _steam,
    "flame": _flame,
    "cloud": _cloud,
    "soap bubble": draw_soap_bubble,
    "glass ball": draw_glass_ball,
    "wine glass": draw_wine_glass,
    "glass vase": draw_glass_vase,
    "glass bottle": draw_glass_bottle,
    "glass jar": draw_glass_jar,
    "fishbowl": draw_fishbowl,
    "champagne flute": draw_champagne_flute,
    "drinking glass": draw_drinking_glass,
    "rain": draw_rain,
    "snowfall": draw_snowfall,
    "fog": draw_fog,
    "dust cloud": draw_dust_cloud,
    "glow": draw_glow,
    "light beam": draw_light_beam,
    "lens flare": draw_lens_flare,
    "sparks": draw_sparks,
    "sheer curtain": draw_sheer_curtain,
}
