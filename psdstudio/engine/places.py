"""Where tokens and cells lie: Fourier features of positions in the row and in the scene."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from psdstudio.engine.network_blocks import fourier

PLACE_DIM = 16


def local_place(like: Tensor, project: nn.Linear) -> Tensor:
    """Project Fourier features of the cell centres in the row, (1, c, h, w), onto the channels of `like`."""
    h, w = like.shape[-2:]
    ys = (torch.arange(h, device=like.device) + 0.5) / h
    xs = (torch.arange(w, device=like.device) + 0.5) / w
    grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij"), dim=-1)
    placed: Tensor = project(fourier(grid, PLACE_DIM // 4))
    return placed.permute(2, 0, 1)[None]


def token_places(box: Tensor, size: torch.Size) -> Tensor:
    """Fourier features of token centres, in the scene (through the row's box) and in the row: (b, r, h*w, 72)."""
    h, w = size
    ys = (torch.arange(h, device=box.device) + 0.5) / h
    xs = (torch.arange(w, device=box.device) + 0.5) / w
    local = torch.stack(torch.meshgrid(ys, xs, indexing="ij"), dim=-1).flip(-1).reshape(1, 1, h * w, 2)
    scene = box[:, :, None, :2] + local * box[:, :, None, 2:]
    local = local.expand_as(scene)
    size_in_scene = box[:, :, None, 2:].expand_as(scene)
    return fourier(torch.cat([scene, size_in_scene, local], dim=-1), 6)
