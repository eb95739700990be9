"""PhotorealEngine: SDXL and LayerDiffuse weights of the user's own, all layers of a scene in one UNet batch.

In the spirit of PSDiffusion (2505.11468), of which neither code nor weights exist: our own reconstruction, whose
figures claim no parity with the paper's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import torch

from psdstudio.core.geometry import Size
from psdstudio.engine.sdxl.canvas import LATENT_SCALE, bucket_of
from psdstudio.engine.sdxl.device import Backend, ComputeDevice, Precision, precision_of, this_device
from psdstudio.engine.sdxl.measuring import measure_costs
from psdstudio.engine.sdxl.network_work import row_work
from psdstudio.engine.sdxl.networks import Networks, load_networks
from psdstudio.engine.sdxl.painting import Run
from psdstudio.engine.sdxl.placement import (
    PartSizes,
    Placement,
    Placing,
    Plan,
    part_sizes,
    plans_for,
    with_smaller_plans,
)
from psdstudio.engine.sdxl.run_memory import (
    SMALLEST_TILE,
    RunMemory,
    decode_bytes,
    decode_tiling,
    scene_memory,
)
from psdstudio.engine.sdxl.scene import used_loras
from psdstudio.engine.sdxl.tiled import Tiling
from psdstudio.engine.sdxl.two_layer_files import two_layers_of
from psdstudio.engine.sdxl.upscaling import STRENGTH
from psdstudio.errors import EngineFailed, EngineProtocolError, ModelIncompatible, ModelNotFound
from psdstudio.gen.engine import CostModel, EngineEvent, EngineInfo, Progress, Stage
from psdstudio.gen.model_files import EngineSetup, ModelFile, ModelKind
from psdstudio.gen.models import PHOTOREAL_KEY, default_sampling
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.gen.verbs import Capability

TITLE = "Photoreal (SDXL)"
MAX_OBJECTS = 6
CAPABILITIES = frozenset(
    {
        Capability.ANY_WORDS,
        Capability.NEGATIVE_WORDS,
        Capability.LORAS,
        Capability.SAME_OUTLINE,
        Capability.FILL,
    }
)
_LOADED_FILES = 8
"""About how many files a full set of models has, for the progress bar."""


class PhotorealEngine:
    """The user's networks with rows. All calls come from one thread (the worker process's main thread).

    Args:
        setup: Model files and choices.
        device: What computes; None for the fastest device there is.
        precision: Number formats; None for those that suit the device.
    """

    def __init__(
        self,
        setup: EngineSetup,
        *,
        device: ComputeDevice | None = None,
        precision: Precision | None = None,
    ) -> None:
        self._setup, self._area = setup, setup.photoreal.side_px**2
        self._given_device, self._precision = device, precision
        self._device: ComputeDevice | None = None
        self._networks: Networks | None = None
        self._placement: Placement | None = None
        self._costs: CostModel | None = None

    @property
    def info(self) -> EngineInfo:
        """Identity, limits and costs; valid after load()."""
        assert self._networks is not None, "load() first"
        side = self._setup.photoreal.side_px
        return EngineInfo(
            key=PHOTOREAL_KEY,
            title=TITLE,
            weights_sha256=self._networks.weights_sha256(),
            max_objects=MAX_OBJECTS,
            native_note=f"paints the canvas at about {side} × {side} px",
            capabilities=CAPABILITIES,
            costs=self._costs,
        )

    def load(self) -> Iterator[Progress]:
        """Load all files, place the weights, measure what a run costs. Raises ModelError, EngineOutOfMemory."""
        device = self._given_device or this_device()
        self._device = device = device.capped(self._setup.photoreal.memory_cap_gb)
        precision = self._precision or precision_of(device)
        yield Progress(stage=Stage.LOAD, done=0, total=_LOADED_FILES, fraction=0.0)
        loading, done = load_networks(self._setup, precision), 0
        while True:
            try:
                next(loading)
            except StopIteration as stop:
                self._networks = stop.value
                break
            done = min(done + 1, _LOADED_FILES - 1)
            yield Progress(stage=Stage.LOAD, done=done, total=_LOADED_FILES, fraction=done / _LOADED_FILES)
        self._placement = Placement(self._networks.parts, device.torch_device, precision)
        if self._setup.photoreal.compile:
            self._networks.network.compile_blocks()
        costs = measure_costs(
            self._free_device(),
            self._networks.base.unet,
            self._sizes(),
            area=self._area,
            wide=self._networks.wide,
            kept_each_step=not self._networks.trained,
            second_pass=STRENGTH if self._setup.photoreal.upscale else 0.0,
        )
        fast = self._networks.accelerated(default_sampling(PHOTOREAL_KEY).text_guidance)
        if fast is not None:
            costs = replace(costs, steps=fast.steps, guided=fast.text_guidance != 1)
        self._costs = costs
        yield Progress(stage=Stage.LOAD, done=_LOADED_FILES, total=_LOADED_FILES, fraction=1.0)

    # As a decorator the mode holds while this generator runs and not while its caller does.
    @torch.no_grad()
    def generate(self, request: GenerationRequest) -> Generator[EngineEvent, None, GenerationResult]:
        """Make every unknown part jointly; see `gen.engine.Engine`. Closing the generator cancels.

        Raises:
            ModelError: A LoRA or encoder that is needed is missing, or the canvas cannot be painted.
            EngineOutOfMemory: No way of placing the weights leaves room for these layers.
        """
        if self._networks is None or self._placement is None:
            raise EngineProtocolError("generate() was called before load()")
        _check(request)
        bucket = bucket_of(request.size, self._area)
        loras = self._wanted_loras(request)
        self._networks.use_loras({model.title: model for model in loras})
        sha256 = self._networks.weights_sha256(loras)
        notes = list(self._networks.notes)
        networks, placement = self._networks, self._placement

        def attempt(plan: Plan) -> Generator[EngineEvent, None, GenerationResult]:
            run = Run(
                request=request,
                bucket=bucket,
                networks=networks,
                placement=placement,
                plan=plan,
                decoding=self._decode_tiling(plan, bucket),
                upscale=self._setup.photoreal.upscale,
                notes=notes,
                weights_sha256=sha256,
                two_layers=two_layers_of(self._setup, request, bucket),
            )
            return (yield from run.paint())

        plans = plans_for(self._free_device(), self._sizes(), self._run_memory(request, bucket))
        try:
            return (yield from with_smaller_plans(plans, placement.place, attempt, notes))
        finally:
            placement.rest()

    def close(self) -> None:
        """Give everything back: networks as they were loaded, nothing on the device."""
        if self._placement is not None:
            self._placement.release()
        if self._networks is not None:
            self._networks.close()
        self._networks = self._placement = None

    def _wanted_loras(self, request: GenerationRequest) -> tuple[ModelFile, ...]:
        by_title = {model.title: model for model in self._setup.of_kind(ModelKind.LORA)}
        wanted = used_loras(request)
        if missing := [title for title in wanted if title not in by_title]:
            raise ModelNotFound(
                f"The LoRA “{missing[0]}” is not among your models.",
                "Nothing was changed. Add its file again, or take it off the layer.",
            )
        return tuple(by_title[title] for title in wanted)

    def _sizes(self) -> PartSizes:
        assert self._networks is not None
        return part_sizes(self._networks.parts, self._networks.adapter_tensors())

    def _free_device(self) -> ComputeDevice:
        """Return the device with the memory that a run may use: what is free now and what our own weights take."""
        assert self._device is not None and self._placement is not None
        if self._given_device is not None:
            return self._device
        now, own = this_device(), self._sizes()
        placing = self._placement.placing
        on_device = own.total if placing is Placing.FULL and now.backend is not Backend.CPU else 0
        on_host = own.total - on_device
        free = now.free_bytes + (on_host if now.backend is Backend.CPU else on_device)
        freed = replace(now, free_bytes=free, host_free_bytes=now.host_free_bytes + on_host)
        return freed.capped(self._setup.photoreal.memory_cap_gb)

    def _run_memory(self, request: GenerationRequest, bucket: Size) -> RunMemory:
        """Return what a request takes besides the weights."""
        assert self._networks is not None and self._costs is not None
        unet, width = self._networks.base.unet, _number_width(self._networks.base.unet)
        looks = [request.background.look, *(part.look for part in request.objects)]
        kept = sum(look is not None for look in looks)
        references = sum(part.reference is not None and part.look is None for part in request.objects)
        sides = (side // LATENT_SCALE for side in (bucket.height, bucket.width))
        return scene_memory(
            row_work(unet, *sides, rows=len(looks) + 1, wide=self._networks.wide),
            width,
            free=len(looks) - kept + 1,
            kept=kept + references,
            guided=self._costs.guided and request.sampling.text_guidance != 1,
            decoding=decode_bytes(self._networks.base.vae, Size(*(SMALLEST_TILE,) * 2), width),
        )

    def _decode_tiling(self, plan: Plan, bucket: Size) -> Tiling:
        """Return the tiles that fit beside the weights that lie there while pictures are decoded."""
        assert self._networks is not None
        vae, device = self._networks.base.vae, self._free_device()
        there = self._sizes().resident(plan.placing)
        return decode_tiling(vae, bucket, device.free_bytes - there, _number_width(vae))


def _number_width(network: Any) -> int:
    """Return the bytes of a number of a network."""
    return int(next(network.parameters()).element_size())


def _check(request: GenerationRequest) -> None:
    """Refuse before anything is computed what this engine cannot do."""
    if len(request.objects) > MAX_OBJECTS:
        raise ModelIncompatible(
            f"This scene has {len(request.objects)} objects; {TITLE} paints at most {MAX_OBJECTS} together.",
            "Nothing was changed. Take some out, generate, keep them, and add the others in a second run.",
        )
    looks = [request.background.look, *(part.look for part in request.objects)]
    if all(look is not None for look in looks):
        raise EngineFailed(
            "Everything in this scene is kept, so there is nothing to paint.",
            "Nothing was changed. Release the pin of a layer and generate again.",
        )
    if any(part.look is not None and part.box is None for part in request.objects):
        raise ModelIncompatible(
            f"{TITLE} cannot find another place for an object that is painted.",
            "Nothing was changed. Move it with the Move tool.",
        )
