"""Batches of whole scenes: which parts are known, at which noise level each row is, and what every row sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.compose import effect_plate, known_plate
from psdstudio.engine.network import LIGHT_DIM, RowRole, Rows
from psdstudio.engine.words import pool_words, scene_words
from psdstudio.training.layouts import Layout
from psdstudio.training.object_batches import plan_reference, reference_plate
from psdstudio.training.scene_truth import SceneTruth, placed_objects
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.words import MAX_TOKENS, WordBank

DROP_WORDS = 0.1
DROP_CONTEXT = 0.1
KEEP_EFFECTS = 0.6
KNOWN_NOISE = 0.015
"""Known rows carry up to this much noise in training, so that slightly different pixels are in range (2407.01392)."""


@dataclass(slots=True)
class KnownParts:
    """What is known in each scene of a batch (True), and the noise level of every row."""

    background: Tensor
    looks: Tensor
    effects: Tensor
    canvas_level: Tensor
    look_level: Tensor
    effect_level: Tensor
    context_seen: Tensor


def draw_known(rng: np.random.Generator, b: int, k: int, levels: Tensor) -> KnownParts:
    """Draw the training mix: 40 % joint, 40 % a random subset known, 10 % all but one, 10 % independent noise levels.

    `levels`: (b, 2 + 2k) drawn noise levels; joint modes use the first of each scene for all free rows.
    """
    background = torch.zeros(b, dtype=torch.bool)
    looks, effects = torch.zeros(b, k, dtype=torch.bool), torch.zeros(b, k, dtype=torch.bool)
    shared = levels[:, :1].expand_as(levels).clone()
    for i in range(b):
        mode = rng.random()
        if 0.4 <= mode < 0.8:
            subset = rng.random(1 + k) < 0.5
        elif 0.8 <= mode < 0.9:
            subset = np.ones(1 + k, bool)
            subset[int(rng.integers(1 + k))] = False
        else:
            subset = np.zeros(1 + k, bool)
            if mode >= 0.9:
                shared[i] = levels[i]
        background[i] = bool(subset[0])
        looks[i] = torch.from_numpy(subset[1:])
        if subset[0] and rng.random() < KEEP_EFFECTS:
            effects[i] = looks[i]
    quiet = torch.from_numpy(rng.uniform(0, KNOWN_NOISE, (b, 2 + 2 * k)).astype(np.float32))
    known = torch.cat([torch.zeros(b, 1, dtype=torch.bool), background[:, None], looks, effects], dim=1)
    level = torch.where(known, quiet, shared)
    seen = torch.from_numpy(rng.random(b) >= DROP_CONTEXT)
    return KnownParts(background, looks, effects, level[:, :2], level[:, 2 : 2 + k], level[:, 2 + k :], seen)


@dataclass(slots=True)
class SceneBatch:
    """Rows (canvas, looks, effects) without noise yet, their clean values in -1..1 and loss weights (0 = known)."""

    groups: list[Rows]
    clean: list[Tensor]
    weights: list[Tensor]
    light: Tensor
    ground: Tensor


def make_scene_batch(
    library: SpriteLibrary, truth: SceneTruth, known: KnownParts, bank: WordBank, rng: np.random.Generator
) -> SceneBatch:
    """Turn rendered truth into network rows; effect plates are filled by `fill_effect_plates` once guesses exist."""
    b, k = truth.boxes.shape[:2]
    canvas = (truth.background.shape[2], truth.background.shape[3])
    clean = [
        torch.stack([truth.composite, truth.background], dim=1) * 2 - 1,
        truth.looks * 2 - 1,
        truth.effects * 2 - 1,
    ]
    context = known_plate(
        truth.background, known.background & known.context_seen, placed_objects(truth, canvas),
        known.looks & known.context_seen[:, None],
    )  # fmt: skip
    px = truth.looks.shape[-1]
    spoken = rng.random(b) >= DROP_WORDS
    own = [[p.words if spoken[i] else "" for p in layout.objects] for i, layout in enumerate(truth.layouts)]
    plain = [layout.world.words if spoken[i] else "" for i, layout in enumerate(truth.layouts)]
    references = [
        plan_reference(library, p.sprite, p.look.hue, rng)
        if library.wants_reference(p.sprite.noun, rng)
        else None
        for layout in truth.layouts
        for p in layout.objects
    ]
    plates = [
        context[:, None].expand(-1, 2, -1, -1, -1).contiguous(),
        torch.unflatten(reference_plate(library, references, px), 0, (b, k)),
        torch.zeros(b, k, 8, px // 2, px // 2),
    ]
    ids = torch.arange(1, k + 1).expand(b, k)
    groups = [
        _rows("canvas", clean[0], plates[0], known.canvas_level, [RowRole.COMPOSITE, RowRole.BACKGROUND],
              torch.zeros(b, 2, dtype=torch.long), torch.tensor([0.0, 0, 1, 1]).expand(b, 2, 4),
              [["", w] for w in plain], bank),
        _rows("look", clean[1], plates[1], known.look_level, [RowRole.LOOK] * k, ids,
              in_fractions(frames.crop_of(truth.boxes), truth.aspect), own, bank),
        _rows("effect", clean[2], plates[2], known.effect_level, [RowRole.EFFECT] * k, ids,
              in_fractions(frames.shadow_frame(truth.boxes), truth.aspect), own, bank),
    ]  # fmt: skip
    marks = [
        torch.stack([torch.zeros_like(known.background), known.background], dim=1), known.looks, known.effects
    ]  # fmt: skip
    for rows, mark in zip(groups, marks, strict=True):
        rows.known = mark
        rows.present = ~mark | known.context_seen[:, None]
    weights = [torch.where(m, 0.0, 1.0) for m in marks]
    ground = pool_words(*bank(plain))
    canvas_rows, look_rows = groups[0], groups[1]
    canvas_rows.words[:, 0], canvas_rows.word_mask[:, 0] = scene_words(
        look_rows.words, look_rows.word_mask, ground, MAX_TOKENS
    )
    lit = torch.from_numpy(rng.random(b) >= 0.1)[:, None]
    light = torch.where(lit, truth.light, torch.zeros(b, LIGHT_DIM))
    return SceneBatch(groups, clean, weights, light, ground)


def in_fractions(box: Tensor, aspect: Tensor) -> Tensor:
    """Turn boxes (b, k, 4) from square units into canvas fractions."""
    wide = aspect.view(-1, 1)
    x, y, w, h = box.unbind(-1)
    return torch.stack([x / wide, y, w / wide, h], dim=-1)


def fill_effect_plates(
    batch: SceneBatch, truth: SceneTruth, known: KnownParts, guesses: list[Tensor] | None
) -> None:
    """Give every effect row its own look and ground: the truth where known, else the guess, else nothing."""
    b, k = truth.boxes.shape[:2]
    look_known = (known.looks & known.context_seen[:, None]).float()
    ground_known = (known.background & known.context_seen).float()
    if guesses is None:
        looks, backgrounds = truth.looks, truth.background
        look_valid, ground_valid = look_known, ground_known
    else:
        mark = look_known.view(b, k, 1, 1, 1)
        looks = truth.looks * mark + (guesses[1].clamp(-1, 1) + 1) / 2 * (1 - mark)
        mark = ground_known.view(b, 1, 1, 1)
        backgrounds = truth.background * mark + (guesses[0][:, 1].clamp(-1, 1) + 1) / 2 * (1 - mark)
        look_valid, ground_valid = torch.ones(b, k), torch.ones(b)
    spread = backgrounds[:, None].expand(-1, k, -1, -1, -1).flatten(0, 1)
    plate = effect_plate(
        looks.flatten(0, 1), look_valid.flatten(), spread, ground_valid.repeat_interleave(k),
        truth.boxes.flatten(0, 1), truth.aspect.repeat_interleave(k), batch.groups[2].x.shape[-1],
    )  # fmt: skip
    batch.groups[2].plate = torch.unflatten(plate, 0, (b, k))


def _rows(
    group: str, clean: Tensor, plate: Tensor, level: Tensor, roles: list[RowRole], index: Tensor, box: Tensor,
    words: list[list[str]], bank: WordBank,
) -> Rows:  # fmt: skip
    b, r = clean.shape[:2]
    states, mask = bank([w for row in words for w in row])
    return Rows(
        group=group, x=clean, guess=torch.zeros_like(clean), plate=plate, noise=level,
        role=torch.tensor([int(x) for x in roles]), index=index, box=box,
        words=torch.unflatten(states, 0, (b, r)), word_mask=torch.unflatten(mask, 0, (b, r)),
        known=torch.zeros(b, r, dtype=torch.bool), present=torch.ones(b, r, dtype=torch.bool),
    )  # fmt: skip


@dataclass(slots=True)
class LayoutBatch:
    """Clean layout units (b, k, 4), light (b, 6), and rows without noise for `SceneNet.arrange`."""

    rows: Rows
    clean: Tensor
    light: Tensor
    ground: Tensor


def make_layout_batch(layouts: list[Layout], bank: WordBank, rng: np.random.Generator) -> LayoutBatch:
    """Turn layouts (equally many objects) into layout rows; a third of the boxes are known."""
    b, k = len(layouts), len(layouts[0].objects)
    aspect = torch.tensor([layout.aspect for layout in layouts])
    boxes = torch.tensor([[p.box for p in layout.objects] for layout in layouts])
    clean = frames.encode_box(boxes, aspect[:, None].expand(b, k))
    spoken = rng.random(b) >= DROP_WORDS
    rows = _rows(
        "layout", clean[..., None, None], torch.zeros(b, k, 0, 1, 1), torch.zeros(b, k), [RowRole.LAYOUT] * k,
        torch.arange(1, k + 1).expand(b, k), aspect_box(aspect, k),
        [[p.words if spoken[i] else "" for p in layout.objects] for i, layout in enumerate(layouts)], bank,
    )  # fmt: skip
    rows.known = torch.from_numpy((rng.random((b, k)) < 0.5) & (rng.random((b, 1)) < 0.6))
    ground, mask = bank([layout.world.words if spoken[i] else "" for i, layout in enumerate(layouts)])
    light = torch.tensor([layout.world.light_vector() for layout in layouts])
    return LayoutBatch(rows, clean, light, pool_words(ground, mask))


def aspect_box(aspect: Tensor, k: int) -> Tensor:
    """Return (b, k, 4): layout rows carry the canvas aspect where other rows carry their box."""
    return torch.stack(
        [torch.zeros_like(aspect), torch.zeros_like(aspect), aspect, torch.ones_like(aspect)], -1
    )[:, None].expand(-1, k, -1)
