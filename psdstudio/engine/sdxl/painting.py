"""One run of the photoreal engine, from a request to its layers: encode, denoise, decode, second pass, deliver."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.delivery import PaintedScene, deliver, part_count, previews
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.networks import Networks
from psdstudio.engine.sdxl.pacing import PreviewPace
from psdstudio.engine.sdxl.pictures_of_rows import Refining, finished, painted_scene, passes_of, previewed
from psdstudio.engine.sdxl.placement import Placement, Plan
from psdstudio.engine.sdxl.prompts import SceneText, encode_scene
from psdstudio.engine.sdxl.rows import SceneRow
from psdstudio.engine.sdxl.sampler import SampleOptions, Step, sample
from psdstudio.engine.sdxl.scene import Encoders, scene_rows
from psdstudio.engine.sdxl.schedules import Schedule, Solver
from psdstudio.engine.sdxl.tiled import KeptValue, Tiling
from psdstudio.engine.sdxl.two_layer_files import TwoLayers
from psdstudio.engine.sdxl.upscaling import second_size, tiling_of
from psdstudio.gen.engine import EngineEvent, LayoutReady, Preview, Progress, Stage
from psdstudio.gen.request import GenerationRequest, GenerationResult

Answer = TypeVar("Answer")
RESAMPLING = 2
"""How often an untrained network takes steps of the first half when a row is known in part (RePaint, 2201.09865)."""
_SHARE = {Stage.ENCODE: 0.03, Stage.LAYOUT: 0.0, Stage.DENOISE: 0.72, Stage.DECODE: 0.25}


@dataclass(slots=True, kw_only=True)
class Run:
    """One attempt at a request with the weights placed as `plan` says. Nothing of it outlives it.

    Attributes:
        request: What is asked.
        bucket: Size at which the canvas is painted.
        networks: Loaded and placed.
        placement: Where they lie.
        plan: How.
        decoding: In which tiles pictures are decoded.
        upscale: Give layers of larger canvases a second pass.
        notes: What the user should read of this run, added to as it goes on.
        weights_sha256: Identity of all files.
        pace: When previews are due.
    """

    request: GenerationRequest
    bucket: Size
    networks: Networks
    placement: Placement
    plan: Plan
    decoding: Tiling
    upscale: bool
    notes: list[str]
    weights_sha256: str
    two_layers: TwoLayers | None = None
    pace: PreviewPace = field(default_factory=PreviewPace)

    def paint(self) -> Generator[EngineEvent, None, GenerationResult]:
        """Make every unknown part jointly."""
        device = self.placement.device
        self.networks.move_adapters(device)
        yield progress(Stage.ENCODE, 0, 2)
        rows = self._rows(device)
        self.placement.rest()
        yield progress(Stage.ENCODE, 1, 2)
        text = encode_scene(self.networks.text(device), rows, device=device)
        self.notes += [note for note in text.notes if note not in self.notes]
        self.placement.rest()
        yield progress(Stage.ENCODE, 2, 2)
        schedule, guidance = self._schedule()
        latents, boxes = yield from self._denoised(text, rows, schedule, guidance)
        self.placement.rest()
        painted = yield from self._decoded(text, rows, schedule, guidance, latents, boxes)
        self.placement.rest()
        delivering = deliver(self.request, painted, self.weights_sha256, notes=tuple(self.notes))
        return (yield from _told(delivering, Stage.DECODE, part_count(self.request), 0.9, 1.0))

    def _rows(self, device: torch.device) -> tuple[SceneRow, ...]:
        vae, images = self.networks.transparent, self.networks.images
        encoders = Encoders(
            opaque=lambda rgb: vae.encode_opaque(rgb[None].to(device))[0].cpu(),
            transparent=lambda rgba: vae.encode(rgba[None].to(device))[0].cpu(),
            image_tokens=images,
        )
        return scene_rows(
            self.request, self.bucket, encoders, self.networks.names, trained=self.networks.trained
        )

    def _schedule(self) -> tuple[Schedule, Guidance]:
        sampling, config = self.request.sampling, self.networks.base.scheduler
        fast = self.networks.accelerated(sampling.text_guidance)
        if fast is None:
            return Schedule(config, steps=sampling.steps), Guidance(text=sampling.text_guidance)
        schedule = Schedule(config, solver=fast.solver, steps=fast.steps, spacing=fast.spacing)
        return schedule, Guidance(text=fast.text_guidance)

    def _denoised(
        self, text: SceneText, rows: tuple[SceneRow, ...], schedule: Schedule, guidance: Guidance
    ) -> Generator[EngineEvent, None, tuple[Tensor, Mapping[LayerId, BoxF]]]:
        options = SampleOptions(
            size_px=(self.bucket.height, self.bucket.width),
            guidance=guidance,
            layout_guidance=self.request.sampling.layout_guidance,
            trained=self.networks.trained,
            resampling=1 if self.networks.trained else RESAMPLING,
            halves_together=self.plan.halves_together,
        )
        boxes: Mapping[LayerId, BoxF] | None = None
        for step in (steps := KeptValue(self._steps(text, rows, schedule, options))):
            if boxes is None and step.boxes is not None:
                boxes = step.boxes
                yield self._layout(boxes)
            if self.pace.is_due():
                with self.pace.making():
                    seen = previewed(self.networks.transparent, rows, step.rows, step.clean)
                    shown, composite = previews(self.request, seen)
                yield Preview(step=step.index, rasters=shown, composite=composite)
            yield progress(Stage.DENOISE, step.index, step.total)
        return steps.value, boxes or {}

    def _steps(
        self, text: SceneText, rows: tuple[SceneRow, ...], schedule: Schedule, options: SampleOptions
    ) -> Generator[Step, None, Tensor]:
        """Return the denoising loop: of joint rows, or the released two-layer path where it applies."""
        two = self.two_layers
        if two is None or self.networks.trained or not two.applies(rows):
            return sample(self.networks.network, text, rows, schedule, options)
        solver = Solver.DPM_2M_SDE_KARRAS
        slower = Schedule(self.networks.base.scheduler, solver=solver, steps=schedule.steps)
        return two.sampled(self.networks, text, rows, slower, options)

    def _layout(self, boxes: Mapping[LayerId, BoxF]) -> LayoutReady:
        asked = ((part.id, part.box or boxes.get(part.id)) for part in self.request.objects)
        return LayoutReady(boxes=tuple((layer, box) for layer, box in asked if box is not None))

    def _decoded(
        self,
        text: SceneText,
        rows: tuple[SceneRow, ...],
        schedule: Schedule,
        guidance: Guidance,
        latents: Tensor,
        boxes: Mapping[LayerId, BoxF],
    ) -> Generator[EngineEvent, None, PaintedScene]:
        """Decode all free rows, and paint those that become layers anew at a larger size where the canvas has it."""
        free = [i for i, row in enumerate(rows) if not row.identity.kept]
        pictures: dict[int, Tensor] = {}
        larger = second_size(self.bucket, self.request.size) if self.upscale else None
        share = 0.8 if larger is None else 0.3
        total = sum(passes_of(rows[i], self.bucket, self.decoding) for i in free)
        done = 0
        for i in free:
            decoding = finished(self.networks.transparent, rows[i], latents[i], self.decoding)
            for _ in (passes := KeptValue(decoding)):
                done += 1
                yield progress(Stage.DECODE, done, total, upto=share)
            pictures[i] = passes.value
        if larger is not None:
            layers = [i for i in free if rows[i].id is not None]
            refining = Refining(
                self.networks.network,
                self.networks.transparent,
                text,
                rows,
                schedule,
                guidance,
                tiling_of(self.bucket),
            )
            tiles = {i: refining.tiles(pictures[i], larger) for i in layers}
            before, total = 0, max(1, sum(tiles.values()))
            for i in layers:
                painting = refining.painted(i, pictures[i], larger)
                low, high = (share + (0.9 - share) * n / total for n in (before, before + tiles[i]))
                pictures[i] = yield from _told(painting, Stage.DECODE, max(1, tiles[i]), low, high)
                before += tiles[i]
        return painted_scene(rows, pictures, boxes)


def _told(
    running: Generator[int, None, Answer], stage: Stage, total: int, low: float, high: float
) -> Generator[EngineEvent, None, Answer]:
    """Run a generator that yields counts to its end, telling them as the share `low` to `high` of a stage."""
    while True:
        try:
            done = next(running)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer
        yield progress(stage, done, total, start=low, upto=high)


def progress(stage: Stage, done: int, total: int, *, start: float = 0.0, upto: float = 1.0) -> Progress:
    """Return the event that `done` of `total` steps are done of what is `start` to `upto` of a stage."""
    before = 0.0
    for earlier, share in _SHARE.items():
        if earlier is stage:
            inside = start + (upto - start) * done / total
            return Progress(stage=stage, done=done, total=total, fraction=before + share * inside)
        before += share
    raise AssertionError(stage)
