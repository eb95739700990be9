"""The price of a run: more layers cost more, kept ones less, and the plan is the fastest that fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.gen.costs import GIGABYTE, RunCost, cost_sentence, estimated
from psdstudio.gen.engine import CostModel
from psdstudio.gen.request import BackgroundPart, GenerationRequest, ObjectPart, Raster, Sampling

COSTS = CostModel(
    device="NVIDIA RTX 4070 (12 GB)",
    seconds_fixed=0.5,
    seconds_per_row_step=0.1,
    native_pixels=1024 * 1024,
    bytes_per_row=GIGABYTE // 4,
    plans=(
        ("all in memory", 9 * GIGABYTE),
        ("model offload", 6 * GIGABYTE),
        ("sequential offload", GIGABYTE),
    ),
    free_bytes=11 * GIGABYTE,
    bytes_per_kept_row=GIGABYTE // 8,
    moving_seconds=(0.0, 0.0, 2.0),
)
PICTURE = Raster(rgba=np.full((4, 4, 4), 255, np.uint8), rect=Rect(0, 0, 4, 4))


def asked(
    objects: int, kept: int = 0, *, size: Size = Size(1024, 1024), **sampling: float
) -> GenerationRequest:
    """A request for a free background and so many objects, the first `kept` of which are kept."""
    parts = tuple(
        ObjectPart(
            id=LayerId(f"o{i}"),
            name="swan",
            engine_words="a swan",
            seed=i,
            look=PICTURE if i < kept else None,
            box=BoxF(0, 0, 0.5, 0.5) if i < kept else None,
        )
        for i in range(objects)
    )
    return GenerationRequest(
        run_id="run",
        engine="sdxl",
        size=size,
        scene_words="a swan on a lake",
        background=BackgroundPart(id=LayerId("b"), engine_words="a lake", seed=1),
        objects=parts,
        sampling=replace(Sampling(steps=20, text_guidance=6.0), **sampling),  # type: ignore[arg-type]  # its own names
    )


def test_the_figures_of_a_plain_run() -> None:
    cost = estimated(COSTS, asked(1))
    # composite, background and one object, both halves of guidance, 20 steps; three rows encoded and decoded
    assert cost.seconds == pytest.approx(20 * 2 * 3 * 0.1 + 3 * 0.5)
    assert cost.peak_bytes == 9 * GIGABYTE + 6 * GIGABYTE // 4
    assert (cost.plan, cost.fits) == ("all in memory", True)


def test_more_rows_take_the_halves_apart_then_the_next_plan_and_its_moving_is_counted() -> None:
    assert estimated(COSTS, asked(2)).peak_bytes == 11 * GIGABYTE
    apart = estimated(COSTS, asked(6))
    assert (apart.plan, apart.peak_bytes) == ("all in memory", 11 * GIGABYTE)
    assert estimated(COSTS, asked(7)).plan == "model offload"
    slow = estimated(replace(COSTS, free_bytes=6 * GIGABYTE), asked(1))
    assert slow.plan == "sequential offload"
    assert slow.seconds == pytest.approx(estimated(COSTS, asked(1)).seconds + 20 * 2.0)


def test_where_nothing_fits_the_sentence_says_what_is_free() -> None:
    cost = estimated(replace(COSTS, free_bytes=GIGABYTE), asked(3))
    assert not cost.fits
    assert cost.plan == "sequential offload"
    assert cost_sentence(cost).startswith(
        "Needs about 2.2 GB, but 1.0 GB are free on NVIDIA RTX 4070 (12 GB)"
    )


@given(objects=st.integers(1, 6), steps=st.integers(1, 60))
def test_a_layer_more_costs_more_and_a_kept_one_less(objects: int, steps: int) -> None:
    fewer, more = (
        estimated(COSTS, asked(objects - 1, steps=steps)),
        estimated(COSTS, asked(objects, steps=steps)),
    )
    assert more.seconds - _moved(more, steps) > fewer.seconds - _moved(fewer, steps)
    for each_step in (False, True):
        costs = replace(COSTS, kept_each_step=each_step)
        free, kept = (
            estimated(costs, asked(objects, steps=steps)),
            estimated(costs, asked(objects, 1, steps=steps)),
        )
        assert kept.seconds <= free.seconds
        assert kept.peak_bytes <= free.peak_bytes or kept.plan != free.plan


def _moved(cost: RunCost, steps: int) -> float:
    return 2.0 * steps if cost.plan == "sequential offload" else 0.0


def test_without_guidance_a_run_takes_half() -> None:
    guided, plain = estimated(COSTS, asked(2)), estimated(COSTS, asked(2, text_guidance=1.0))
    assert guided.seconds - 4 * 0.5 == pytest.approx(2 * (plain.seconds - 4 * 0.5))


def test_a_larger_canvas_costs_more_only_where_there_is_a_second_pass() -> None:
    large = asked(1, size=Size(2048, 2048))
    assert estimated(COSTS, large) == estimated(COSTS, asked(1))
    again = replace(COSTS, second_pass=0.3)
    assert estimated(again, large).seconds > estimated(again, asked(1)).seconds
    assert estimated(again, asked(1)) == estimated(COSTS, asked(1))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"),
        (7.4, "7 s"),
        (41, "40 s"),
        (94, "95 s"),
        (100, "2 min"),
        (600, "10 min"),
        (7300, "2 hours"),
    ],
)
def test_times_are_said_as_estimates(seconds: float, said: str) -> None:
    cost = replace(estimated(COSTS, asked(1)), seconds=seconds, peak_bytes=int(9.8 * GIGABYTE))
    assert cost_sentence(cost) == f"About {said} and 9.8 GB: all in memory on NVIDIA RTX 4070 (12 GB)"


def test_a_few_step_adapter_is_priced_by_its_own_steps() -> None:
    fast = estimated(replace(COSTS, steps=4, guided=False), asked(2))
    assert fast == estimated(COSTS, asked(2, steps=4, text_guidance=1.0))
    assert fast.seconds < estimated(COSTS, asked(2)).seconds / 4
