"""The swapped-neighbours test: does the network read what is kept, or only words?

One part of a rendered scene is free, all others are known. The network predicts the *true* part from the same noise
twice: beside its own neighbours, and beside those of another scene with as many objects. Words of the free part, words
of ground and composite, light, frame and noise are the same both times; only the neighbours' pictures, places and own
words differ. Rows that belong to neither (the composite, other free effects) are pure noise, so nothing true leaks
through them. Right neighbours should give the smaller error (`losses.row_errors`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine.flow import add_noise
from psdstudio.engine.network import SceneNet
from psdstudio.engine.rows import REFERENCE_PLATE, RowRole
from psdstudio.training.evaluation_measures import Pair, ratio_with_interval
from psdstudio.training.layouts import Layout, draw_layout
from psdstudio.training.losses import row_errors
from psdstudio.training.scene_batches import (
    DROP_WORDS,
    KnownParts,
    SceneBatch,
    canvas_roles,
    make_scene_batch,
    show_parts,
)
from psdstudio.training.scene_truth import SceneTruth, render_scenes
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.words import WordBank

TEST_SEED = 990_017
LEVELS = (0.9, 0.7, 0.5)
DRAWS = 4
"""Noises a comparison is averaged over: one draw alone decides many near ties by chance."""
PARTS = ("look", "background", "effect")
GRID = (32, 32)
BATCH = 6

SceneSource = Callable[[np.random.Generator, str], tuple[SceneTruth, int]]
"""Draws BATCH scenes of equally many objects for a part, and which object is free."""


def swapped_neighbours(
    net: SceneNet,
    library: SpriteLibrary,
    bank: WordBank,
    *,
    scenes: int,
    look_px: int,
    source: SceneSource | None = None,
    parts: Sequence[str] = PARTS,
) -> dict[str, dict[str, float]]:
    """Return shares with intervals: per part ("look"), per part and level ("look at 0.7"), and "all" together.

    `scenes` is how many scenes a part gets, rounded up to whole batches; without a `source` they are rendered here.
    """
    votes: dict[str, list[Pair]] = {"all": []}
    drawn = source or rendered_scenes(library, look_px)
    for part in parts:
        for number in range(-(-scenes // BATCH)):
            rng = np.random.default_rng([TEST_SEED, PARTS.index(part), number])
            errors = _errors(net, library, bank, part, rng, drawn)
            verdicts = errors[0].sum(0) < errors[1].sum(0)
            pairs = [(float(v), 1.0) for v in verdicts.tolist()]
            votes.setdefault(part, []).extend(pairs)
            votes["all"].extend(pairs)
            for i, level in enumerate(LEVELS):
                better = (errors[0, i] < errors[1, i]).tolist()
                votes.setdefault(f"{part} at {level}", []).extend((float(v), 1.0) for v in better)
    return {name: ratio_with_interval(pairs) for name, pairs in votes.items()}


def rendered_scenes(library: SpriteLibrary, look_px: int) -> SceneSource:
    """Return a source of scenes rendered from a library's drawings, two to four objects each."""

    def draw(rng: np.random.Generator, part: str) -> tuple[SceneTruth, int]:
        k = int(rng.integers(2, 5))
        j = int(rng.integers(k))
        layouts = [_layout_with(library, rng, k, j if part == "effect" else None) for _ in range(BATCH)]
        cell = look_px // 16
        canvas = (GRID[0] * cell, GRID[1] * cell)
        return render_scenes(library, layouts, canvas=canvas, look_px=look_px), j

    return draw


def _errors(
    net: SceneNet,
    library: SpriteLibrary,
    bank: WordBank,
    part: str,
    rng: np.random.Generator,
    drawn: SceneSource,
) -> Tensor:
    """Return (2, levels, b): errors of the free part beside its own and beside swapped neighbours."""
    truth, j = drawn(rng, part)
    k = truth.boxes.shape[1]
    known = one_free(part, j, BATCH, k)
    right = make_batch(library, truth, known, bank)
    wrong_truth = with_swapped(truth, part, j)
    wrong = make_batch(library, wrong_truth, known, bank)
    wrong.ground, wrong.light = right.ground, right.light
    if RowRole.COMPOSITE in canvas_roles(known):
        wrong.groups[0].words[:, 0] = right.groups[0].words[:, 0]
        wrong.groups[0].word_mask[:, 0] = right.groups[0].word_mask[:, 0]
    out = torch.zeros(2, len(LEVELS), BATCH)
    for _ in range(DRAWS):
        noise = [torch.from_numpy(rng.normal(size=tuple(c.shape))).float() for c in right.clean]
        for i, level in enumerate(LEVELS):
            for side, (batch, shown) in enumerate(((right, truth), (wrong, wrong_truth))):
                group, row = _place(part, j)
                _set_noise(batch, noise, group, row, level)
                show_parts(batch, shown, known, None)
                with torch.inference_mode():
                    made = net(batch.groups, batch.light, batch.ground)[group]
                name = batch.groups[group].group
                out[side, i] += row_errors(made, batch.clean[group], name)[:, row] / DRAWS
    return out


