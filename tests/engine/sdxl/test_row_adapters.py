"""Adapters per row: merged weights where they act, nothing at all elsewhere, and off without a trace."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from psdstudio.engine.sdxl.adapters_file import Changes, FullOffset, LowRank, ModuleChange
from psdstudio.engine.sdxl.row_adapters import RowAdapters, contribution, fresh_low_rank
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.errors import ModelIncompatible
from tests.engine.sdxl.batches import BACKGROUND, COMPOSITE, largest_change, picked, random_batch, thing
from tests.engine.sdxl.tiny import tiny_text_encoders, tiny_unet

pytestmark = pytest.mark.torch

CLOSE = 1e-5
SCENE = (COMPOSITE, BACKGROUND, thing(1))
BLOCK = "down_blocks.2.attentions.0"
PATHS = (
    f"{BLOCK}.transformer_blocks.0.attn1.to_q",
    f"{BLOCK}.transformer_blocks.0.attn1.to_k",
    f"{BLOCK}.transformer_blocks.1.attn2.to_v",
    f"{BLOCK}.transformer_blocks.1.attn1.to_out.0",
    f"{BLOCK}.transformer_blocks.0.ff.net.0.proj",
    f"{BLOCK}.proj_in",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_k",
    "up_blocks.0.resnets.0.time_emb_proj",
    "up_blocks.1.resnets.0.conv1",
    "up_blocks.0.resnets.0.conv_shortcut",
    "down_blocks.0.downsamplers.0.conv",
    "time_embedding.linear_1",
    "conv_in",
)
OFFSETS = (*PATHS, "conv_norm_out", "down_blocks.1.resnets.0.norm1", f"{BLOCK}.transformer_blocks.0.norm1")


@pytest.fixture(scope="module")
def unet() -> Any:
    return tiny_unet()


@pytest.fixture
def network(unet: Any) -> Iterator[RowNetwork]:
    with RowNetwork(unet) as opened, torch.no_grad():
        yield opened


def lora(
    network: Any, paths: tuple[str, ...] = PATHS, seed: int = 0, rank: int = 3
) -> dict[str, ModuleChange]:
    """A change of low rank of each of these modules, near a tenth of their weights."""
    g = torch.Generator().manual_seed(seed)
    changes: dict[str, ModuleChange] = {}
    for path in paths:
        weight = network.get_submodule(path).weight
        down = torch.randn(rank, *weight.shape[1:], generator=g) * 0.1
        up = torch.randn(weight.shape[0], rank, *(1,) * (weight.ndim - 2), generator=g) * 0.1
        changes[path] = LowRank(down=down, up=up, scale=0.7)
    return changes


def offsets(network: Any, seed: int = 1) -> dict[str, ModuleChange]:
    """A full offset of each of some modules, of weights, biases or both."""
    g = torch.Generator().manual_seed(seed)
    changes: dict[str, ModuleChange] = {}
    for i, path in enumerate(OFFSETS):
        module = network.get_submodule(path)
        weight = torch.randn(module.weight.shape, generator=g) * 0.02
        bias = None if module.bias is None else torch.randn(module.bias.shape, generator=g) * 0.02
        changes[path] = FullOffset(weight=None if i % 3 == 2 and bias is not None else weight, bias=bias)
    return changes


def merged(network: Any, *changes: tuple[Changes, float], prefix: str = "") -> Any:
    """A copy of a network with the weights changed: W + strength * scale * up @ down, or + strength * offset."""
    changed = copy.deepcopy(network)
    for mapping, strength in changes:
        for path, change in mapping.items():
            module = changed.get_submodule(prefix + path)
            if isinstance(change, LowRank):
                product = change.up.flatten(1) @ change.down.flatten(1)
                module.weight += strength * change.scale * product.reshape(module.weight.shape)
                continue
            if change.weight is not None:
                module.weight += strength * change.weight
            if change.bias is not None:
                module.bias += strength * change.bias
    return changed


def predicted(unet: Any, *rows: int, adapters: tuple[Mapping[str, float], ...] = ()) -> Tensor:
    with RowNetwork(unet) as network:
        return network.predict(picked(random_batch(*SCENE), *rows), joint=False).noise


@pytest.mark.parametrize("make", [lora, offsets])
@torch.no_grad()
def test_on_all_rows_it_equals_merged_weights(unet: Any, make: Any) -> None:
    changes = make(unet)
    batch = random_batch(*SCENE, adapters=({"style": 0.8},) * 3)
    with RowNetwork(merged(unet, (changes, 0.8))) as network:
        expected = network.predict(replace(batch, adapters=())).noise
    with RowNetwork(unet) as network:
        network.attach("style", changes)
        found = network.predict(batch).noise
        plain = network.predict(replace(batch, adapters=())).noise
    assert largest_change(found, expected) < CLOSE
    assert largest_change(plain, expected) > 0.05


@torch.no_grad()
def test_each_row_acts_with_its_own_adapters(unet: Any) -> None:
    style, glass = lora(unet), offsets(unet)
    rows: tuple[dict[str, float], ...] = ({"style": 0.5}, {}, {"style": -0.3, "glass": 1.0})
    changes: tuple[list[tuple[Changes, float]], ...] = ([(style, 0.5)], [], [(style, -0.3), (glass, 1.0)])
    with RowNetwork(unet) as network:
        network.attach("style", style)
        network.attach("glass", glass)
        found = network.predict(random_batch(*SCENE, adapters=rows), joint=False).noise
    for i, own in enumerate(changes):
        assert largest_change(found[i : i + 1], predicted(merged(unet, *own), i)) < CLOSE


def test_a_row_of_strength_zero_is_untouched_to_the_bit(network: RowNetwork) -> None:
    batch = random_batch(*SCENE)
    expected = network.predict(batch, joint=False).noise
    network.attach("style", lora(network.unet))
    network.attach("glass", offsets(network.unet))
    adapters: tuple[Mapping[str, float], ...]
    for adapters in ((), ({}, {}, {}), ({"style": 0.0, "glass": 0.0},) * 3):
        assert torch.equal(network.predict(replace(batch, adapters=adapters), joint=False).noise, expected)
    adapters = ({}, {"style": 0.0}, {"style": 1.0, "glass": 0.5})
    acting = network.predict(replace(batch, adapters=adapters), joint=False).noise
    assert torch.equal(acting[:2], expected[:2])
    assert largest_change(acting[2], expected[2]) > 0.01


def test_detaching_restores_the_network_to_the_bit(network: RowNetwork) -> None:
    batch, state = random_batch(*SCENE), {n: t.clone() for n, t in network.unet.state_dict().items()}
    hooks = sum(len(module._forward_hooks) for module in network.unet.modules())
    expected = network.predict(batch).noise
    network.attach("style", lora(network.unet))
    network.attach("glass", offsets(network.unet))
    assert network.adapters.names == ("style", "glass")
    network.predict(replace(batch, adapters=({"style": 1.0, "glass": 1.0},) * 3))
    network.detach("style")
    glass = network.predict(replace(batch, adapters=({"glass": 1.0},) * 3)).noise
    assert largest_change(glass, expected) > 0.01
    network.detach("glass")
    assert torch.equal(network.predict(batch).noise, expected)
    assert sum(len(module._forward_hooks) for module in network.unet.modules()) == hooks
    after = network.unet.state_dict()
    assert list(after) == list(state)
    assert all(torch.equal(state[name], tensor) for name, tensor in after.items())
    with pytest.raises(ValueError, match="style"):
        network.predict(replace(batch, adapters=({"style": 1.0}, {}, {})))


def test_what_does_not_fit_is_refused_and_nothing_attached(network: RowNetwork) -> None:
    unet = network.unet
    good = lora(unet)
    conv, matrix = unet.conv_in.weight, unet.get_submodule(PATHS[0]).weight
    low = LowRank(down=torch.zeros(2, 5), up=torch.zeros(64, 2))
    bad: dict[str, tuple[str, ModuleChange]] = {
        "has not": ("down_blocks.7.conv", low),
        "known kind": ("time_proj", low),
        "the layer is": (PATHS[0], low),
        "no matrix": ("conv_norm_out", low),
        "layer's is (": (PATHS[0], FullOffset(weight=matrix[:-1])),
        "not there": (PATHS[0], FullOffset(weight=matrix, bias=matrix[0])),
        "(2, 4, 1, 1)": (
            "conv_in",
            LowRank(down=torch.zeros(2, 4, 1, 1), up=torch.zeros(conv.shape[0], 2, 1, 1)),
        ),
    }
    for words, (path, change) in bad.items():
        with pytest.raises(ModelIncompatible) as caught:
            network.attach("style", {**good, path: change})
        assert words in caught.value.user_message
        assert "“style”" in caught.value.user_message
        assert network.adapters.names == ()
    network.attach("style", good)
    with pytest.raises(ValueError, match="already"):
        network.attach("style", good)
    assert network.adapters.names == ("style",)


@pytest.mark.parametrize("which", [0, 1])
@torch.no_grad()
def test_text_encoders_take_adapters_per_text(which: int) -> None:
    encoder: Any = tiny_text_encoders()[which]
    layers = next(
        name for name, _ in encoder.named_modules() if name.endswith("encoder.layers.0.self_attn.q_proj")
    )
    prefix = layers.removesuffix("encoder.layers.0.self_attn.q_proj")
    paths = (
        "encoder.layers.0.self_attn.q_proj",
        "encoder.layers.1.mlp.fc1",
        "encoder.layers.2.self_attn.out_proj",
    )
    changes = {path: lora(encoder, (prefix + path,))[prefix + path] for path in paths}
    words = torch.randint(0, 49406, (3, 77), generator=torch.Generator().manual_seed(0))

    def states(network: Any, ids: Tensor) -> Tensor:
        hidden: Tensor = network(ids, output_hidden_states=True).hidden_states[-2]
        return hidden

    before = states(encoder, words)
    adapters = RowAdapters(encoder)
    adapters.attach("style", changes)
    acting = adapters.strengths(({}, {"style": 1.0}, {"style": 0.0}), "cpu")
    with adapters.acting(acting):
        found = states(encoder, words)
    assert torch.equal(found[[0, 2]], before[[0, 2]])
    expected = states(merged(encoder, (changes, 1.0), prefix=prefix), words[1:2])
    assert largest_change(found[1:2], expected) < CLOSE
    assert largest_change(found[1], before[1]) > 1e-3
    assert torch.equal(states(encoder, words), before)
    adapters.close()
    assert not any(encoder.get_submodule(prefix + path)._forward_hooks for path in paths)


def test_fresh_changes_change_nothing_and_learn(unet: Any) -> None:
    g = torch.Generator().manual_seed(0)
    batch = random_batch(*SCENE, adapters=({}, {"joint": 1.0}, {"joint": 1.0}))
    with RowNetwork(unet) as network:
        paths = [
            f"{name}.{part}" for name in network.joint_layers for part in ("to_q", "to_k", "to_v", "to_out.0")
        ]
        changes = fresh_low_rank(unet, paths, rank=2, generator=g, alpha=4)
        plain = network.predict(replace(batch, adapters=())).noise
        network.attach("joint", changes)
        tensors = [tensor for change in changes.values() for tensor in (change.down, change.up)]
        optimiser = torch.optim.SGD(tensors, lr=10)
        losses = []
        for step in range(3):
            noise = network.predict(batch).noise
            assert step or torch.equal(noise, plain)
            loss = (noise[1:] - 0.3).square().mean()
            losses.append(loss.item())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimiser.step()
    assert losses[0] > losses[1] > losses[2]
    assert all(change.scale == 2 and bool(change.up.any()) for change in changes.values())


def gradients(unet: Any, *, checkpointed: bool) -> list[Tensor]:
    """Of a loss over remembered and free rows with respect to a change of low rank that acts on some of both."""
    changes = lora(unet)
    tensors = []
    for change in changes.values():
        assert isinstance(change, LowRank)
        tensors += [change.down.requires_grad_(), change.up.requires_grad_()]
    kept = random_batch(thing(2, kept=True), adapters=({"style": 1.0},))
    free = random_batch(*SCENE, adapters=({}, {"style": 0.5}, {"style": 1.0}))
    with RowNetwork(unet) as network:
        network.attach("style", changes)
        network.checkpoint_gradients(on=checkpointed)
        memory = network.remember(kept, clean=True)
        loss = network.predict(free, kept=memory).noise.square().mean()
        network.predict(replace(free, adapters=()))
        return list(torch.autograd.grad(loss, tensors))


def test_gradients_are_the_same_when_recomputed(unet: Any) -> None:
    plain, recomputed = gradients(unet, checkpointed=False), gradients(unet, checkpointed=True)
    assert all(float(grad.abs().max()) > 0 for grad in plain)
    assert all(torch.equal(a, b) for a, b in zip(plain, recomputed, strict=True))


def test_gradient_is_that_of_merged_weights() -> None:
    module, x = nn.Linear(5, 4), torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    down, up = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(1)).unbind(0)
    up = torch.cat([up, up]).T[:4, :2].contiguous()
    mine = [down.clone().requires_grad_(), up.clone().requires_grad_()]
    contribution(module, x, LowRank(down=mine[0], up=mine[1], scale=0.5)).square().sum().backward()  # type: ignore[no-untyped-call]  # torch's own
    theirs = [down.clone().requires_grad_(), up.clone().requires_grad_()]
    (x @ (0.5 * theirs[1] @ theirs[0]).T).square().sum().backward()  # type: ignore[no-untyped-call]  # torch's own
    for a, b in zip(mine, theirs, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert largest_change(a.grad, b.grad) < CLOSE


@torch.no_grad()
def test_weights_are_kept_in_the_type_of_the_network() -> None:
    half = tiny_unet().to(torch.bfloat16)
    changes = lora(half)
    trained = fresh_low_rank(half, PATHS[:2], rank=2, generator=torch.Generator().manual_seed(0))
    batch = random_batch(*SCENE, dtype=torch.bfloat16, adapters=({"style": 1.0, "joint": 1.0}, {}, {}))
    with RowNetwork(half) as network:
        network.attach("style", changes)
        network.attach("joint", trained)
        noise = network.predict(batch).noise
        stored = network.adapters.changes("style")
        assert all(isinstance(c, LowRank) and c.down.dtype == torch.bfloat16 for c in stored.values())
        for path, change in network.adapters.changes("joint").items():
            assert isinstance(change, LowRank)
            assert change.down is trained[path].down
        network.adapters.to("cpu", torch.float32)
        again = network.predict(batch).noise
    assert noise.dtype == torch.bfloat16
    assert torch.equal(noise, again)
