"""FakeEngine: the Engine protocol without a network, for tests and interface work. Deterministic, no torch.

It is reached by the engine key "fake" alone; nothing falls back to it, and its pixels never ship.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Light
from psdstudio.errors import ModelNotFound
from psdstudio.gen.engine import CostModel, EngineEvent, EngineInfo, LayoutReady, Preview, Progress, Stage
from psdstudio.gen.fake_repaint import cut_from, other_place, repainted
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectPart, ObjectResult, Raster
from psdstudio.gen.verbs import EMBEDDED_CAPABILITIES, Capability

FAKE_KEY = "fake"
_PREVIEW_SIDE = 64
_CRASH_EXIT_CODE = 41


class Fault(Enum):
    """What a scripted run does instead of finishing."""

    CRASH = "crash"
    HANG = "hang"
    OUT_OF_MEMORY = "out of memory"
    RAISE = "raise"
    KEPT_LAYER = "kept layer in the result"
    WRONG_SHAPE = "raster of another size than its rectangle"
    FOREIGN_EVENT = "event of no known type"
    LOAD_MISSING = "a model file is missing"
    LOAD_HANG = "loading never ends"
    LOAD_CRASH = "the process dies while loading"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeScript:
    """How the fake behaves. `faults` maps run ids to faults ("*": every run); they strike at step 1.

    `modules_file`: where to write the names of all imported modules, one a line, at the start of each run.
    """

    step_delay_s: float = 0.0
    load_delay_s: float = 0.0
    faults: tuple[tuple[str, Fault], ...] = ()
    load_fault: Fault | None = None
    max_objects: int = 6
    modules_file: str | None = None
    title: str = "Fake engine"
    capabilities: frozenset[Capability] = EMBEDDED_CAPABILITIES
    only_splits: bool = False
    costs: CostModel | None = None
    notes: tuple[str, ...] = ()

    def fault_for(self, run_id: str) -> Fault | None:
        """Return the fault of a run; None when it is to succeed."""
        return next((fault for key, fault in self.faults if key in (run_id, "*")), None)


@dataclass(slots=True)
class FakeEngine:
    """Paints ellipses. Owned by the worker's one thread."""

    script: FakeScript = field(default_factory=FakeScript)

    @property
    def info(self) -> EngineInfo:
        """Identity; the weights' hash is made up."""
        return EngineInfo(
            key=FAKE_KEY,
            title=self.script.title,
            weights_sha256="0" * 64,
            max_objects=self.script.max_objects,
            native_note="64 px",
            capabilities=self.script.capabilities,
            only_splits=self.script.only_splits,
            costs=self.script.costs,
        )

    def load(self) -> Iterator[Progress]:
        """Pretend to load in two steps."""
        for done in (1, 2):
            time.sleep(self.script.load_delay_s / 2)
            _strike_while_loading(self.script.load_fault)
            yield Progress(stage=Stage.LOAD, done=done, total=2, fraction=done / 2)

    def generate(self, request: GenerationRequest) -> Generator[EngineEvent, None, GenerationResult]:
        """Lay out, "denoise" and return ellipses; same request, same bytes."""
        fault = self.script.fault_for(request.run_id)
        if self.script.modules_file is not None:
            _write_modules(self.script.modules_file)
        total = request.sampling.steps
        yield Progress(stage=Stage.ENCODE, done=1, total=1, fraction=0.02)
        yield Progress(stage=Stage.LAYOUT, done=1, total=1, fraction=0.1)
        boxes = {part.id: part.box or _free_box(part, request.size) for part in request.objects}
        yield LayoutReady(boxes=tuple(boxes.items()))
        for step in range(1, total + 1):
            time.sleep(self.script.step_delay_s)
            _strike(fault)
            if fault is Fault.FOREIGN_EVENT:
                yield "not an event"  # type: ignore[misc]  # the violation this fault is about
            yield Progress(stage=Stage.DENOISE, done=step, total=total, fraction=0.1 + 0.85 * step / total)
            yield _preview(request, boxes, step)
        yield Progress(stage=Stage.DECODE, done=1, total=1, fraction=1.0)
        return _result(request, boxes, fault, self.script.notes)


def _strike_while_loading(fault: Fault | None) -> None:
    if fault is Fault.LOAD_MISSING:
        raise ModelNotFound("A file of the model is missing: fake.safetensors", "Install PSDStudio again.")
    if fault is Fault.LOAD_CRASH:
        os._exit(_CRASH_EXIT_CODE)
    if fault is Fault.LOAD_HANG:
        _hang()


def _strike(fault: Fault | None) -> None:
    if fault is Fault.CRASH:
        os._exit(_CRASH_EXIT_CODE)
    if fault is Fault.HANG:
        _hang()
    if fault is Fault.OUT_OF_MEMORY:
        raise MemoryError("scripted")
    if fault is Fault.RAISE:
        raise ZeroDivisionError("scripted")


def _hang() -> None:
    while True:
        time.sleep(3600)


def _write_modules(path: str) -> None:
    import sys

    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(sorted(sys.modules)))


def _digest(part_id: LayerId, seed: int, words: str) -> bytes:
    return hashlib.sha256(f"{part_id}:{seed}:{words}".encode("utf-8", "replace")).digest()


def _box(part: ObjectPart) -> BoxF:
    key = _digest(part.id, part.seed, part.engine_words)
    width, height = 0.2 + key[0] / 1024, 0.2 + key[1] / 1024
    return BoxF(0.05 + key[2] / 255 * (0.9 - width), 0.35 + key[3] / 255 * (0.6 - height), width, height)


