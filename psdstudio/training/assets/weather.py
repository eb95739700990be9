"""Procedural light and weather: rain, snowfall, fog, dust, glow, light beam, lens flare, sparks, sheer cloth."""

from __future__ import annotations

from typing import Final

import numpy as np

from psdstudio.training.assets.crops import Picture
from psdstudio.training.assets.fields import grid, margin, noise, smooth, with_colour

WARM: Final = ((1.0, 0.93, 0.7), (1.0, 0.8, 0.45), (1.0, 0.98, 0.92), (0.7, 0.88, 1.0), (1.0, 0.7, 0.8))
CLOTH: Final = (
    (0.97, 0.97, 0.98),
    (0.95, 0.88, 0.78),
    (0.93, 0.72, 0.76),
    (0.66, 0.8, 0.93),
    (0.75, 0.88, 0.72),
)


def draw_rain(rng: np.random.Generator, family: int) -> Picture:
    """Slanting streaks, bright and thin, near ones longer."""
    x, y = grid()
    slant = rng.uniform(-0.3, 0.3)
    alpha = np.zeros_like(x)
    for _ in range(int(rng.integers(70, 120)) if family == 0 else int(rng.integers(40, 70))):
        near = rng.uniform(0.4, 1.0)
        cx, cy = rng.uniform(-0.92, 0.92), rng.uniform(-0.92, 0.92)
        length, width = 0.16 * near, (0.006 if family == 0 else 0.009) * near
        along = y - cy
        drop = np.exp(-(((x - cx - slant * along) / width) ** 2)) * smooth(
            length, 0.3 * length, np.abs(along)
        )
        alpha = np.maximum(alpha, drop * near * rng.uniform(0.6, 0.95))
    return with_colour(np.array([0.86, 0.92, 0.98], dtype=np.float32), alpha * margin(x, y))


def draw_snowfall(rng: np.random.Generator, family: int) -> Picture:
    """Soft white flakes of many sizes."""
    x, y = grid()
    alpha = np.zeros_like(x)
    for _ in range(int(rng.integers(60, 110)) if family == 0 else int(rng.integers(35, 60))):
        near = rng.uniform(0.2, 1.0) ** 2
        cx, cy = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9)
        radius = 0.012 + 0.04 * near
        flake = smooth(radius, radius * rng.uniform(0.2, 0.6), np.hypot(x - cx, y - cy))
        alpha = np.maximum(alpha, flake * rng.uniform(0.65, 0.98))
    return with_colour(np.array([0.98, 0.99, 1.0], dtype=np.float32), alpha)


def draw_fog(rng: np.random.Generator, family: int) -> Picture:
    """A low bank, denser at its foot, with torn upper edges."""
    x, y = grid()
    wisps = noise(rng, 2.0 if family == 0 else 3.0, 2.0)
    top = rng.uniform(-0.25, 0.15) + 0.2 * wisps
    body = smooth(top, top + 0.6, y) * smooth(0.95, 0.6, y)
    sides = smooth(0.98, rng.uniform(0.3, 0.5), np.abs(x + 0.1 * wisps))
    alpha = body * sides * rng.uniform(0.6, 0.85) * (1 + 0.1 * noise(rng, 5.0))
    shade = np.clip(rng.uniform(0.84, 0.95) + 0.03 * noise(rng, 3.0), 0, 1)
    tint = np.array([0.98, 0.99, 1.0], dtype=np.float32)
    return with_colour(shade[..., None] * tint, np.clip(alpha, 0, 0.9) * margin(x, y))


def draw_dust_cloud(rng: np.random.Generator, family: int) -> Picture:
    """Brown puffs along the ground."""
    x, y = grid()
    field = np.zeros_like(x)
    for _ in range(int(rng.integers(8, 13)) if family == 0 else int(rng.integers(13, 18))):
        cx, radius = rng.uniform(-0.55, 0.55), rng.uniform(0.14, 0.32)
        cy = rng.uniform(0.15, 0.5)
        field = 1 - (1 - field) * (1 - np.exp(-(((x - cx) ** 2 + (y - cy) ** 2) / radius**2) * 1.3))
    grain = 0.16 * noise(rng, 6.0) * field * (1.2 - field)
    alpha = smooth(0.1, 0.8, field + grain) * rng.uniform(0.6, 0.85) * margin(x, y)
    tone = np.array([0.76, 0.63, 0.47]) * rng.uniform(0.85, 1.12) + rng.uniform(-0.03, 0.03, 3)
    shade = 1 + 0.14 * smooth(0.3, -0.4, y)[..., None] + 0.04 * noise(rng, 4.0)[..., None]
    return with_colour(np.clip(tone * shade, 0, 1), alpha)


def draw_glow(rng: np.random.Generator, family: int) -> Picture:
    """A halo of light that thins out evenly."""
    x, y = grid()
    r = np.hypot(x / rng.uniform(0.85, 1.0), y / rng.uniform(0.85, 1.0))
    fall = rng.uniform(1.6, 2.6) if family == 0 else rng.uniform(3.0, 4.0)
    alpha = np.exp(-((r / 0.5) ** 2) * fall * 0.5) * rng.uniform(0.75, 0.97) * smooth(0.98, 0.7, r)
    core = smooth(0.45, 0.0, r)[..., None]
    return with_colour(_lit(rng) * (1 - core) + core, alpha)


