"""The parts of the engine as the sampler uses them, rows, adapters and transparent networks, wherever weights lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from psdstudio.engine.sdxl.adapters_file import LowRank
from psdstudio.engine.sdxl.device import Precision
from psdstudio.engine.sdxl.placement import Parts, Placement, Placing
from psdstudio.engine.sdxl.prompts import TextParts, encode_scene
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch
from psdstudio.engine.sdxl.transparent_vae import TransparentVae
from tests.engine.sdxl import drawn
from tests.engine.sdxl.batches import BACKGROUND, COMPOSITE, random_batch, thing
from tests.engine.sdxl.scenes import composite, text_parts
from tests.engine.sdxl.scenes import thing as thing_row
from tests.engine.sdxl.tiny import (
    tiny_transparent_decoder,
    tiny_transparent_encoder,
    tiny_unet,
    tiny_vae,
)

pytestmark = pytest.mark.torch
FLOAT32 = Precision(torch.float32, torch.float32)
MODULE = "down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q"


def run(
    network: RowNetwork, text: TextParts, vae: TransparentVae, device: torch.device | str = "cpu"
) -> list[Tensor]:
    """Words, kept rows, free rows with an adapter, and a layer to latents and back; on the CPU in the end."""
    said = encode_scene(text, [composite("a lake"), thing_row(1, "a swan")], device=device)
    memory = network.remember(on(device, random_batch(BACKGROUND, seed=1)), clean=True)
    batch = on(device, random_batch(COMPOSITE, thing(1), groups=2, adapters=[{}, {"clear": 0.7}] * 2))
    noise = network.predict(batch, kept=memory).noise
    latents = vae.encode(drawn.ball(64)[0][None].to(device))
    made = [said.words, said.pooled, noise, latents, vae.decode(latents, final=False)]
    assert {tensor.device.type for tensor in made} == {torch.device(device).type}
    return [tensor.cpu() for tensor in made]


def on(device: torch.device | str, batch: RowBatch) -> RowBatch:
    return replace(
        batch,
        latents=batch.latents.to(device),
        timesteps=batch.timesteps.to(device),
        words=batch.words.to(device),
        pooled=batch.pooled.to(device),
        time_ids=batch.time_ids.to(device),
    )


def parts_of() -> tuple[Parts, TextParts, TransparentVae]:
    """Return the modules, and what uses them."""
    text = text_parts()
    vae = TransparentVae(
        vae=tiny_vae(),
        decoder=tiny_transparent_decoder(),
        encoder=tiny_transparent_encoder(),
        offset_scale=1.0,
    )
    assert vae.encoder is not None
    transparent = (vae.decoder, vae.encoder)
    parts = Parts(text_encoders=text.encoders, unet=tiny_unet(), vae=vae.vae, transparent=transparent)
    return parts, text, vae


def some_change() -> LowRank:
    """Return a change of one layer."""
    rng = torch.Generator().manual_seed(5)
    return LowRank(down=torch.randn(2, 64, generator=rng), up=torch.randn(64, 2, generator=rng), scale=1.0)


@pytest.mark.parametrize("opened_first", [True, False])
def test_rows_adapters_and_transparency_give_the_same_numbers_with_every_placing(opened_first: bool) -> None:
    parts, text, vae = parts_of()
    unet: Any = parts.unet
    change = some_change()
    placement = Placement(parts, torch.device("cpu"), FLOAT32)
    with RowNetwork(unet) as network:
        network.attach("clear", {MODULE: change})
        expected = run(network, text, vae)
    for placing in Placing:
        if not opened_first:
            placement.place(placing)
        with RowNetwork(unet) as network:
            network.attach("clear", {MODULE: change})
            placement.place(placing)
            for now, then in zip(run(network, text, vae), expected, strict=True):
                assert torch.equal(now, then), placing
            if opened_first:
                placement.release()
    placement.release()
    assert not any(hasattr(module, "_hf_hook") for part in parts.modules for module in part.modules())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_every_placing_gives_the_same_numbers_and_offloads_leave_its_memory_free() -> None:
    device = torch.device("cuda", 0)
    parts, text, vae = parts_of()
    unet: Any = parts.unet
    placement = Placement(parts, device, FLOAT32)
    made: dict[Placing, list[Tensor]] = {}
    for placing in Placing:
        placement.place(placing)
        with RowNetwork(unet) as network:
            network.attach("clear", {MODULE: some_change()})
            made[placing] = run(network, text, vae, placement.device)
        placement.rest()
        on_device = sum(p.numel() for part in parts.modules for p in part.parameters() if p.device == device)
        assert (on_device > 0) is (placing is Placing.FULL)
    placement.release()
    for placing in (Placing.MODEL, Placing.SEQUENTIAL):
        for now, then in zip(made[placing], made[Placing.FULL], strict=True):
            torch.testing.assert_close(now, then, atol=1e-5, rtol=1e-5)
    for now, then in zip(made[Placing.PROCESSOR], made[Placing.FULL], strict=True):
        torch.testing.assert_close(now, then, atol=2e-2, rtol=2e-2)
