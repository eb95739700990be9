"""Batches of single objects: the first stage of the curriculum (one look row a sample, no scene around it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.given import own_plate
from psdstudio.engine.plates import look_plate
from psdstudio.engine.rows import FOLLOWED, LIGHT_DIM, LOOK_OWN, LOOSE, SEEN_DIM, RowRole, Rows
from psdstudio.engine.words import pool_words
from psdstudio.training.holes import looks_in_part
from psdstudio.training.looks import LookPlan, choose_colour, colour_of, object_words, plan_look, render_looks
from psdstudio.training.sprites import Sprite, SpriteLibrary
from psdstudio.training.words import WordBank
from psdstudio.training.world import draw_world

DROP_WORDS = 0.1
KNOW_LIGHT = 0.85
FOLLOW_RATE, FOLLOW_PAINTED, FOLLOW_LIT = 0.6, 0.3, 0.3
"""Share of the references that are the very thing; of those, shares in its new colour and in a light of their own."""


class _Lit(TypedDict):
    gain: tuple[float, float, float]
    shade: tuple[float, float]


@dataclass(slots=True)
class ObjectBatch:
    """`rows.x` is left clean, the trainer adds the noise; `clean`: (b, 1, 4, px, px) in -1..1."""

    rows: Rows
    clean: Tensor
    light: Tensor
    ground: Tensor
    captions: list[str]


def draw_object_batch(
    library: SpriteLibrary, bank: WordBank, rng: np.random.Generator, count: int, px: int
) -> ObjectBatch:
    """Draw `count` looks with words, light and sometimes a reference; core nouns are likelier."""
    plans, references, captions, worlds, boxes = [], [], [], [], []
    for _ in range(count):
        noun = library.draw_noun(rng)
        sprite = _choice(library.by_noun[noun], rng)
        world = draw_world(rng, library.nouns[noun].places)
        colour, paint = choose_colour(sprite, rng)
        plans.append(plan_look(sprite, paint, world.gain, world.shade, rng))
        guided = library.wants_reference(noun, rng)
        references.append(plan_reference(library, plans[-1], rng) if guided else None)
        captions.append("" if rng.random() < DROP_WORDS else object_words(library.nouns[noun], colour, rng))
        worlds.append(world)
        boxes.append(_random_box(sprite.aspect, rng))
    clean = render_looks(library.pixels, plans, px)[:, None] * 2 - 1
    words, mask = bank(captions)
    ground_words, ground_mask = bank([w.words if rng.random() > 0.3 else "" for w in worlds])
    light = torch.tensor(
        [w.light_vector() if rng.random() < KNOW_LIGHT else (0.0,) * LIGHT_DIM for w in worlds]
    )
    rows = Rows(
        group="look",
        x=clean,
        guess=torch.zeros_like(clean),
        plate=look_plate(reference_plate(library, references, px), captions)[:, None],
        seen=torch.zeros(count, SEEN_DIM),
        noise=torch.zeros(count, 1),
        role=torch.tensor([int(RowRole.LOOK)]),
        index=torch.from_numpy(rng.integers(1, 5, (count, 1))),
        box=frames.crop_of(torch.tensor(boxes))[:, None],
        words=words[:, None],
        word_mask=mask[:, None],
        known=torch.zeros(count, 1, dtype=torch.bool),
        present=torch.ones(count, 1, dtype=torch.bool),
    )
    in_part = looks_in_part(rng, (clean + 1) / 2, torch.ones(count, 1, dtype=torch.bool))
    if in_part is not None:
        rows.plate[:, :, LOOK_OWN] = own_plate(in_part)
    return ObjectBatch(rows, clean, light, pool_words(ground_words, ground_mask), captions)


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture beside the words, and whether the look is to follow it (`rows.FOLLOWED`) or only to be guided."""

    plan: LookPlan
    followed: bool


def reference_plate(library: SpriteLibrary, references: Sequence[Reference | None], px: int) -> Tensor:
    """Return (n, 5, px, px): the reference's RGBA in -1..1 and how near the look stays to it; zeros without one."""
    plate = torch.zeros(len(references), 5, px, px)
    given = [(i, r) for i, r in enumerate(references) if r is not None]
    if given:
        at = [i for i, _ in given]
        plate[at, :4] = render_looks(library.pixels, [r.plan for _, r in given], px) * 2 - 1
        near = torch.tensor([FOLLOWED if r.followed else LOOSE for _, r in given])
        plate[at, 4] = near[:, None, None]
    return plate


def plan_reference(library: SpriteLibrary, target: LookPlan, rng: np.random.Generator) -> Reference:
    """Plan a picture that the look of `target` follows or is guided by."""
    if rng.random() < FOLLOW_RATE:
        paint = target.paint if rng.random() < FOLLOW_PAINTED else None
        if rng.random() < FOLLOW_LIT:
            return Reference(replace(target, paint=paint, **_light_of_its_own(rng)), followed=True)
        return Reference(replace(target, paint=paint, gain=(1.0, 1.0, 1.0), shade=(0.0, 0.0)), followed=True)
    # Then never the very picture that is to be painted: another drawing where there is one, else turned and recoloured.
    others = [s for s in library.by_noun[target.sprite.noun] if s.index != target.sprite.index]
    sprite = _choice(others, rng) if others and rng.random() < 0.5 else target.sprite
    other = (
        colour_of(float(rng.uniform(0, 360))) if sprite.recolourable and rng.random() < 0.6 else target.paint
    )
    light = _light_of_its_own(rng)
    return Reference(plan_look(sprite, other, light["gain"], light["shade"], rng), followed=False)


def _light_of_its_own(rng: np.random.Generator) -> _Lit:
    level = float(rng.uniform(0.85, 1.05))
    return {"gain": (level, level, level), "shade": (float(rng.uniform(-0.15, 0.15)), -0.1)}


def _choice(items: list[Sprite], rng: np.random.Generator) -> Sprite:
    return items[int(rng.integers(len(items)))]


def _random_box(aspect: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    height = float(np.exp(rng.uniform(np.log(0.14), np.log(0.6))))
    width = height * aspect
    return (float(rng.uniform(0, 1.2)) - width / 2, float(rng.uniform(0.5, 0.97)) - height, width, height)
