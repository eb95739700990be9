"""Clean plates for training: eleven families of ground painted from a `World`, without any object or shadow.

Coordinates: y runs 0..1 down the canvas, x 0..aspect; the ground plane is seen in perspective below the horizon, with
depth 1 / (y - horizon). Everything is a pure function of the world (its seed draws the textures).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.training.world import World


@dataclass(frozen=True, slots=True)
class View:
    """The pixel grid of one world: x, y (h, w), soft ground mask, ground coordinates u, v, fade with depth."""

    world: World
    x: Tensor
    y: Tensor
    aspect: float
    ground: Tensor
    u: Tensor
    v: Tensor
    fade: Tensor
    noise: Tensor


def paint_background(world: World, height: int, width: int) -> Tensor:
    """Return the clean plate (3, height, width) float32 in 0..1."""
    view = _view(world, height, width)
    picture = PAINTERS[world.family.key](view)
    side = 1 - 0.10 * (1 - world.softness) * world.light_vector()[0] * (view.x / view.aspect - 0.5)
    gain = torch.tensor(world.gain).view(3, 1, 1)
    if world.family.outdoors:
        # The sky has its mood's colours already; the light tints the ground.
        gain = 1 + (gain - 1) * view.ground
    return (picture * gain * side).clamp(0, 1)


def _view(world: World, height: int, width: int) -> View:
    aspect = width / height
    y = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    x = ((torch.arange(width) + 0.5) / width * aspect)[None].expand(height, width)
    below = y - world.horizon
    ground = (below * height + 0.5).clamp(0, 1)
    depth = 1 / below.clamp(min=0.5 / height)
    generator = torch.Generator().manual_seed(world.seed)
    noise = torch.rand(6, 64, 64, generator=generator)
    return View(
        world, x, y, aspect, ground, (x - aspect / 2) * depth, depth, (below * 6).clamp(0.02, 1), noise
    )


def _sample(noise: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Value noise 0..1 at texel coordinates (wrapping every 64)."""
    padded = F.pad(noise[None, None], (0, 1, 0, 1), mode="circular")
    grid = torch.stack([(u % 64) / 32 - 1, (v % 64) / 32 - 1], dim=-1)
    return F.grid_sample(padded, grid[None], mode="bilinear", align_corners=True)[0, 0]


def _cloudy(noise: Tensor, u: Tensor, v: Tensor, octaves: int = 3) -> Tensor:
    total = torch.zeros_like(u)
    for k in range(octaves):
        total = total + _sample(noise, u * 2**k + 17 * k, v * 2**k + 29 * k) / 2**k
    return total / (2 - 2.0 ** (1 - octaves))


