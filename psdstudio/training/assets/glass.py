"""Procedural glass: bodies of revolution, balls and soap bubbles with a clear middle and an opaque rim."""

from __future__ import annotations

import numpy as np

from psdstudio.training.assets.crops import Picture
from psdstudio.training.assets.fields import SIDE


class _Canvas:
    """Straight-colour RGBA under construction; layers are put over one another."""

    def __init__(self) -> None:
        axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
        self.x, self.y = np.meshgrid(axis, axis)
        self.premultiplied: Picture = np.zeros((SIDE, SIDE, 3), dtype=np.float32)
        self.alpha: Picture = np.zeros((SIDE, SIDE), dtype=np.float32)

    def over(self, colour: Picture, alpha: Picture) -> None:
        """Puts a colour ((3,) or (H, W, 3)) with a (H, W) alpha on top."""
        cover = np.clip(alpha, 0, 1)
        self.premultiplied = self.premultiplied * (1 - cover[..., None]) + colour * cover[..., None]
        self.alpha = self.alpha * (1 - cover) + cover

    def picture(self) -> Picture:
        """Straight RGBA."""
        colour = self.premultiplied / np.maximum(self.alpha, 1e-4)[..., None]
        return np.concatenate([colour, self.alpha[..., None]], axis=2).astype(np.float32)


def draw_soap_bubble(rng: np.random.Generator, family: int) -> Picture:
    """A thin film: almost clear middle, iridescent rim, two window lights."""
    c = _Canvas()
    radius = rng.uniform(0.78, 0.9)
    r = np.hypot(c.x, c.y) / radius
    inside = _edge(r, radius)
    angle = np.arctan2(c.y, c.x)
    swirl = np.sin(angle + rng.uniform(0, 6)) + 0.5 * np.sin(2 * angle + rng.uniform(0, 6))
    film = rng.uniform(0, 6.28) + rng.uniform(0.8, 2.2) * swirl + rng.uniform(3, 9) * r**2
    if family:
        film = film + 1.5 * np.sin(3 * c.x + rng.uniform(0, 6)) + 2 * c.y
    hue = np.stack([0.72 + 0.28 * np.cos(film + k) for k in (0.0, 2.1, 4.2)], axis=2).astype(np.float32)
    c.over(
        hue,
        inside * (rng.uniform(0.05, 0.12) + rng.uniform(0.55, 0.8) * np.clip(r, 0, 1) ** rng.uniform(3.5, 7)),
    )
    _highlight(c, rng, radius, inside, 0.85)
    return c.picture()


def draw_glass_ball(rng: np.random.Generator, family: int) -> Picture:
    """A solid clear or tinted sphere; the light gathers at the lower side."""
    c = _Canvas()
    radius = rng.uniform(0.8, 0.9)
    r = np.hypot(c.x, c.y) / radius
    inside = _edge(r, radius)
    tint = _tint(rng)
    body = tint * (0.8 + 0.2 * c.y[..., None] / radius)
    c.over(body, inside * rng.uniform(0.16, 0.4))
    dark = tint * rng.uniform(0.25, 0.5)
    c.over(dark, inside * np.clip(r, 0, 1) ** rng.uniform(5, 9) * rng.uniform(0.5, 0.8))
    lx, ly = rng.uniform(-0.3, 0.3), rng.uniform(0.4, 0.55)
    caustic = np.exp(-(((c.x - lx) / 0.42) ** 2 + ((c.y - ly) / (0.2 if family == 0 else 0.3)) ** 2) * 2)
    c.over(np.clip(tint * 0.4 + 0.65, 0, 1), inside * caustic * rng.uniform(0.5, 0.85))
    _highlight(c, rng, radius, inside, 0.95)
    return c.picture()


