"""Fields that procedural drawings are made of: coordinates, fractal noise, smooth steps, a soft frame."""

from __future__ import annotations

from typing import Final

import numpy as np

from psdstudio.training.assets.crops import Picture

SIDE: Final = 256


def grid() -> tuple[Picture, Picture]:
    """x and y of pixel centres, -1..1, y down."""
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def noise(rng: np.random.Generator, low: float, power: float = 1.7) -> Picture:
    """Smooth fractal noise (SIDE, SIDE), mean 0, deviation 1; `low` is the coarsest frequency in cycles."""
    white = rng.standard_normal((SIDE, SIDE))
    fx, fy = np.fft.fftfreq(SIDE)[None, :] * SIDE, np.fft.fftfreq(SIDE)[:, None] * SIDE
    radius = np.hypot(fx, fy)
    gain = np.where(radius > 0, 1 / (1 + (radius / low) ** 2) ** (power / 1.2), 0)
    plane = np.real(np.fft.ifft2(np.fft.fft2(white) * gain))
    return np.asarray(plane / plane.std(), dtype=np.float32)


def smooth(low: float | Picture, high: float | Picture, value: Picture) -> Picture:
    """Smooth step from 0 at low to 1 at high."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def with_colour(colour: Picture, alpha: Picture) -> Picture:
    """Straight RGBA (SIDE, SIDE, 4) of a colour, (3,) or (SIDE, SIDE, 3), and an alpha plane."""
    return np.concatenate([np.broadcast_to(colour, (*alpha.shape, 3)), alpha[..., None]], axis=2)


def margin(x: Picture, y: Picture) -> Picture:
    """1 inside, falling to 0 at the frame, so no drawing is cut by it."""
    return smooth(1.0, 0.86, np.abs(x)) * smooth(1.0, 0.86, np.abs(y))