def _mix(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    return a + (b - a) * weight


def _colour(rgb: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rgb).view(3, 1, 1)


def _sky(view: View) -> Tensor:
    mood, world = view.world.mood, view.world
    height = (view.y / world.horizon).clamp(0, 1)
    sky = _mix(_colour(mood.sky_top), _colour(mood.sky_low), height**1.3)
    clouds = ((_cloudy(view.noise[0], view.x * 5, view.y * 11) - 0.50) * 3.2).clamp(0, 1)
    lit = _mix(_colour(mood.sky_low), torch.ones(3, 1, 1), torch.tensor(0.15 if mood.key == "night" else 0.6))
    sky = _mix(sky, lit, clouds * (0.25 if mood.key == "night" else 0.75) * (1 - 0.4 * height))
    if mood.key == "sunset":
        sun_x = view.aspect * (0.5 - 0.35 * world.light_vector()[0])
        distance = ((view.x - sun_x) ** 2 + (view.y - world.horizon + 0.05) ** 2).sqrt()
        sky = _mix(sky, _colour((1.0, 0.86, 0.55)), ((0.05 - distance) * 60).clamp(0, 1))
        sky = _mix(sky, _colour((1.0, 0.72, 0.42)), 0.6 * torch.exp(-((distance / 0.22) ** 2)))
    if mood.key == "night":
        stars = (_sample(view.noise[1], view.x * 90, view.y * 90) - 0.965).clamp(0, 1) * 20
        sky = (sky + stars * (1 - height)).clamp(0, 1)
    return sky


def _over_ground(view: View, above: Tensor, ground: Tensor) -> Tensor:
    return _mix(above, ground, view.ground)


def _grainy(
    view: View, near: Tensor, far: Tensor, *, scale: float, strength: float, stretch: float = 1.0
) -> Tensor:
    """Ground colour from far to near with noise in perspective that fades with distance."""
    toward = ((view.y - view.world.horizon) / (1 - view.world.horizon)).clamp(0, 1)
    grain = _cloudy(view.noise[2], view.u * scale, view.v * scale * stretch) - 0.5
    return _mix(far, near, toward**0.7) * (1 + strength * 2 * grain * view.fade)


def _ridge(view: View, base: float, height: float, frequency: float, row: int) -> Tensor:
    """Soft mask of hills: 1 below a noisy line above the horizon."""
    line = _cloudy(view.noise[row], view.x * frequency, torch.zeros_like(view.x) + 3.0 * row)
    top = view.world.horizon - base - height * line
    return ((view.y - top) * view.y.shape[0]).clamp(0, 1)


def _meadow(view: View) -> Tensor:
    above = _mix(_sky(view), _colour((0.36, 0.52, 0.40)), _ridge(view, 0.0, 0.10, 3.0, 3))
    above = _mix(above, _colour((0.28, 0.48, 0.24)), _ridge(view, -0.02, 0.06, 5.0, 4))
    ground = _grainy(view, _colour((0.26, 0.52, 0.16)), _colour((0.44, 0.64, 0.30)), scale=9, strength=0.35)
    return _over_ground(view, above, ground)


def _beach(view: View) -> Tensor:
    mood = view.world.mood
    sea_low = view.world.horizon + 0.10 + 0.012 * torch.sin(view.x * 9 + view.world.seed % 7)
    sea = _mix(
        _colour(mood.sky_low) * _colour((0.45, 0.75, 0.85)), _colour((0.35, 0.72, 0.74)), view.ground * 0.6
    )
    sand = _grainy(view, _colour((0.90, 0.80, 0.62)), _colour((0.84, 0.72, 0.53)), scale=14, strength=0.12)
    foam = torch.exp(-(((view.y - sea_low) / 0.008) ** 2))
    ground = _mix(sea, sand, ((view.y - sea_low) * 120).clamp(0, 1))
    return _over_ground(view, _sky(view), _mix(ground, torch.ones(3, 1, 1), foam * 0.8))


def _water(view: View) -> Tensor:
    sky = _sky(view)
    rows = view.y.shape[0]
    ripple = _cloudy(view.noise[2], view.u * 2.2, view.v * 7, 2) - 0.5
    mirrored_y = (2 * view.world.horizon - view.y + 0.10 * ripple * view.fade).clamp(
        0, view.world.horizon * 0.98
    )
    grid = torch.stack([view.x / view.aspect * 2 - 1, mirrored_y * 2 - 1], dim=-1)
    mirror = F.grid_sample(sky[None], grid[None], padding_mode="border", align_corners=False)[0]
    deep = _colour((0.10, 0.26, 0.36)) * (0.35 if view.world.mood.key == "night" else 1.0)
    toward = ((view.y - view.world.horizon) / (1 - view.world.horizon)).clamp(0, 1)
    water = _mix(mirror, deep, 0.18 + 0.42 * toward) * (1 + 0.35 * ripple * view.fade)
    shore = _ridge(view, -0.004, 0.035, 4.0, 3) if view.world.seed % 2 and rows else torch.zeros_like(view.x)
    return _over_ground(view, _mix(sky, _colour((0.24, 0.34, 0.30)) * 0.8, shore), water)


def _snow(view: View) -> Tensor:
    above = _mix(_sky(view), _colour((0.62, 0.70, 0.78)), _ridge(view, 0.0, 0.12, 3.0, 3))
    above = _mix(above, _colour((0.36, 0.46, 0.48)), _ridge(view, -0.03, 0.06, 22.0, 4))
    ground = _grainy(view, _colour((0.95, 0.97, 1.0)), _colour((0.84, 0.89, 0.95)), scale=3, strength=0.07)
    return _over_ground(view, above, ground)


def _desert(view: View) -> Tensor:
    above = _mix(_sky(view), _colour((0.84, 0.62, 0.40)), _ridge(view, 0.0, 0.12, 2.0, 3))
    above = _mix(above, _colour((0.90, 0.68, 0.42)), _ridge(view, -0.03, 0.09, 3.0, 4))
    waves = torch.sin(view.v * 14 + 3 * _sample(view.noise[1], view.u * 2, view.v * 2)) * 0.04 * view.fade
    ground = _grainy(view, _colour((0.93, 0.74, 0.48)), _colour((0.88, 0.66, 0.40)), scale=4, strength=0.10)
    return _over_ground(view, above, ground * (1 + waves))


def _street(view: View) -> Tensor:
    blocks = _sample(view.noise[3], torch.floor(view.x * 6), torch.zeros_like(view.x))
    tone = 0.35 + 0.45 * _sample(view.noise[4], torch.floor(view.x * 6), torch.ones_like(view.x))
    top = view.world.horizon - 0.12 - 0.26 * blocks
    night = view.world.mood.key == "night"
    walls = (
        _mix(_colour(view.world.wall), torch.full((3, 1, 1), 0.7), torch.tensor(0.55))
        * tone
        * (0.5 if night else 1)
    )
    windows = ((view.x * 60) % 2 > 1) & ((view.y * 46) % 2 > 1)
    glass = _colour((0.98, 0.86, 0.52)) if night else walls * 0.78
    walls = torch.where(windows, glass, walls)
    above = _mix(_sky(view), walls, ((view.y - top) * view.y.shape[0]).clamp(0, 1))
    road = _grainy(view, _colour((0.36, 0.36, 0.38)), _colour((0.46, 0.46, 0.48)), scale=18, strength=0.12)
    kerb = ((view.world.horizon + 0.05 - view.y) * 200).clamp(0, 1)
    return _over_ground(view, above, _mix(road, _colour((0.68, 0.67, 0.65)), kerb))


def _forest(view: View) -> Tensor:
    leaves = _cloudy(view.noise[0], view.x * 9, view.y * 12)
    night = 0.45 if view.world.mood.key == "night" else 1.0
    above = _mix(_colour((0.16, 0.32, 0.18)), _colour((0.52, 0.66, 0.38)), leaves) * night
    trunk = (_sample(view.noise[1], view.x * 22, torch.zeros_like(view.x)) - 0.72).clamp(0, 0.1) * 10
    above = _mix(above, _colour((0.26, 0.19, 0.14)) * night, trunk * ((view.y - 0.06) * 8).clamp(0, 1))
    ground = _grainy(view, _colour((0.36, 0.40, 0.20)), _colour((0.30, 0.42, 0.22)), scale=8, strength=0.40)
    return _over_ground(view, above, ground)


def _planks(view: View, near: Tensor, *, scale: float) -> Tensor:
    board = torch.floor(view.u * scale)
    tone = _sample(view.noise[3], board * 7.3, torch.zeros_like(board)) - 0.5
    grain = _sample(view.noise[4], view.u * scale * 6, view.v * 0.7) - 0.5
    gap = (
        1
        - torch.exp(-(((view.u * scale - board - 0.5).abs() - 0.5) ** 2) * 900 * view.fade) * 0.45 * view.fade
    )
    return near * (1 + (0.30 * tone + 0.16 * grain) * view.fade) * gap


def _wood(view: View) -> Tensor:
    warm = (view.world.seed % 97) / 97
    return _mix(_colour((0.46, 0.29, 0.18)), _colour((0.78, 0.57, 0.37)), torch.tensor(warm))


def _wall(view: View) -> Tensor:
    glow = 1 + 0.10 * (0.5 - view.y)
    return _colour(view.world.wall) * glow


def _table(view: View) -> Tensor:
    blobs = torch.stack([_sample(view.noise[k], view.x * 3.5, view.y * 4.5) for k in (0, 1, 2)])
    backdrop = _mix(_wall(view), blobs, torch.tensor(0.35)) * 0.9
    edge = torch.sigmoid((view.y - view.world.horizon) * view.y.shape[0] * 0.6)
    return _mix(backdrop, _planks(view, _wood(view), scale=1.4), edge)


def _room(view: View) -> Tensor:
    skirting = ((view.y - view.world.horizon + 0.035) * view.y.shape[0]).clamp(0, 1)
    wall = _mix(_wall(view), _colour((0.92, 0.91, 0.89)), skirting)
    return _over_ground(view, wall, _planks(view, _wood(view), scale=2.2))


def _tiles(view: View) -> Tensor:
    check = torch.sign(torch.sin(view.u * 6.0) * torch.sin(view.v * 6.0)) * view.fade**0.5
    light, dark = (
        _colour((0.90, 0.90, 0.88)),
        _mix(_colour(view.world.wall), torch.zeros(3, 1, 1), torch.tensor(0.55)),
    )
    return _over_ground(view, _wall(view), _mix(light, dark, 0.5 + 0.5 * check))


def _studio(view: View) -> Tensor:
    bend = torch.sigmoid((view.y - view.world.horizon) * 14)
    centre = torch.exp(-(((view.x / view.aspect - 0.5) / 0.6) ** 2) - ((view.y - 0.35) / 0.7) ** 2)
    return _colour(view.world.wall) * (0.80 + 0.22 * centre) * _mix(torch.ones(1), torch.tensor(1.06), bend)


PAINTERS: dict[str, Callable[[View], Tensor]] = {
    "meadow": _meadow,
    "beach": _beach,
    "water": _water,
    "snow": _snow,
    "table": _table,
    "room": _room,
    "tiles": _tiles,
    "studio": _studio,
    "street": _street,
    "desert": _desert,
    "forest": _forest,
}
