"""Where words act: maps and steering against plain slow ones, and that neither changes what it need not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from psdstudio.engine.sdxl.cross_attention import MapSum, log_weights
from psdstudio.engine.sdxl.joint_attention import JOINT_LEVEL
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import Steering, Watch
from tests.engine.sdxl.batches import BACKGROUND, COMPOSITE, TOKENS, largest_change, random_batch, thing
from tests.engine.sdxl.tiny import WORDS_DIM, tiny_unet

pytestmark = pytest.mark.torch

CLOSE = 1e-5
SCENE = (COMPOSITE, BACKGROUND, thing(1))
SPANS = ((1, 3), (3, 4))


class SlowCrossAttention:
    """The formulas of the module as they stand: probabilities of each head are made, kept, and multiplied by weights.

    `weights`: by number of places (r, n, places); `images`: keys' and values' matrices, tokens (r, m, width), scales.
    """

    def __init__(self, weights: dict[int, Tensor] | None = None) -> None:
        self.weights = weights
        self.probabilities: Tensor | None = None
        self.images: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, attention_mask: None
    ) -> Tensor:
        query, words = attn.to_q(hidden_states), encoder_hidden_states
        p = self._softmax(attn, query, attn.to_k(words))
        if self.weights is not None:
            p = p * self.weights[query.shape[1]].transpose(1, 2)[:, None]
            p = p / p.sum(-1, keepdim=True)
        self.probabilities = p
        out = self._heads(attn.to_v(words), attn.heads)
        out = p @ out
        if self.images is not None:
            to_k, to_v, tokens, scales = self.images
            seen = self._softmax(attn, query, tokens @ to_k.T) @ self._heads(tokens @ to_v.T, attn.heads)
            out = out + seen * scales[:, None, None, None]
        result: Tensor = attn.to_out[0](out.transpose(1, 2).flatten(2))
        return result

    def _softmax(self, attn: Any, query: Tensor, key: Tensor) -> Tensor:
        q, k = self._heads(query, attn.heads), self._heads(key, attn.heads)
        logits: Tensor = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        return logits.softmax(-1)

    @staticmethod
    def _heads(x: Tensor, heads: int) -> Tensor:
        return torch.stack(x.chunk(heads, dim=-1), dim=1)


@pytest.fixture(scope="module")
def unet() -> Any:
    return tiny_unet()


@pytest.fixture
def network(unet: Any) -> Iterator[RowNetwork]:
    with RowNetwork(unet) as opened, torch.no_grad():
        yield opened


def slow_run(unet: Any, weights: dict[int, Tensor] | None) -> tuple[Tensor, dict[str, SlowCrossAttention]]:
    """What independent rows of the scene predict with slow cross-attention, and the slow processors by layer."""
    batch = random_batch(*SCENE)
    before = dict(unet.attn_processors)
    slow = {n: SlowCrossAttention(weights) for n in before if n.endswith(".attn2.processor")}
    unet.set_attn_processor(before | slow)
    noise = unet(
        batch.latents,
        batch.timesteps,
        encoder_hidden_states=batch.words,
        added_cond_kwargs={"text_embeds": batch.pooled, "time_ids": batch.time_ids},
    ).sample
    unet.set_attn_processor(before)
    return noise, slow


def random_weights(seed: int = 0) -> Tensor:
    """For the scene's latents of 16x16, with zeros in it."""
    g = torch.Generator().manual_seed(seed)
    return torch.rand(len(SCENE), TOKENS, 4, 4, generator=g).mul(2).sub(0.5).clamp_min(0)


