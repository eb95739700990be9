"""The denoising loop of the photoreal engine: all free rows together, each at its own place in the schedule.

Every yield is a finished step and a cancel point; the network is as before at each of them. Kept rows are context:
keys and values in a memory, never part of a step, so they cannot change. Their state is *clean* (timestep 0, evaluated
once) when a joint adapter is attached, which was trained on that; without one it is *time-matched*, q(z, t) with the
row's fixed noise, as an untrained network has seen no mixed timesteps (diffusion forcing, 2407.01392; ours). Without
an adapter layers read the composite only while the layout is decided: later it would leak into them (DreamLayer,
2503.12838, appendix D.1); the composite reads the layers to the end.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.guidance import Guidance, Reading
from psdstudio.engine.sdxl.prompts import SceneText
from psdstudio.engine.sdxl.remembering import Memories
from psdstudio.engine.sdxl.row_batches import RowBatches, grouped
from psdstudio.engine.sdxl.row_states import RowStates
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
    first_layout,
    layout_steps,
    map_size,
    shared_latents,
    silent_and_said,
)
from psdstudio.engine.sdxl.token_chunks import Span
from psdstudio.errors import EngineFailed


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
        image_scale: Of the image tokens of an IP-Adapter, where rows have them.
        resampling: How often each step of the first half is taken when a row is known in part, so that what is made
            agrees better with what is known (RePaint, 2201.09865, section 4.2, takes each of all steps ten times).
        halves_together: Evaluate with and without words in one batch; apart it takes half the working memory.
    """

    size_px: tuple[int, int]
    guidance: Guidance
    layout_guidance: float = 1.0
    trained: bool = False
    joint: bool = True
    share_latents: bool = False
    image_scale: float = 1.0
    resampling: int = 1
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
    steps = run.steps()
    for index, (step, again) in enumerate(steps, start=1):
        clean = run.advance(step, again=again)
        yield Step(index=index, total=len(steps), rows=run.states.free, clean=clean, boxes=run.boxes)
    return run.states.result()


class _Run:
    """One run: what is asked of the network at each step, and what follows from the answer."""

    def __init__(
        self,
        network: Network,
        text: SceneText,
        rows: Sequence[SceneRow],
        schedule: Schedule,
        options: SampleOptions,
    ) -> None:
        device = text.words.device
        self._network, self._rows, self._schedule, self._options = network, tuple(rows), schedule, options
        self.states = RowStates(rows, schedule, size_px=options.size_px, device=device)
        self._batches = RowBatches(text, rows, size_px=options.size_px, image_scale=options.image_scale)
        self._memories = Memories(network, schedule, self._batches, clean=options.trained)
        self._layout = first_layout(text, rows, options.layout_guidance)
        self._layout_steps = layout_steps(schedule.timesteps)
        self._tokens = text.words.shape[1]
        self.boxes: Mapping[LayerId, BoxF] | None = None

    def steps(self) -> list[tuple[int, bool]]:
        """Return the steps to take, in order; those that are marked take a step again."""
        first, half = self.states.first, self._schedule.steps // 2
        often = max(1, self._options.resampling) if self.states.partly_known else 1
        return [
            (step, turn > 0)
            for step in range(first, self._schedule.steps)
            for turn in range(often if step < half else 1)
        ]

    @torch.no_grad()
    def advance(self, step: int, *, again: bool = False) -> Tensor:
        """Take one step with every row that has begun; returns the clean prediction of all free rows."""
        active = self.states.active(step)
        if again:
            self.states.take_back(active, step)
        if step < self._layout_steps and self._options.share_latents:
            self._share(active, step)
        predicted = self._predicted(active, step)
        if not bool(torch.isfinite(predicted).all()):
            raise EngineFailed(
                f"The network gave values that are not numbers in step {step + 1} of {self._schedule.steps};"
                " the run was stopped.",
                "Nothing was changed. Check the model files (psdstudio models verify); LoRAs that are too strong"
                " do this as well.",
            )
        clean = self.states.advance(active, predicted, step)
        if self.boxes is None and step + 1 >= self._layout_steps:
            self.boxes = self._layout.boxes([self._rows[i] for i in self.states.free])
        return clean

    def _predicted(self, active: tuple[int, ...], step: int) -> Tensor:
        """Return the guided prediction (len(active), 4, h, w), float32."""
        latents = torch.stack([self.states.latents[i] for i in active])
        scaled, timestep = self._schedule.scaled(latents, step), self._schedule.timesteps[step]
        context, references = self.states.context(active), self.states.references(active)
        memory = self._memories.at(step, context, references) if self._options.joint else None
        watched, weights = self._asked_of_layout(active, latents, step)
        composite_read = self._options.trained or step < self._layout_steps
        said: dict[Reading, Tensor] = {}
        for together in self._calls():
            halves = [
                replace(
                    self._batches(active, scaled, timestep, silent=reading is not Reading.FULL),
                    composite_read=composite_read,
                )
                for reading in together
            ]
            alone, full = Reading.NULL in together, Reading.FULL in together
            silent = len(together) - full
            watch = self._watch(active, [span for _, span in watched], silent) if full and watched else None
            answer = self._network.predict(
                grouped(halves),
                kept=None if alone else memory,
                steering=silent_and_said(weights, silent) if full and weights is not None else None,
                watch=watch,
                joint=self._options.joint and not alone,
            )
            said.update(zip(together, answer.noise.float().chunk(len(together)), strict=True))
            if answer.maps is not None:
                self._layout.learn(watched, answer.maps.float())
        return self._options.guidance.combined(said)

    def _asked_of_layout(
        self, active: Sequence[int], latents: Tensor, step: int
    ) -> tuple[Sequence[tuple[LayerId, Span]], Tensor | None]:
        """Return whose words to watch in the composite and the weights of all words; nothing after the first steps."""
        if step >= self._layout_steps:
            return (), None
        rows = [self._rows[i] for i in active]
        watched = self._layout.watched(rows) if self._composite(active) is not None else ()
        return watched, self._layout.weights(rows, self._tokens, map_size(latents))

    def _watch(self, active: Sequence[int], spans: Sequence[Span], silent: int) -> Watch:
        """Return the request for maps of the composite in the group with words, which stands after the silent ones."""
        composite = self._composite(active)
        assert composite is not None
        return Watch(row=silent * len(active) + list(active).index(composite), spans=tuple(spans))

    def _composite(self, active: Sequence[int]) -> int | None:
        return next((i for i in active if self._rows[i].identity.role is RowRole.COMPOSITE), None)

    def _share(self, active: Sequence[int], step: int) -> None:
        composite = self._composite(active)
        if composite is None:
            return
        for i in active:
            where = self._layout.map_of(self._rows[i].id)
            if where is not None and self._rows[i].identity.role is RowRole.OBJECT:
                latents = shared_latents(self.states.latents[i], self.states.latents[composite], where)
                self.states.share(i, latents, step)

    def _calls(self) -> list[tuple[Reading, ...]]:
        """Return the evaluations of a step by call of the network; the one without context is always by itself."""
        readings = self._options.guidance.readings
        joint = tuple(reading for reading in readings if reading is not Reading.NULL)
        calls = [(reading,) for reading in readings if reading is Reading.NULL]
        return [*calls, joint] if self._options.halves_together else [*calls, *((one,) for one in joint)]
