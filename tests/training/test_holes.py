"""Holes and silhouettes for training: what is said to be known is true, and what is not known is hidden."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from psdstudio.engine.given import own_plate
from psdstudio.training.holes import BROKEN_RATE, SILHOUETTE_RATE, ground_in_part, looks_in_part

pytestmark = pytest.mark.torch


def test_silhouettes_and_broken_looks_are_as_many_as_written() -> None:
    rng, looks = np.random.default_rng(0), torch.rand(40, 3, 4, 16, 16)
    drawn = [looks_in_part(rng, looks, torch.ones(40, 3, dtype=torch.bool)) for _ in range(20)]
    known = torch.stack([d if d is not None else torch.zeros(40, 3, 6, 16, 16) for d in drawn])
    alpha, colour = known[:, :, :, 5].flatten(3), known[:, :, :, 3].flatten(3)
    outlined = alpha.bool().all(-1) & ~colour.bool().any(-1)
    broken = alpha.bool().any(-1) & ~alpha.bool().all(-1)
    assert float(outlined.float().mean()) == pytest.approx(SILHOUETTE_RATE, abs=0.02)
    assert float(broken.float().mean()) == pytest.approx(BROKEN_RATE, abs=0.02)
    assert torch.equal(colour[broken], alpha[broken]), "a hole hides colour and alpha alike"


def test_kept_looks_are_never_broken() -> None:
    free = torch.tensor([[True, False]] * 50)
    known = looks_in_part(np.random.default_rng(1), torch.rand(50, 2, 4, 8, 8), free)
    assert known is not None
    assert not known[:, 1, [3, 5]].any()


def test_what_is_unknown_leaves_no_trace_in_the_plate() -> None:
    known = looks_in_part(
        np.random.default_rng(2), torch.rand(30, 1, 4, 8, 8), torch.ones(30, 1, dtype=torch.bool)
    )
    assert known is not None
    plate = own_plate(known)
    assert not plate[:, :, :3][(known[:, :, 3:4] == 0).expand(-1, -1, 3, -1, -1)].any()
    assert not plate[:, :, 4][known[:, :, 5] == 0].any()


def test_a_hole_in_the_ground_hides_what_somebody_hides() -> None:
    covers = torch.zeros(20, 1, 16, 20)
    covers[:, :, 4:9, 5:12] = 1.0
    background = torch.rand(20, 3, 16, 20)
    known = ground_in_part(np.random.default_rng(3), background, covers)
    assert torch.equal(known[:, :3], background)
    hidden = known[:, 3] == 0
    assert hidden.flatten(1).any(-1).all()
    assert (~hidden).flatten(1).any(-1).all()
    outlines = hidden[:, 4:9, 5:12].flatten(1).all(-1)
    assert 8 <= int(outlines.sum()) <= 20, "most holes are somebody's outline, and whole"
