"""EmbeddedEngine: the small joint model that ships with the product, on the CPU, without any download."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.conditions import (
    Words,
    box_units,
    canvas_known,
    canvas_pixels,
    encode_words,
    layout_state,
    light_units,
    references_of,
    scene_rows,
)
from psdstudio.engine.delivery import Painted, composite_raster, deliver, part_count, previews
from psdstudio.engine.detail import DetailNet, with_detail
from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.memory import keep_freed_memory
from psdstudio.engine.network import KnownRows, SceneNet
from psdstudio.engine.references import Reference
from psdstudio.engine.rows import LIGHT_DIM, MAX_OBJECTS
from psdstudio.engine.sampler import LayoutState, PaintState, sample_appearance, sample_layout
from psdstudio.engine.weights import WeightsInfo, load_detail, load_weights
from psdstudio.errors import EngineFailed, EngineProtocolError
from psdstudio.gen.engine import EngineEvent, EngineInfo, LayoutReady, Preview, Progress, Stage
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.gen.verbs import EMBEDDED_CAPABILITIES
from psdstudio.resources_path import resource_dir

Net = TypeVar("Net", SceneNet, DetailNet)
TITLE = "Embedded (illustration)"
MODEL_FILE = "model/scene.safetensors"
DETAIL_FILE = "model/detail.safetensors"
SMALLEST_BOX, LARGEST_BOX = 0.03, 1.6
"""Boxes the layout path may give, in canvas heights."""
LAYOUT_ATTEMPTS, CROWDED = 4, 0.35
"""A layout in which a free box covers more than this of another one, or is covered, is drawn anew; the best one stays.
Without this a regenerated object now and then stood right in front of a kept one."""
_SHARE = {Stage.ENCODE: 0.02, Stage.LAYOUT: 0.08, Stage.DENOISE: 0.85, Stage.DECODE: 0.05}


class EmbeddedEngine:
    """One loaded network. All calls come from one thread (the worker process's main thread)."""

    def __init__(self, folder: Path | None = None, *, threads: int | None = None) -> None:
        self._folder = folder
        self._threads = threads
        self._net: SceneNet | None = None
        self._detail: DetailNet | None = None
        self._sha256 = ""
        self._encoder: TextEncoder | None = None
        self._library: ReferenceLibrary | None = None
        self._weights: WeightsInfo | None = None

    @property
    def info(self) -> EngineInfo:
        """Identity and limits; valid after load()."""
        assert self._weights is not None, "load() first"
        px = self._weights.look_px
        return EngineInfo(
            key="embedded",
            title=TITLE,
            weights_sha256=self._sha256,
            max_objects=MAX_OBJECTS,
            native_note=f"paints objects at {px * 2} px, the canvas at about {px * 4} px",
            capabilities=EMBEDDED_CAPABILITIES,
        )

    def load(self) -> Iterator[Progress]:
        """Load weights, text encoder and library index. Raises ModelNotFound or ModelLoadFailed."""
        keep_freed_memory()
        torch.set_num_threads(self._threads or min(8, _cores()))
        yield Progress(stage=Stage.LOAD, done=0, total=2, fraction=0.0)
        net, self._weights = load_weights(self._path(MODEL_FILE))
        detail, detail_sha256 = load_detail(self._path(DETAIL_FILE))
        self._net, self._detail = _settled(net), _settled(detail)
        self._sha256 = both_sha256(self._weights.sha256, detail_sha256)
        yield Progress(stage=Stage.LOAD, done=1, total=2, fraction=0.5)
        self._encoder = TextEncoder.load(self._path("text_encoder"))
        self._library = ReferenceLibrary(self._path("library"))
        yield Progress(stage=Stage.LOAD, done=2, total=2, fraction=1.0)

    # As a decorator the mode holds while this generator runs and not while its caller does.
    @torch.inference_mode()
    def generate(self, request: GenerationRequest) -> Generator[EngineEvent, None, GenerationResult]:
        """Make every unknown part jointly; see `gen.engine.Engine`. Closing the generator cancels."""
        if (
            self._net is None
            or self._detail is None
            or self._encoder is None
            or self._library is None
            or self._weights is None
        ):
            raise EngineProtocolError("generate() was called before load()")
        if len(request.objects) > MAX_OBJECTS:
            raise EngineFailed(
                f"This engine paints at most {MAX_OBJECTS} objects together; the scene has {len(request.objects)}.",
                "Nothing was changed. Take some objects out, generate, keep them, and add the others in a second run.",
            )
        yield _progress(Stage.ENCODE, 0, 1)
        words = encode_words(request, self._encoder)
        references = references_of(request, self._library)
        boxes, light = yield from self._arrange(request, words, references)
        return (yield from self._paint(request, words, references, boxes, light))

    def _path(self, part: str) -> Path:
        return self._folder / part if self._folder is not None else resource_dir(part)

    def _arrange(
        self, request: GenerationRequest, words: Words, references: Sequence[Reference | None]
    ) -> Generator[EngineEvent, None, tuple[Tensor, Tensor]]:
        """Layout path: boxes (k, 4) in square units and light (1, 6)."""
        assert self._net is not None
        aspect = request.size.width / request.size.height
        k = len(request.objects)
        given = [None if p.box is None else box_units(p.box, aspect) for p in request.objects]
        if all(b is not None for b in given) and request.light is not None:
            yield _progress(Stage.LAYOUT, 1, 1)
            known = torch.stack([b for b in given if b is not None]) if k else torch.zeros(0, 4)
            return known, light_units(request.light)
        shown = self._picture_to_arrange_by(request, words)
        best: tuple[float, Tensor, Tensor] | None = None
        for attempt in range(LAYOUT_ATTEMPTS):
            state = layout_state(request, words, references, attempt)
            boxes, light = yield from self._one_layout(request, state, given, attempt, shown)
            crowded = crowding(boxes, [box is not None for box in given])
            if best is None or crowded < best[0]:
                best = crowded, boxes, light
            if crowded <= CROWDED:
                break
        assert best is not None
        _, boxes, light = best
        yield LayoutReady(boxes=_boxes_by_id(request, boxes, aspect))
        return boxes, light

    def _picture_to_arrange_by(self, request: GenerationRequest, words: Words) -> KnownRows | None:
        """Return what the layout path is shown: a kept background or a picture to be split."""
        assert self._net is not None and self._weights is not None
        rows = canvas_known(request, canvas_pixels(request.size, self._weights.look_px), words)
        if rows is None:
            return None
        return self._net.know([rows], torch.zeros(1, LIGHT_DIM), words.ground)

    def _one_layout(
        self,
        request: GenerationRequest,
        state: LayoutState,
        given: list[Tensor | None],
        attempt: int,
        shown: KnownRows | None,
    ) -> Generator[EngineEvent, None, tuple[Tensor, Tensor]]:
        """Denoise boxes and light once; only the first attempt is told as progress, the others are a moment more."""
        assert self._net is not None
        aspect, steps = request.size.width / request.size.height, request.sampling.layout_steps
        guidance = request.sampling.layout_guidance
        loop = sample_layout(self._net, state, steps=steps, guidance=guidance, shown=shown)
        with _one_thread():
            units, light = yield from _reported(loop, steps, told=attempt == 0)
        _check_numbers(units, light)
        boxes = _valid_boxes(frames.decode_box(units[0], torch.tensor(aspect)), aspect)
        for i, box in enumerate(given):
            if box is not None:
                boxes[i] = box
        return boxes, light

    def _paint(
        self,
        request: GenerationRequest,
        words: Words,
        references: Sequence[Reference | None],
        boxes: Tensor,
        light: Tensor,
    ) -> Generator[EngineEvent, None, GenerationResult]:
        """Appearance path: all unknown rows jointly, then delivery at document size."""
        assert self._net is not None and self._detail is not None
        assert self._weights is not None
        px = self._weights.look_px
        scene = scene_rows(request, words, boxes, light, look_px=px, references=references)
        if not scene.free:
            raise EngineFailed(
                "Everything in this scene is kept, so there is nothing to paint.",
                "Nothing was changed. Release the pin of a layer and generate again.",
            )
        known = self._net.know(scene.known, light, words.ground) if scene.known else None
        state = PaintState(scene.free, known, light, words.ground, scene.feed, scene.seeds)
        steps = request.sampling.steps
        loop = sample_appearance(self._net, state, steps=steps, guidance=_text_guidance(request))
        painted: Painted | None = None
        for step, rows in loop:
            _check_numbers(*rows.values())
            painted = Painted(scene, rows, light, words)
            yield Preview(
                step=step, rasters=previews(request, painted), composite=composite_raster(request, painted)
            )
            yield _progress(Stage.DENOISE, step, steps)
        assert painted is not None, "at least one step"
        yield _progress(Stage.DECODE, 0, 1)
        finishing = deliver(request, painted, partial(with_detail, self._detail), self.info.weights_sha256)
        return (yield from _decoded(finishing, part_count(painted)))


def _text_guidance(request: GenerationRequest) -> float:
    """Return the scale of text guidance: 1 (none) where a picture or the pixels around a hole say what to paint.

    Guided holes differed more from what surrounds them (27.3 against 28.9 dB on six rendered scenes).
    """
    holes = [request.background.partial, *(part.partial for part in request.objects)]
    given = request.picture is not None or any(hole is not None for hole in holes)
    return 1.0 if given else request.sampling.text_guidance


def both_sha256(scene: str, detail: str) -> str:
    """Return the identity of a pair of weight files from their hashes."""
    return hashlib.sha256((scene + detail).encode("ascii")).hexdigest()


def _settled(net: Net) -> Net:
    """Arrange the weights as the kernels read them.

    Autocast turns every weight into bfloat16 anew in every forward when there are no gradients: an eighth of the time
    of a run with few free layers. Converted once, the results are the same bytes.
    """
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it
    if net.uses_bfloat16:
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.to(torch.bfloat16)
    return net


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread inside: a handful of tokens is no work for two, which only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reported(
    loop: Generator[int, None, tuple[Tensor, Tensor]], steps: int, *, told: bool
) -> Generator[EngineEvent, None, tuple[Tensor, Tensor]]:
    """Run the layout loop to its end, with a progress event after each step where it is `told`."""
    while True:
        try:
            done = next(loop)
        except StopIteration as stop:
            units, light = stop.value
            return units, light
        yield _progress(Stage.LAYOUT, done if told else steps, steps)


def _decoded(
    finishing: Generator[int, None, GenerationResult], parts: int
) -> Generator[EngineEvent, None, GenerationResult]:
    """Run the delivery to its end, with a progress event after each part."""
    while True:
        try:
            done = next(finishing)
        except StopIteration as stop:
            result: GenerationResult = stop.value
            return result
        yield _progress(Stage.DECODE, done, parts)


def _cores() -> int:
    """How many processors this process may use; a container or `taskset` may leave it fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_numbers(*values: Tensor) -> None:
    if not all(bool(value.isfinite().all()) for value in values):
        raise EngineFailed(
            "The engine computed values that are no numbers; nothing was changed.",
            "Try another seed. If it happens again, install PSDStudio again: its weights may be damaged.",
        )


def _progress(stage: Stage, done: int, total: int) -> Progress:
    before = 0.0
    for earlier, share in _SHARE.items():
        if earlier is stage:
            return Progress(stage=stage, done=done, total=total, fraction=before + share * done / total)
        before += share
    raise AssertionError(stage)


def crowding(boxes: Tensor, given: Sequence[bool]) -> float:
    """Return the largest share of the smaller of two boxes (k, 4) that both cover; given pairs do not count."""
    worst = 0.0
    for i, j in combinations(range(len(given)), 2):
        if given[i] and given[j]:
            continue
        low = torch.maximum(boxes[i, :2], boxes[j, :2])
        high = torch.minimum(boxes[i, :2] + boxes[i, 2:], boxes[j, :2] + boxes[j, 2:])
        shared = float((high - low).clamp(min=0).prod())
        worst = max(worst, shared / min(float(boxes[i, 2:].prod()), float(boxes[j, 2:].prod())))
    return worst


def _valid_boxes(boxes: Tensor, aspect: float) -> Tensor:
    """Clamp predicted boxes to sizes that can be painted and to places of which a part is on the canvas."""
    x, y, w, h = boxes.unbind(-1)
    w, h = w.clamp(SMALLEST_BOX, LARGEST_BOX * max(1.0, aspect)), h.clamp(SMALLEST_BOX, LARGEST_BOX)
    x = torch.minimum(torch.maximum(x, -0.6 * w), aspect - 0.4 * w)
    y = torch.minimum(torch.maximum(y, -0.6 * h), 1 - 0.4 * h)
    return torch.stack([x, y, w, h], dim=-1)


def _boxes_by_id(
    request: GenerationRequest, boxes: Tensor, aspect: float
) -> tuple[tuple[LayerId, BoxF], ...]:
    out = []
    for part, box in zip(request.objects, boxes, strict=True):
        x, y, w, h = (float(v) for v in box)
        out.append((part.id, part.box or BoxF(x / aspect, y, w / aspect, h)))
    return tuple(out)
