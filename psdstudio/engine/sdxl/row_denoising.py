"""One row denoised by itself from a share of the noise: what the second pass does with every tile of a layer."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from psdstudio.engine.sdxl.guidance import Guidance, Reading
from psdstudio.engine.sdxl.noise import step_generator
from psdstudio.engine.sdxl.prompts import SceneText, time_ids
from psdstudio.engine.sdxl.row_batches import grouped
from psdstudio.engine.sdxl.rows import RowBatch, SceneRow
from psdstudio.engine.sdxl.sampler import Network
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.upscaling import Denoise
from psdstudio.errors import EngineFailed

LATENT = 8


def row_denoiser(
    network: Network, text: SceneText, row: SceneRow, schedule: Schedule, guidance: Guidance
) -> Denoise:
    """Return what denoises latents of one row with its own words and adapters, alone in the batch.

    Args:
        network: Evaluated with one row in each half of guidance.
        text: Of this row only (`SceneText.of_row`), where the network computes.
        row: Its adapters and its seed count; its pixels do not.
        schedule: Of the run; the steps at its end are taken.
        guidance: Context is left out: there is none.

    What is returned takes and gives float32 latents on the device of `text`; the noise may lie elsewhere. It raises
    EngineFailed when a prediction is no number.
    """
    alone = Guidance(text=guidance.text)

    def denoise(clean: Tensor, noise: Tensor, strength: float) -> Generator[None, None, Tensor]:
        begin = schedule.start(strength)
        solver = schedule.solver_of(begin, step_generator(row))
        clean = clean[0].to(text.words.device, torch.float32)
        latents = schedule.noised(clean, noise[0].to(clean), begin)
        for step in range(begin, schedule.steps):
            # Not around the yield: the mode would hold for whoever runs in between.
            with torch.no_grad():
                predicted = _predicted(network, text, row, schedule, alone, latents, step)
                latents = solver.step(predicted, latents)
            yield
        return latents[None]

    return denoise


def _predicted(
    network: Network,
    text: SceneText,
    row: SceneRow,
    schedule: Schedule,
    guidance: Guidance,
    latents: Tensor,
    step: int,
) -> Tensor:
    """Return the guided prediction (4, h, w), float32."""
    halves = [
        _batch(text, row, schedule, latents, step, silent=reading is not Reading.FULL)
        for reading in guidance.readings
    ]
    answer = network.predict(grouped(halves), joint=False).noise.float()
    predicted = guidance.combined(dict(zip(guidance.readings, answer.chunk(len(halves)), strict=True)))[0]
    if not bool(predicted.isfinite().all()):
        raise EngineFailed(
            "The network gave values that are no numbers in the second pass; the run was stopped.",
            "Nothing was changed. Switch the second pass for large canvases off, or try another seed.",
        )
    return predicted


def _batch(
    text: SceneText, row: SceneRow, schedule: Schedule, latents: Tensor, step: int, *, silent: bool
) -> RowBatch:
    size_px = (latents.shape[1] * LATENT, latents.shape[2] * LATENT)
    return RowBatch(
        latents=schedule.scaled(latents, step)[None].to(text.words),
        timesteps=torch.full((1,), schedule.timesteps[step], device=text.words.device),
        words=text.negative_words if silent else text.words,
        pooled=text.negative_pooled if silent else text.pooled,
        time_ids=time_ids(1, size_px, text.words),
        identities=(row.identity,),
        adapters=(row.adapters,),
    )
