"""The sampling loop of Qwen-Image-Layered, one step at a time.

`QwenImageLayeredPipeline.__call__` runs to its end in one call and cannot be stopped without decoding; here its parts
are driven in the same order, to the same numbers (a test compares them), with a pause after every step.
Qwen-Image-Layered (arXiv 2512.15603): the latents of the whole picture and of all layers are denoised together, one
timestep for all; the clean latents of the picture to be split are appended as tokens.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from psdstudio.engine.pictures import U8Array
from psdstudio.errors import EngineFailed

SIDE_STEP = 32
"""Sides of the picture are multiples of this: eight for the encoder, two for the patches, two as it was trained."""
SIDE_OF_TOKEN = 16
BYTES_PER_TOKEN = 184
"""Working memory of a token for each channel of the network, in bfloat16: the published model (3,072 channels) was
reported to need 78 GB for 4 and 115 GB for 20 layers of 1024x1024 (arXiv 2605.27235, figure 19). Not measured by us."""
SHIFT_TOKENS = 256
"""The schedule is shifted by the root of how many times more tokens than this the picture has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """What the loop is given.

    Attributes:
        words: (1, n, d) states of the scene's words, with their mask or None when all count.
        silent: The same of the empty prompt that guidance leads away from; None without guidance.
        picture: (1, tokens, c) clean latents of the picture.
        noise: (1, frames * tokens, c): the whole picture, then the layers back to front.
        grid: Height and width of the picture in tokens.
    """

    words: tuple[Tensor, Tensor | None]
    silent: tuple[Tensor, Tensor | None] | None
    picture: Tensor
    noise: Tensor
    grid: tuple[int, int]

    @property
    def frames(self) -> int:
        """How many pictures are made: the whole and the layers."""
        return self.noise.shape[1] // (self.grid[0] * self.grid[1])


