"""The denoising loop of the photoreal engine: all free rows together, each at its own place in the schedule.

Every yield is a finished step and a cancel point; the network is as before at each of them. Kept rows are context:
keys and values in a memory, never part of a step, so they cannot change. Their state is *clean* (timestep 0, evaluated
once) when a joint adapter is attached, which was trained on that; without one it is *time-matched*, q(z, t) with the
row's fixed noise, as an untrained network has seen no mixed timesteps (diffusion forcing, 2407.01392; ours).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.guidance import Guidance, Reading
from psdstudio.engine.sdxl.noise import reference_noise, row_noise, step_generator
from psdstudio.engine.sdxl.prompts import SceneText, time_ids
from psdstudio.engine.sdxl.remembering import Known, Memories
from psdstudio.engine.sdxl.rows import (
    KeptMemory,
    Prediction,
    RowBatch,
    RowRole,
    SceneRow,
    Steering,
    Watch,
)
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.steering import (
    Layout,
    box_of,
    layout_steps,
    map_size,
    shared_latents,
    silent_and_said,
)
from psdstudio.errors import EngineFailed

LATENT_CHANNELS, LATENT_SCALE = 4, 8


class Network(Protocol):
    """What the sampler needs of `RowNetwork`."""

    def predict(
        self,
        batch: RowBatch,
        *,
        kept: KeptMemory | None = None,
        steering: Steering | None = None,
        watch: Watch | None = None,
        joint: bool = True,
    ) -> Prediction:
        """Return the prediction for all rows of the batch."""

    def remember(
        self, batch: RowBatch, *, readers: Sequence[int | None] | None = None, clean: bool
    ) -> KeptMemory:
        """Return the keys and values of rows that are not to be denoised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """How a scene is sampled.

    Attributes:
        size_px: (height, width) of the picture.
        guidance: Scales of the appearance path.
        layout_guidance: Scale of the layout path (lambda of `steering`); 0 steers nothing.
        trained: A joint adapter is attached: known rows are shown clean.
        joint: Rows read one another; without it each is sampled as if alone (a baseline).
        share_latents: Objects have the composite's latents where they are to be while that is decided (DreamLayer).
        halves_together: Evaluate with and without words in one batch; apart it takes half the working memory.
    """

    size_px: tuple[int, int]
    guidance: Guidance
    layout_guidance: float = 1.0
    trained: bool = False
    joint: bool = True
    share_latents: bool = False
    halves_together: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """A finished step.

    Attributes:
        index: 1 to `total`.
        total: Steps of this run.
        rows: Which of the rows are free, as places in the list that the sampler was given.
        clean: (len(rows), 4, h, w) float32, what the free rows are once clean as far as this step's prediction says.
        boxes: Where each object is to stand, in fractions of the canvas; None while it is not decided. An object of
            which neither the user nor the composite says where is absent.
    """

    index: int
    total: int
    rows: tuple[int, ...]
    clean: Tensor
    boxes: Mapping[LayerId, BoxF] | None


def sample(
    network: Network, text: SceneText, rows: Sequence[SceneRow], schedule: Schedule, options: SampleOptions
) -> Generator[Step, None, Tensor]:
    """Denoise the free rows; returns the latents (r, 4, h, w) of all rows, float32, kept ones as they were given.

    A row by itself is what diffusers' `StableDiffusionXLPipeline` makes of the same noise, words and scheduler.

    Raises:
        EngineFailed: The network's prediction is not finite.
    """
    run = _Run(network, text, rows, schedule, options)
    for step in range(run.first, schedule.steps):
        clean = run.advance(step)
        yield Step(
            index=step - run.first + 1,
            total=schedule.steps - run.first,
            rows=run.free,
            clean=clean,
            boxes=run.boxes,
        )
    return run.result()