def draw_wine_glass(rng: np.random.Generator, family: int) -> Picture:
    """Bowl, stem and foot; empty or holding red or white wine."""
    rim_y, bowl_y, foot_y = -0.88, rng.uniform(-0.02, 0.18), 0.86
    widest = rng.uniform(0.3, 0.46)
    narrow = rng.uniform(0.72, 1.0) if family == 0 else rng.uniform(0.5, 0.72)
    stem, foot = rng.uniform(0.025, 0.04), rng.uniform(0.26, 0.36)

    def profile(y: Picture) -> Picture:
        t = np.clip((y - rim_y) / (bowl_y - rim_y), 0, 1)  # 0 at the rim, 1 at the bowl's foot
        upper = narrow + (1 - narrow) * np.sin(np.clip(t / 0.55, 0, 1) * np.pi / 2)
        lower = np.sqrt(np.clip(1 - np.clip((t - 0.5) / 0.5, 0, 1) ** 2.2, 0, 1))
        flare = foot * np.clip((y - foot_y + 0.12) / 0.12, 0, 1) ** 4
        return np.asarray(
            np.maximum(widest * upper * lower * (t < 1), np.maximum(stem, flare)), dtype=np.float32
        )

    c = _Canvas()
    tint = np.clip(_tint(rng) * 0.25 + 0.72, 0, 1)
    level = rng.uniform(0.25, 0.6)
    fill_top = rim_y + (bowl_y - rim_y) * (1 - level)
    _revolve(c, profile, rim_y, foot_y, tint, rng)
    if rng.random() < 0.7:
        wine = np.array([[0.45, 0.03, 0.12], [0.93, 0.85, 0.45], [0.93, 0.55, 0.55]][int(rng.integers(3))])
        _fill(c, profile, fill_top, bowl_y - 0.02, wine.astype(np.float32), rng)
    _ellipse_rim(c, 0.0, rim_y, float(profile(np.array([rim_y], dtype=np.float32))[0]), tint)
    _streaks(c, profile, rim_y + 0.08, bowl_y - 0.1, rng)
    return c.picture()


def draw_glass_vase(rng: np.random.Generator, family: int) -> Picture:
    """A vase of revolution with a thick foot, sometimes with water."""
    top, bottom = -0.86, 0.88
    neck, belly, base = rng.uniform(0.16, 0.34), rng.uniform(0.32, 0.56), rng.uniform(0.2, 0.34)
    at, lip = rng.uniform(0.5, 0.75), rng.uniform(0.0, 0.14)
    knots = (0.0, 0.12, at * 0.6, at, 1.0) if family == 0 else (0.0, 0.3, 0.45, at, 1.0)
    radii = (neck + lip, neck, (neck + belly) / 2, belly, base)

    def profile(y: Picture) -> Picture:
        t = np.clip((y - top) / (bottom - top), 0, 1)
        radius = np.interp(t, knots, radii)
        for shift in (0.04, 0.08):  # cheap rounding of the corners
            radius = (
                radius
                + np.interp(np.clip(t - shift, 0, 1), knots, radii)
                + np.interp(np.clip(t + shift, 0, 1), knots, radii)
            ) / 3
        return np.asarray(radius, dtype=np.float32)

    c = _Canvas()
    tint = _tint(rng)
    _revolve(c, profile, top, bottom, tint, rng)
    if rng.random() < 0.5:
        water = np.array([0.72, 0.85, 0.93], dtype=np.float32) * (0.6 + 0.4 * tint)
        _fill(c, profile, rng.uniform(-0.3, 0.2), bottom - 0.1, water, rng, strength=0.35)
    c.over(tint * 0.55, _inside(c, profile, bottom - 0.1, bottom) * 0.45)
    _ellipse_rim(c, 0.0, top, float(profile(np.array([top], dtype=np.float32))[0]), tint)
    _streaks(c, profile, top + 0.15, bottom - 0.2, rng)
    return c.picture()


def draw_glass_bottle(rng: np.random.Generator, family: int) -> Picture:
    """A bottle with a narrow neck, sometimes half full."""
    neck, body, shoulder = rng.uniform(0.09, 0.13), rng.uniform(0.24, 0.36), rng.uniform(0.3, 0.42)
    knots = (0.0, 0.04, shoulder - 0.08, shoulder + (0.06 if family == 0 else 0.16), 1.0)
    drink = np.array([[0.75, 0.88, 0.95], [0.5, 0.08, 0.12], [0.85, 0.6, 0.2]][int(rng.integers(3))])
    return _vessel(rng, knots, (neck + 0.02, neck, neck, body, body), drink, rng.uniform(0.45, 0.8))


def draw_glass_jar(rng: np.random.Generator, family: int) -> Picture:
    """A wide jar without a lid; empty, or with water, honey or jam."""
    body, mouth = rng.uniform(0.46, 0.62), rng.uniform(0.76, 0.92)
    knots = (0.0, 0.07, 0.16, 0.9, 1.0) if family == 0 else (0.0, 0.12, 0.3, 0.8, 1.0)
    drink = np.array([[0.75, 0.88, 0.95], [0.9, 0.6, 0.15], [0.6, 0.1, 0.15]][int(rng.integers(3))])
    radii = (body * mouth, body * mouth, body, body, body * 0.93)
    return _vessel(rng, knots, radii, drink, rng.uniform(0.3, 0.6))


