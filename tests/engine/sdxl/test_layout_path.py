"""The layout path in a run: maps of the composite move the objects, boxes of the user move both, boxes are reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.steering import layout_steps
from tests.engine.sdxl.scenes import OPTIONS, background, composite, left_half, run, some_latents, thing
from tests.engine.sdxl.test_sampler import Watched
from tests.engine.sdxl.tiny import tiny_unet

pytestmark = pytest.mark.torch
SWAN, CAT = LayerId("object 1"), LayerId("object 2")
STEPS = 8
ROWS = [composite(), background(), thing(1, "a swan"), thing(2, "a cat")]


@pytest.fixture(scope="module")
def network() -> Iterator[RowNetwork]:
    with RowNetwork(tiny_unet()) as made:
        yield made


def test_the_first_steps_watch_the_composite_and_steer_the_objects(network: RowNetwork) -> None:
    watched, deciding = Watched(network), layout_steps(Schedule(steps=STEPS).timesteps)
    _, steps = run(watched, ROWS, steps=STEPS)
    assert 1 < deciding < STEPS
    for step, (_, asked) in enumerate(watched.predicted):
        assert (asked["watch"] is not None) == (step < deciding)
        assert (asked["steering"] is not None) == (0 < step < deciding)
    watch = watched.predicted[0][1]["watch"]
    assert watch.row == 4, "the composite of the half with words"
    weights = watched.predicted[1][1]["steering"].weights
    assert weights.shape == (8, 77, 4, 4)
    assert bool((weights[:6] == 1).all()), "without words, composite and background are not steered"
    assert bool((weights[6:] != 1).any())
    assert [step.boxes is not None for step in steps] == [i >= deciding for i in range(1, STEPS + 1)]
    boxes = steps[-1].boxes
    assert boxes is not None and set(boxes) == {SWAN, CAT}
    assert all(0 < box.width <= 1 and 0 < box.height <= 1 for box in boxes.values())


def test_the_scale_of_the_layout_path_is_its_own(network: RowNetwork) -> None:
    bare, _ = run(network, ROWS, replace(OPTIONS, layout_guidance=0.0), steps=STEPS)
    steered, _ = run(network, ROWS, steps=STEPS)
    assert (steered[2:] - bare[2:]).abs().max() > 1e-4
    watched = Watched(network)
    again, _ = run(watched, ROWS, replace(OPTIONS, layout_guidance=0.0), steps=STEPS)
    assert torch.equal(again, bare)
    assert all(asked["steering"] is None for _, asked in watched.predicted)
    stronger, _ = run(
        network, ROWS, replace(OPTIONS, guidance=Guidance(text=7.0), layout_guidance=0.0), steps=STEPS
    )
    assert (stronger - bare).abs().max() > 1e-3


def test_a_box_of_the_user_acts_from_the_first_step_in_both_rows(network: RowNetwork) -> None:
    watched = Watched(network)
    _, steps = run(watched, [*ROWS[:2], replace(ROWS[2], layout=left_half()), ROWS[3]], steps=STEPS)
    weights = watched.predicted[0][1]["steering"].weights
    composite_row, swan_row = weights[4], weights[6]
    steered = (composite_row != 1).flatten(1).any(1)
    assert int(steered.sum()) == 2, "the two tokens of “a swan”"
    assert bool((composite_row[steered][:, :, :2] == 2).all())
    assert bool((composite_row[steered][:, :, 2:] == 0).all())
    assert bool((swan_row[1:, :, 2:] == 0).all())
    boxes = steps[-1].boxes
    assert boxes is not None and boxes[SWAN] == BoxF(0.0, 0.0, 0.5, 1.0)


def test_without_a_composite_only_the_users_boxes_are_known(network: RowNetwork) -> None:
    rows = [background(), replace(ROWS[2], layout=left_half()), ROWS[3]]
    watched = Watched(network)
    _, steps = run(watched, rows, steps=STEPS)
    assert steps[-1].boxes == {SWAN: BoxF(0.0, 0.0, 0.5, 1.0)}
    assert all(asked["watch"] is None for _, asked in watched.predicted)


def test_a_kept_object_is_neither_watched_nor_placed(network: RowNetwork) -> None:
    kept = thing(1, "a swan", kept=True, latents=some_latents(3), layout=left_half())
    watched = Watched(network)
    _, steps = run(watched, [*ROWS[:2], kept, ROWS[3]], steps=STEPS)
    assert len(watched.predicted[0][1]["watch"].spans) == 1
    boxes = steps[-1].boxes
    assert boxes is not None and set(boxes) == {CAT}
    weights = watched.predicted[0][1]["steering"].weights
    assert int((weights[3] != 1).flatten(1).any(1).sum()) == 2, "the composite is told where the kept swan is"


def test_sharing_latents_pulls_objects_to_the_composite(network: RowNetwork) -> None:
    rows = [*ROWS[:2], replace(ROWS[2], layout=left_half()), ROWS[3]]
    watched = Watched(network)
    run(watched, rows, replace(OPTIONS, share_latents=True), steps=STEPS)
    batch, _ = watched.predicted[0]
    whole, _, swan, _ = batch.latents[4:]
    assert torch.equal(swan[:, :, :6], whole[:, :, :6])
    assert not torch.equal(swan[:, :, 10:], whole[:, :, 10:])
