"""The network with one element of its design taken away, in training and in painting alike.

Nothing in the network knows of this: what it is given is changed on its way in, in every forward. A row that is taken
away comes back as zeros, so that whoever calls gets as many rows as before; its error is a constant without gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from psdstudio.engine.network import KnownRows, NetConfig, SceneNet
from psdstudio.engine.rows import CONTEXT_PLATE, REFERENCE_PLATE, RowRole, Rows
from psdstudio.training.evaluation_methods import PIXEL_FIELDS

Change = Callable[[Rows], Rows]


@dataclass(frozen=True, slots=True)
class Ablation:
    """One variant: its name, what is taken away in words, and how the rows of one group are changed for it."""

    name: str
    taken_away: str
    change: Change
    paints_composite: bool = True


def as_it_is(rows: Rows) -> Rows:
    """Take nothing away."""
    return rows


def without_composite(rows: Rows) -> Rows:
    """Leave out the rows of the whole picture; one that is known is no row of the design but what is to be split."""
    keep = (rows.role != RowRole.COMPOSITE) | rows.known.any(0)
    if bool(keep.all()):
        return rows
    kept = {name: getattr(rows, name)[:, keep] for name in PIXEL_FIELDS}
    return replace(rows, **kept, role=rows.role[keep])


def without_index(rows: Rows) -> Rows:
    """Tell no row which object it belongs to."""
    return replace(rows, index=torch.zeros_like(rows.index))


def without_plates(rows: Rows) -> Rows:
    """Show no row the others; references and the colour asked for are no plates of others and stay."""
    if rows.group == "layout":
        return rows
    plate = torch.zeros_like(rows.plate)
    if rows.group == "look":
        end = REFERENCE_PLATE + CONTEXT_PLATE
        plate[:, :, :REFERENCE_PLATE] = rows.plate[:, :, :REFERENCE_PLATE]
        plate[:, :, end:] = rows.plate[:, :, end:]
    return replace(rows, plate=plate)


FULL = Ablation("full", "nothing", as_it_is)
ABLATIONS: tuple[Ablation, ...] = (
    FULL,
    Ablation("no composite row", "the row of the whole picture", without_composite, paints_composite=False),
    Ablation("no layer index", "the numbers that tell the layers apart", without_index),
    Ablation("no plates", "the pictures that rows are shown of one another", without_plates),
)


class AblatedNet(SceneNet):
    """A SceneNet (same weights) that reads its rows through an ablation."""

    def __init__(self, ablation: Ablation, config: NetConfig | None = None) -> None:
        super().__init__(config)
        self.ablation = ablation

    def forward(
        self, groups: Sequence[Rows], light: Tensor, ground: Tensor, known: KnownRows | None = None
    ) -> list[Tensor]:
        """See `SceneNet.forward`; rows that are taken away are zeros."""
        made = super().forward([self.ablation.change(rows) for rows in groups], light, ground, known)
        return [_with_zeros(rows, part) for rows, part in zip(groups, made, strict=True)]

    def know(self, groups: Sequence[Rows], light: Tensor, ground: Tensor) -> KnownRows:
        """See `SceneNet.know`."""
        return super().know([self.ablation.change(rows) for rows in groups], light, ground)

    def arrange(
        self,
        layout: Rows,
        light_state: Tensor,
        light_noise: Tensor,
        ground: Tensor,
        known: KnownRows | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `SceneNet.arrange`."""
        return super().arrange(self.ablation.change(layout), light_state, light_noise, ground, known)


def _with_zeros(rows: Rows, made: Tensor) -> Tensor:
    if made.shape[1] == rows.x.shape[1]:
        return made
    out = made.new_zeros(rows.x.shape)
    out[:, rows.role != RowRole.COMPOSITE] = made
    return out