def draw_fishbowl(rng: np.random.Generator, family: int) -> Picture:
    """A round bowl filled with water."""
    widest, mouth = rng.uniform(0.74, 0.86), rng.uniform(0.5, 0.62)
    knots = (0.0, 0.2, 0.52, 0.85, 1.0) if family == 0 else (0.0, 0.12, 0.45, 0.8, 1.0)
    radii = (mouth, widest * 0.86, widest, widest * 0.78, widest * 0.5)
    water = np.array([0.66, 0.85, 0.95])
    return _vessel(rng, knots, radii, water, rng.uniform(0.24, 0.36), always=True)


def draw_champagne_flute(rng: np.random.Generator, family: int) -> Picture:
    """A tall narrow bowl on a stem, often with sparkling wine."""
    bowl, stem, foot = rng.uniform(0.15, 0.21), rng.uniform(0.02, 0.03), rng.uniform(0.2, 0.27)
    end = rng.uniform(0.52, 0.6)
    knots = (0.0, 0.2 if family == 0 else 0.34, end, 0.94, 0.97, 1.0)
    radii = (bowl * 0.9, bowl, stem, stem, foot * 0.7, foot)
    wine = np.array([0.95, 0.84, 0.5]) + rng.uniform(-0.06, 0.04, 3)
    return _vessel(rng, knots, radii, np.clip(wine, 0, 1), rng.uniform(0.12, 0.26), bottom=end - 0.06)


def draw_drinking_glass(rng: np.random.Generator, family: int) -> Picture:
    """A straight or slightly conical glass; empty, or with water, juice or cola."""
    top = rng.uniform(0.34, 0.52)
    base = top * (rng.uniform(0.68, 0.85) if family == 0 else rng.uniform(0.86, 1.0))
    drink = np.array([[0.78, 0.9, 0.96], [0.97, 0.62, 0.15], [0.28, 0.12, 0.06]][int(rng.integers(3))])
    return _vessel(rng, (0.0, 0.5, 1.0), (top, (top + base) / 2, base), drink, rng.uniform(0.2, 0.5))


def _vessel(
    rng: np.random.Generator,
    knots: tuple[float, ...],
    radii: tuple[float, ...],
    drink: Picture,
    level: float,
    *,
    bottom: float = 0.94,
    always: bool = False,
) -> Picture:
    """A body of revolution, from y about -0.88 to 0.88; its radius follows knots (0 at the rim, 1 at the foot).

    In two of three drawings, or `always`, it holds `drink` from `level` down to `bottom`, both as fractions.
    """
    rim, foot = max(-0.88, -0.98 + 0.25 * radii[0]), 0.88  # a wide rim needs room for its ellipse
    at = np.linspace(0, 1, 256)
    shape = np.convolve(np.pad(np.interp(at, knots, radii), 6, mode="edge"), np.ones(13) / 13, mode="valid")

    def profile(y: Picture) -> Picture:
        return np.asarray(np.interp((y - rim) / (foot - rim), at, shape), dtype=np.float32)

    c = _Canvas()
    tint = _tint(rng)
    _revolve(c, profile, rim, foot, tint, rng)
    if always or rng.random() < 2 / 3:
        span = foot - rim
        _fill(
            c, profile, rim + level * span, rim + bottom * span, drink.astype(np.float32), rng, strength=0.6
        )
    c.over(tint * 0.55, _inside(c, profile, foot - 0.07, foot) * 0.4)
    _ellipse_rim(c, 0.0, rim, float(shape[0]), tint)
    _streaks(c, profile, rim + 0.15, foot - 0.2, rng)
    return c.picture()


def _tint(rng: np.random.Generator) -> Picture:
    tints = ((0.86, 0.92, 0.96), (0.55, 0.8, 0.95), (0.55, 0.85, 0.65), (0.95, 0.75, 0.4), (0.8, 0.6, 0.9),
             (0.95, 0.6, 0.65), (0.9, 0.93, 0.95))  # fmt: skip
    tint = np.array(tints[int(rng.integers(len(tints)))]) + rng.uniform(-0.05, 0.05, 3)
    return np.clip(tint, 0, 1).astype(np.float32)


def _edge(r: Picture, radius: float) -> Picture:
    """Antialiased inside of r < 1."""
    return np.asarray(np.clip((1 - r) * radius * SIDE / 2 + 0.5, 0, 1), dtype=np.float32)