def _layout_with(library: SpriteLibrary, rng: np.random.Generator, k: int, standing: int | None) -> Layout:
    """Draw a layout; where `standing` is given, object number `standing` touches the ground (it has a shadow)."""
    return next(
        layout
        for layout in _layouts(library, rng, k)
        if standing is None or layout.objects[standing].standing
    )


def _layouts(library: SpriteLibrary, rng: np.random.Generator, k: int) -> Iterator[Layout]:
    while True:
        yield draw_layout(library, rng, k, GRID[1] / GRID[0])


def one_free(part: str, j: int, b: int, k: int) -> KnownParts:
    """Everything known but one part (and what depends on it): a look, the background, or the effects of object j."""
    background = torch.full((b,), part != "background")
    looks, effects = torch.ones(b, k, dtype=torch.bool), torch.full((b, k), part != "background")
    if part == "look":
        looks[:, j] = False
    effects[:, j] = False
    return KnownParts(
        background=background,
        looks=looks,
        effects=effects,
        canvas_level=torch.zeros(b, 2),
        look_level=torch.zeros(b, k),
        effect_level=torch.zeros(b, k),
        context_seen=torch.ones(b, dtype=torch.bool),
    )


def make_batch(library: SpriteLibrary, truth: SceneTruth, known: KnownParts, bank: WordBank) -> SceneBatch:
    """Make rows with all words said, the light known and no references."""
    b = len(truth.layouts)
    seeds = (s for s in range(100_000) if (np.random.default_rng(s).random(b) >= DROP_WORDS).all())
    batch = make_scene_batch(library, truth, known, bank, np.random.default_rng(next(seeds)))
    batch.groups[1].plate[:, :, :REFERENCE_PLATE] = 0.0
    batch.light = truth.light
    return batch


def with_swapped(truth: SceneTruth, part: str, j: int) -> SceneTruth:
    """Return the truth in which every scene has the neighbours of the one before; the free part stays.

    The shadow's own object counts as its neighbour: its picture changes, its box and words stay.
    """
    rolled = replace(
        truth,
        background=truth.background.roll(1, 0),
        composite=truth.composite.roll(1, 0),
        looks=truth.looks.roll(1, 0),
        effects=truth.effects.roll(1, 0),
        boxes=truth.boxes.roll(1, 0),
        layouts=[truth.layouts[i - 1] for i in range(len(truth.layouts))],
    )
    if part == "background":
        rolled.background = truth.background
        rolled.layouts = [
            replace(other, world=own.world) for own, other in zip(truth.layouts, rolled.layouts, strict=True)
        ]
        return rolled
    for name in ("effects", "boxes") + (("looks",) if part == "look" else ()):
        getattr(rolled, name)[:, j] = getattr(truth, name)[:, j]
    rolled.layouts = [
        replace(other, objects=(*other.objects[:j], own.objects[j], *other.objects[j + 1 :]))
        for own, other in zip(truth.layouts, rolled.layouts, strict=True)
    ]
    return rolled


def _place(part: str, j: int) -> tuple[int, int]:
    """Group number and row of the free part."""
    return {"background": (0, -1), "look": (1, j), "effect": (2, j)}[part]


def _set_noise(batch: SceneBatch, noise: list[Tensor], group: int, row: int, level: float) -> None:
    """Known rows clean, the free part at `level`, every other free row pure noise."""
    for g, (rows, clean) in enumerate(zip(batch.groups, batch.clean, strict=True)):
        levels = torch.where(rows.known, torch.zeros(()), torch.ones(()))
        if g == group:
            levels[:, row] = level
        rows.noise = levels
        rows.x = add_noise(clean, noise[g], levels)