class _Run:
    """The state of one run. Indices are places in `rows`; latents are float32 on the device of the words."""

    def __init__(
        self,
        network: Network,
        text: SceneText,
        rows: Sequence[SceneRow],
        schedule: Schedule,
        options: SampleOptions,
    ) -> None:
        self._network, self._text, self._rows = network, text, tuple(rows)
        self._schedule, self._options = schedule, options
        self.free = tuple(i for i, row in enumerate(rows) if not row.identity.kept)
        if not self.free:
            raise ValueError("all rows are kept")
        self._shape = (LATENT_CHANNELS, *(side // LATENT_SCALE for side in options.size_px))
        self._known = {
            i: self._on_device(row.latents) for i, row in enumerate(rows) if row.latents is not None
        }
        self._noise = {i: self._on_device(row_noise(row, self._shape)) for i, row in enumerate(rows)}
        self._unknown = {
            i: self._on_device(row.unknown)
            for i, row in enumerate(rows)
            if row.unknown is not None and i in self._known and i in self.free
        }
        self._references = {
            i: Known(i, self._on_device(row.reference), self._on_device(reference_noise(row, self._shape)))
            for i, row in enumerate(rows)
            if row.reference is not None
        }
        if any(rows[i].identity.role is not RowRole.OBJECT for i in self._references):
            raise ValueError("only objects have references")
        self._begins = {i: self._begin(i) for i in self.free}
        self.first = min(self._begins.values())
        self._solvers = {
            i: schedule.solver_of(begin, step_generator(rows[i])) for i, begin in self._begins.items()
        }
        self._latents = {i: self._starting_latents(i) for i in self.free}
        self._ids = time_ids(len(rows), options.size_px, text.words)
        self._memories = Memories(network, schedule, clean=options.trained)
        self._layout = self._first_layout()
        self._layout_steps = layout_steps(schedule.timesteps)
        self.boxes: Mapping[LayerId, BoxF] | None = None

    @torch.no_grad()
    def advance(self, step: int) -> Tensor:
        """Take one step with every row that has begun; returns the clean prediction of all free rows."""
        active = tuple(i for i in self.free if self._begins[i] <= step)
        arranging = step < self._layout_steps
        if arranging and self._options.share_latents:
            self._share(active)
        latents = torch.stack([self._latents[i] for i in active])
        predicted = self._predicted(active, latents, step, arranging=arranging)
        if not bool(torch.isfinite(predicted).all()):
            raise EngineFailed(
                f"The network gave values that are not numbers in step {step + 1} of {self._schedule.steps};"
                " the run was stopped.",
                "Nothing was changed. Check the model files (psdstudio models verify); LoRAs that are too strong"
                " do this as well.",
            )
        guesses = self._schedule.clean(latents, predicted, step)
        for i, noise in zip(active, predicted, strict=True):
            self._latents[i] = self._with_known(i, self._solvers[i].step(noise, self._latents[i]), step + 1)
        if self.boxes is None and step + 1 >= self._layout_steps:
            self.boxes = self._found_boxes()
        by_row = dict(zip(active, guesses, strict=True))
        return torch.stack(
            [self._with_known(i, by_row[i] if i in by_row else self._known[i], None) for i in self.free]
        )

    def result(self) -> Tensor:
        """Return the latents of all rows after the last step."""
        return torch.stack(
            [self._latents[i] if i in self._latents else self._known[i] for i in range(len(self._rows))]
        )

    def batch(self, at: Sequence[int], latents: Tensor, timestep: float, *, silent: bool = False) -> RowBatch:
        """Return one group of rows as the network's input; `latents` (len(at), 4, h, w) are scaled for `timestep`."""
        text, picked = self._text, list(at)
        words, pooled = (text.negative_words, text.negative_pooled) if silent else (text.words, text.pooled)
        return RowBatch(
            latents=latents.to(text.words),
            timesteps=torch.full((len(picked),), timestep, device=text.words.device),
            words=words[picked],
            pooled=pooled[picked],
            time_ids=self._ids[picked],
            identities=tuple(self._rows[i].identity for i in picked),
            adapters=tuple(self._rows[i].adapters for i in picked),
            image_tokens=self._image_tokens(picked, silent=silent),
        )

    def _on_device(self, given: Tensor) -> Tensor:
        return given.to(self._text.words.device, torch.float32)

    def _begin(self, i: int) -> int:
        """Return the step before which a free row starts; one that is partly known or unknown starts from noise."""
        if i not in self._known or i in self._unknown:
            return 0
        return self._schedule.start(self._rows[i].strength)

    def _starting_latents(self, i: int) -> Tensor:
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
        return self._unknown[i] * latents + (1 - self._unknown[i]) * known

    def _image_tokens(self, picked: Sequence[int], *, silent: bool) -> Tensor | None:
        """Return the image tokens of rows, zeros for those without; they guide as the words do."""
        given = [row.image_tokens for row in self._rows if row.image_tokens is not None]
        if not given:
            return None
        like = given[0].to(self._text.words)
        tokens = [None if silent else self._rows[i].image_tokens for i in picked]
        return torch.stack([torch.zeros_like(like) if one is None else one.to(like) for one in tokens])

    def _first_layout(self) -> Layout:
        device = self._text.words.device
        given = {
            row.id: row.layout.to(device, torch.float32)
            for row in self._rows
            if row.id is not None and row.layout is not None and row.identity.role is RowRole.OBJECT
        }
        return Layout(
            spans=self._text.spans, period=self._text.period, scale=self._options.layout_guidance, given=given
        )

    def _share(self, active: Sequence[int]) -> None:
        composite = self._composite(active)
        if composite is None:
            return
        for i in active:
            where = self._layout.map_of(self._rows[i].id)
            if where is not None and self._rows[i].identity.role is RowRole.OBJECT:
                self._latents[i] = shared_latents(self._latents[i], self._latents[composite], where)

    def _composite(self, active: Sequence[int]) -> int | None:
        return next((i for i in active if self._rows[i].identity.role is RowRole.COMPOSITE), None)

    def _predicted(self, active: tuple[int, ...], latents: Tensor, step: int, *, arranging: bool) -> Tensor:
        """Return the guided prediction (len(active), 4, h, w), float32."""
        scaled, timestep = self._schedule.scaled(latents, step), self._schedule.timesteps[step]
        memory = self._memory(active, step) if self._options.joint else None
        rows = [self._rows[i] for i in active]
        composite = self._composite(active)
        watched = self._layout.watched(rows) if arranging and composite is not None else ()
        weights = (
            self._layout.weights(rows, self._text.words.shape[1], map_size(latents)) if arranging else None
        )
        said: dict[Reading, Tensor] = {}
        for together in self._calls():
            silent = len(together) - (Reading.FULL in together)
            halves = [
                self.batch(active, scaled, timestep, silent=reading is not Reading.FULL)
                for reading in together
            ]
            full = Reading.FULL in together
            watch = None
            if full and watched and composite is not None:
                at = silent * len(active) + active.index(composite)
                watch = Watch(row=at, spans=tuple(span for _, span in watched))
            alone = Reading.NULL in together
            answer = self._network.predict(
                grouped(halves),
                kept=None if alone else memory,
                steering=None
                if weights is None or not full
                else silent_and_said(weights.to(latents.device), silent),
                watch=watch,
                joint=self._options.joint and not alone,
            )
            said.update(zip(together, answer.noise.float().chunk(len(together)), strict=True))
            if watch is not None and answer.maps is not None:
                self._layout.learn(watched, answer.maps.float())
        return self._options.guidance.combined(said)

    def _calls(self) -> list[tuple[Reading, ...]]:
        """Return the evaluations of a step by call of the network; the one without context is always by itself."""
        readings = self._options.guidance.readings
        joint = tuple(reading for reading in readings if reading is not Reading.NULL)
        calls = [(reading,) for reading in readings if reading is Reading.NULL]
        return [*calls, joint] if self._options.halves_together else [*calls, *((one,) for one in joint)]

    def _memory(self, active: Sequence[int], step: int) -> KeptMemory | None:
        """Return what the active rows read besides one another: kept rows, rows yet to begin, references."""
        context = [
            Known(i, self._known[i], self._noise[i]) for i in range(len(self._rows)) if i not in active
        ]
        referred = [self._references[i] for i in active if i in self._references]
        return self._memories.at(step, self.batch, context, referred)

    def _found_boxes(self) -> Mapping[LayerId, BoxF]:
        found: dict[LayerId, BoxF] = {}
        for i in self.free:
            layer, where = self._rows[i].id, self._layout.map_of(self._rows[i].id)
            box = None if where is None else box_of(where)
            if layer is not None and box is not None:
                found[layer] = box
        return found


def grouped(groups: Sequence[RowBatch]) -> RowBatch:
    """Return several groups of the same rows as one batch."""
    if len(groups) == 1:
        return groups[0]
    images = [group.image_tokens for group in groups if group.image_tokens is not None]
    return RowBatch(
        latents=torch.cat([group.latents for group in groups]),
        timesteps=torch.cat([group.timesteps for group in groups]),
        words=torch.cat([group.words for group in groups]),
        pooled=torch.cat([group.pooled for group in groups]),
        time_ids=torch.cat([group.time_ids for group in groups]),
        identities=tuple(one for group in groups for one in group.identities),
        groups=len(groups),
        adapters=tuple(one for group in groups for one in group.adapters),
        image_tokens=torch.cat(images) if images else None,
    )
