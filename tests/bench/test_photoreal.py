"""The measurement of the photoreal engine's network: the published configuration, every figure, the goals."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from psdstudio.bench.__main__ import main
from psdstudio.bench.photoreal_figures import (
    GOAL_CACHED,
    CachedFigures,
    Figures,
    PlanFigures,
    StepFigures,
    Work,
    table,
)
from psdstudio.bench.photoreal_parts import parts_of, unet_of
from psdstudio.bench.photoreal_plans import OFFLOADS, fastest_plan
from psdstudio.bench.photoreal_rows import counted, counted_cached, rows_of
from psdstudio.engine.sdxl.device import Precision
from psdstudio.engine.sdxl.placement import Placement

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def shapes() -> Any:
    """The UNet of the published size, without values."""
    return unet_of("full", torch.device("meta"))


def test_the_full_size_is_the_published_one(shapes: Any) -> None:
    assert sum(weight.numel() for weight in shapes.parameters()) == 2_567_463_684


def test_arithmetic_is_counted_at_the_published_size(shapes: Any) -> None:
    work = Work(side=1024)
    # A row reads another row of 32x32 places in 60 blocks of width 1280: two products of 2 n n d each.
    row, read = 20.28e12 / 3, 60 * 2 * 2 * 1024 * 1024 * 1280
    with torch.no_grad():
        assert counted(shapes, rows_of(shapes, work, 1), [1]) == pytest.approx(
            [1 + 2 * read / row], abs=0.001
        )
        cached = counted_cached(shapes, work, 1)
    once, anew, joint = 4 * (row + 3 * read), 2 * (row + 5 * read), 6 * (row + 5 * read)
    assert cached == pytest.approx((once / 28 + anew) / joint, abs=0.001)
    assert cached < GOAL_CACHED


def test_fewer_joint_blocks_are_less_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photoreal", "--count", "--size", "tiny", "--side", "256", "--objects", "2"]) == 0
    joint, _ = (
        [float(cell) - 1 for cell in line.strip("| ").split(" | ")[2:]]
        for line in capsys.readouterr().out.splitlines()[4:]
    )
    assert joint[0] > 0
    assert joint[1] == pytest.approx(joint[0] / 2, abs=0.001)


def test_every_figure_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--size",
        "tiny",
        "--side",
        "64",
        "--objects",
        "1",
        "2",
        "--rounds",
        "1",
        "--guided",
        "--every",
        "2",
    ]
    assert main(["photoreal", "--json", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out)["photoreal"]
    assert figures["scale"] == "tiny"
    assert figures["work"] == {"side": 64, "groups": 2, "every": 2, "rounds": 1}
    assert [(step["objects"], step["rows"]) for step in figures["steps"]] == [(1, 3), (2, 4)]
    for step in figures["steps"]:
        assert step["joint_s"] > 0 and step["alone_s"] > 0
        assert step["ratio"] == pytest.approx(step["joint_s"] / step["alone_s"])
        assert step["counted"] > 1
    cached = figures["cached"]
    assert cached["steps"] == 28
    assert cached["matched_ratio"] == pytest.approx(
        (cached["remember_s"] + cached["cached_s"]) / cached["joint_s"]
    )


def test_every_way_of_placing_is_measured_and_the_next_one_taken_when_memory_runs_out() -> None:
    parts, processor = parts_of("tiny"), torch.device("cpu")
    placement = Placement(parts, processor, Precision(torch.float32, torch.float32))
    small = (placement, parts, Work(side=64, rounds=1), 1, 8.0)
    for way in OFFLOADS:
        figures = fastest_plan(*small, ways=[way])
        assert figures.placing == way.value
        assert figures.words_s and figures.step_s and figures.decode_s
    placement.release()
    decode, fails = parts.vae.decode, [True, True]

    def decode_in_too_little_memory(*args: Any, **more: Any) -> Any:
        if fails and fails.pop():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(*args, **more)  # type: ignore[operator]  # diffusers' method

    parts.vae.decode = decode_in_too_little_memory  # type: ignore[assignment]  # of the module's own object
    figures = fastest_plan(*small)
    assert figures.placing == OFFLOADS[2].value
    fails += [True] * 3
    assert fastest_plan(*small).placing is None
    placement.release()


def test_a_cap_needs_a_device_that_can_be_capped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["photoreal", "--size", "tiny", "--caps", "8"]) == 2
    assert "CUDA" in capsys.readouterr().err


def test_a_side_that_the_network_cannot_paint_gives_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photoreal", "--size", "tiny", "--side", "100"]) == 2
    assert "multiple of 64" in capsys.readouterr().err


def test_goals_are_those_of_the_published_size() -> None:
    step = StepFigures(1, 3, 1.1, 1.0, 2_000_000_000, None, 1.09)
    cached = CachedFigures(28, 0.6, 0.4, 1.0)
    good = Figures("full", "a card", Work(side=1024), 5_135_000_000, (step,), cached)
    assert good.within_goals
    assert cached.ratio == pytest.approx(0.6 / 28 + 0.4)
    slow = replace(good, steps=(step, replace(step, joint_s=1.2)))
    assert not slow.within_goals
    assert replace(slow, scale="tiny").within_goals
    assert not replace(good, cached=replace(cached, cached_s=0.5)).within_goals
    plans = (
        PlanFigures(8.0, "model offload", 0.1, 1.5, 0.2, 7_900_000_000),
        PlanFigures(2.0, None, None, None, None, None),
    )
    printed = table(replace(good, plans=plans))
    assert "| 8 | model offload | 0.100 | 1.500 | 0.200 | 7.90 |" in printed
    assert "| 2 | does not run | - | - | - | - |" in printed
    assert "| 1 | 3 | 1.100 | 1.000 | 1.100 | 1.090 | 2.00 | - |" in printed
    assert "5.13 GB of weights" in printed or "5.14 GB of weights" in printed


def test_the_other_measurements_do_not_load_torch() -> None:
    code = "import sys, psdstudio.bench.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
