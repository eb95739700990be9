"""Ways of placing the whole model in `bench photoreal`, each with no more of the device's memory than a cap."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch

from psdstudio.bench.photoreal_figures import PlanFigures, Work
from psdstudio.bench.photoreal_parts import SCALES, parts_of
from psdstudio.bench.photoreal_rows import rows_of
from psdstudio.bench.photoreal_timing import Measured, measured, median
from psdstudio.engine.sdxl.device import GIGABYTE, Precision
from psdstudio.engine.sdxl.placement import Parts, Placement, Placing, Plan, free_unused, with_smaller_plans
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.errors import EngineOutOfMemory

OFFLOADS = (Placing.FULL, Placing.MODEL, Placing.SEQUENTIAL)


@torch.no_grad()
def measure_plans(scale: str, work: Work, objects: int, caps: Sequence[float]) -> tuple[PlanFigures, ...]:
    """Return for each cap in gigabytes the fastest way that runs, tried from the fastest as the engine does.

    Only a CUDA device can be capped.
    """
    device = torch.device("cuda", torch.cuda.current_device())
    total = torch.cuda.get_device_properties(device).total_memory
    free_unused(device)
    parts, dtype = parts_of(scale), SCALES[scale].dtype
    figures = []
    for cap in caps:
        torch.cuda.set_per_process_memory_fraction(min(1.0, cap * GIGABYTE / total), device)
        placement = Placement(parts, device, Precision(dtype, dtype))
        try:
            figures.append(fastest_plan(placement, parts, work, objects, cap))
        finally:
            placement.release()
            torch.cuda.set_per_process_memory_fraction(1.0, device)
    return tuple(figures)


def fastest_plan(
    placement: Placement,
    parts: Parts,
    work: Work,
    objects: int,
    cap: float,
    *,
    ways: Sequence[Placing] = OFFLOADS,
) -> PlanFigures:
    """Return the figures of the first of `ways` that does not run out of memory."""
    plans = [Plan(placing=way, device_bytes=0, host_bytes=0) for way in ways]

    def attempt(plan: Plan) -> Generator[None, None, PlanFigures]:
        yield
        words, step, decode = run_once(placement, parts, work, objects)
        peaks = [one.peak_bytes for one in (words, step, decode) if one.peak_bytes is not None]
        return PlanFigures(
            cap, plan.placing.value, words.seconds, step.seconds, decode.seconds, max(peaks, default=None)
        )

    trying = with_smaller_plans(plans, placement.place, attempt, [])
    try:
        while True:
            next(trying)
    except StopIteration as done:
        figures: PlanFigures = done.value
        return figures
    except EngineOutOfMemory:
        return PlanFigures(cap, None, None, None, None, None)


def run_once(
    placement: Placement, parts: Parts, work: Work, objects: int
) -> tuple[Measured, Measured, Measured]:
    """Measure the words of a scene, a step of its rows and one layer's decoding, in the order of a run.

    Peaks count everything that lies on the device, weights too: what a cap must hold.
    """
    device = placement.device
    tokens = torch.zeros(work.groups * (objects + 2), 77, dtype=torch.long, device=device)

    def words() -> None:
        for encoder in parts.text_encoders:
            encoder(tokens)

    batch = rows_of(parts.unet, work, objects, device=device)

    def decode() -> None:
        latents = batch.latents[:1]
        picture = parts.vae.decode(latents, return_dict=False)[0]  # type: ignore[operator]  # diffusers' method
        for decoder in parts.transparent:
            decoder(picture.clamp(-1, 1) / 2 + 0.5, latents)

    with RowNetwork(parts.unet, every=work.every) as network:
        said = measured(words, device, whole=True)
        steps = [measured(lambda: network.predict(batch), device, whole=True) for _ in range(work.rounds + 1)]
    return said, median(steps[1:]), measured(decode, device, whole=True)
