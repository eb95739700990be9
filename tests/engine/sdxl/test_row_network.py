"""Laws of rows in one batch: what they may read, what they cannot depend on, and that the UNet comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from psdstudio.engine.sdxl.adapters_file import LowRank
from psdstudio.engine.sdxl.remembering import joined
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import KeptMemory, RowBatch
from psdstudio.errors import ModelIncompatible
from tests.engine.sdxl.batches import (
    BACKGROUND,
    COMPOSITE,
    largest_change,
    picked,
    random_batch,
    same_memory,
    stacked,
    thing,
)
from tests.engine.sdxl.tiny import tiny_unet

pytestmark = pytest.mark.torch

CLOSE = 1e-5
"""Of predictions near 1 in float32: what another order of the same sums changes."""
SCENE = (COMPOSITE, BACKGROUND, thing(1), thing(2))
KEPT_BACKGROUND = replace(BACKGROUND, kept=True)


@pytest.fixture(scope="module")
def unet() -> Any:
    return tiny_unet()


@pytest.fixture
def network(unet: Any) -> Iterator[RowNetwork]:
    with RowNetwork(unet) as opened, torch.no_grad():
        yield opened


def plainly(unet: Any, batch: RowBatch, row: int, timestep: Tensor | float) -> Tensor:
    """What the bare UNet says of one row by itself."""
    noise: Tensor = unet(
        batch.latents[row : row + 1],
        timestep,
        encoder_hidden_states=batch.words[row : row + 1],
        added_cond_kwargs={
            "text_embeds": batch.pooled[row : row + 1],
            "time_ids": batch.time_ids[row : row + 1],
        },
    ).sample
    return noise


@torch.no_grad()
def test_one_row_is_the_bare_unet_to_the_bit(unet: Any) -> None:
    batch = random_batch(thing(1))
    expected = plainly(unet, batch, 0, batch.timesteps[0])
    for wide in (False, True):
        with RowNetwork(unet, wide=wide) as network:
            assert torch.equal(network.predict(batch).noise, expected)


@torch.no_grad()
def test_each_row_has_its_own_timestep(unet: Any) -> None:
    batch = random_batch(*SCENE)
    expected = torch.cat([plainly(unet, batch, i, float(batch.timesteps[i])) for i in range(4)])
    with RowNetwork(unet) as network:
        alone = network.predict(batch, joint=False).noise
        assert largest_change(alone, expected) < CLOSE
        together = network.predict(batch).noise
        for i in range(4):
            times = batch.timesteps.clone()
            times[i] = 999 - times[i]
            moved = network.predict(replace(batch, timesteps=times), joint=False).noise
            assert [bool(largest_change(moved[j], alone[j]) > CLOSE) for j in range(4)] == [
                j == i for j in range(4)
            ]
    assert min(largest_change(together[i], alone[i]) for i in range(4)) > 1e-3


@torch.no_grad()
def test_closing_restores_the_unet(unet: Any) -> None:
    batch = random_batch(thing(1))
    processors = dict(unet.attn_processors)
    before = plainly(unet, batch, 0, 500)
    state = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    with RowNetwork(unet) as network:
        network.checkpoint_gradients(on=True)
        with pytest.raises(RuntimeError, match="by itself"):
            plainly(unet, batch, 0, 500)
    assert unet.attn_processors == processors
    assert not unet.is_gradient_checkpointing
    assert not any(module._forward_hooks for module in unet.modules())
    assert all(torch.equal(state[name], tensor) for name, tensor in unet.state_dict().items())
    assert torch.equal(plainly(unet, batch, 0, 500), before)


def test_rows_of_other_groups_are_never_read(network: RowNetwork) -> None:
    batch = random_batch(*SCENE, groups=2)
    together = network.predict(batch).noise
    for half in (range(4), range(4, 8)):
        assert largest_change(network.predict(picked(batch, *half)).noise, together[list(half)]) < CLOSE
    changed = replace(batch, latents=torch.cat([batch.latents[:4], batch.latents[4:] + 1]))
    assert torch.equal(network.predict(changed).noise[:4], together[:4])


@pytest.mark.parametrize("order", list(permutations((2, 3, 4)))[1:])
def test_permuting_objects_permutes_results(network: RowNetwork, order: tuple[int, ...]) -> None:
    """Without a layer embedding: orders stay with the rows here, and nothing else tells objects apart."""
    batch = random_batch(COMPOSITE, BACKGROUND, thing(1), thing(2), thing(3))
    places = [0, 1, *order]
    result = network.predict(picked(batch, *places)).noise
    assert largest_change(result, network.predict(batch).noise[places]) < CLOSE


def test_kept_rows_do_not_depend_on_free_rows(network: RowNetwork) -> None:
    batch = random_batch(COMPOSITE, KEPT_BACKGROUND, thing(1, kept=True), thing(2))
    changed = replace(batch, latents=batch.latents + torch.tensor([1.0, 0, 0, 2])[:, None, None, None])
    before, after = network.predict(batch).noise, network.predict(changed).noise
    assert torch.equal(before[1:3], after[1:3])
    assert min(largest_change(before[i], after[i]) for i in (0, 3)) > 1e-2


def test_free_rows_depend_on_kept_rows(network: RowNetwork) -> None:
    batch = random_batch(COMPOSITE, KEPT_BACKGROUND, thing(1, kept=True), thing(2))
    for kept in (1, 2):
        latents = batch.latents.clone()
        latents[kept] += 1
        change = network.predict(replace(batch, latents=latents)).noise - network.predict(batch).noise
        assert min(float(change[i].abs().max()) for i in (0, 3)) > 1e-3


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@torch.no_grad()
def test_remembered_rows_serve_as_rows_of_the_batch_do(unet: Any, wide: bool, groups: int) -> None:
    batch = random_batch(COMPOSITE, KEPT_BACKGROUND, thing(1, kept=True), thing(2))
    free = picked(batch, 0, 3)
    if groups == 2:
        free = picked(batch, *(0, 3) * 2, groups=2)
    with RowNetwork(unet, wide=wide) as network:
        memory = network.remember(picked(batch, 1, 2), clean=True)
        cached = network.predict(free, kept=memory).noise
        whole = network.predict(batch).noise
        assert memory.timestep is None
        assert set(memory.keys) == set(network.joint_layers)
    assert largest_change(cached, whole[[0, 3] * groups]) < CLOSE


def test_memories_join(network: RowNetwork) -> None:
    kept = random_batch(KEPT_BACKGROUND, seed=3)
    reference = random_batch(thing(1, kept=True), seed=4)
    clean = network.remember(kept, clean=True)
    timed = network.remember(reference, readers=(1,), clean=False)
    both = joined([clean, timed])
    assert both.readers == (None, 1)
    assert both.timestep == float(reference.timesteps[0])
    name = network.joint_layers[0]
    assert torch.equal(both.keys[name], torch.cat([clean.keys[name], timed.keys[name]]))


def test_a_reference_is_read_by_its_own_row_alone(network: RowNetwork) -> None:
    """The other rows change with it as little as their neighbour does: only through what they read of that row."""
    batch = random_batch(*SCENE)
    memory = network.remember(random_batch(thing(2, kept=True), seed=9), readers=(2,), clean=False)
    bare, alone = (
        network.predict(batch, joint=False).noise,
        network.predict(batch, kept=memory, joint=False).noise,
    )
    assert largest_change(alone[:3], bare[:3]) < CLOSE
    assert largest_change(alone[3], bare[3]) > 1e-3
    stranger = replace(memory, readers=(5,))
    assert largest_change(network.predict(batch, kept=stranger).noise, network.predict(batch).noise) < CLOSE
    assert (
        largest_change(network.predict(batch, kept=memory).noise[3], network.predict(batch).noise[3]) > 1e-3
    )


def test_references_neither_read_nor_change_what_is_kept(network: RowNetwork) -> None:
    kept, references = (
        random_batch(KEPT_BACKGROUND, thing(3, kept=True)),
        random_batch(thing(1), thing(2), seed=5),
    )
    references = replace(references, timesteps=kept.timesteps)
    four = stacked(kept, references)
    together = network.remember(four, readers=(None, None, 1, 2), clean=True)
    apart = joined(
        [
            network.remember(kept, clean=True),
            network.remember(picked(references, 0), readers=(1,), clean=True),
            network.remember(picked(references, 1), readers=(2,), clean=True),
        ]
    )
    assert together.readers == apart.readers
    for name in together.keys:
        assert largest_change(together.keys[name], apart.keys[name]) < CLOSE
        assert largest_change(together.values[name], apart.values[name]) < CLOSE


def test_evaluations_leave_nothing_behind(network: RowNetwork) -> None:
    batch, kept = random_batch(*SCENE), random_batch(KEPT_BACKGROUND, seed=1)
    first, memory = network.predict(batch).noise, network.remember(kept, clean=True)
    network.predict(batch, kept=memory)
    assert torch.equal(network.predict(batch).noise, first)
    assert same_memory(network.remember(kept, clean=True), memory)


def gradients(unet: Any, *, checkpointed: bool) -> list[Tensor]:
    """Of a loss on free rows that read remembered ones, with respect to all latents and the embedding."""
    kept, free = random_batch(KEPT_BACKGROUND, thing(1, kept=True)), random_batch(COMPOSITE, thing(2), seed=1)
    wanted = [kept.latents.requires_grad_(), free.latents.requires_grad_()]
    with RowNetwork(unet) as network:
        network.checkpoint_gradients(on=checkpointed)
        memory = network.remember(kept, clean=True)
        prediction = network.predict(free, kept=memory).noise
        other = network.predict(replace(free, latents=free.latents.detach() + 1)).noise
        return list(torch.autograd.grad((prediction - other).square().mean(), wanted))


def test_gradients_reach_rows_and_memory_also_when_recomputed(unet: Any) -> None:
    plain, recomputed = gradients(unet, checkpointed=False), gradients(unet, checkpointed=True)
    for a, b in zip(plain, recomputed, strict=True):
        assert float(a.abs().max()) > 0
        assert torch.equal(a, b)


@torch.no_grad()
def test_bfloat16_is_close_to_float32(unet: Any) -> None:
    exact = random_batch(*SCENE)
    rough = random_batch(*SCENE, dtype=torch.bfloat16)
    with RowNetwork(unet) as network:
        expected = network.predict(exact, kept=network.remember(picked(exact, 1), clean=True)).noise
    half = tiny_unet().to(torch.bfloat16)
    with RowNetwork(half) as network:
        found = network.predict(rough, kept=network.remember(picked(rough, 1), clean=True)).noise
    assert found.dtype == torch.bfloat16
    assert largest_change(found.float(), expected) < 0.1 * float(expected.abs().max())


def test_a_batch_that_contradicts_itself_is_refused(network: RowNetwork) -> None:
    batch = random_batch(*SCENE)
    with pytest.raises(ValueError, match="rows"):
        network.predict(replace(batch, identities=batch.identities[:3]))
    with pytest.raises(ValueError, match="rows"):
        network.predict(replace(batch, groups=3))
    with pytest.raises(ValueError, match="same rows"):
        network.predict(replace(batch, groups=2))
    with pytest.raises(ValueError, match="several"):
        network.remember(batch, clean=False)
    with pytest.raises(ValueError, match="reader"):
        network.remember(batch, readers=(1,), clean=True)
    with pytest.raises(ValueError, match="ghost"):
        network.predict(replace(batch, adapters=({"ghost": 1.0}, {}, {}, {})))


@pytest.mark.parametrize("wide", [False, True])
def test_remembering_ends_when_all_is_known(unet: Any, wide: bool) -> None:
    """It evaluates no more than it must, and stores the same as a whole evaluation."""
    kept, evaluated = random_batch(KEPT_BACKGROUND, thing(1, kept=True)), []
    handle = unet.conv_out.register_forward_hook(lambda *_: evaluated.append(1))
    with RowNetwork(unet, wide=wide) as network:
        whole = network.remember(kept, clean=True)
        with torch.no_grad():
            early = network.remember(kept, clean=True)
    handle.remove()
    assert len(evaluated) == 1
    assert set(early.keys) == set(network.joint_layers)
    assert same_memory(early, whole)


def test_a_unet_without_joint_layers_is_refused() -> None:
    flat = tiny_unet(
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3, mid_block_type=None
    )
    with pytest.raises(ModelIncompatible, match="see one another"):
        RowNetwork(flat)


def test_layers_of_sdxl() -> None:
    """Its real size, without weights: 60 of 70 blocks are joint, all of them with `wide`, fewer with `every`."""
    with torch.device("meta"):
        full = tiny_unet(
            block_out_channels=(320, 640, 1280),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            norm_num_groups=32,
            cross_attention_dim=2048,
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
    assert sum(parameter.numel() for parameter in full.parameters()) == 2_567_463_684
    counts = {}
    for wide, every in ((False, 1), (True, 1), (False, 2), (False, 3)):
        with RowNetwork(full, wide=wide, every=every) as network:
            counts[wide, every] = len(network.joint_layers)
            assert len(network.cross_layers) == 70
    assert counts == {(False, 1): 60, (True, 1): 70, (False, 2): 30, (False, 3): 18}


def test_memory_is_of_the_joint_layers_alone(network: RowNetwork) -> None:
    memory = network.remember(random_batch(KEPT_BACKGROUND), clean=True)
    assert isinstance(memory, KeptMemory)
    assert {tuple(key.shape) for key in memory.keys.values()} == {(1, 16, 64)}
    assert len(memory.keys) == 2 * 2 + 2 + 3 * 2  # two blocks in each attention of down 2, mid and up 0


@pytest.mark.slow
@torch.no_grad()
def test_compiled_blocks_say_the_same_also_with_adapters_attached_later() -> None:
    """Only the tracing, no code generation; blocks of a kind share their code, so that depth costs nothing."""
    unet = tiny_unet(layers_per_block=1, transformer_layers_per_block=(1, 1, 3))
    path = "mid_block.attentions.0.transformer_blocks.0.attn1.to_v"
    change = LowRank(down=torch.linspace(-1, 1, 64)[None], up=torch.ones(64, 1))
    batch, kept = random_batch(*SCENE, groups=2), random_batch(KEPT_BACKGROUND)
    acting = replace(batch, adapters=({}, {}, {"style": 1.0}, {}) * 2)

    def said(network: RowNetwork) -> list[Tensor]:
        memory = network.remember(kept, clean=True)
        before = [network.predict(batch).noise, network.predict(batch, kept=memory).noise]
        network.attach("style", {path: change})
        after = network.predict(acting).noise
        network.detach("style")
        return [*before, after, network.predict(batch).noise]

    with RowNetwork(unet) as network:
        expected = said(network)
        network.compile_blocks(backend="eager")
        counters.clear()
        for found in (said(network), said(network)):
            assert all(largest_change(a, b) < CLOSE for a, b in zip(found, expected, strict=True))
        graphs = counters["stats"]["unique_graphs"]
    torch.compiler.reset()
    assert largest_change(expected[2], expected[0]) > 1e-4
    assert 0 < graphs < 20
