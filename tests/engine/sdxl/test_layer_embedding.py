"""Embeddings of layers: nothing while zero, one row's own when not, and read back as written."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from psdstudio.engine.sdxl.layer_embedding import MAX_ORDER, LayerEmbedding
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowIdentity
from psdstudio.errors import ModelIncompatible, ModelLoadFailed
from tests.engine.sdxl.batches import BACKGROUND, COMPOSITE, largest_change, picked, random_batch, thing
from tests.engine.sdxl.tiny import tiny_unet

pytestmark = pytest.mark.torch

SCENE = (COMPOSITE, BACKGROUND, thing(1), thing(2))


@pytest.fixture(scope="module")
def unet() -> Any:
    return tiny_unet()


def filled(unet: Any) -> LayerEmbedding:
    """Random tables of the width of the UNet's time embedding."""
    embedding = LayerEmbedding.of(unet)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for table in embedding.parameters():
            table.copy_(torch.randn(table.shape, generator=g))
    return embedding


@torch.no_grad()
def test_tables_of_zeros_change_nothing(unet: Any) -> None:
    batch = random_batch(*SCENE, groups=2)
    with RowNetwork(unet) as bare:
        expected = bare.predict(batch).noise
    with RowNetwork(unet, embedding=LayerEmbedding.of(unet)) as network:
        assert torch.equal(network.predict(batch).noise, expected)


@torch.no_grad()
def test_a_row_is_told_role_order_and_state(unet: Any) -> None:
    """Each change of what a row is changes that row; rows of one identity get one vector."""
    kinds = [
        *(
            RowIdentity(role=role, kept=kept)
            for role in (COMPOSITE.role, BACKGROUND.role)
            for kept in (False, True)
        ),
        *(thing(order, kept=kept) for order in (1, 2, MAX_ORDER) for kept in (False, True)),
    ]
    embedding = filled(unet)
    vectors = embedding([*kinds, *kinds])
    assert vectors.shape == (2 * len(kinds), 128)
    assert torch.equal(vectors[: len(kinds)], vectors[len(kinds) :])
    assert len({tuple(vector.tolist()) for vector in vectors}) == len(kinds)
    expected = embedding.role[2] + embedding.order[1] + embedding.state[1]
    torch.testing.assert_close(embedding([thing(2, kept=True)])[0], expected)
    torch.testing.assert_close(embedding([BACKGROUND])[0], embedding.role[1] + embedding.state[0])


@torch.no_grad()
def test_it_is_added_to_the_time_embedding(unet: Any) -> None:
    batch, embedding = random_batch(*SCENE), filled(unet)

    def told(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        added: Tensor = embedding(SCENE)
        return output + added

    with RowNetwork(unet, embedding=embedding) as network:
        found = network.predict(batch, joint=False).noise
    handle = unet.time_embedding.register_forward_hook(told)
    with RowNetwork(unet) as network:
        expected = network.predict(batch, joint=False).noise
        handle.remove()
        assert largest_change(network.predict(batch, joint=False).noise, found) > 1e-3
    assert largest_change(found, expected) < 1e-5


@pytest.mark.parametrize("order", list(permutations((2, 3, 4)))[1:])
@torch.no_grad()
def test_objects_permute_with_their_orders(unet: Any, order: tuple[int, ...]) -> None:
    """With an embedding results follow rows that keep their orders, and change when orders alone are exchanged."""
    batch = random_batch(COMPOSITE, BACKGROUND, thing(1), thing(2), thing(3))
    places = [0, 1, *order]
    with RowNetwork(unet, embedding=filled(unet)) as network:
        expected = network.predict(batch).noise
        moved = picked(batch, *places)
        assert largest_change(network.predict(moved).noise, expected[places]) < 1e-5
        renamed = replace(moved, identities=batch.identities)
        assert largest_change(network.predict(renamed).noise, expected[places]) > 1e-3


def test_tables_learn(unet: Any) -> None:
    embedding = LayerEmbedding.of(unet)
    with RowNetwork(unet, embedding=embedding) as network:
        noise = network.predict(random_batch(COMPOSITE, thing(2), thing(3, kept=True))).noise
        grads = torch.autograd.grad(noise.square().mean(), list(embedding.parameters()))
    used = [grad.abs().amax(1) > 0 for grad in grads]
    assert [table.tolist() for table in used] == [
        [True, False, True],
        [order in (2, 3) for order in range(1, MAX_ORDER + 1)],
        [True, True],
    ]


def test_tables_are_read_back(unet: Any, tmp_path: Path) -> None:
    embedding = filled(unet)
    save_file(
        {name: table.detach() for name, table in embedding.state_dict().items()}, tmp_path / "e.safetensors"
    )
    read = LayerEmbedding.from_state(load_file(tmp_path / "e.safetensors"), dim=128)
    with torch.no_grad():
        assert torch.equal(read(SCENE), embedding(SCENE))


def test_other_tables_are_refused(unet: Any) -> None:
    state = dict(LayerEmbedding.of(unet).state_dict())
    for wrong in (
        {name: table for name, table in state.items() if name != "order"},
        {**state, "more": torch.zeros(1)},
        {**state, "role": torch.zeros(3, 5)},
    ):
        with pytest.raises(ModelLoadFailed):
            LayerEmbedding.from_state(wrong, dim=128)


def test_more_objects_than_the_table_has_are_refused(unet: Any) -> None:
    with pytest.raises(ModelIncompatible, match="at most 8"):
        LayerEmbedding.of(unet)([thing(MAX_ORDER + 1)])
