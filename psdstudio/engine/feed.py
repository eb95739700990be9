"""The plates of one scene while it is painted: what is kept, and the last guesses of what is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from psdstudio.engine.compose import Placed
from psdstudio.engine.plates import Parts, hide_stack, known_means, set_plates
from psdstudio.engine.rows import Rows


@dataclass(slots=True)
class SceneFeed:
    """`kept`: parts of one scene, there where they are kept; `free_looks`, `free_effects`: numbers of the free rows."""

    kept: Parts
    free_looks: list[int]
    free_effects: list[int]
    _kept_placed: dict[int, Placed] = field(default_factory=dict)

    def start(self, groups: Sequence[Rows]) -> None:
        """Show all rows what is kept: as a picture and as mean colours."""
        placed = self.placed(self.kept)
        set_plates(groups, self.kept, placed)
        means = known_means(self.kept, placed)
        for rows in groups:
            rows.seen = means

    def go_on(self, groups: Sequence[Rows], guesses: Mapping[str, Tensor], *, last: bool = False) -> None:
        """Show the free rows the last predictions of one another: group name -> (1, r, c, h, w) in -1..1.

        In the `last` step the composite is shown only what is kept: its picture is to be its own, so that comparing it
        with the stack of the layers says something.
        """
        parts = self.joined(guesses)
        set_plates(groups, parts, self.placed(parts))
        if last:
            hide_stack(groups, self.kept, self.placed(self.kept))

    def joined(self, guesses: Mapping[str, Tensor]) -> Parts:
        """Return all parts of the scene, the free ones as predicted."""
        parts = replace(self.kept, shown=torch.ones_like(self.kept.shown))
        if self.free_looks:
            parts.looks = parts.looks.clone()
            parts.looks[:, self.free_looks] = (guesses["look"] + 1) / 2
        if self.free_effects:
            parts.effects = parts.effects.clone()
            parts.effects[:, self.free_effects] = (guesses["effect"] + 1) / 2
            parts.cast = torch.ones_like(parts.cast)
        if "canvas" in guesses:
            parts.background = (guesses["canvas"][:, -1] + 1) / 2
            parts.ground = torch.ones_like(parts.ground)
        return parts

    def placed(self, parts: Parts) -> list[Placed]:
        """Return all objects on the canvas; what is wholly kept is resampled once."""
        return [self._placed(parts, i) for i in range(parts.boxes.shape[1])]

    def _placed(self, parts: Parts, i: int) -> Placed:
        if i in self.free_looks or i in self.free_effects:
            return parts.placed(i)
        if i not in self._kept_placed:
            self._kept_placed[i] = parts.placed(i)
        return self._kept_placed[i]