@pytest.mark.parametrize("row", [0, 2])
def test_maps_are_those_of_the_watched_row(unet: Any, row: int) -> None:
    """Mean over heads and over the layers at a quarter of the latents, sum over the span, min-max."""
    with torch.no_grad():
        _, slow = slow_run(unet, None)
        layers = [slow[name].probabilities for name in slow if name.startswith(JOINT_LEVEL)]
        probabilities = torch.stack([p[row].mean(0) for p in layers if p is not None])
        assert probabilities.shape == (12, 16, TOKENS)
        mean = probabilities.mean(0)
        with RowNetwork(unet) as network:
            maps = network.predict(random_batch(*SCENE), watch=Watch(row=row, spans=SPANS), joint=False).maps
    assert maps is not None
    assert maps.shape == (2, 4, 4)
    for found, (start, end) in zip(maps, SPANS, strict=True):
        summed = mean[:, start:end].sum(1).reshape(4, 4)
        expected = (summed - summed.min()) / (summed.max() - summed.min())
        assert largest_change(found, expected) < CLOSE * 100  # min-max magnifies: these maps are nearly flat


@torch.no_grad()
def test_steering_multiplies_probabilities_and_makes_them_sum_to_one(unet: Any) -> None:
    weights = random_weights()
    at = {16: weights.flatten(2), 64: nn.functional.interpolate(weights, (8, 8), mode="bilinear").flatten(2)}
    expected, _ = slow_run(unet, at)
    with RowNetwork(unet) as network:
        batch = random_batch(*SCENE)
        steered = network.predict(batch, steering=Steering(weights=weights), joint=False).noise
        assert largest_change(steered, expected) < CLOSE
        assert largest_change(steered, network.predict(batch, joint=False).noise) > 1e-3


def test_weights_of_one_change_nothing(network: RowNetwork) -> None:
    batch = random_batch(*SCENE)
    ones = Steering(weights=torch.ones(len(SCENE), TOKENS, 4, 4))
    assert largest_change(network.predict(batch, steering=ones).noise, network.predict(batch).noise) < 1e-6


@pytest.mark.parametrize("factor", [0.0, 0.3, 5.0])
def test_one_weight_for_all_words_changes_nothing(network: RowNetwork, factor: float) -> None:
    batch = random_batch(*SCENE)
    same = Steering(weights=torch.full((len(SCENE), TOKENS, 4, 4), factor))
    assert largest_change(network.predict(batch, steering=same).noise, network.predict(batch).noise) < CLOSE


def test_steering_a_row_leaves_the_others(network: RowNetwork) -> None:
    batch, weights = random_batch(*SCENE), torch.ones(len(SCENE), TOKENS, 4, 4)
    weights[2, 1, :, :2] = 3
    plain = network.predict(batch, joint=False).noise
    steered = network.predict(batch, steering=Steering(weights=weights), joint=False).noise
    assert largest_change(steered[:2], plain[:2]) < 1e-6
    assert largest_change(steered[2], plain[2]) > 1e-4


def test_a_word_acts_where_it_is_steered_to(network: RowNetwork) -> None:
    batch, weights = random_batch(*SCENE), torch.ones(len(SCENE), TOKENS, 4, 4)
    weights[0, 1:3] = 0
    weights[0, 1:3, 1:3, 1:3] = 4
    maps = network.predict(
        batch, steering=Steering(weights=weights), watch=Watch(row=0, spans=((1, 3),))
    ).maps
    assert maps is not None
    inside = weights[0, 1] > 0
    assert float(maps[0][inside].min()) > 0.5
    assert float(maps[0][~inside].max()) < 1e-6


def test_watching_changes_nothing(network: RowNetwork) -> None:
    batch = random_batch(*SCENE)
    watched = network.predict(batch, watch=Watch(row=0, spans=SPANS))
    assert torch.equal(watched.noise, network.predict(batch).noise)
    again = network.predict(batch, watch=Watch(row=0, spans=SPANS))
    assert watched.maps is not None
    assert again.maps is not None
    assert torch.equal(watched.maps, again.maps)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**16), st.booleans())
