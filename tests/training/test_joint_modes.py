"""The mix of training modes: shares, who may be kept, and that the loss never falls on what is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.training.joint_modes import (
    COMPOSITE,
    DROP_BOTH,
    DROP_ONE,
    HIGH_NOISE,
    HIGH_SHARE,
    KEPT_LEVELS,
    MODE_SHARES,
    Mode,
    RowPlan,
    draw_plan,
)

DRAWS = 20_000


def plans(objects: int, count: int, mode: Mode | None = None, seed: int = 0) -> list[RowPlan]:
    rng = np.random.default_rng(seed)
    return [draw_plan(rng, objects, mode) for _ in range(count)]


def assert_share(seen: float, expected: float, count: int) -> None:
    """Five standard deviations of a binomial share."""
    assert abs(seen - expected) < 5 * (expected * (1 - expected) / count) ** 0.5


def test_modes_come_in_their_shares() -> None:
    counts = Counter(plan.mode for plan in plans(3, DRAWS))
    assert sum(MODE_SHARES.values()) == pytest.approx(1)
    for mode, share in MODE_SHARES.items():
        assert_share(counts[mode] / DRAWS, share, DRAWS)


@given(seed=st.integers(0, 2**32 - 1), objects=st.integers(1, 8), mode=st.sampled_from(list(Mode)))
def test_every_plan_is_sound(seed: int, objects: int, mode: Mode) -> None:
    plan = draw_plan(np.random.default_rng(seed), objects, mode)
    rows = 2 + objects
    assert len(plan.kept) == len(plan.timesteps) == len(plan.jittered) == rows
    assert sorted(plan.free_rows + plan.kept_rows) == list(range(rows))
    assert plan.free_rows, "something is made"
    assert all(0 <= time < 1000 for time in plan.timesteps)
    assert all(plan.timesteps[at] <= KEPT_LEVELS for at in plan.kept_rows)
    assert not any(plan.jittered[at] for at in plan.free_rows)
    assert plan.weighs_by_noise == (mode is Mode.INDEPENDENT_TIMES)
    assert not (plan.context_dropped and not plan.kept_rows)
    if mode is not Mode.INDEPENDENT_TIMES:
        assert len({plan.timesteps[at] for at in plan.free_rows}) == 1, "what is made shares one timestep"
    match mode:
        case Mode.JOINT | Mode.INDEPENDENT_TIMES:
            assert not plan.kept_rows
        case Mode.SPLIT:
            assert plan.kept_rows == (COMPOSITE,)
        case Mode.KEEP_ALL_BUT_ONE:
            assert COMPOSITE in plan.free_rows and len(plan.free_rows) == 2
        case Mode.KEEP_SOME:
            assert COMPOSITE in plan.free_rows and 2 <= len(plan.free_rows) < rows


def test_every_subset_is_kept_equally_often() -> None:
    counts = Counter(plan.kept for plan in plans(2, DRAWS, Mode.KEEP_SOME))
    assert len(counts) == 2**3 - 2
    for count in counts.values():
        assert_share(count / DRAWS, 1 / 6, DRAWS)


def test_every_layer_is_the_target_equally_often() -> None:
    counts = Counter(plan.free_rows for plan in plans(3, DRAWS, Mode.KEEP_ALL_BUT_ONE))
    assert set(counts) == {(0, 1), (0, 2), (0, 3), (0, 4)}
    for count in counts.values():
        assert_share(count / DRAWS, 1 / 4, DRAWS)


def test_kept_levels_are_uniform() -> None:
    levels = Counter(
        time
        for plan in plans(3, 4_000, Mode.KEEP_ALL_BUT_ONE)
        for time in plan.timesteps[2:]
        if time <= KEPT_LEVELS
    )
    total = sum(levels.values())
    assert set(levels) == set(range(KEPT_LEVELS + 1))
    for count in levels.values():
        # Free rows fall below the limit in 1.6 % of the draws besides.
        assert abs(count / total - 1 / (KEPT_LEVELS + 1)) < 0.01


def test_times_lean_to_high_noise_where_something_is_kept_alone() -> None:
    width = (1000 - HIGH_NOISE) / 1000
    for mode, share in ((Mode.KEEP_SOME, HIGH_SHARE + (1 - HIGH_SHARE) * width), (Mode.JOINT, width)):
        times = [plan.timesteps[COMPOSITE] for plan in plans(2, DRAWS, mode)]
        assert_share(float(np.mean(np.array(times) >= HIGH_NOISE)), share, DRAWS)
    independent = [plan.timesteps for plan in plans(2, 2_000, Mode.INDEPENDENT_TIMES)]
    correlation = np.corrcoef(np.array(independent, float).T)
    assert np.abs(correlation - np.eye(4)).max() < 0.12


def test_words_and_context_are_dropped_in_their_shares() -> None:
    drawn = plans(2, DRAWS, Mode.KEEP_SOME)
    counts = Counter((plan.words_dropped, plan.context_dropped) for plan in drawn)
    assert_share(counts[True, True] / DRAWS, DROP_BOTH, DRAWS)
    assert_share(counts[True, False] / DRAWS, DROP_ONE, DRAWS)
    assert_share(counts[False, True] / DRAWS, DROP_ONE, DRAWS)
    free = plans(2, DRAWS, Mode.JOINT)
    assert not any(plan.context_dropped for plan in free)
    assert_share(float(np.mean([plan.words_dropped for plan in free])), DROP_BOTH + DROP_ONE, DRAWS)
