"""The guided filter: an affine relation is found again, weak unrest goes, edges and what does not depend stay."""

from __future__ import annotations

import torch

from psdstudio.engine.guided import affine_of, calmed


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_an_affine_function_of_the_guide_is_found() -> None:
    guide = noise(3, 24, 20)
    matrix = torch.tensor([[0.5, 0.2, -0.1], [0.0, 0.9, 0.1]])
    target = torch.einsum("cg,ghw->chw", matrix, guide) + 0.1
    slope, offset = affine_of(guide, target, 3, 1e-9)
    assert torch.allclose(slope, matrix[:, :, None, None].expand_as(slope), atol=1e-3)
    assert torch.allclose(offset, torch.full_like(offset, 0.1), atol=1e-3)


def test_weak_unrest_goes_and_an_edge_stays() -> None:
    step = torch.where(torch.arange(64) < 32, 0.2, 0.8).expand(3, 48, 64)
    made = calmed(step + 0.02 * (noise(3, 48, 64) - 0.5), 4, 1e-3)
    assert float((made - step).abs()[:, :, :24].max()) < 0.004
    assert float((made[:, :, 33] - made[:, :, 30]).min()) > 0.5


def test_what_is_even_and_smooth_is_left_alone() -> None:
    ramp = torch.linspace(0.1, 0.9, 96).expand(3, 40, 96)
    assert float((calmed(ramp, 4, 1e-3) - ramp).abs().max()) < 0.02
    assert torch.allclose(
        calmed(torch.full((3, 20, 20), 0.3), 4, 1e-3), torch.full((3, 20, 20), 0.3), atol=1e-6
    )
