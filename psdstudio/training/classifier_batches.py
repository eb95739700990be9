"""What the judge learns from: strongly changed drawings of one split, and garbage of the kinds a generator makes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.training.classifier_net import JUDGE_PX, at_judge_size
from psdstudio.training.looks import choose_colour, plan_look, render_looks
from psdstudio.training.sprites import Sprite, SpriteLibrary
from psdstudio.training.world import draw_world

GARBAGE_KINDS = ("empty", "blob", "noise", "scrambled", "mixed", "halves", "flat", "smudged", "melted")


def lit_looks(library: SpriteLibrary, sprites: list[Sprite], rng: np.random.Generator) -> Tensor:
    """Return straight RGBA (n, 4, 64, 64) in 0..1 of drawings as the renderer shows them: lit, mirrored, coloured."""
    plans = []
    for sprite in sprites:
        world = draw_world(rng, library.nouns[sprite.noun].places)
        _, paint = choose_colour(sprite, rng)
        plans.append(plan_look(sprite, paint, world.gain, world.shade, rng))
    return render_looks(library.pixels, plans, JUDGE_PX)


def draw_sprites(library: SpriteLibrary, rng: np.random.Generator, count: int) -> list[Sprite]:
    """Draw nouns with equal chances, then one of the noun's drawings."""
    nouns = list(library.by_noun)
    chosen = (library.by_noun[nouns[int(rng.integers(len(nouns)))]] for _ in range(count))
    return [sprites[int(rng.integers(len(sprites)))] for sprites in chosen]


def changed(looks: Tensor, rng: np.random.Generator) -> Tensor:
    """Warp, blur and tint straight looks (n, 4, 64, 64); returns premultiplied RGBA of that size."""
    premul = _warped(at_judge_size(looks), rng)
    premul = _blurred(premul, rng)
    return _tinted(premul, rng)


