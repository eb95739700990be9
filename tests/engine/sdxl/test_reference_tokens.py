"""IP-Adapters with the published names: the same numbers as diffusers' own, strict loading, clear refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from psdstudio.engine.sdxl.reference_tokens import ReferenceTokens
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.errors import ModelIncompatible
from tests.engine.sdxl.batches import largest_change, random_batch, thing
from tests.engine.sdxl.tiny import WORDS_DIM, tiny_unet

pytestmark = pytest.mark.torch

EMBEDDING, TOKENS, DIM, INNER = 24, 4, 32, 128


@pytest.fixture(scope="module")
def unet() -> Any:
    return tiny_unet()


def tensors(unet: Any, *, plus: bool) -> dict[str, Tensor]:
    """A random file with the published names: `image_proj.*` and `ip_adapter.1.to_k_ip.weight`, 3, 5, ..."""
    g = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g) * 0.2

    if not plus:
        found = {
            "proj.weight": random(TOKENS * WORDS_DIM, EMBEDDING),
            "proj.bias": random(TOKENS * WORDS_DIM),
            "norm.weight": random(WORDS_DIM),
            "norm.bias": random(WORDS_DIM),
        }
    else:
        found = {
            "latents": random(1, TOKENS, DIM),
            "proj_in.weight": random(DIM, EMBEDDING),
            "proj_in.bias": random(DIM),
            "proj_out.weight": random(WORDS_DIM, DIM),
            "proj_out.bias": random(WORDS_DIM),
            "norm_out.weight": random(WORDS_DIM),
            "norm_out.bias": random(WORDS_DIM),
        }
        for i in range(4):  # diffusers reads only the depth that is published
            found |= {
                **{
                    f"layers.{i}.0.{norm}.{part}": random(DIM)
                    for norm in ("norm1", "norm2")
                    for part in ("weight", "bias")
                },
                f"layers.{i}.0.to_q.weight": random(INNER, DIM),
                f"layers.{i}.0.to_kv.weight": random(2 * INNER, DIM),
                f"layers.{i}.0.to_out.weight": random(DIM, INNER),
                f"layers.{i}.1.0.weight": random(DIM),
                f"layers.{i}.1.0.bias": random(DIM),
                f"layers.{i}.1.1.weight": random(4 * DIM, DIM),
                f"layers.{i}.1.3.weight": random(DIM, 4 * DIM),
            }
    named = {f"image_proj.{name}": tensor for name, tensor in found.items()}
    layers = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(layers):
        channels = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            named[f"ip_adapter.{2 * i + 1}.{part}.weight"] = random(channels, WORDS_DIM)
    return named


def described(*, plus: bool) -> Tensor:
    shape = (2, 9, EMBEDDING) if plus else (2, EMBEDDING)
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


def theirs(state: dict[str, Tensor]) -> Any:
    """A tiny UNet into which diffusers itself has loaded the adapter."""
    unet = tiny_unet()
    split: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        split[part][rest] = tensor
    unet._load_ip_adapter_weights([split], low_cpu_mem_usage=False)
    return unet


@pytest.mark.parametrize("plus", [False, True])
@torch.no_grad()
def test_numbers_are_those_of_diffusers(unet: Any, plus: bool) -> None:
    state, pictures = tensors(unet, plus=plus), described(plus=plus)
    adapter = ReferenceTokens.from_state(state, unet)
    assert adapter.projection.reads_patches is plus
    tokens = adapter(pictures)
    assert tokens.shape == (2, TOKENS, WORDS_DIM)
    other = theirs(state)
    expected_tokens = other.encoder_hid_proj([pictures[:, None]])[0]
    assert largest_change(tokens, expected_tokens.reshape(tokens.shape)) < 1e-5

    batch = replace(random_batch(thing(1), thing(2)), image_tokens=tokens, image_scales=(0.6, 0.6))
    with RowNetwork(unet) as network:
        network.attach_images(list(adapter.layers))
        found = network.predict(batch, joint=False).noise
        assert (
            largest_change(found, network.predict(replace(batch, image_tokens=None), joint=False).noise)
            > 0.01
        )
    for processor in other.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [0.6]
    expected = other(
        batch.latents,
        batch.timesteps,
        encoder_hidden_states=batch.words,
        added_cond_kwargs={
            "text_embeds": batch.pooled,
            "time_ids": batch.time_ids,
            "image_embeds": [pictures[:, None]],
        },
    ).sample
    assert largest_change(found, expected) < 1e-5


@pytest.mark.parametrize("plus", [False, True])
def test_loading_is_strict(unet: Any, plus: bool) -> None:
    good = tensors(unet, plus=plus)
    last = max(int(name.split(".")[1]) for name in good if name.startswith("ip_adapter."))
    scale = "image_proj.norm_out.weight" if plus else "image_proj.norm.bias"
    wrong: list[dict[str, Tensor]] = [
        {name: tensor for name, tensor in good.items() if name != f"ip_adapter.{last}.to_v_ip.weight"},
        {**good, f"ip_adapter.{last + 2}.to_k_ip.weight": good[f"ip_adapter.{last}.to_k_ip.weight"]},
        {**good, "ip_adapter.2.to_k_ip.weight": good[f"ip_adapter.{last}.to_k_ip.weight"]},
        {**good, f"ip_adapter.{last}.to_k_ip.weight": torch.zeros(5, 5)},
        {name: tensor for name, tensor in good.items() if name != scale},
        {**good, "image_proj.more": torch.zeros(1)},
        {**good, "unet.more": torch.zeros(1)},
        {name: tensor for name, tensor in good.items() if not name.startswith("image_proj.")},
    ]
    for state in wrong:
        with pytest.raises(ModelIncompatible, match="IP-Adapter does not fit"):
            ReferenceTokens.from_state(state, unet)


@pytest.mark.parametrize("plus", [False, True])
def test_type_of_the_file_is_kept_and_nothing_learns(unet: Any, plus: bool) -> None:
    half = {name: tensor.half() for name, tensor in tensors(unet, plus=plus).items()}
    adapter = ReferenceTokens.from_state(half, unet)
    assert {parameter.dtype for parameter in adapter.parameters()} == {torch.float16}
    assert not any(parameter.requires_grad for parameter in adapter.parameters())
    assert len(adapter.layers) == len([n for n in unet.attn_processors if n.endswith("attn2.processor")])


def test_faces_are_refused(unet: Any) -> None:
    state = tensors(unet, plus=False)
    for part in ("weight", "bias"):
        state[f"image_proj.proj.0.{part}"] = state.pop(f"image_proj.proj.{part}")
    with pytest.raises(ModelIncompatible, match="another kind"):
        ReferenceTokens.from_state(state, unet)
