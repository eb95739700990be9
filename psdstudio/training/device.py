"""Training on a graphics card: the network lives there, scenes are drawn and plates are made on the processor.

What travels in a step are the rows and what the network makes of them; drawing takes longer than both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from psdstudio.engine.network import KnownRows, SceneNet
from psdstudio.engine.rows import Rows


def chosen_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" takes a graphics card where there is one.

    Raises:
        RuntimeError: "cuda" was asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("There is no CUDA device on this machine; train with --device cpu.")
    return torch.device(name)


def moved(rows: Rows, device: torch.device) -> Rows:
    """Return the rows with all their tensors on `device`."""
    away: dict[str, Any] = {
        f.name: value.to(device, non_blocking=True)
        for f in fields(rows)
        if isinstance(value := getattr(rows, f.name), Tensor)
    }
    return replace(rows, **away)


class TrainedNet(SceneNet):
    """SceneNet whose weights may be elsewhere: rows come from the processor and predictions go back there."""

    def _device(self) -> torch.device:
        return self.word_in.weight.device

    def forward(
        self, groups: Sequence[Rows], light: Tensor, ground: Tensor, known: KnownRows | None = None
    ) -> list[Tensor]:
        """See `SceneNet.forward`."""
        there = self._device()
        made = super().forward([moved(r, there) for r in groups], light.to(there), ground.to(there), known)
        return [picture.cpu() for picture in made]

    def know(self, groups: Sequence[Rows], light: Tensor, ground: Tensor) -> KnownRows:
        """See `SceneNet.know`; keys and values stay where the network is."""
        there = self._device()
        return super().know([moved(r, there) for r in groups], light.to(there), ground.to(there))

    def arrange(
        self,
        layout: Rows,
        light_state: Tensor,
        light_noise: Tensor,
        ground: Tensor,
        known: KnownRows | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `SceneNet.arrange`."""
        there = self._device()
        boxes, light = super().arrange(
            moved(layout, there), light_state.to(there), light_noise.to(there), ground.to(there), known
        )
        return boxes.cpu(), light.cpu()