def engine_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the width and height nearest to `side` x `side` pixels with the aspect of a picture."""
    wide = (side * side * width / height) ** 0.5
    high = wide * height / width
    return max(1, round(wide / SIDE_STEP)) * SIDE_STEP, max(1, round(high / SIDE_STEP)) * SIDE_STEP


def working_bytes(width: int, frames: int, side: int) -> int:
    """Return what a run takes besides weights: a network of `width` channels, its frames and the picture itself."""
    return BYTES_PER_TOKEN * width * (frames + 1) * (side // SIDE_OF_TOKEN) ** 2


def engine_picture(pipeline: Any, picture: U8Array, side: int) -> U8Array:
    """Return a picture (h, w, 4) at the size it is worked on."""
    width, height = engine_size(picture.shape[1], picture.shape[0], side)
    return np.array(pipeline.image_processor.resize(Image.fromarray(picture), height, width))


def condition(
    pipeline: Any, device: torch.device, picture: U8Array, *, words: str, seeds: Sequence[int], guided: bool
) -> Condition:
    """Encode the words and the picture (h, w, 4), and draw the noise: one generator a frame, on the processor.

    `device` is where the parts compute, wherever their weights lie in between. `seeds` are those of the whole picture
    and of the layers back to front.
    """
    height, width = picture.shape[:2]
    pixels = pipeline.image_processor.preprocess(Image.fromarray(picture), height, width).unsqueeze(2)
    dtype = pipeline.transformer.dtype
    scale, channels = pipeline.vae_scale_factor, pipeline.transformer.config.in_channels // 4
    high, wide = height // scale, width // scale
    noise = torch.cat(
        [
            torch.randn((1, 1, channels, high, wide), generator=torch.Generator().manual_seed(seed))
            for seed in seeds
        ],
        dim=1,
    )
    said = pipeline.encode_prompt(prompt=words, device=device)
    silent = pipeline.encode_prompt(prompt=" ", device=device) if guided else None
    latents, seen = pipeline.prepare_latents(
        pixels.to(dtype), 1, channels, height, width, len(seeds) - 1, dtype, device, None, packed(noise)
    )
    return Condition(words=said, silent=silent, picture=seen, noise=latents, grid=(high // 2, wide // 2))


def packed(latents: Tensor) -> Tensor:
    """Return (1, frames, c, h, w) as tokens of 2x2 latents: (1, frames * h/2 * w/2, 4 c)."""
    b, frames, c, h, w = latents.shape
    patches = latents.view(b, frames, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
    return patches.reshape(b, frames * (h // 2) * (w // 2), c * 4)


def unpacked(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the latents (frames, c, h, w) of `packed` ones."""
    (_, count, width), (rows, columns) = tokens.shape, grid
    patches = tokens.view(count // (rows * columns), rows, columns, width // 4, 2, 2).permute(
        0, 3, 1, 4, 2, 5
    )
    return patches.reshape(-1, width // 4, rows * 2, columns * 2)


def denoised(
    pipeline: Any, given: Condition, *, steps: int, guidance: float
) -> Generator[Tensor, None, Tensor]:
    """Denoise all frames together in two steps or more; yields their prediction after every step, and returns them.

    Both are packed latents (1, frames * tokens, c).

    Raises:
        EngineFailed: The network computed values that are no numbers.
    """
    latents, scheduler = given.noise, pipeline.scheduler
    scheduler.set_timesteps(
        sigmas=np.linspace(1.0, 0, steps + 1)[:-1],
        device=latents.device,
        mu=(given.picture.shape[1] / SHIFT_TOKENS) ** 0.5,
    )
    scheduler.set_begin_index(0)
    for i, t in enumerate(scheduler.timesteps):
        velocity = _velocity(pipeline, given, latents, t, given.words)
        if given.silent is not None:
            velocity = guided(velocity, _velocity(pipeline, given, latents, t, given.silent), guidance)
        if not bool(velocity.isfinite().all()):
            raise EngineFailed(
                "The network computed values that are no numbers; nothing was changed.",
                "Try another seed. If it happens again, the weights may be damaged: download them anew.",
            )
        sure = latents.float() - scheduler.sigmas[i] * velocity.float()
        latents = scheduler.step(velocity, t, latents, return_dict=False)[0].to(latents.dtype)
        yield sure
    return latents


def guided(said: Tensor, silent: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022) scaled back to the length of the prediction with words.

    The authors of Qwen-Image-Layered switch that on (`cfg_normalize`): per token, so that nothing is overexposed.
    """
    led = silent + guidance * (said - silent)
    wanted, reached = (torch.linalg.vector_norm(tokens, dim=-1, keepdim=True) for tokens in (said, led))
    scaled: Tensor = led * (wanted / reached.clamp(min=1e-12))
    return scaled


def _velocity(
    pipeline: Any, given: Condition, latents: Tensor, t: Tensor, words: tuple[Tensor, Tensor | None]
) -> Tensor:
    rows, columns = given.grid
    predicted = pipeline.transformer(
        hidden_states=torch.cat([latents, given.picture], dim=1),
        timestep=t.expand(1).to(latents.dtype) / 1000,
        encoder_hidden_states=words[0],
        encoder_hidden_states_mask=words[1],
        # The last one is the picture to be split; the network tells it from the frames by its place.
        img_shapes=[[(1, rows, columns)] * (given.frames + 1)],
        additional_t_cond=torch.zeros(1, dtype=torch.long, device=latents.device),
        return_dict=False,
    )[0]
    of_frames: Tensor = predicted[:, : latents.shape[1]]
    return of_frames


def decoded(pipeline: Any, latents: Tensor, grid: tuple[int, int], frame: int) -> Tensor:
    """Return one frame of packed latents as straight RGBA (4, h, w) in 0..1, float32 on the processor."""
    vae = pipeline.vae
    one = unpacked(latents, grid)[frame][None, :, None].to(vae.dtype)
    mean, std = (
        torch.tensor(values, device=one.device, dtype=one.dtype).view(1, -1, 1, 1, 1)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    # As the pipeline has it: dividing by the inverse rounds otherwise than multiplying.
    picture: Tensor = vae.decode(one / (1.0 / std) + mean, return_dict=False)[0][0, :, 0]
    return (picture.float().cpu() / 2 + 0.5).clamp(0, 1)
