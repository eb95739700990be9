"""Laws that hold for every scene: what is known stays, steps are counted, everything is finite and can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import SceneRow
from psdstudio.engine.sdxl.sampler import SampleOptions
from psdstudio.engine.sdxl.schedules import Solver
from tests.engine.sdxl.scenes import (
    LATENT_SHAPE,
    SIZE_PX,
    background,
    composite,
    left_half,
    run,
    some_latents,
    thing,
)
from tests.engine.sdxl.tiny import tiny_unet

pytestmark = pytest.mark.torch
UNKNOWN = torch.zeros(LATENT_SHAPE[1:])
UNKNOWN[4:12] = 1
SAID = st.sampled_from(["free", "kept", "partly", "weak", "placed", "referred"])


@pytest.fixture(scope="module")
def network() -> Iterator[RowNetwork]:
    with RowNetwork(tiny_unet()) as made:
        yield made


def said_row(order: int, said: str) -> SceneRow:
    """Return the background (order 0) or an object of which this is known."""
    known = some_latents(order)
    known_of: dict[str, dict[str, Any]] = {
        "kept": {"kept": True, "latents": known},
        "partly": {"latents": known, "unknown": UNKNOWN},
        "weak": {"latents": known, "strength": 0.4},
        "placed": {"layout": left_half()} if order else {},
        "referred": {"reference": some_latents(50 + order)} if order else {},
        "free": {},
    }
    what = known_of[said]
    return background(**what) if order == 0 else thing(order, f"{'a swan ' * order}", **what)


@given(
    said=st.lists(SAID, min_size=2, max_size=4),
    with_composite=st.booleans(),
    solver=st.sampled_from(list(Solver)),
    trained=st.booleans(),
    context=st.sampled_from([1.0, 1.5]),
    steps=st.integers(2, 4),
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_known_stays_and_the_rest_is_made(
    network: RowNetwork,
    said: list[str],
    with_composite: bool,
    solver: Solver,
    trained: bool,
    context: float,
    steps: int,
) -> None:
    rows = [said_row(order, what) for order, what in enumerate(said)]
    if with_composite or all(row.identity.kept for row in rows):
        rows.insert(0, composite())
    options = SampleOptions(
        size_px=SIZE_PX, guidance=Guidance(text=3.0, context=context), trained=trained, layout_guidance=1.0
    )
    made, done = run(network, rows, options, steps=steps, solver=solver)
    free = tuple(i for i, row in enumerate(rows) if not row.identity.kept)
    assert made.shape == (len(rows), *LATENT_SHAPE)
    assert bool(torch.isfinite(made).all())
    assert [step.index for step in done] == list(range(1, done[-1].total + 1))
    assert all(step.rows == free and step.clean.shape == (len(free), *LATENT_SHAPE) for step in done)
    for i, row in enumerate(rows):
        if row.latents is None:
            continue
        if row.identity.kept:
            assert torch.equal(made[i], row.latents)
        elif row.unknown is not None:
            assert torch.equal(made[i][:, UNKNOWN == 0], row.latents[:, UNKNOWN == 0])
            assert not torch.equal(made[i][:, UNKNOWN == 1], row.latents[:, UNKNOWN == 1])
        else:
            assert not torch.equal(made[i], row.latents)
    assert done[-1].boxes is not None
    torch.testing.assert_close(done[-1].clean, made[list(free)], atol=1e-3, rtol=1e-3)
    again, _ = run(network, rows, options, steps=steps, solver=solver)
    assert torch.equal(again, made)
