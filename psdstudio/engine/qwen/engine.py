"""QwenLayeredEngine: splits flat pictures with the user's own Qwen-Image-Layered, behind the engine protocol."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from psdstudio.core.geometry import Rect
from psdstudio.core.scene import Light
from psdstudio.engine.pictures import to_tensor
from psdstudio.engine.qwen.decomposition import (
    Condition,
    condition,
    decoded,
    denoised,
    engine_picture,
    working_bytes,
)
from psdstudio.engine.qwen.layers import SplitLayers, assigned, clean_alpha, split_layers, sure_colour
from psdstudio.engine.qwen.loading import assembled, check_memory, checked_folder, load_parts
from psdstudio.engine.sdxl.device import Precision, this_device
from psdstudio.engine.sdxl.placement import (
    Parts,
    Placement,
    Placing,
    Plan,
    part_sizes,
    plans_for,
    with_smaller_plans,
)
from psdstudio.engine.sdxl.rasters import painted_raster
from psdstudio.engine.sdxl.run_memory import RunMemory
from psdstudio.errors import (
    EngineOutOfMemory,
    EngineProtocolError,
    ModelError,
    ModelIncompatible,
    ModelNotFound,
)
from psdstudio.gen.engine import EngineEvent, EngineInfo, LayoutReady, Preview, Progress, Stage
from psdstudio.gen.model_files import EngineSetup, ModelFile, ModelKind
from psdstudio.gen.models import QWEN_KEY
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectResult, Raster
from psdstudio.gen.splitting import MAX_THINGS
from psdstudio.gen.verbs import Capability

NATIVE_SIDE = 640
"""Pictures are worked on at this many pixels squared: the one its authors advise of the two it was trained at."""
PREVIEWS = 10
"""How many previews a run shows; each decodes all layers."""
UNKNOWN_LIGHT = Light(azimuth_deg=90.0, elevation_deg=45.0, softness=0.5, horizon=0.5)
"""The model says nothing of the light."""
_SHARE = {Stage.ENCODE: 0.03, Stage.DENOISE: 0.9, Stage.DECODE: 0.07}
_BEFORE = {Stage.ENCODE: 0.0, Stage.DENOISE: 0.03, Stage.DECODE: 0.93}


class QwenLayeredEngine:
    """One loaded model. All calls come from one thread (the worker process's main thread)."""

    def __init__(self, setup: EngineSetup, *, dtype: torch.dtype | None = None) -> None:
        """Load nothing yet. `dtype` is bfloat16, which the model is published in, unless it is given."""
        self._setup = setup
        self._dtype = dtype or torch.bfloat16
        self._model: ModelFile | None = None
        self._pipeline: Any = None
        self._placement: Placement | None = None
        self._plans: tuple[Plan, ...] = ()

    @property
    def info(self) -> EngineInfo:
        """Identity and limits; valid after load()."""
        assert self._model is not None, "load() first"
        return EngineInfo(
            key=QWEN_KEY,
            title="Qwen-Image-Layered",
            weights_sha256=self._model.sha256,
            max_objects=MAX_THINGS,
            native_note=f"splits at about {NATIVE_SIDE} x {NATIVE_SIDE} px, {self._plans[0].placing.value}",
            capabilities=frozenset({Capability.SPLIT, Capability.ANY_WORDS}),
            only_splits=True,
        )

    def load(self) -> Iterator[Progress]:
        """Check the folder and the memory, then load. Raises ModelError; see `loading`."""
        models = self._setup.of_kind(ModelKind.QWEN_LAYERED)
        if not models:
            raise ModelNotFound(
                "Qwen-Image-Layered is not among your models.",
                "Add its folder (in the layout of diffusers) to your models, or choose another engine.",
            )
        folder = checked_folder(Path(models[0].path))
        device = this_device().capped(self._setup.photoreal.memory_cap_gb)
        working = working_bytes(folder.width, MAX_THINGS + 2, NATIVE_SIDE)
        check_memory(device, folder.sizes, working)
        yield Progress(stage=Stage.LOAD, done=0, total=4, fraction=0.0)
        parts: dict[str, Any] = {}
        for name, module in load_parts(folder, dtype=self._dtype):
            parts[name] = module
            yield Progress(stage=Stage.LOAD, done=len(parts), total=4, fraction=len(parts) / 4)
        pipeline = assembled(folder, parts)
        placed = Parts(text_encoders=(parts["text_encoder"],), unet=parts["transformer"], vae=parts["vae"])
        try:
            # What was free before the weights lay in it is what they may take.
            self._plans = plans_for(device, part_sizes(placed), RunMemory(together=working, apart=working))
        except EngineOutOfMemory as exc:
            # No run failed: it is the model that is too large.
            raise ModelError(exc.user_message, exc.hint) from exc
        self._placement = Placement(placed, device.torch_device, Precision(self._dtype, self._dtype))
        self._model, self._pipeline = models[0], pipeline
        yield Progress(stage=Stage.LOAD, done=4, total=4, fraction=1.0)

    # As a decorator the mode holds while this generator runs and not while its caller does. Not inference_mode: weights
    # that are moved meanwhile would stay marked as its own.
    @torch.no_grad()
    def generate(self, request: GenerationRequest) -> Generator[EngineEvent, None, GenerationResult]:
        """Split `request.picture` into its parts; see `gen.engine.Engine`. Closing the generator cancels."""
        placement = self._placement
        if placement is None:
            raise EngineProtocolError("generate() was called before load()")
        flat, notes = _flat_picture(request), list[str]()

        def attempt(plan: Plan) -> Generator[EngineEvent, None, GenerationResult]:
            # Where parts take turns on the card, decoding would send the network away and fetch it again.
            shown = plan.placing in (Placing.FULL, Placing.PROCESSOR)
            return self._split(request, flat, placement.device, notes, shown=shown)

        try:
            return (yield from with_smaller_plans(self._plans, placement.place, attempt, notes))
        finally:
            placement.rest()

    def _split(
        self,
        request: GenerationRequest,
        flat: Raster,
        device: torch.device,
        notes: Sequence[str],
        *,
        shown: bool,
    ) -> Generator[EngineEvent, None, GenerationResult]:
        yield _progress(Stage.ENCODE, 0, 1)
        small = engine_picture(self._pipeline, flat.rgba, NATIVE_SIDE)
        given = condition(
            self._pipeline,
            device,
            small,
            words=request.scene_words,
            seeds=[request.seed, request.background.seed, *(part.seed for part in request.objects)],
            guided=request.sampling.text_guidance > 1,
        )
        latents = yield from self._denoised(request, given, shown=shown)
        frames = []
        for frame in range(given.frames):
            yield _progress(Stage.DECODE, frame, given.frames)
            frames.append(decoded(self._pipeline, latents, given.grid, frame))
        split = split_layers(flat, to_tensor(small)[:3], frames[1:], request.objects)
        boxes = zip(request.objects, split.boxes, strict=True)
        yield LayoutReady(boxes=tuple((part.id, box) for part, box in boxes))
        return _result(request, split, frames[0], self.info.weights_sha256, tuple(notes))

    def _denoised(
        self, request: GenerationRequest, given: Condition, *, shown: bool
    ) -> Generator[EngineEvent, None, Tensor]:
        """Run the loop with a progress event after each step; the frames' latents."""
        # With a single step a schedule that is stretched to its end would divide by zero.
        steps = max(2, request.sampling.steps)
        loop = denoised(self._pipeline, given, steps=steps, guidance=request.sampling.text_guidance)
        every = max(1, steps // PREVIEWS)
        for step in count(1):
            try:
                sure = next(loop)
            except StopIteration as stop:
                latents: Tensor = stop.value
                return latents
            if shown and step % every == 0:
                frames = [decoded(self._pipeline, sure, given.grid, frame) for frame in range(given.frames)]
                yield _preview(request, frames, step)
            yield _progress(Stage.DENOISE, step, steps)
        raise AssertionError("the loop ends by itself")


def _flat_picture(request: GenerationRequest) -> Raster:
    """Return the picture to split. Raises ModelIncompatible or EngineProtocolError for what this engine cannot do."""
    if request.picture is None:
        raise ModelIncompatible(
            "Qwen-Image-Layered only splits pictures into layers; it paints no scene from words.",
            "Nothing was changed. Choose another engine.",
        )
    if request.known_ids or any(part.silhouette or part.partial for part in request.objects):
        raise EngineProtocolError("a part of a picture that is to be split is kept")
    if request.picture.rect != Rect(0, 0, *request.size):
        raise EngineProtocolError(f"a picture at {request.picture.rect} for a canvas of {request.size}")
    return request.picture


def _result(
    request: GenerationRequest, split: SplitLayers, whole: Tensor, weights_sha256: str, notes: tuple[str, ...]
) -> GenerationResult:
    made = zip(request.objects, split.boxes, split.objects, strict=True)
    return GenerationResult(
        request=request,
        background=split.background,
        objects=tuple(
            ObjectResult(id=part.id, box=box, look=one.look, shadow=one.shadow) for part, box, one in made
        ),
        light=request.light or UNKNOWN_LIGHT,
        composite=painted_raster(whole[:3], request.size),
        weights_sha256=weights_sha256,
        notes=(*notes, *split.notes),
    )


def _preview(request: GenerationRequest, frames: Sequence[Tensor], step: int) -> Preview:
    """Return what the frames (4, h, w) are predicted to be: the whole picture, the background, the objects."""
    whole, background, *layers = frames
    objects = [sure_colour(clean_alpha(layer)) for layer in layers]
    own = assigned([part.box for part in request.objects], objects)
    shown = [(request.background.id, background[:3])]
    shown += [(part.id, objects[i]) for part, i in zip(request.objects, own, strict=True)]
    return Preview(
        step=step,
        rasters=tuple((layer_id, painted_raster(picture, request.size)) for layer_id, picture in shown),
        composite=painted_raster(whole[:3], request.size),
    )


def _progress(stage: Stage, done: int, total: int) -> Progress:
    return Progress(
        stage=stage, done=done, total=total, fraction=_BEFORE[stage] + _SHARE[stage] * done / total
    )
