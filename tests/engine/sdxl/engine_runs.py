"""Runs of the photoreal engine on a tiny SDXL: requests, results as bytes, kept layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.device import Precision
from psdstudio.engine.sdxl.engine import PhotorealEngine
from psdstudio.gen.engine import (
    EngineEvent,
)
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.request import (
    BackgroundPart,
    GenerationRequest,
    GenerationResult,
    ObjectPart,
    Raster,
    Sampling,
)

FLOAT = Precision(torch.float32, torch.float32)
SIZE = Size(150, 120)
GROUND = BackgroundPart(id=LayerId("ground"), engine_words="a beach at dusk", seed=3)
FOX = ObjectPart(id=LayerId("fox"), name="fox", engine_words="a red fox", seed=5)
BOAT = ObjectPart(id=LayerId("boat"), name="boat", engine_words="a boat", seed=6)
Placed = tuple[Rect, bytes]


def small(setup: EngineSetup) -> EngineSetup:
    """Return the setup with a canvas of about 128 x 128."""
    return replace(setup, photoreal=replace(setup.photoreal, side_px=128))


def loaded(setup: EngineSetup) -> PhotorealEngine:
    """Return a loaded engine that paints at 128 x 128."""
    torch.set_num_threads(1)
    made = PhotorealEngine(small(setup), precision=FLOAT)
    fractions = [progress.fraction for progress in made.load()]
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)
    return made


def request(
    *objects: ObjectPart, background: BackgroundPart = GROUND, size: Size = SIZE
) -> GenerationRequest:
    """A request of two steps."""
    return GenerationRequest(
        run_id="r", engine="sdxl", size=size, scene_words="", background=background, objects=objects, seed=9,
        sampling=Sampling(steps=2, text_guidance=5.0),
    )  # fmt: skip


def run(engine: PhotorealEngine, asked: GenerationRequest) -> tuple[GenerationResult, list[EngineEvent]]:
    """Run to the end."""
    running = engine.generate(asked)
    events: list[EngineEvent] = []
    while True:
        try:
            events.append(next(running))
        except StopIteration as stop:
            result: GenerationResult = stop.value
            return result, events


def pixels(result: GenerationResult) -> dict[str, Placed]:
    """Return every layer of a result as bytes."""
    rasters = {"background": result.background, "composite": result.composite}
    for made in result.objects:
        rasters |= {f"{made.id} look": made.look, f"{made.id} shadow": made.shadow}
    return {name: (r.rect, r.rgba.tobytes()) for name, r in rasters.items() if r is not None}


def painted(rect: Rect, colour: tuple[int, int, int] = (200, 60, 20)) -> Raster:
    """A kept look: an ellipse."""
    y, x = np.mgrid[0 : rect.height, 0 : rect.width]
    inside = np.hypot((x + 0.5) / rect.width - 0.5, (y + 0.5) / rect.height - 0.5) < 0.5
    rgba = np.zeros((rect.height, rect.width, 4), np.uint8)
    rgba[inside] = (*colour, 255)
    return Raster(rgba=rgba, rect=rect)


def kept(part: ObjectPart, rect: Rect, colour: tuple[int, int, int] = (200, 60, 20)) -> ObjectPart:
    """The object with a look that is kept."""
    return replace(part, look=painted(rect, colour), box=BoxF.from_rect(rect, SIZE), effects_known=True)


def sky(colour: tuple[int, int, int]) -> BackgroundPart:
    """A kept background of one colour."""
    rgba = np.full((SIZE.height, SIZE.width, 4), (*colour, 255), np.uint8)
    return replace(GROUND, look=Raster(rgba=rgba, rect=Rect(0, 0, *SIZE)))
