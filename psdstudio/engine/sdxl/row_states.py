"""The latents of all rows between two steps: what is known, what is noise, when each row begins, how far it is.

Places are those in the list of rows; tensors are float32 on one device. No network is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from psdstudio.engine.sdxl.noise import reference_noise, row_noise, step_generator
from psdstudio.engine.sdxl.rows import MAP_SCALE, RowRole, SceneRow
from psdstudio.engine.sdxl.schedules import RowSolver, Schedule

LATENT_CHANNELS, LATENT_SCALE = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known at row `row`: clean latents, and the noise that they are noised with, both (4, h, w)."""

    row: int
    clean: Tensor
    noise: Tensor


class RowStates:
    """The rows of one run; changed by `share`, `advance` and `take_back` alone.

    Attributes:
        free: Places of the rows that are made.
        partly_known: Whether one of them is known in part.
        first: The step before which the first of them begins.
        latents: Of the free rows, at the noise level of the next step.
    """

    def __init__(
        self,
        rows: Sequence[SceneRow],
        schedule: Schedule,
        *,
        size_px: tuple[int, int],
        device: torch.device | str,
    ) -> None:
        """Start all rows. ValueError when none is free or what is said of one has another shape or place."""
        shape = (LATENT_CHANNELS, *(side // LATENT_SCALE for side in size_px))
        for row in rows:
            _check(row, shape)
        self._rows, self._schedule, self._device = tuple(rows), schedule, device
        self.free = tuple(i for i, row in enumerate(rows) if not row.identity.kept)
        if not self.free:
            raise ValueError("all rows are kept")
        self._noise = {i: self._placed(row_noise(row, shape)) for i, row in enumerate(rows)}
        self._known = {i: self._placed(row.latents) for i, row in enumerate(rows) if row.latents is not None}
        self._unknown = {
            i: self._placed(row.unknown)
            for i, row in enumerate(rows)
            if row.unknown is not None and i in self._known and i in self.free
        }
        self.partly_known = bool(self._unknown)
        self._references = {
            i: Known(i, self._placed(row.reference), self._placed(reference_noise(row, shape)))
            for i, row in enumerate(rows)
            if row.reference is not None
        }
        self._begins = {i: self._begin(i) for i in self.free}
        self.first = min(self._begins.values())
        self._generators = {i: step_generator(rows[i]) for i in self.free}
        self._solvers = {i: self._solver(i, begin) for i, begin in self._begins.items()}
        self.latents = {i: self._starting(i) for i in self.free}

    def active(self, step: int) -> tuple[int, ...]:
        """Return the free rows that have begun before step `step`."""
        return tuple(i for i in self.free if self._begins[i] <= step)

    def context(self, active: Sequence[int]) -> list[Known]:
        """Return what the active rows read besides one another: kept rows, and those that begin later."""
        others = (i for i in range(len(self._rows)) if i not in active)
        return [Known(i, self._known[i], self._noise[i]) for i in others]

    def references(self, active: Sequence[int]) -> list[Known]:
        """Return the references of the active rows."""
        return [self._references[i] for i in active if i in self._references]

    def share(self, i: int, latents: Tensor, step: int) -> None:
        """Put other latents in place of a row's, at the noise level before `step`; its known part stays."""
        self.latents[i] = self._with_known(i, latents, step)

    def advance(self, active: Sequence[int], predicted: Tensor, step: int) -> Tensor:
        """Take step `step`; returns what all free rows (f, 4, h, w) are once clean, as far as it is predicted."""
        clean = {i: self._known[i] for i in self.free if i not in active}
        for i, said in zip(active, predicted, strict=True):
            latents = self.latents[i]
            clean[i] = self._with_known(i, self._schedule.clean(latents, said, step), None)
            self.latents[i] = self._with_known(i, self._solvers[i].step(said, latents), step + 1)
        return torch.stack([clean[i] for i in self.free])

    def take_back(self, active: Sequence[int], step: int) -> None:
        """Bring the active rows back to the noise level before step `step` with fresh noise, each its own.

        A solver that remembers steps begins anew there.
        """
        for i in active:
            latents = self.latents[i]
            noise = self._placed(torch.randn(latents.shape, generator=self._generators[i]))
            self.latents[i] = self._with_known(i, self._schedule.renoised(latents, noise, step), step)
            self._solvers[i] = self._solver(i, step)

    def result(self) -> Tensor:
        """Return the latents (r, 4, h, w) of all rows, kept ones as they were given."""
        rows = range(len(self._rows))
        return torch.stack([self.latents[i] if i in self.latents else self._known[i] for i in rows])

    def _placed(self, given: Tensor) -> Tensor:
        return given.to(self._device, torch.float32)

    def _solver(self, i: int, start: int) -> RowSolver:
        return self._schedule.solver_of(start, self._generators[i])

    def _begin(self, i: int) -> int:
        """Return the step before which a free row begins; one that is partly known or unknown begins as noise."""
        if i not in self._known or i in self._unknown:
            return 0
        return self._schedule.start(self._rows[i].strength)

    def _starting(self, i: int) -> Tensor:
        if i in self._known and i not in self._unknown:
            return self._schedule.noised(self._known[i], self._noise[i], self._begins[i])
        return self._with_known(i, self._schedule.pure(self._noise[i]), 0)

    def _with_known(self, i: int, latents: Tensor, step: int | None) -> Tensor:
        """Put the known part of a partly known row back, at the noise level before `step`; None for clean latents.

        RePaint (2201.09865, eq. 8) with the row's one noise instead of a fresh one at each step.
        """
        if i not in self._unknown:
            return latents
        known = self._known[i]
        if step is not None:
            known = self._schedule.noised(known, self._noise[i], step)
        return torch.lerp(known, latents, self._unknown[i])


def _check(row: SceneRow, shape: tuple[int, ...]) -> None:
    if row.identity.kept and row.latents is None:
        raise ValueError("a kept row has no latents")
    if row.reference is not None and row.identity.role is not RowRole.OBJECT:
        raise ValueError("only objects have references")
    map_shape = tuple(side // MAP_SCALE for side in shape[1:])
    wanted = (
        ("latents", row.latents, shape),
        ("unknown", row.unknown, shape[1:]),
        ("layout", row.layout, map_shape),
        ("reference", row.reference, shape),
    )
    for name, given, size in wanted:
        if given is not None and tuple(given.shape) != size:
            raise ValueError(f"{name} of {row.id or 'the composite'}: {tuple(given.shape)} instead of {size}")