def _free_box(part: ObjectPart, canvas: Size) -> BoxF:
    if part.look is None:
        return _box(part)
    key = _digest(part.id, part.seed, part.engine_words)
    return other_place(part.look.rect.size, canvas, key[7:10])


def _ellipse(rect: Rect, color: tuple[int, int, int], alpha: int) -> Raster:
    """A soft-edged ellipse that fills `rect`."""
    y = (np.arange(rect.height, dtype=np.float32) + 0.5) / rect.height * 2 - 1
    x = (np.arange(rect.width, dtype=np.float32) + 0.5) / rect.width * 2 - 1
    inside = np.clip((1.05 - np.hypot(x[None, :], y[:, None])) * 10, 0, 1)
    rgba = np.empty((rect.height, rect.width, 4), np.uint8)
    rgba[..., :3] = color
    rgba[..., 3] = np.maximum(1, (inside * alpha)).astype(np.uint8)
    return Raster(rgba=rgba, rect=rect, native_size=Size(64, 64))


def _color(part_id: LayerId, seed: int, words: str) -> tuple[int, int, int]:
    key = _digest(part_id, seed, words)
    return key[4], key[5], key[6]


def _background(request: GenerationRequest, size: Size) -> Raster:
    part = request.background
    if request.picture is not None:
        return request.picture
    top = np.array(_color(part.id, part.seed, part.engine_words), np.float32)
    ramp = np.linspace(1.0, 0.5, size.height, dtype=np.float32)[:, None, None]
    rgba = np.full((size.height, size.width, 4), 255, np.uint8)
    rgba[..., :3] = (ramp * top).astype(np.uint8)
    if part.partial is not None and size == request.size:
        rgba = np.where(part.partial.unknown[..., None], rgba, part.partial.raster.rgba)
    return Raster(rgba=rgba, rect=Rect(0, 0, size.width, size.height), native_size=Size(64, 64))


def _looks(request: GenerationRequest, boxes: dict[LayerId, BoxF], size: Size) -> dict[LayerId, Raster]:
    """The free looks at the resolution of `size`; those of which something is known, at that of the document."""
    looks = {}
    for part in request.objects:
        color = _color(part.id, part.seed, part.engine_words)
        if part.silhouette is not None or part.partial is not None:
            looks[part.id] = repainted(part.silhouette, part.partial, color)
        elif part.look is None:
            ellipse = _ellipse(boxes[part.id].to_rect(size), color, 255)
            looks[part.id] = (
                ellipse if request.picture is None else cut_from(request.picture, ellipse, request.size, size)
            )
    return looks


def _preview(request: GenerationRequest, boxes: dict[LayerId, BoxF], step: int) -> Preview:
    longest = max(request.size)
    small = Size(
        max(1, request.size.width * _PREVIEW_SIDE // longest),
        max(1, request.size.height * _PREVIEW_SIDE // longest),
    )
    canvas = Rect(0, 0, *request.size)
    rasters = [
        (layer_id, replace(raster, rect=_preview_rect(raster, boxes[layer_id], request, small)))
        for layer_id, raster in _looks(request, boxes, small).items()
    ]
    background = replace(_background(request, small), rect=canvas)
    if request.background.look is None:
        rasters.insert(0, (request.background.id, background))
    return Preview(step=step, rasters=tuple(rasters), composite=background)


def _preview_rect(raster: Raster, box: BoxF, request: GenerationRequest, small: Size) -> Rect:
    return box.to_rect(request.size) if raster.rect == box.to_rect(small) else raster.rect


def _effects(part: ObjectPart, box: BoxF, size: Size) -> tuple[Raster | None, Raster | None]:
    """Shadow (black) and reflection; every second seed stands on matt ground and has none."""
    body = box.to_rect(size)
    low = Rect(body.x, body.bottom - max(1, body.height // 8), body.width, max(1, body.height // 4))
    shadow = _ellipse(low, (0, 0, 0), 120)
    mirrored = Rect(body.x, body.bottom, body.width, max(1, body.height // 2))
    reflection = _ellipse(mirrored, _color(part.id, part.seed, part.engine_words), 60)
    return shadow, (reflection if part.seed % 2 else None)


def _result(
    request: GenerationRequest, boxes: dict[LayerId, BoxF], fault: Fault | None, notes: tuple[str, ...]
) -> GenerationResult:
    looks = _looks(request, boxes, request.size)
    objects = []
    for part in request.objects:
        shadow, reflection = (
            (None, None)
            if part.effects_known or request.picture is not None  # its shadows are in the picture
            else _effects(part, boxes[part.id], request.size)
        )
        look = looks.get(part.id)
        if fault is Fault.KEPT_LAYER:
            look = _ellipse(boxes[part.id].to_rect(request.size), (255, 0, 0), 255)
        if fault is Fault.WRONG_SHAPE and look is not None:
            look = replace(look, rgba=look.rgba[:-1])
        objects.append(
            ObjectResult(
                id=part.id,
                box=boxes[part.id],
                look=look,
                shadow=shadow if part.shadow is None else None,
                reflection=reflection if part.reflection is None else None,
                effects_made=not part.effects_known,
            )
        )
    background = _background(request, request.size)
    known_background = request.background.look is not None and fault is not Fault.KEPT_LAYER
    return GenerationResult(
        request=request,
        background=None if known_background else background,
        objects=tuple(objects),
        light=request.light or Light(azimuth_deg=60.0, elevation_deg=40.0, softness=0.5, horizon=0.5),
        composite=background,
        weights_sha256="0" * 64,
        notes=notes,
    )