def _highlight(c: _Canvas, rng: np.random.Generator, radius: float, inside: Picture, strength: float) -> None:
    for side, size in ((-1, rng.uniform(0.1, 0.17)), (1, rng.uniform(0.05, 0.09))):
        hx, hy = side * rng.uniform(0.32, 0.46) * radius, side * rng.uniform(0.36, 0.5) * radius
        turn = rng.uniform(0.5, 1.0)
        u = (c.x - hx) * np.cos(turn) - (c.y - hy) * np.sin(turn)
        v = (c.x - hx) * np.sin(turn) + (c.y - hy) * np.cos(turn)
        spot = np.exp(-(((u / size) ** 2 + (v / (size * 0.5)) ** 2) ** 1.5))
        c.over(np.ones(3, dtype=np.float32), inside * spot * strength)


def _inside(c: _Canvas, profile: object, top: float, bottom: float) -> Picture:
    """Coverage of a body of revolution seen from slightly above: the foot ends in a shallow ellipse."""
    assert callable(profile)
    radius = np.asarray(profile(c.y), dtype=np.float32)
    across = np.clip((radius - np.abs(c.x)) * SIDE / 2 + 0.5, 0, 1)
    end = float(np.asarray(profile(np.array([bottom], dtype=np.float32)))[0])
    curve = bottom + 0.12 * np.sqrt(np.clip(end**2 - c.x**2, 0, None)) - 0.12 * end
    down = np.clip((curve - c.y) * SIDE / 2 + 0.5, 0, 1)
    up = np.clip((c.y - top) * SIDE / 2 + 0.5, 0, 1)
    return np.asarray(across * down * up, dtype=np.float32)


def _revolve(
    c: _Canvas, profile: object, top: float, bottom: float, tint: Picture, rng: np.random.Generator
) -> None:
    assert callable(profile)
    inside = _inside(c, profile, top, bottom)
    u = np.clip(np.abs(c.x) / np.maximum(np.asarray(profile(c.y)), 1e-3), 0, 1)
    rim = u ** rng.uniform(5, 10)
    c.over(tint, inside * (rng.uniform(0.1, 0.25) + 0.2 * u**2))
    c.over(tint * rng.uniform(0.35, 0.6), inside * rim * rng.uniform(0.55, 0.85))


def _fill(
    c: _Canvas,
    profile: object,
    top: float,
    bottom: float,
    colour: Picture,
    rng: np.random.Generator,
    strength: float = 0.85,
) -> None:
    assert callable(profile)
    radius = np.asarray(profile(c.y), dtype=np.float32) * 0.95
    u = np.abs(c.x) / np.maximum(radius, 1e-3)
    inside = np.clip((radius - np.abs(c.x)) * SIDE / 2, 0, 1) * (c.y < bottom)
    surface = float(np.asarray(profile(np.array([top], dtype=np.float32)))[0]) * 0.95
    lid = np.hypot(c.x / surface, (c.y - top) / (surface * 0.16)) < 1
    body = inside * np.clip((c.y - top) * SIDE / 2 + 0.5, 0, 1)
    shaded = colour * (1.1 - 0.45 * np.clip(u, 0, 1)[..., None] ** 2)
    c.over(np.clip(shaded, 0, 1), body * strength * rng.uniform(0.85, 1.0))
    c.over(np.clip(colour * 1.1 + 0.12, 0, 1), lid * strength)


def _ellipse_rim(c: _Canvas, cx: float, cy: float, radius: float, tint: Picture) -> None:
    r = np.hypot((c.x - cx) / radius, (c.y - cy) / max(radius * 0.18, 1e-3))
    ring = np.exp(-(((r - 1) / 0.07) ** 2))
    c.over(np.clip(tint * 0.3 + 0.68, 0, 1), ring * 0.8)
    c.over(tint * 0.7, np.clip((1 - r) * 20, 0, 1) * 0.12)


def _streaks(c: _Canvas, profile: object, top: float, bottom: float, rng: np.random.Generator) -> None:
    """Window light running along the side of the body."""
    assert callable(profile)
    u = c.x / np.maximum(np.asarray(profile(c.y), dtype=np.float32), 1e-3)
    span = np.clip((c.y - top) / 0.1, 0, 1) * np.clip((bottom - c.y) / 0.2, 0, 1)
    for at, width, strength in ((-rng.uniform(0.5, 0.7), 0.09, 0.85), (rng.uniform(0.55, 0.75), 0.05, 0.5)):
        c.over(np.ones(3, dtype=np.float32), span * np.exp(-(((u - at) / width) ** 2)) * strength)
