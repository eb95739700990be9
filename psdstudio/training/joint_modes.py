"""Which rows of a training scene are kept, at which timestep each row is, and on which rows the loss falls.

Rows are [composite, background, object 1 .. object K]. The mix of modes is that of the recipe (ours, methods after
Diffusion Forcing 2407.01392, MRT 2605.27235 and the terminal boost of PixelART 2609.22789): a kept row is a condition,
so it stands near timestep 0 and takes no loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np

TIMESTEPS = 1000
KEPT_LEVELS = 15
"""Kept rows are noised to a timestep of 0 to this: a network that only ever saw perfect ones trusts them too much
(`stabilization_level` of Diffusion Forcing)."""
HIGH_NOISE, HIGH_SHARE = 850, 0.3
"""Where something is kept, this share of the timesteps is drawn from `HIGH_NOISE` on: layout is decided there."""
DROP_ONE, DROP_BOTH = 0.05, 0.05
"""Shares of scenes with kept rows that lose their words alone, their context alone, and both (InstructPix2Pix
2211.09800, section 3.2.1); scenes without kept rows lose their words in the sum of both."""
JITTER = 0.1
"""Share of the kept rows that are jittered."""
COMPOSITE, BACKGROUND, FIRST_OBJECT = 0, 1, 2
"""Places of the rows."""


class Mode(Enum):
    """What is made and what is kept; the value is what logs say."""

    JOINT = "joint"
    KEEP_SOME = "keep some"
    KEEP_ALL_BUT_ONE = "keep all but one"
    INDEPENDENT_TIMES = "independent times"
    SPLIT = "split"


MODE_SHARES: Mapping[Mode, float] = MappingProxyType(
    {
        Mode.JOINT: 0.40,
        Mode.KEEP_SOME: 0.35,
        Mode.KEEP_ALL_BUT_ONE: 0.10,
        Mode.INDEPENDENT_TIMES: 0.10,
        Mode.SPLIT: 0.05,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """What one step does with the r rows of a scene.

    Attributes:
        mode: Which kind of step it is.
        kept: By row; at least one row is free.
        timesteps: By row, 0 .. 999.
        jittered: By row; only kept rows are.
        weighs_by_noise: The loss of a row is weighted by its own noise level (min-SNR).
        words_dropped: All rows read the empty words.
        context_dropped: No row sees another one.
    """

    mode: Mode
    kept: tuple[bool, ...]
    timesteps: tuple[int, ...]
    jittered: tuple[bool, ...]
    weighs_by_noise: bool = False
    words_dropped: bool = False
    context_dropped: bool = False

    @property
    def free_rows(self) -> tuple[int, ...]:
        """Rows that are made and take the loss."""
        return tuple(at for at, kept in enumerate(self.kept) if not kept)

    @property
    def kept_rows(self) -> tuple[int, ...]:
        """Rows that are conditions, seen or not."""
        return tuple(at for at, kept in enumerate(self.kept) if kept)


def draw_mode(rng: np.random.Generator) -> Mode:
    """Draw a mode by its share."""
    modes = list(MODE_SHARES)
    return modes[int(rng.choice(len(modes), p=list(MODE_SHARES.values())))]


def draw_plan(rng: np.random.Generator, objects: int, mode: Mode | None = None) -> RowPlan:
    """Draw the plan of a scene of `objects` objects (at least one), in the given mode or in one drawn by its share."""
    mode = draw_mode(rng) if mode is None else mode
    rows = FIRST_OBJECT + objects
    kept = _draw_kept(rng, mode, rows)
    free_time = _draw_timestep(rng, high=any(kept))
    if mode is Mode.INDEPENDENT_TIMES:
        times = [int(t) for t in rng.integers(0, TIMESTEPS, rows)]
    else:
        times = [int(rng.integers(0, KEPT_LEVELS + 1)) if held else free_time for held in kept]
    lost = float(rng.random())
    return RowPlan(
        mode=mode,
        kept=kept,
        timesteps=tuple(times),
        jittered=tuple(bool(held and rng.random() < JITTER) for held in kept),
        weighs_by_noise=mode is Mode.INDEPENDENT_TIMES,
        words_dropped=lost < DROP_BOTH + DROP_ONE,
        context_dropped=any(kept)
        and (lost < DROP_BOTH or DROP_BOTH + DROP_ONE <= lost < DROP_BOTH + 2 * DROP_ONE),
    )


def _draw_kept(rng: np.random.Generator, mode: Mode, rows: int) -> tuple[bool, ...]:
    """The composite is made in all modes but SPLIT: it shows what is made, so it cannot be known."""
    layers = rows - 1
    match mode:
        case Mode.JOINT | Mode.INDEPENDENT_TIMES:
            return (False,) * rows
        case Mode.SPLIT:
            return (True,) + (False,) * layers
        case Mode.KEEP_ALL_BUT_ONE:
            target = int(rng.integers(layers))
            return (False, *(at != target for at in range(layers)))
        case Mode.KEEP_SOME:
            # Every subset but none and all, equally often: the bits of a number.
            chosen = int(rng.integers(1, 2**layers - 1))
            return (False, *(bool(chosen >> at & 1) for at in range(layers)))


def _draw_timestep(rng: np.random.Generator, *, high: bool) -> int:
    boosted = high and rng.random() < HIGH_SHARE
    return int(rng.integers(HIGH_NOISE if boosted else 0, TIMESTEPS))