def draw_light_beam(rng: np.random.Generator, family: int) -> Picture:
    """A cone of light from above, brightest at its tip."""
    x, y = grid()
    depth = (y + 0.9) / 1.8
    lean, spread = rng.uniform(-0.35, 0.35), rng.uniform(0.32, 0.5)
    width = 0.05 + spread * np.clip(depth, 0, 1)
    across = (x - lean * (depth - 0.5)) / width
    soft_edge = 2.0 if family == 0 else 4.0
    alpha = (
        np.exp(-(np.abs(across) ** soft_edge) * 1.6) * smooth(-0.02, 0.05, depth) * smooth(1.0, 0.5, depth)
    )
    alpha = alpha * rng.uniform(0.55, 0.8) * (1 - 0.45 * np.clip(depth, 0, 1)) * margin(x, y)
    return with_colour(_lit(rng), alpha)


def draw_lens_flare(rng: np.random.Generator, family: int) -> Picture:
    """A star of rays with a ring and ghosts along a diagonal."""
    x, y = grid()
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    rays = int(rng.integers(5, 9)) if family == 0 else int(rng.integers(10, 15))
    star = np.abs(np.cos(angle * rays / 2 + rng.uniform(0, 6))) ** 24 * np.exp(-r * rng.uniform(2.6, 4.0))
    ring = np.exp(-(((r - rng.uniform(0.42, 0.56)) / 0.03) ** 2)) * rng.uniform(0.2, 0.4)
    alpha = np.maximum.reduce([np.exp(-((r / 0.2) ** 2)), 0.9 * star, ring])
    turn = rng.uniform(0, 6.28)
    for at in (0.35, 0.6, 0.8):
        ghost = np.hypot(x - at * np.cos(turn), y - at * np.sin(turn))
        alpha = np.maximum(alpha, smooth(0.11, 0.07, ghost / rng.uniform(0.7, 1.2)) * rng.uniform(0.25, 0.4))
    core = smooth(0.3, 0.0, r)[..., None]
    return with_colour(_lit(rng) * (1 - core) + core, alpha * 0.96 * margin(x, y))


def draw_sparks(rng: np.random.Generator, family: int) -> Picture:
    """Glowing streaks that fly apart from one point."""
    x, y = grid()
    alpha, heat = np.zeros_like(x), np.zeros_like(x)
    for _ in range(int(rng.integers(26, 44)) if family == 0 else int(rng.integers(14, 24))):
        turn, start = rng.uniform(0, 6.28), rng.uniform(0.02, 0.35)
        length = rng.uniform(0.15, 0.5)
        along = x * np.cos(turn) + y * np.sin(turn)
        across = y * np.cos(turn) - x * np.sin(turn) - rng.uniform(-0.2, 0.2) * along**2
        span = smooth(start, start + 0.05, along) * smooth(start + length, start + 0.5 * length, along)
        streak = np.exp(-((across / rng.uniform(0.009, 0.016)) ** 2)) * span
        alpha = np.maximum(alpha, streak * rng.uniform(0.8, 0.98))
        heat = np.maximum(heat, streak * smooth(start + length, start, along))
    hot = np.stack([0.95 + 0.05 * heat, 0.5 + 0.45 * heat, 0.12 + 0.6 * heat**2], axis=2)
    return with_colour(np.clip(hot, 0, 1).astype(np.float32), alpha * margin(x, y))


def draw_sheer_curtain(rng: np.random.Generator, family: int) -> Picture:
    """A hanging translucent cloth: folds are denser where the cloth turns away."""
    x, y = grid()
    depth = (y + 0.9) / 1.8
    folds = rng.uniform(9, 15) if family == 0 else rng.uniform(16, 22)
    sway = 0.05 * np.sin(depth * rng.uniform(2, 5) + rng.uniform(0, 6)) * depth
    across = x + sway + 0.02 * noise(rng, 2.0)
    wave = np.sin(
        across * folds + 1.5 * np.sin(across * 3 + rng.uniform(0, 6)) + rng.uniform(-0.5, 0.5) * depth
    )
    half = rng.uniform(0.55, 0.8) + 0.06 * depth
    inside = smooth(half + 0.01, half - 0.01, np.abs(x + sway))
    inside = inside * smooth(-0.005, 0.01, depth) * smooth(1.0 + 0.015 * wave, 0.985 + 0.015 * wave, depth)
    density = rng.uniform(0.36, 0.5) + 0.22 * np.abs(wave) ** 3
    cloth = np.array(CLOTH[int(rng.integers(len(CLOTH)))]) + rng.uniform(-0.03, 0.03, 3)
    shade = (0.93 + 0.07 * wave)[..., None]
    return with_colour(np.clip(cloth * shade, 0, 1), np.clip(inside * density, 0, 0.9))


def _lit(rng: np.random.Generator) -> Picture:
    tint = np.array(WARM[int(rng.integers(len(WARM)))]) + rng.uniform(-0.03, 0.03, 3)
    return np.clip(tint, 0, 1).astype(np.float32)
