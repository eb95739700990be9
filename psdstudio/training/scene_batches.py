"""Batches of whole scenes: which parts are known, at which noise level each row is, and what every row sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.given import Given, show_given
from psdstudio.engine.plates import Parts, hide_stack, known_means, look_plate, set_plates
from psdstudio.engine.rows import GROUPS, LIGHT_DIM, SEEN_DIM, RowRole, Rows
from psdstudio.engine.words import pool_words, scene_words
from psdstudio.training.holes import ground_in_part, looks_in_part
from psdstudio.training.layouts import Layout
from psdstudio.training.object_batches import plan_reference, reference_plate
from psdstudio.training.scene_truth import SceneTruth, placed_objects
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.words import MAX_TOKENS, WordBank

DROP_WORDS = 0.1
DROP_WORDS_SPLIT = 0.3
"""Where a picture is split the words are left out more often: the outline is to be read, not remembered."""
DROP_CONTEXT = 0.1
KEEP_EFFECTS = 0.6
KEEP_GROUND, MEND_GROUND, SPLIT_PICTURE = 0.28, 0.08, 0.16
"""Share of batches with a known background, with one that has holes, and with a flat picture to be split."""
CONTACTS_ONLY = 0.12
"""Share of the scenes on a known background in which all looks are known and only effects are painted."""
KNOWN_NOISE = 0.015
"""Known rows carry up to this much noise in training, so that slightly different pixels are in range (2407.01392)."""


@dataclass(slots=True)
class KnownParts:
    """What is known in each scene of a batch (True), and the noise level of every row.

    The background is known in all scenes of a batch or in none: where it is, the composite is not painted, for nobody
    asks for it then and it would be most of the work (see `canvas_roles`). So too where the background is `mended`
    (known but for holes) and the other way round where the scenes are `split`: then the composite is all that is known.
    """

    background: Tensor
    looks: Tensor
    effects: Tensor
    canvas_level: Tensor
    look_level: Tensor
    effect_level: Tensor
    context_seen: Tensor
    mended: bool = False
    split: bool = False


def draw_known(rng: np.random.Generator, b: int, k: int, levels: Tensor) -> KnownParts:
    """Draw the training mix.

    Background known (28 % of batches): any subset of the looks known, in a third of the scenes all but one, in an
    eighth all. Background to be mended (8 %): all looks known, or half of them. Picture to be split (16 %): nothing
    else known. Else: 55 % joint, 30 % a subset or all of the looks known, 15 % independent noise levels.
    `levels`: (b, 2 + 2k) drawn noise levels; joint modes use the first of each scene for all free rows.
    """
    kind = rng.random()
    ground = bool(kind < KEEP_GROUND)
    mended = bool(KEEP_GROUND <= kind < KEEP_GROUND + MEND_GROUND)
    split = bool(KEEP_GROUND + MEND_GROUND <= kind < KEEP_GROUND + MEND_GROUND + SPLIT_PICTURE)
    looks, effects = torch.zeros(b, k, dtype=torch.bool), torch.zeros(b, k, dtype=torch.bool)
    shared = levels[:, :1].expand_as(levels).clone()
    for i in range(b):
        mode = rng.random()
        if ground:
            subset = rng.random(k) < 0.5
            if mode < 1 / 3:
                subset = np.arange(k) != int(rng.integers(k))
            elif mode > 1 - CONTACTS_ONLY:
                subset = np.ones(k, dtype=bool)
        elif mended:
            subset = rng.random(k) < (1.0 if mode < 0.7 else 0.5)
        elif split:
            subset = np.zeros(k, dtype=bool)
        else:
            subset = rng.random(k) < (0.5 if mode < 0.2 else 1.0 if mode < 0.3 else 0.0)
            if mode >= 0.85:
                shared[i] = levels[i]
        looks[i] = torch.from_numpy(subset)
        if (ground or mended) and rng.random() < KEEP_EFFECTS:
            effects[i] = looks[i]
    background, picture = torch.full((b,), ground), torch.full((b, 1), split)
    quiet = torch.from_numpy(rng.uniform(0, KNOWN_NOISE, (b, 2 + 2 * k)).astype(np.float32))
    known = torch.cat([picture, background[:, None], looks, effects], dim=1)
    level = torch.where(known, quiet, shared)
    seen = torch.from_numpy(rng.random(b) >= DROP_CONTEXT)
    return KnownParts(
        background, looks, effects, level[:, :2], level[:, 2 : 2 + k], level[:, 2 + k :], seen, mended, split
    )


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
    """Turn rendered truth into network rows; `show_parts` fills their plates."""
    b, k = truth.boxes.shape[:2]
    canvas = (truth.background.shape[2], truth.background.shape[3])
    roles = canvas_roles(known)
    pictures = {RowRole.COMPOSITE: truth.composite, RowRole.BACKGROUND: truth.background}
    clean = [
        torch.stack([pictures[role] for role in roles], dim=1) * 2 - 1,
        truth.looks * 2 - 1,
        truth.effects * 2 - 1,
    ]
    px = truth.looks.shape[-1]
    spoken = rng.random(b) >= (DROP_WORDS_SPLIT if known.split else DROP_WORDS)
    own = [[p.words if spoken[i] else "" for p in layout.objects] for i, layout in enumerate(truth.layouts)]
    plain = [layout.world.words if spoken[i] else "" for i, layout in enumerate(truth.layouts)]
    references = [
        plan_reference(library, p.look, rng) if library.wants_reference(p.sprite.noun, rng) else None
        for layout in truth.layouts
        for p in layout.objects
    ]
    looks = look_plate(reference_plate(library, references, px), [words for row in own for words in row])
    plates = [
        torch.zeros(b, len(roles), GROUPS["canvas"].plate, *canvas),
        torch.unflatten(looks, 0, (b, k)),
        torch.zeros(b, k, GROUPS["effect"].plate, px // 2, px // 2),
    ]
    ids = torch.arange(1, k + 1).expand(b, k)
    groups = [
        _rows("canvas", clean[0], plates[0], known.canvas_level[:, -len(roles) :], roles,
              torch.zeros(b, len(roles), dtype=torch.long), torch.tensor([0.0, 0, 1, 1]).expand(b, len(roles), 4),
              [["", w][-len(roles) :] for w in plain], bank),
        _rows("look", clean[1], plates[1], known.look_level, [RowRole.LOOK] * k, ids,
              in_fractions(frames.crop_of(truth.boxes), truth.aspect), own, bank),
        _rows("effect", clean[2], plates[2], known.effect_level, [RowRole.EFFECT] * k, ids,
              in_fractions(frames.shadow_frame(truth.boxes), truth.aspect), own, bank),
    ]  # fmt: skip
    canvas_known = torch.stack([torch.full((b,), known.split), known.background], dim=1)
    marks = [canvas_known[:, -len(roles) :], known.looks, known.effects]
    for rows, mark in zip(groups, marks, strict=True):
        rows.known = mark
        rows.present = ~mark | known.context_seen[:, None]
    weights = [torch.where(m, 0.0, 1.0) for m in marks]
    ground = pool_words(*bank(plain))
    canvas_rows, look_rows = groups[0], groups[1]
    if RowRole.COMPOSITE in roles:
        canvas_rows.words[:, 0], canvas_rows.word_mask[:, 0] = scene_words(
            look_rows.words, look_rows.word_mask, ground, MAX_TOKENS
        )
    lit = torch.from_numpy(rng.random(b) >= 0.1)[:, None]
    light = torch.where(lit, truth.light, torch.zeros(b, LIGHT_DIM))
    return SceneBatch(groups, clean, weights, light, ground)


def draw_given(rng: np.random.Generator, truth: SceneTruth, known: KnownParts) -> Given:
    """Draw what is known pixel by pixel of the parts that are painted."""
    if known.split:
        # Where the context is dropped the picture is, too: nothing then says what the parts are but the words.
        seen = known.context_seen.float().view(-1, 1, 1, 1).expand_as(truth.composite[:, :1])
        return Given(picture=torch.cat([truth.composite, seen], dim=1))
    given = Given(looks=looks_in_part(rng, truth.looks, ~known.looks))
    if known.mended:
        canvas = (truth.background.shape[2], truth.background.shape[3])
        covers = torch.stack([placed.look[:, 3] for placed in placed_objects(truth, canvas)], dim=1)
        given.ground = ground_in_part(rng, truth.background, covers)
    return given


def canvas_roles(known: KnownParts) -> list[RowRole]:
    """Return the canvas rows of a batch: composite and background, or the latter alone where (most of) it is known."""
    if bool(known.background.all()) or known.mended:
        return [RowRole.BACKGROUND]
    return [RowRole.COMPOSITE, RowRole.BACKGROUND]


def in_fractions(box: Tensor, aspect: Tensor) -> Tensor:
    """Turn boxes (b, k, 4) from square units into canvas fractions."""
    wide = aspect.view(-1, 1)
    x, y, w, h = box.unbind(-1)
    return torch.stack([x / wide, y, w / wide, h], dim=-1)


def show_parts(
    batch: SceneBatch,
    truth: SceneTruth,
    known: KnownParts,
    guesses: list[Tensor] | None,
    *,
    last: bool = False,
    given: Given | None = None,
) -> None:
    """Show every row what is known of the others and what is `given` of it; free rows the guesses too, as while
    painting, in the `last` step too (`engine.feed`)."""
    if given is not None:
        show_given(batch.groups, given, truth.boxes, truth.aspect)
    parts = _parts(truth, known, batch.light)
    if guesses is None:
        placed = [parts.placed(i) for i in range(parts.boxes.shape[1])]
        set_plates(batch.groups, parts, placed)
        means = known_means(parts, placed)
        for rows in batch.groups:
            rows.seen = means
        return
    before = [rows.plate for rows in batch.groups]
    guessed = _with_guesses(parts, known, guesses)
    set_plates(batch.groups, guessed, [guessed.placed(i) for i in range(parts.boxes.shape[1])])
    if last:
        hide_stack(batch.groups, parts, [parts.placed(i) for i in range(parts.boxes.shape[1])])
    for rows, plate in zip(batch.groups, before, strict=True):
        # Known rows are encoded once, before there is a guess.
        rows.plate = torch.where(rows.known[:, :, None, None, None], plate, rows.plate)


def _parts(truth: SceneTruth, known: KnownParts, light: Tensor) -> Parts:
    seen = known.context_seen
    return Parts(
        background=truth.background, ground=known.background & seen, looks=truth.looks,
        shown=known.looks & seen[:, None], effects=truth.effects, cast=known.effects & seen[:, None],
        boxes=truth.boxes, aspect=truth.aspect, light=light,
    )  # fmt: skip


def _with_guesses(parts: Parts, known: KnownParts, guesses: list[Tensor]) -> Parts:
    """Put the guesses in place of all that is free; what is known but not seen stays away."""
    canvas, looks, effects = ((guess.clamp(-1, 1) + 1) / 2 for guess in guesses)
    free = ~known.background
    return replace(
        parts,
        background=torch.where(free.view(-1, 1, 1, 1), canvas[:, -1], parts.background),
        ground=parts.ground | free,
        looks=torch.where(known.looks[..., None, None, None], parts.looks, looks),
        shown=parts.shown | ~known.looks,
        effects=torch.where(known.effects[..., None, None, None], parts.effects, effects),
        cast=parts.cast | ~known.effects,
    )


def _rows(
    group: str, clean: Tensor, plate: Tensor, level: Tensor, roles: list[RowRole], index: Tensor, box: Tensor,
    words: list[list[str]], bank: WordBank,
) -> Rows:  # fmt: skip
    b, r = clean.shape[:2]
    states, mask = bank([w for row in words for w in row])
    return Rows(
        group=group, x=clean, guess=torch.zeros_like(clean), plate=plate, seen=torch.zeros(b, SEEN_DIM), noise=level,
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