def test_maps_reach_from_zero_to_one(spans: int, height: int, width: int, seed: int, flat: bool) -> None:
    g = torch.Generator().manual_seed(seed)
    total = MapSum()
    for _ in range(3):
        total.add(torch.rand(spans, height * width, generator=g) * (0 if flat else 1) + 0.25)
    maps = total.maps(height, width)
    assert maps.shape == (spans, height, width)
    for one in maps:
        assert float(one.min()) == 0
        assert float(one.max()) == (0 if flat or height * width == 1 else 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_weight_of_zero_is_finite_in_half_precision(dtype: torch.dtype) -> None:
    bias = log_weights(torch.zeros(1, 2, 4, 4), (8, 8)).to(dtype)
    assert bias.shape == (1, 1, 64, 2)
    assert bool(bias.isfinite().all())
    assert float(bias.float().exp().max()) < 1e-25


@torch.no_grad()
def test_latents_of_any_even_shape_are_steered(unet: Any) -> None:
    batch = random_batch(*SCENE, size=(12, 20))
    with RowNetwork(unet) as network:
        weights = torch.ones(len(SCENE), TOKENS, 3, 5)
        steered = network.predict(batch, steering=Steering(weights=weights), watch=Watch(row=1, spans=SPANS))
        assert largest_change(steered.noise, network.predict(batch).noise) < 1e-6
        assert steered.maps is not None
        assert steered.maps.shape == (2, 3, 5)
        with pytest.raises(ValueError, match="multiples"):
            network.predict(random_batch(*SCENE, size=(10, 16)), watch=Watch(row=0, spans=SPANS))


class _Projections:
    """Random matrices for keys and values of images at one layer."""

    def __init__(self, channels: int, seed: int) -> None:
        g = torch.Generator().manual_seed(seed)
        self.to_k, self.to_v = torch.randn(2, channels, WORDS_DIM, generator=g)

    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return tokens @ self.to_k.T, tokens @ self.to_v.T


def with_images(network: RowNetwork) -> list[_Projections]:
    layers = [
        _Projections(network.unet.get_submodule(name).to_q.out_features, seed)
        for seed, name in enumerate(network.cross_layers)
    ]
    network.attach_images(layers)
    return layers


def image_tokens(*rows: int, count: int = len(SCENE)) -> Tensor:
    tokens = torch.zeros(count, 3, WORDS_DIM)
    tokens[list(rows)] = torch.randn(len(rows), 3, WORDS_DIM, generator=torch.Generator().manual_seed(5))
    return tokens


@torch.no_grad()
def test_image_tokens_are_read_beside_the_words(unet: Any) -> None:
    batch = replace(random_batch(*SCENE), image_tokens=image_tokens(1, 2), image_scales=(1.0, 0.7, 0.4))
    before = dict(unet.attn_processors)
    with RowNetwork(unet) as network:
        layers = with_images(network)
        names = [f"{name}.processor" for name in network.cross_layers]
        found = network.predict(batch, joint=False).noise
    slow = {name: SlowCrossAttention() for name in names}
    assert batch.image_tokens is not None
    for processor, layer in zip(slow.values(), layers, strict=True):
        processor.images = (layer.to_k, layer.to_v, batch.image_tokens, torch.tensor(batch.image_scales))
    unet.set_attn_processor(before | slow)
    expected = unet(
        batch.latents,
        batch.timesteps,
        encoder_hidden_states=batch.words,
        added_cond_kwargs={"text_embeds": batch.pooled, "time_ids": batch.time_ids},
    ).sample
    unet.set_attn_processor(before)
    assert largest_change(found, expected) < CLOSE


def test_rows_without_image_or_scale_are_untouched(network: RowNetwork) -> None:
    plain = random_batch(*SCENE)
    expected = network.predict(plain, joint=False).noise
    with_images(network)
    for scales in ((), (0.0, 0.0, 1.0)):
        tokens = image_tokens(2) if not scales else image_tokens(0, 1, 2)
        read = network.predict(replace(plain, image_tokens=tokens, image_scales=scales), joint=False).noise
        assert torch.equal(read[:2], expected[:2])
        assert largest_change(read[2], expected[2]) > 1e-3
    for nothing in (
        replace(plain, image_tokens=image_tokens(0, 1), image_scales=(0.0,) * 3),
        replace(plain, image_tokens=image_tokens()),
        plain,
    ):
        assert torch.equal(network.predict(nothing, joint=False).noise, expected)
    network.detach_images()
    assert torch.equal(
        network.predict(replace(plain, image_tokens=image_tokens(0)), joint=False).noise, expected
    )
