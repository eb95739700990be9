"""The two denoising loops on tensors: layout (boxes, light), then appearance (all unknown rows jointly).

Both are generators: every yield is a finished step and a cancel point. *Dual path*: the layout loop has its own
guidance scale, the appearance loop another; boxes are frozen between the two.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from psdstudio.engine.feed import SceneFeed
from psdstudio.engine.flow import euler_step, layer_noise, mixed_seed, noise_levels, renoised_step
from psdstudio.engine.network import KnownRows, SceneNet
from psdstudio.engine.rows import LOOK_COLOUR, Rows

SHIFT = 2.0
"""Bend of the appearance levels: words become shapes at high noise, so more of the steps go there."""
STEP_SEED = 0x9E37_79B9_7F4A_7C15
GUIDED_LEVELS = (0.15, 0.97)
"""Text guidance acts between these noise levels only (limited interval; Kynkaanniemi et al. 2404.07724)."""


@dataclass(slots=True)
class LayoutState:
    """Boxes (1, k, 4) in layout units and light (1, 6); where `rows.known` they are given and stay.

    `shapes`: (1, k) the log aspect, in layout units, of boxes of which no more is known; NaN where it is free.
    """

    rows: Rows
    light: Tensor
    light_known: bool
    ground: Tensor
    shapes: Tensor


def sample_layout(
    net: SceneNet, state: LayoutState, *, steps: int, guidance: float, shown: KnownRows | None = None
) -> Generator[int, None, tuple[Tensor, Tensor]]:
    """Denoise boxes and light; yields after each step; returns (1, k, 4) and (1, 6).

    `shown`: the picture to arrange by (`SceneNet.arrange`). A shape that is given is put back at every step, noised to
    its level (RePaint, 2201.09865, eq. 8): single numbers of a box are never known to the network.
    """
    rows, light = state.rows, state.light
    given, given_light = rows.x.clone(), light.clone()
    free = ~rows.known[..., None, None, None]
    shaped, shape_noise = ~state.shapes.isnan(), given[:, :, 3, 0, 0]
    levels = noise_levels(steps)
    for i, (level, following) in enumerate(pairwise(levels)):
        rows.noise = torch.where(rows.known, 0.0, level)
        light_level = torch.full((1,), 0.0 if state.light_known else level)
        noised = (1 - level) * state.shapes + level * shape_noise
        rows.x[:, :, 3, 0, 0] = torch.where(shaped, noised, rows.x[:, :, 3, 0, 0])
        boxes, lit = net.arrange(rows, light, light_level, state.ground, shown)
        if guidance != 1.0:
            bare_rows = replace(rows, word_mask=torch.zeros_like(rows.word_mask))
            bare, bare_light = net.arrange(
                bare_rows, light, light_level, torch.zeros_like(state.ground), shown
            )
            boxes, lit = bare + guidance * (boxes - bare), bare_light + guidance * (lit - bare_light)
        boxes[..., 3] = torch.where(shaped, state.shapes, boxes[..., 3])
        moved = euler_step(rows.x, boxes[..., None, None], level, following)
        rows.x = torch.where(free, moved, given)
        light = given_light if state.light_known else euler_step(light, lit, level, following)
        yield i + 1
    return rows.x[..., 0, 0], light


@dataclass(slots=True)
class PaintState:
    """Everything the appearance loop reads.

    `groups`: free rows (canvas, look, effect; groups without a free row are absent), x = pure noise. `known`: cached
    keys and values. `feed`: shows the rows to one another. `seeds`: of every row, by group.
    """

    groups: list[Rows]
    known: KnownRows | None
    light: Tensor
    ground: Tensor
    feed: SceneFeed
    seeds: dict[str, list[int]]

    def fresh_noise(self, rows: Rows, step: int) -> Tensor:
        """Noise for the rows of one group, each from its own seed and the step's number."""
        shape = tuple(rows.x.shape[2:])
        salt = STEP_SEED * step
        return torch.stack([layer_noise(shape, mixed_seed(seed, salt)) for seed in self.seeds[rows.group]])[
            None
        ]


def sample_appearance(
    net: SceneNet, state: PaintState, *, steps: int, guidance: float
) -> Generator[tuple[int, dict[str, Tensor]], None, dict[str, Tensor]]:
    """Denoise all free rows; yields (step, clean prediction per group in -1..1); returns the last prediction."""
    levels = noise_levels(steps, shift=SHIFT)
    guesses: dict[str, Tensor] | None = None
    for i, (level, following) in enumerate(pairwise(levels)):
        for rows in state.groups:
            rows.noise = torch.full_like(rows.noise, level)
        if guesses is not None:
            state.feed.go_on(state.groups, guesses, last=not following)
        clean = _predict(net, state, level, guidance)
        guesses = {rows.group: made for rows, made in zip(state.groups, clean, strict=True)}
        for rows, made in zip(state.groups, clean, strict=True):
            rows.guess = made
            rows.x = renoised_step(made, state.fresh_noise(rows, i + 1), following) if following else made
        yield i + 1, guesses
    assert guesses is not None
    return guesses


def _predict(net: SceneNet, state: PaintState, level: float, guidance: float) -> list[Tensor]:
    if guidance == 1.0 or not GUIDED_LEVELS[0] < level < GUIDED_LEVELS[1]:
        clean = net(state.groups, state.light, state.ground, state.known)
    else:
        # Said and silent as one batch of two: with few free rows a forward is mostly reading the weights.
        known = None if state.known is None else state.known.repeated(2)
        ground = torch.cat([state.ground, torch.zeros_like(state.ground)])
        both = net([_said_and_silent(rows) for rows in state.groups], state.light.repeat(2, 1), ground, known)
        clean = [pair[1:] + guidance * (pair[:1] - pair[1:]) for pair in both]
    return [c.clamp(-1, 1) for c in clean]


def _said_and_silent(rows: Rows) -> Rows:
    """Return the rows of one scene twice, with their words and without."""
    doubled: dict[str, Any] = {
        name: torch.cat([getattr(rows, name)] * 2)
        for name in ("x", "guess", "plate", "seen", "noise", "index", "box", "words", "known", "present")
    }
    if rows.group == "look":
        doubled["plate"][1:, :, LOOK_COLOUR] = 0.0  # the colour is said by the words, too
    mask = torch.cat([rows.word_mask, torch.zeros_like(rows.word_mask)])
    return replace(rows, **doubled, word_mask=mask)
