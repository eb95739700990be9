"""What a run will take, told before it starts: seconds and memory, from an engine's `CostModel` and the request."""

from __future__ import annotations

import math
from dataclasses import dataclass

from psdstudio.gen.engine import CostModel
from psdstudio.gen.request import GenerationRequest

TILE_OVERLAP = 1.3
"""Tiles of a second pass overlap: together they have so many times the pixels of the canvas."""
GIGABYTE = 2**30
"""As the makers of graphics cards count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What a run takes on a device.

    `plan` is how the weights are placed: the fastest way that fits. Where none does, `fits` is False and the plan is
    the one that needs the least memory. `peak_bytes` counts weights, activations and latents together.
    """

    seconds: float
    peak_bytes: int
    plan: str
    fits: bool
    device: str
    free_bytes: int


def estimated(costs: CostModel, request: GenerationRequest) -> RunCost:
    """Return what `request` takes: time and memory are linear in the rows that the network evaluates.

    Guidance evaluates free rows twice. Kept rows are evaluated once for the whole run, or once a step.
    """
    rows = _Rows.of(request)
    halves = 2 if costs.guided and request.sampling.text_guidance != 1 else 1
    steps = costs.steps or request.sampling.steps
    evaluations = float(steps * halves * rows.free + rows.kept * (steps if costs.kept_each_step else 1))
    if (larger := request.size.width * request.size.height / costs.native_pixels) > 1:
        again = math.ceil(costs.second_pass * steps)
        evaluations += again * halves * rows.delivered * larger * TILE_OVERLAP
    seconds = costs.seconds_per_row_step * evaluations + costs.seconds_fixed * rows.all
    chosen, working = _fastest_fitting(
        costs, [_working(costs, rows, count) for count in range(halves, 0, -1)]
    )
    moving = costs.moving_seconds[chosen] if costs.moving_seconds else 0.0
    plan, weights = costs.plans[chosen]
    return RunCost(
        seconds=seconds + moving * steps,
        peak_bytes=weights + working,
        plan=plan,
        fits=weights + working <= costs.free_bytes,
        device=costs.device,
        free_bytes=costs.free_bytes,
    )


def cost_sentence(cost: RunCost) -> str:
    """Say a cost to the user: "About 40 s and 9.8 GB: model offload on NVIDIA RTX 4070 (12 GB)"."""
    if not cost.fits:
        return (
            f"Needs about {_size(cost.peak_bytes)}, but {_size(cost.free_bytes)} are free on {cost.device}: "
            "keep or hide some layers, or close other programs"
        )
    return f"About {_duration(cost.seconds)} and {_size(cost.peak_bytes)}: {cost.plan} on {cost.device}"


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a request: free ones with the composite, those of them that become layers, and kept ones."""

    free: int
    delivered: int
    kept: int

    @property
    def all(self) -> int:
        return self.free + self.kept

    @classmethod
    def of(cls, request: GenerationRequest) -> _Rows:
        kept = len(request.known_ids)
        delivered = 1 + len(request.objects) - kept
        return cls(free=1 + delivered, delivered=delivered, kept=kept)


def _working(costs: CostModel, rows: _Rows, halves: int) -> int:
    """Return the memory of rows that are evaluated together; kept ones are so by themselves, before the others."""
    remembered = costs.bytes_per_kept_row * rows.kept
    return max(costs.bytes_per_row * halves * rows.free, costs.bytes_per_row * rows.kept) + remembered


def _fastest_fitting(costs: CostModel, workings: list[int]) -> tuple[int, int]:
    """Return the plan and its working memory; an engine takes the halves of guidance apart before a slower plan."""
    for i, (_, weights) in enumerate(costs.plans):
        for working in workings:
            if weights + working <= costs.free_bytes:
                return i, working
    return min(range(len(costs.plans)), key=lambda i: costs.plans[i][1]), workings[-1]


def _size(count: int) -> str:
    return f"{count / GIGABYTE:.1f} GB"


def _duration(seconds: float) -> str:
    """Round as an estimate is: to seconds below ten, to tens of seconds below 100, then to minutes and hours."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 95:
        return f"{round(seconds / 5) * 5} s"
    if seconds < 95 * 60:
        return f"{max(2, round(seconds / 60))} min"
    return f"{max(2, round(seconds / 3600))} hours"
