"""What a row paints: the network's own colours, pixels copied from pictures it is shown, pixels that are known anyway.

A cell of a canvas row is 64 pixels of three colours, described by no more than 64 numbers: whatever is finer cannot
pass. So the head also says for every pixel how much of it to copy from pictures that are there in full (a pointer
network, Vinyals et al. 1506.03134, in its soft form), and known pixels are never painted at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.rows import (
    CANVAS_OWN,
    CANVAS_PICTURE,
    CONTEXT_PLATE,
    COVER,
    FOLLOWED,
    GROUPS,
    LOOK_OWN,
    LOOK_PICTURE,
    REFERENCE_PLATE,
    THROWN,
    Rows,
)

SOFTENED = 7
"""Pixels over which the soft silhouette of an effect is spread."""


def copied(rows: Rows, raw: Tensor) -> Tensor:
    """Return what the rows paint, (b, r, c, h, w).

    raw: (b, r, c + copies, h, w): own colours, then for each picture of `_sources` how much of it to take, 0 nothing
    and 1 all; where a picture is not there it cannot be taken.
    """
    channels = GROUPS[rows.group].channels
    made = raw[:, :, :channels]
    for i, (picture, there) in enumerate(_sources(rows)):
        taken = raw[:, :, channels + i : channels + i + 1] * there
        n = picture.shape[2]
        mixed = made[:, :, :n] + taken * (picture - made[:, :, :n])
        made = torch.cat([mixed, made[:, :, n:]], dim=2) if n < channels else mixed
    return with_known_pixels(rows, made)


def with_known_pixels(rows: Rows, made: Tensor) -> Tensor:
    """Return a prediction with those pixels of the rows that are known put in their places."""
    if rows.group == "canvas":
        own = rows.plate[:, :, CANVAS_OWN]
        return torch.where(own[:, :, 3:] > 0.5, own[:, :, :3], made)
    if rows.group == "look":
        own = rows.plate[:, :, LOOK_OWN]
        colour = torch.where(own[:, :, 3:4] > 0.5, own[:, :, :3], made[:, :, :3])
        return torch.cat([colour, torch.where(own[:, :, 5:6] > 0.5, own[:, :, 4:5], made[:, :, 3:])], dim=2)
    return made


def _sources(rows: Rows) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the pictures to copy from, their first channels those of the row, and where they are there (b, r, 1, ...).

    For the composite the stack of the layers; a flat picture that is being split; for a look the reference that it is
    to follow, which under another light still has its detail; for an effect the silhouette that
    the light throws, sharp and soft: how dense it is and where it ends is painted. Never the row's own last guess: in
    training it is as good as the answer, in painting it is a blur from the step before, which then never went away.
    """
    plate = rows.plate
    if rows.group == "effect":
        thrown = plate[:, :, THROWN]
        there = thrown.flatten(2).any(-1).to(thrown.dtype)[:, :, None, None, None]
        soft = F.avg_pool2d(thrown.flatten(0, 1), SOFTENED, 1, SOFTENED // 2, count_include_pad=False)
        for silhouette in (thrown, soft.view_as(thrown)):
            yield silhouette * 2 - 1, there
    elif rows.group == "canvas":
        yield plate[:, :, :3], plate[:, :, CONTEXT_PLATE - 1 : CONTEXT_PLATE]
        picture = plate[:, :, CANVAS_PICTURE]
        yield picture[:, :, :3], picture[:, :, 3:] * (1 - plate[:, :, COVER])
    else:
        yield plate[:, :, LOOK_PICTURE][:, :, :3], plate[:, :, LOOK_PICTURE][:, :, 3:]
        reference, near = (
            plate[:, :, : REFERENCE_PLATE - 1],
            plate[:, :, REFERENCE_PLATE - 1 : REFERENCE_PLATE],
        )
        yield reference, (near >= FOLLOWED).to(reference.dtype)
