"""Pairs for DetailNet: what SceneNet makes of a noised truth at its own size, and the truth at twice the size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.flow import add_noise, euler_step
from psdstudio.engine.network import SceneNet
from psdstudio.engine.pictures import pad_colour
from psdstudio.engine.rows import GROUPS, LIGHT_DIM, SEEN_DIM, RowRole, Rows
from psdstudio.engine.words import pool_words
from psdstudio.training.backgrounds import paint_background
from psdstudio.training.looks import LookPlan, choose_colour, object_words, render_looks
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.stages import Material, draw_grid
from psdstudio.training.words import WordBank
from psdstudio.training.world import draw_world

DROP_WORDS = 0.15
UNSPOILED = 0.25
"""Share of batches whose input is the truth itself: for doublings after the first."""
LEVELS = (0.1, 0.75)
LOOK_BOX = (0.35, 0.4, 0.4, 0.4)
WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(slots=True)
class DetailBatch:
    """`low`: (n, 4, h, w) and `target`: (n, 4, 2h, 2w) straight RGBA in -1..1; `level` (n,), `words` (n, 384)."""

    low: Tensor
    target: Tensor
    level: Tensor
    words: Tensor


def look_pairs(
    material: Material, scene_net: SceneNet, rng: np.random.Generator, count: int, px: int
) -> DetailBatch:
    """Draw objects painted at `px` and shown at 2 px."""
    plans, captions = _planned_looks(material.library, rng, count)
    target = render_looks(material.library.pixels, plans, 2 * px)
    return _pairs(scene_net, material.bank, target, captions, rng, role=RowRole.LOOK)


def background_pairs(
    material: Material, scene_net: SceneNet, rng: np.random.Generator, count: int, px: int
) -> DetailBatch:
    """Draw backgrounds painted at SceneNet's canvas size for looks of `px` and shown at twice that."""
    grid, cell = draw_grid(rng), px // 16
    worlds = [draw_world(rng) for _ in range(count)]
    target = torch.stack([paint_background(w, 2 * grid[0] * cell, 2 * grid[1] * cell) for w in worlds])
    opaque = torch.cat([target, torch.ones_like(target[:, :1])], dim=1)
    return _pairs(scene_net, material.bank, opaque, [w.words for w in worlds], rng, role=RowRole.BACKGROUND)


def _planned_looks(
    library: SpriteLibrary, rng: np.random.Generator, count: int
) -> tuple[list[LookPlan], list[str]]:
    plans, captions = [], []
    for _ in range(count):
        noun = library.draw_noun(rng)
        drawings = library.by_noun[noun]
        sprite = drawings[int(rng.integers(len(drawings)))]
        world = draw_world(rng, library.nouns[noun].places)
        colour, paint = choose_colour(sprite, rng)
        # Unturned and unscaled: the small warps of plan_look would soften the truth that shows what sharp means.
        plans.append(LookPlan(sprite, bool(rng.random() < 0.5), paint, world.gain, world.shade, 0.0, 1.0))
        captions.append(object_words(library.nouns[noun], colour, rng))
    return plans, captions


def _pairs(
    scene_net: SceneNet, bank: WordBank, target: Tensor, captions: Sequence[str], rng: np.random.Generator,
    *, role: RowRole,
) -> DetailBatch:  # fmt: skip
    n = target.shape[0]
    spoken = [c if rng.random() >= DROP_WORDS else "" for c in captions]
    words, mask = bank(spoken)
    low = F.interpolate(target, scale_factor=0.5, mode="area") * 2 - 1
    level = 0.0
    if rng.random() >= UNSPOILED:
        level = float(rng.uniform(*LEVELS))
        low = _repainted(scene_net, low, level, words, mask, int(rng.integers(1, 4)), rng, role)
        low = _padded(low)
    pooled = pool_words(words, mask)
    return DetailBatch(low, target * 2 - 1, torch.full((n,), level), pooled)


def _padded(picture: Tensor) -> Tensor:
    """Give a repainted part (n, 4, h, w) in -1..1 the sure part's colour under low alpha, as delivery does."""
    straight = (picture.clamp(-1, 1) + 1) / 2
    return pad_colour(torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], dim=1)) * 2 - 1


@torch.no_grad()
def _repainted(
    net: SceneNet, clean: Tensor, level: float, words: Tensor, mask: Tensor, steps: int, rng: np.random.Generator,
    role: RowRole,
) -> Tensor:  # fmt: skip
    """Noise a truth (n, 4, h, w) to `level`; let SceneNet denoise it in a few steps (as in 2108.01073, section 3)."""
    n = clean.shape[0]
    group, channels = ("look", 4) if role is RowRole.LOOK else ("canvas", 3)
    start = clean[:, None, :channels]
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    x, guess = add_noise(start, noise, torch.full((n, 1), level)), torch.zeros_like(start)
    light = torch.zeros(n, LIGHT_DIM)
    silent = torch.zeros(n, words.shape[-1])
    ground = pool_words(words, mask) if role is RowRole.BACKGROUND else silent
    for now, following in pairwise([level * (1 - i / steps) for i in range(steps + 1)]):
        rows = Rows(
            group=group, x=x, guess=guess, plate=torch.zeros(n, 1, GROUPS[group].plate, *x.shape[-2:]),
            seen=torch.zeros(n, SEEN_DIM), noise=torch.full((n, 1), now),
            role=torch.tensor([int(role)]), index=torch.full((n, 1), int(role is RowRole.LOOK)),
            box=torch.tensor(LOOK_BOX if role is RowRole.LOOK else WHOLE).expand(n, 1, 4), words=words[:, None],
            word_mask=mask[:, None], known=torch.zeros(n, 1, dtype=torch.bool),
            present=torch.ones(n, 1, dtype=torch.bool),
        )  # fmt: skip
        guess = net([rows], light, ground)[0].clamp(-1, 1)
        x = euler_step(x, guess, now, following)
    if channels == 4:
        return x[:, 0]
    return torch.cat([x[:, 0], clean[:, 3:]], dim=1)
