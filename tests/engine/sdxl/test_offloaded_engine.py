"""The parts of the engine as the sampler uses them, rows, adapters and transparent networks, wherever weights lie."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from psdstudio.engine.sdxl.adapters_file import LowRank
from psdstudio.engine.sdxl.device import Precision
from psdstudio.engine.sdxl.placement import Parts, Placement, Placing
from psdstudio.engine.sdxl.prompts import TextParts, encode_scene
from psdstudio.engine.sdxl.row_network import RowNetwork
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


def run(network: RowNetwork, text: TextParts, vae: TransparentVae) -> list[Tensor]:
    """Words, kept rows, free rows with an adapter, and a layer to latents and back."""
    said = encode_scene(text, [composite("a lake"), thing_row(1, "a swan")])
    memory = network.remember(random_batch(BACKGROUND, seed=1), clean=True)
    batch = random_batch(COMPOSITE, thing(1), groups=2, adapters=[{}, {"clear": 0.7}] * 2)
    noise = network.predict(batch, kept=memory).noise
    latents = vae.encode(drawn.ball(64)[0][None])
    return [said.words, said.pooled, noise, latents, vae.decode(latents, final=False)]


@pytest.mark.parametrize("opened_first", [True, False])
def test_rows_adapters_and_transparency_give_the_same_numbers_with_every_placing(opened_first: bool) -> None:
    unet, text = tiny_unet(), text_parts()
    vae = TransparentVae(
        vae=tiny_vae(),
        decoder=tiny_transparent_decoder(),
        encoder=tiny_transparent_encoder(),
        offset_scale=1.0,
    )
    assert vae.encoder is not None
    parts = Parts(text_encoders=text.encoders, unet=unet, vae=vae.vae, transparent=(vae.decoder, vae.encoder))
    rng = torch.Generator().manual_seed(5)
    change = LowRank(down=torch.randn(2, 64, generator=rng), up=torch.randn(64, 2, generator=rng), scale=1.0)
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
