"""The second pass with the networks themselves: a row alone, real encoders and decoders, the sampler's own numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from psdstudio.core.geometry import Size
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.noise import row_noise
from psdstudio.engine.sdxl.prompts import encode_scene
from psdstudio.engine.sdxl.row_denoising import row_denoiser
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.sampler import SampleOptions, sample
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.tiled import KeptValue, Tiling, decoded, finished
from psdstudio.engine.sdxl.transparent_vae import TransparentVae
from psdstudio.engine.sdxl.upscaling import SecondPass, painted_anew
from psdstudio.errors import EngineFailed
from tests.engine.sdxl import drawn
from tests.engine.sdxl.scenes import PARTS, SIZE_PX, some_latents, thing
from tests.engine.sdxl.tiny import (
    tiny_transparent_decoder,
    tiny_transparent_encoder,
    tiny_unet,
    tiny_vae,
)

pytestmark = pytest.mark.torch
STEPS, STRENGTH = 8, 0.4
GUIDANCE = Guidance(text=5.0)


def test_a_tile_is_what_the_sampler_makes_of_the_same_latents_and_noise() -> None:
    """A row alone that starts from known latents at a strength is the same thing (the sampler's SDEdit)."""
    row = thing(1, "a swan", latents=some_latents(1), strength=STRENGTH)
    assert row.latents is not None
    text, schedule = encode_scene(PARTS, [row]), Schedule(steps=STEPS)
    with RowNetwork(tiny_unet()) as network:
        whole = KeptValue(
            sample(network, text, [row], schedule, SampleOptions(size_px=SIZE_PX, guidance=GUIDANCE))
        )
        steps = len(list(whole))

        noise = row_noise(row, tuple(row.latents.shape))
        running = KeptValue(
            row_denoiser(network, text, row, schedule, GUIDANCE)(row.latents[None], noise[None], STRENGTH)
        )
        assert len(list(running)) == steps == 3
    torch.testing.assert_close(running.value, whole.value, atol=1e-5, rtol=1e-5)


def transparent() -> TransparentVae:
    return TransparentVae(
        vae=tiny_vae(),
        decoder=tiny_transparent_decoder(),
        encoder=tiny_transparent_encoder(),
        offset_scale=1.0,
    )


def test_a_layer_passes_through_all_networks_and_its_clear_part_does_not() -> None:
    vae, row = transparent(), thing(1, "a swan")
    text, schedule = encode_scene(PARTS, [row]), Schedule(steps=4)
    picture = torch.zeros(4, 128, 128)
    picture[:, 40:100, 10:60] = 0.7
    shapes: list[tuple[int, ...]] = []

    def encode(part: Tensor) -> Tensor:
        shapes.append(tuple(part.shape))
        return vae.encode(part)

    with RowNetwork(tiny_unet()) as network:
        second = SecondPass(
            encode=encode,
            denoise=row_denoiser(network, text, row, schedule, GUIDANCE),
            decode=lambda latents: vae.decode(latents, final=False),
            tiling=Tiling(tile=128, overlap=32, margin=8),
        )
        size = Size(256, 256)
        first = finished(painted_anew(picture, size, row.seed, second))
        again = finished(painted_anew(picture, size, row.seed, second))
        other = finished(painted_anew(picture, size, row.seed + 1, second))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (4, 256, 256) and bool(first.isfinite().all())
    assert 0 < len(shapes) // 3 < 9, "some tiles are clear"
    assert not first[3, :, 224:].any()


def test_closing_in_the_middle_leaves_the_network_as_it_was() -> None:
    unet, row = tiny_unet(), thing(1, "a swan")
    before = [type(p) for p in unet.attn_processors.values()]
    text = encode_scene(PARTS, [row])
    with RowNetwork(unet) as network:
        denoise = row_denoiser(network, text, row, Schedule(steps=STEPS), GUIDANCE)
        running = denoise(some_latents(1)[None], some_latents(2)[None], 1.0)
        next(running)
        running.close()
        assert torch.is_grad_enabled()
    assert [type(p) for p in unet.attn_processors.values()] == before


def test_numbers_that_are_none_are_a_sentence() -> None:
    unet, row = tiny_unet(), thing(1, "a swan")
    text = encode_scene(PARTS, [row])
    text = replace(text, words=text.words * float("nan"))
    with RowNetwork(unet) as network, pytest.raises(EngineFailed, match="second pass"):
        next(
            row_denoiser(network, text, row, Schedule(steps=4), GUIDANCE)(
                some_latents(1)[None], some_latents(2)[None], 1
            )
        )


def test_the_transparent_decoder_by_tiles_is_near_the_whole() -> None:
    """Its group norms see everything, so not to the bit: within a quarter of the picture's spread."""
    vae = transparent()
    latents = vae.encode(drawn.ball(256)[0][None])[0]
    whole = vae.decode(latents[None], final=False)[0]
    tiles = decoded(
        latents, lambda part: vae.decode(part, final=False), Tiling(tile=192, overlap=64, margin=16)
    )
    assert float((whole - tiles).abs().mean()) < 0.25 * float(whole.std())
