"""Drawn objects whose shadow is known, for the tests of what leaves the engine: straight RGBA (4, n, n) in 0..1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def grid(n: int) -> tuple[Tensor, Tensor]:
    """x and y of pixel centres in 0..1, (n, n) both."""
    at = (torch.arange(n) + 0.5) / n
    return at[None].expand(n, n), at[:, None].expand(n, n)


def disc(n: int, x: float, y: float, rx: float, ry: float, *, soft: float = 0.0) -> Tensor:
    """Coverage of an ellipse; its edge is a pixel wide, or `soft` of the picture."""
    gx, gy = grid(n)
    away = (((gx - x) / rx) ** 2 + ((gy - y) / ry) ** 2).sqrt()
    edge = max(soft, 1 / n) / min(rx, ry)
    ramp = ((1 - away) / edge + 0.5).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def over(*layers: tuple[tuple[float, float, float], Tensor]) -> Tensor:
    """Straight RGBA of flat colours with their coverages, back to front."""
    n = layers[0][1].shape[0]
    premul = torch.zeros(4, n, n)
    for colour, alpha in layers:
        own = torch.tensor([*colour, 1.0]).view(4, 1, 1) * alpha
        premul = own + premul * (1 - alpha)
    return torch.cat([premul[:3] / premul[3:].clamp(min=1e-6), premul[3:]])


def ball(n: int, *, shadow: float = 0.6, tint: float = 0.02, dx: float = 0.14) -> tuple[Tensor, Tensor]:
    """A red ball with a soft shadow on the ground to the right (`dx` > 0); and the density of that shadow."""
    density = shadow * disc(n, 0.42 + dx, 0.76, 0.27, 0.09, soft=0.1)
    body = disc(n, 0.42, 0.52, 0.25, 0.25)
    return over(((tint, tint, tint), density), ((0.8, 0.2, 0.15), body)), density


def cat(n: int) -> Tensor:
    """A black cat with fur: an outline that fades over a hundredth of the picture, and no shadow."""
    body = disc(n, 0.5, 0.6, 0.22, 0.25, soft=0.012)
    head = disc(n, 0.5, 0.3, 0.14, 0.13, soft=0.012)
    tail = disc(n, 0.78, 0.7, 0.12, 0.03, soft=0.012)
    black = (0.04, 0.04, 0.05)
    return over((black, tail), (black, body), (black, head))


def hairy(n: int) -> Tensor:
    """A dark thing with strands of hair that reach far out and fade."""
    gx, gy = grid(n)
    angle = torch.atan2(gy - 0.5, gx - 0.5)
    away = ((gx - 0.5) ** 2 + (gy - 0.5) ** 2).sqrt()
    strands = ((angle * 60).sin() * 2).clamp(0, 1) * ((0.42 - away) / 0.15).clamp(0, 1)
    return over(((0.06, 0.05, 0.05), strands), ((0.06, 0.05, 0.05), disc(n, 0.5, 0.5, 0.28, 0.28)))


def smoke(n: int, grey: float = 0.1) -> Tensor:
    """Dark smoke: soft, neutral, half-clear, nothing opaque."""
    plumes = [disc(n, 0.5 + 0.05 * i, 0.8 - 0.15 * i, 0.1 + 0.03 * i, 0.12, soft=0.1) for i in range(4)]
    return over(*(((grey, grey, grey), 0.5 * plume) for plume in plumes))


def bottle(n: int) -> Tensor:
    """Dark glass with a sharp outline on an opaque foot, and an opaque cap."""
    body = 0.6 * disc(n, 0.5, 0.5, 0.14, 0.3)
    foot, cap = disc(n, 0.5, 0.8, 0.15, 0.03), disc(n, 0.5, 0.18, 0.05, 0.04)
    return over(((0.05, 0.08, 0.05), body), ((0.1, 0.1, 0.1), foot), ((0.7, 0.6, 0.2), cap))


def sunglasses(n: int) -> Tensor:
    """Dark, half-clear lenses in an opaque frame."""
    layers = []
    for x in (0.3, 0.7):
        lens, rim = disc(n, x, 0.5, 0.14, 0.12, soft=0.03), disc(n, x, 0.5, 0.17, 0.15)
        layers += [
            ((0.05, 0.05, 0.05), 0.6 * lens),
            ((0.1, 0.1, 0.1), (rim - disc(n, x, 0.5, 0.13, 0.11)).clamp(0, 1)),
        ]
    return over(*layers)


def softened(picture: Tensor, size: int) -> Tensor:
    """Average of each pixel's neighbourhood (size is odd)."""
    return F.avg_pool2d(picture[None, None], size, 1, size // 2, count_include_pad=False)[0, 0]
