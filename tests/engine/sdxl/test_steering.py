"""The two guidance paths: the algebra of scales, weights of words at places, boxes found in maps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.guidance import Guidance, Reading
from psdstudio.engine.sdxl.schedules import Schedule, Solver
from psdstudio.engine.sdxl.steering import (
    Layout,
    box_of,
    layout_steps,
    map_size,
    min_max,
    shared_latents,
    silent_and_said,
)
from tests.engine.sdxl.scenes import background, composite, some_latents, thing

pytestmark = pytest.mark.torch
SWAN, CAT = LayerId("object 1"), LayerId("object 2")
TOKENS = 2 * 77
SCALES = st.sampled_from([0.0, 1.0, 1.5, 5.0, 7.25])


def layout(scale: float = 1.0, **said: dict[LayerId, Tensor]) -> Layout:
    return Layout(spans={SWAN: ((4, 6),), CAT: ((7, 9), (79, 80))}, period=77, scale=scale, **said)


def drawn(top: int, bottom: int, left: int, right: int, size: tuple[int, int] = (8, 8)) -> Tensor:
    where = torch.zeros(size)
    where[top:bottom, left:right] = 1
    return where


@given(text=SCALES, context=SCALES)
@settings(deadline=None)
def test_guidance_is_the_formula_with_what_cancels_left_out(text: float, context: float) -> None:
    said = {reading: torch.randn(5, dtype=torch.float64) for reading in Reading}
    guidance = Guidance(text=text, context=context)
    null, read, full = said[Reading.NULL], said[Reading.CONTEXT], said[Reading.FULL]
    wanted = null + context * (read - null) + text * (full - read)
    made = guidance.combined({reading: said[reading] for reading in guidance.readings})
    torch.testing.assert_close(made, wanted)


def test_how_many_evaluations_a_step_takes() -> None:
    assert Guidance(text=1.0).readings == (Reading.FULL,)
    assert Guidance(text=5.0).readings == (Reading.CONTEXT, Reading.FULL)
    assert Guidance(text=5.0, context=5.0).readings == (Reading.NULL, Reading.FULL)
    assert Guidance(text=5.0, context=1.5).readings == (Reading.NULL, Reading.CONTEXT, Reading.FULL)


@pytest.mark.parametrize(
    ("solver", "steps"), [(Solver.EULER, 28), (Solver.EULER, 100), (Solver.DPM_2M_SDE_KARRAS, 30)]
)
def test_the_layout_is_decided_at_the_highest_noise(solver: Solver, steps: int) -> None:
    timesteps = Schedule(solver=solver, steps=steps).timesteps
    first = layout_steps(timesteps)
    assert min(timesteps[:first]) >= 850 > max(timesteps[first:])
    assert layout_steps((999.0, 749.0, 499.0, 249.0)) == 2
    assert layout_steps((999.0,)) == 1


def test_words_of_an_object_act_where_its_map_says() -> None:
    where = torch.linspace(0, 1, 16).reshape(4, 4)
    steer = layout(0.5, found={SWAN: where})
    weights = steer.weights([composite(), background(), thing(1, "a swan")], TOKENS, (4, 4))
    assert weights is not None
    assert bool((weights[:2] == 1).all()), "the composite decides by itself; only a box of the user steers it"
    starts = torch.arange(TOKENS) % 77 == 0
    assert bool((weights[2, starts] == 1).all())
    torch.testing.assert_close(weights[2, ~starts], (1 + 0.5 * (2 * where - 1)).expand(TOKENS - 2, 4, 4))


def test_a_box_of_the_user_stands_in_for_the_map_in_both_rows() -> None:
    where = drawn(0, 4, 0, 2, (4, 4))
    steer = layout(3.0, given={CAT: where}, found={CAT: 1 - where})
    weights = steer.weights([composite(), thing(2, "a cat")], TOKENS, (4, 4))
    assert weights is not None
    asked = (1 + 3.0 * (2 * where - 1)).clamp(min=0)
    assert set(asked.flatten().tolist()) == {0.0, 4.0}
    # (7, 9) of each repetition; the piece (79, 80) of the first is (2, 3) of the second and not of the third.
    owned = {7, 8, 79, 84, 85}
    for token in range(TOKENS):
        wanted = asked if token in owned else torch.ones(4, 4)
        assert torch.equal(weights[0, token], wanted), token
    assert torch.equal(weights[1, 5], asked)


def test_nothing_is_steered_without_maps_or_scale() -> None:
    rows = [composite(), background(), thing(1, "a swan")]
    assert layout().weights(rows, TOKENS, (4, 4)) is None
    assert layout(0.0, given={SWAN: drawn(0, 4, 0, 2, (4, 4))}).weights(rows, TOKENS, (4, 4)) is None


def test_only_the_half_with_words_is_steered() -> None:
    weights = torch.full((3, 77, 4, 4), 2.0)
    made = silent_and_said(weights, 1).weights
    assert torch.equal(made[3:], weights)
    assert bool((made[:3] == 1).all())
    assert torch.equal(silent_and_said(weights, 0).weights, weights)


def test_maps_of_the_pieces_of_an_object_become_one() -> None:
    steer = layout()
    rows = [composite(), background(), thing(1, "a swan"), thing(2, "a cat")]
    pieces = steer.watched(rows)
    assert pieces == ((SWAN, (4, 6)), (CAT, (7, 9)), (CAT, (79, 80)))
    one, two, three = drawn(0, 4, 0, 4), drawn(0, 2, 0, 8), drawn(0, 8, 0, 2)
    steer.learn(pieces, torch.stack([one, two, three]))
    assert torch.equal(steer.found[SWAN], one)
    assert torch.equal(steer.found[CAT], (two + three) / 2)
    assert steer.map_of(SWAN) is steer.found[SWAN]
    assert steer.map_of(None) is None


@given(data=st.data())
@settings(deadline=None)
def test_a_drawn_box_is_found_exactly(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 48)), data.draw(st.integers(1, 48))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    box = box_of(drawn(top, bottom, left, right, (height, width)))
    assert box == BoxF(left / width, top / height, (right - left) / width, (bottom - top) / height)


def test_a_stray_place_does_not_stretch_a_box() -> None:
    where = drawn(8, 24, 8, 24, (32, 32)) * 0.9
    where[31, 31] = 1.0
    assert box_of(where) == BoxF(0.25, 0.25, 0.5, 0.5)
    assert box_of(torch.zeros(8, 8)) is None
    assert box_of(torch.full((8, 8), 0.4)) is None


def test_shared_latents_are_the_composites_where_the_object_is() -> None:
    own, whole = some_latents(1), some_latents(2)
    assert map_size(own) == (4, 4)
    made = shared_latents(own, whole, drawn(0, 4, 0, 2, (4, 4)))
    assert torch.equal(made[:, :, :6], whole[:, :, :6])
    assert torch.equal(made[:, :, 10:], own[:, :, 10:])


def test_a_flat_map_says_nothing() -> None:
    assert torch.equal(min_max(torch.full((4, 4), 0.3)), torch.zeros(4, 4))
    stretched = min_max(torch.tensor([[1.0, 3.0], [2.0, 2.0]]))
    assert torch.equal(stretched, torch.tensor([[0.0, 1.0], [0.5, 0.5]]))
