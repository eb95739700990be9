"""Joint attention against a plain slow one, for every mixture of kept and free rows, groups, memory and readers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from psdstudio.engine.sdxl.joint_attention import (
    JointCall,
    attended,
    joint_layers,
    readings,
    remembering,
)
from psdstudio.engine.sdxl.rows import KeptMemory, RowIdentity, RowRole
from psdstudio.errors import ModelIncompatible
from tests.engine.sdxl.batches import BACKGROUND, COMPOSITE, thing

pytestmark = pytest.mark.torch

HEADS, PLACES, CHANNELS = 2, 5, 6


def slow(
    rows: Sequence[Tensor],
    identities: Sequence[RowIdentity],
    groups: int,
    memory: KeptMemory | None,
    joint: bool,
) -> Tensor:
    """The formula of the module, one row and one head at a time, in the precision of the rows."""
    query, key, value = rows
    length = len(identities)
    out = torch.zeros_like(query)
    for row in range(groups * length):
        own = identities[row % length]
        first = row - row % length
        visible = [first + j for j in range(length) if not own.kept or identities[j].kept] if joint else [row]
        keys, values = [key[j] for j in visible], [value[j] for j in visible]
        if memory is not None and not own.kept:
            for i, reader in enumerate(memory.readers):
                if reader is None or (own.role is RowRole.OBJECT and reader == own.order):
                    keys.append(memory.keys["layer"][i])
                    values.append(memory.values["layer"][i])
        for head in range(HEADS):
            part = slice(head * CHANNELS // HEADS, (head + 1) * CHANNELS // HEADS)
            q, k, v = query[row][:, part], torch.cat(keys)[:, part], torch.cat(values)[:, part]
            logits = q @ k.T / q.shape[1] ** 0.5
            out[row][:, part] = logits.softmax(-1) @ v
    return out


def random_rows(count: int, seed: int, dtype: torch.dtype) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [
        torch.randn(count, PLACES, CHANNELS, generator=g, dtype=torch.float64).to(dtype) for _ in range(3)
    ]


def random_memory(readers: Sequence[int | None], seed: int, dtype: torch.dtype) -> KeptMemory | None:
    if not readers:
        return None
    _, key, value = random_rows(len(readers), seed + 1, dtype)
    return KeptMemory(keys={"layer": key}, values={"layer": value}, readers=tuple(readers))


@st.composite
def stacks(draw: st.DrawFn) -> list[RowIdentity]:
    """Some of composite, background and objects in any order, any of them kept."""
    objects = draw(st.integers(0, 4))
    rows = draw(st.permutations([COMPOSITE, BACKGROUND, *(thing(i + 1) for i in range(objects))]))
    rows = rows[: draw(st.integers(1, len(rows)))]
    return [RowIdentity(role=r.role, order=r.order, kept=draw(st.booleans())) for r in rows]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@given(
    identities=stacks(),
    groups=st.integers(1, 3),
    readers=st.lists(st.none() | st.integers(1, 5), max_size=3),
    joint=st.booleans(),
    chunk=st.sampled_from([1, 3, 7, 1000]),
    seed=st.integers(0, 2**16),
)
def test_attention_is_the_plain_one(
    dtype: torch.dtype,
    tolerance: float,
    identities: list[RowIdentity],
    groups: int,
    readers: list[int | None],
    joint: bool,
    chunk: int,
    seed: int,
) -> None:
    rows = random_rows(groups * len(identities), seed, dtype)
    memory = random_memory(readers, seed, dtype)
    call = JointCall(groups=groups, readings=readings(identities, readers, joint=joint))
    stored = None if memory is None else (memory.keys["layer"], memory.values["layer"])
    query, key, value = rows
    found = attended(query, key, value, call, stored, heads=HEADS, query_chunk=chunk)
    expected = slow(rows, identities, groups, memory, joint)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


@given(identities=stacks(), readers=st.lists(st.none() | st.integers(1, 5), max_size=3), joint=st.booleans())
def test_every_row_asks_once(identities: list[RowIdentity], readers: list[int | None], joint: bool) -> None:
    for found, rows in (
        (readings(identities, readers, joint=joint), identities),
        (remembering(readers), readers),
    ):
        asking = sorted(row for reading in found for row in reading.queries)
        assert asking == list(range(len(rows)))


def test_rows_that_see_the_same_are_asked_together() -> None:
    scene = [COMPOSITE, BACKGROUND, thing(1), thing(2)]
    assert len(readings(scene)) == 1
    assert len(readings(scene, [None, None])) == 1
    assert len(readings(scene, [None, 2])) == 2
    assert len(readings(scene, [7])) == 1


def test_layers_may_leave_the_composite_unread_which_reads_them() -> None:
    identities = [COMPOSITE, BACKGROUND, thing(1), thing(2)]
    call = JointCall(groups=1, readings=readings(identities, composite_read=False))
    whole = JointCall(groups=1, readings=readings(identities))
    query, key, value = random_rows(4, 0, torch.float64)
    one = attended(query, key, value, call, None, heads=HEADS)
    joined = attended(query, key, value, whole, None, heads=HEADS)
    torch.testing.assert_close(one[0], joined[0], atol=1e-12, rtol=0)
    assert not torch.allclose(one[1:], joined[1:])
    for changed in (key, value):
        changed[0] += 1
    other = attended(query, key, value, call, None, heads=HEADS)
    assert torch.equal(one[1:], other[1:]), "layers do not depend on the composite"
    assert not torch.allclose(one[0], other[0])


@pytest.mark.parametrize("order", list(permutations(range(2, 5)))[1:])
def test_permuting_objects_permutes_results(order: tuple[int, ...]) -> None:
    identities = [COMPOSITE, BACKGROUND, thing(1), thing(2), thing(3)]
    places = [0, 1, *order]
    rows = random_rows(5, 0, torch.float64)
    memory = random_memory([None, 2, 3], 0, torch.float64)
    assert memory is not None
    stored = (memory.keys["layer"], memory.values["layer"])

    def result(places: list[int]) -> Tensor:
        moved = [identities[i] for i in places]
        call = JointCall(groups=1, readings=readings(moved, memory.readers))
        query, key, value = (x[places] for x in rows)
        return attended(query, key, value, call, stored, heads=HEADS)

    torch.testing.assert_close(result(places), result(list(range(5)))[places], atol=1e-12, rtol=0)


def test_layers_of_the_levels() -> None:
    names = [
        f"{block}.attentions.0.transformer_blocks.0.{part}"
        for block in (
            "down_blocks.1",
            "down_blocks.2",
            "mid_block",
            "up_blocks.0",
            "up_blocks.1",
            "down_blocks.20",
        )
        for part in ("attn1", "attn2", "attn1.to_q")
    ]
    assert [name.split(".attentions")[0] for name in joint_layers(names, wide=False)] == [
        "down_blocks.2",
        "mid_block",
        "up_blocks.0",
    ]
    assert len(joint_layers(names, wide=True)) == 5
    blocks = [f"mid_block.attentions.0.transformer_blocks.{i}.attn1" for i in range(10)]
    assert [int(name.split(".")[-2]) for name in joint_layers(blocks, wide=False, every=3)] == [2, 5, 8]
    reversed_order = joint_layers([blocks[0].replace("mid_block", "up_blocks.0"), *blocks], wide=False)
    assert reversed_order[-1].startswith("up_blocks.0")
    with pytest.raises(ModelIncompatible):
        joint_layers(names[:3], wide=False)