def _warped(premul: Tensor, rng: np.random.Generator) -> Tensor:
    n = len(premul)
    turn, shear = _normal(rng, n, 0.14), _normal(rng, n, 0.10)
    sx, sy = _normal(rng, n, 0.12).exp() * 1.06, _normal(rng, n, 0.12).exp() * 1.06
    move = torch.from_numpy(rng.normal(0, 0.08, (n, 2))).float()
    cos, sin = turn.cos(), turn.sin()
    theta = torch.stack(
        [
            torch.stack([sx * cos, -sx * sin + shear, move[:, 0]], dim=1),
            torch.stack([sy * sin, sy * cos, move[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, list(premul.shape), align_corners=False)
    # Other hands draw other proportions.
    return F.grid_sample(premul, grid + _bend(rng, n, 0.05), padding_mode="zeros", align_corners=False)


def _bend(rng: np.random.Generator, n: int, strength: float) -> Tensor:
    """Slow random displacements for a sampling grid, (n, 64, 64, 2)."""
    coarse = torch.from_numpy(rng.normal(0, strength, (n, 2, 4, 4))).float()
    fine = F.interpolate(coarse, size=(JUDGE_PX, JUDGE_PX), mode="bicubic", align_corners=False)
    return fine.permute(0, 2, 3, 1)


def _blurred(premul: Tensor, rng: np.random.Generator) -> Tensor:
    out = premul.clone()
    at = torch.from_numpy(np.flatnonzero(rng.random(len(premul)) < 0.5))
    if len(at):
        size = int(rng.integers(14, 48))
        small = F.interpolate(
            premul[at], size=(size, size), mode="bilinear", antialias=True, align_corners=False
        )
        out[at] = F.interpolate(small, size=premul.shape[-2:], mode="bilinear", align_corners=False)
    return out


def _tinted(premul: Tensor, rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue a little, and now and then erase a patch."""
    n = len(premul)
    alpha = premul[:, 3:4]
    rgb = premul[:, :3] / alpha.clamp(min=1e-3)
    grey = rgb.mean(1, keepdim=True)
    saturation = torch.from_numpy(rng.uniform(0.4, 1.3, n)).float().view(n, 1, 1, 1)
    turned = torch.einsum("nij,njhw->nihw", _hue_turns(_normal(rng, n, 0.25)), rgb - grey)
    rgb = grey + saturation * turned
    contrast = _normal(rng, n, 0.2).exp().view(n, 1, 1, 1)
    gain = torch.from_numpy(rng.uniform(0.75, 1.2, (n, 3, 1, 1))).float()
    rgb = (((rgb - 0.5) * contrast + 0.5) * gain).clamp(0, 1)
    # Blotches alone are no reason to reject a good outline: good drawings have some too.
    for i in np.flatnonzero(rng.random(n) < 0.3):
        rgb[i] = (rgb[i] * _blotches(rng, 0.25)).clamp(0, 1)
    alpha = _erased(alpha, rng)
    return torch.cat([rgb * alpha, alpha], dim=1)


def _blotches(rng: np.random.Generator, strength: float) -> Tensor:
    """Factors around 1 in soft spots of a few pixels, (3, 64, 64): how an untrained generator paints surfaces."""
    cells = int(rng.integers(8, 18))
    return 1 + strength * (1.6 * _smooth(rng, 1, cells) + 0.6 * _smooth(rng, 3, cells) - 1.1)


def _hue_turns(angles: Tensor) -> Tensor:
    """Return rotations about the grey axis, (n, 3, 3)."""
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    axis = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    return cos * torch.eye(3) + sin * cross + (1 - cos) * axis


def _erased(alpha: Tensor, rng: np.random.Generator) -> Tensor:
    out = alpha.clone()
    for i in np.flatnonzero(rng.random(len(alpha)) < 0.25):
        h, w = rng.integers(6, 22, 2)
        y, x = rng.integers(0, JUDGE_PX - h), rng.integers(0, JUDGE_PX - w)
        out[i, :, y : y + h, x : x + w] = 0
    return out


def garbage(library: SpriteLibrary, rng: np.random.Generator, count: int) -> Tensor:
    """Return premultiplied RGBA (count, 4, 64, 64) that shows no single thing; the kinds take turns."""
    made = [_one_garbage(library, rng, GARBAGE_KINDS[i % len(GARBAGE_KINDS)]) for i in range(count)]
    return torch.stack(made)


def _one_garbage(library: SpriteLibrary, rng: np.random.Generator, kind: str) -> Tensor:
    if kind == "empty":
        faint = _smooth(rng, 1, 4) * float(rng.uniform(0, 0.12))
        return torch.cat([_smooth(rng, 3, 4) * faint, faint])
    if kind == "blob":
        alpha = ((_smooth(rng, 1, int(rng.integers(3, 6))) - 0.5) * 14 + 0.5).clamp(0, 1)
        return torch.cat([_smooth(rng, 3, int(rng.integers(1, 8))) * alpha, alpha])
    if kind == "noise":
        alpha = (
            _smooth(rng, 1, int(rng.integers(8, 64)))
            if rng.random() < 0.5
            else torch.ones(1, JUDGE_PX, JUDGE_PX)
        )
        return torch.cat([_smooth(rng, 3, int(rng.integers(8, 64))) * alpha, alpha])
    if kind == "flat":
        inset = int(rng.integers(0, 12))
        alpha = F.pad(torch.ones(1, JUDGE_PX - 2 * inset, JUDGE_PX - 2 * inset), (inset,) * 4)
        return torch.cat([_smooth(rng, 3, 2) * alpha, alpha])
    a, b = _two_things(library, rng)
    if kind == "scrambled":
        cells = int(rng.choice([4, 8]))
        edge = JUDGE_PX // cells
        tiles = a.unfold(1, edge, edge).unfold(2, edge, edge).flatten(1, 2)
        tiles = tiles[:, torch.from_numpy(rng.permutation(cells * cells))].reshape(
            4, cells, cells, edge, edge
        )
        return tiles.permute(0, 1, 3, 2, 4).reshape(4, JUDGE_PX, JUDGE_PX)
    if kind == "halves":
        b = b if rng.random() < 0.5 else b.flip(1)
        return torch.cat([a[:, :, : JUDGE_PX // 2], b[:, :, JUDGE_PX // 2 :]], dim=2)
    if kind in ("smudged", "melted"):
        return _smudge(a, rng) if kind == "smudged" else _melt(a, rng)
    share = float(rng.uniform(0.4, 0.6))
    return a * share + b * (1 - share)


def _smudge(premul: Tensor, rng: np.random.Generator) -> Tensor:
    """A drawing of which only the colours and the rough mass are left, with a hard outline and blotches."""
    size = int(rng.integers(4, 8))
    small = F.interpolate(premul[None], size=(size, size), mode="area")
    big = F.interpolate(small, size=(JUDGE_PX, JUDGE_PX), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    alpha = ((big[3:] - 0.4) * float(rng.uniform(1.5, 8)) + 0.5).clamp(0, 1)
    colour = (big[:3] / big[3:].clamp(min=0.05) * _blotches(rng, float(rng.uniform(0.1, 0.5)))).clamp(0, 1)
    return torch.cat([colour * alpha, alpha])


def _melt(premul: Tensor, rng: np.random.Generator) -> Tensor:
    """A drawing bent out of shape, with blotches."""
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 4, JUDGE_PX, JUDGE_PX], align_corners=False)
    grid = still + _bend(rng, 1, float(rng.uniform(0.25, 0.4)))
    bent = F.grid_sample(premul[None], grid, padding_mode="zeros", align_corners=False)[0]
    colour = (bent[:3] / bent[3:].clamp(min=1e-3) * _blotches(rng, float(rng.uniform(0.1, 0.5)))).clamp(0, 1)
    return torch.cat([colour * bent[3:], bent[3:]])


def _two_things(library: SpriteLibrary, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Two drawings of different nouns, changed, premultiplied."""
    first = draw_sprites(library, rng, 1)[0]
    others = {n: sprites for n, sprites in library.by_noun.items() if n != first.noun}
    second = draw_sprites(SpriteLibrary(library.pixels, library.nouns, others), rng, 1)[0]
    pair = changed(lit_looks(library, [first, second], rng), rng)
    return pair[0], pair[1]


def _smooth(rng: np.random.Generator, channels: int, cells: int) -> Tensor:
    """Smooth random values 0..1, (channels, 64, 64)."""
    coarse = torch.from_numpy(rng.random((1, channels, cells, cells))).float()
    return F.interpolate(coarse, size=(JUDGE_PX, JUDGE_PX), mode="bicubic", align_corners=False)[0].clamp(
        0, 1
    )


def _normal(rng: np.random.Generator, n: int, spread: float) -> Tensor:
    return torch.from_numpy(rng.normal(0, spread, n)).float()
