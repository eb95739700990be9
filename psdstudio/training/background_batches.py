"""Batches of single backgrounds: clean plates from their words and light, with no object around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine.rows import GROUPS, LIGHT_DIM, SEEN_DIM, RowRole, Rows
from psdstudio.engine.words import pool_words
from psdstudio.training.backgrounds import paint_background
from psdstudio.training.words import WordBank
from psdstudio.training.world import draw_world

DROP_WORDS = 0.1
KNOW_LIGHT = 0.85


@dataclass(slots=True)
class BackgroundBatch:
    """`rows` without noise yet; `clean`: (b, 1, 3, h, w) in -1..1."""

    rows: Rows
    clean: Tensor
    light: Tensor
    ground: Tensor


def draw_background_batch(
    bank: WordBank, rng: np.random.Generator, count: int, canvas: tuple[int, int]
) -> BackgroundBatch:
    """Draw `count` worlds and paint them at a canvas of (height, width) pixels."""
    worlds = [draw_world(rng) for _ in range(count)]
    clean = torch.stack([paint_background(world, *canvas) for world in worlds])[:, None] * 2 - 1
    words, mask = bank([world.words if rng.random() >= DROP_WORDS else "" for world in worlds])
    light = [w.light_vector() if rng.random() < KNOW_LIGHT else (0.0,) * LIGHT_DIM for w in worlds]
    rows = Rows(
        group="canvas",
        x=clean,
        guess=torch.zeros_like(clean),
        plate=torch.zeros(count, 1, GROUPS["canvas"].plate, *canvas),
        seen=torch.zeros(count, SEEN_DIM),
        noise=torch.zeros(count, 1),
        role=torch.tensor([int(RowRole.BACKGROUND)]),
        index=torch.zeros(count, 1, dtype=torch.long),
        box=torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(count, 1, 4),
        words=words[:, None],
        word_mask=mask[:, None],
        known=torch.zeros(count, 1, dtype=torch.bool),
        present=torch.ones(count, 1, dtype=torch.bool),
    )
    return BackgroundBatch(rows, clean, torch.tensor(light), pool_words(words, mask))
