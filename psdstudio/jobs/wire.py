"""The messages between the program and its worker: frozen, picklable, versioned.

Known pixels travel once, in the request; a result does not bring them back.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TypeAlias

from psdstudio.core.scene import Light
from psdstudio.errors import EngineProtocolError
from psdstudio.gen.engine import EngineEvent, EngineInfo, Progress
from psdstudio.gen.fake import FakeScript
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectResult, Raster
from psdstudio.jobs.job import JobId
from psdstudio.jobs.report import ErrorReport

PROTOCOL_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """How to start a worker. `threads` caps the engine's compute threads (None: one per core).

    `protocol` is what the child will say it speaks; it differs from PROTOCOL_VERSION in tests alone.
    """

    engine: str
    threads: int | None = None
    log_folder: str | None = None
    log_level: int = logging.INFO
    nice: int = 10
    setup: EngineSetup = field(default_factory=EngineSetup)
    fake: FakeScript | None = None
    protocol: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run a request; sent only to a worker that is ready and idle."""

    job_id: JobId
    request: GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Quit:
    """End the process when the present run is over."""


ToWorker: TypeAlias = Run | Quit


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First message of every worker."""

    protocol: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A step of loading is done."""

    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Loaded and idle."""

    info: EngineInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailed:
    """Loading failed; the process ends."""

    report: ErrorReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """The engine yielded an event."""

    job_id: JobId
    event: EngineEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The parts of a result; the request itself does not travel back."""

    job_id: JobId
    background: Raster | None
    objects: tuple[ObjectResult, ...]
    light: Light
    composite: Raster
    weights_sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed:
    """The run ended with an exception; the process lives."""

    job_id: JobId
    report: ErrorReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The run was cancelled; the process is idle again."""

    job_id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A log record of the child."""

    name: str
    level: int
    text: str
    job: str


FromWorker: TypeAlias = Hello | Loading | Ready | LoadFailed | Happened | Done | RunFailed | Stopped | LogLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The worker is gone (said by this side); `garbled` when its last message could not be read."""

    exit_code: int | None
    garbled: str = ""


def to_done(job_id: JobId, result: GenerationResult) -> Done:
    """Return the message that carries a result."""
    return Done(
        job_id=job_id,
        background=result.background,
        objects=result.objects,
        light=result.light,
        composite=result.composite,
        weights_sha256=result.weights_sha256,
        notes=result.notes,
    )


def to_result(done: Done, request: GenerationRequest) -> GenerationResult:
    """Return the result, checked again on this side of the pipe.

    Raises:
        EngineProtocolError: It holds a kept part, lacks a free one, changed known pixels, distorted a look that was to
            be moved, or a raster does not fit its rectangle.
    """
    result = GenerationResult(
        request=request,
        background=done.background,
        objects=done.objects,
        light=done.light,
        composite=done.composite,
        weights_sha256=done.weights_sha256,
        notes=done.notes,
    )
    if (
        result.composite.rgba.ndim != 3
        or result.composite.rgba.shape[2] != 4
        or result.composite.rgba.dtype != "uint8"
    ):
        raise EngineProtocolError(
            f"The engine returned a whole picture of shape {result.composite.rgba.shape}."
        )
    rasters = [result.background]
    for part in result.objects:
        rasters += [part.look, part.shadow, part.reflection]
    for raster in rasters:
        if raster is not None:
            _check_raster(raster)
    _check_moved(result)
    return result


def _check_moved(result: GenerationResult) -> None:
    """Raise EngineProtocolError when a look that was to be moved has no sound box of its own aspect, within 2 px."""
    size = result.request.size
    boxes = {part.id: part.box for part in result.objects}
    for part in result.request.objects:
        if part.look is None or part.box is not None:
            continue
        box = boxes.get(part.id)
        if box is None:
            raise EngineProtocolError(f"The engine left out the place of {part.id}.")
        numbers = (box.x, box.y, box.width, box.height)
        if not all(map(math.isfinite, numbers)) or min(box.width, box.height) <= 0:
            raise EngineProtocolError(f"The engine returned no sound place for {part.id}: {numbers}.")
        rect = part.look.rect
        height = box.width * size.width * rect.height / rect.width
        if abs(height - box.height * size.height) > 2:
            raise EngineProtocolError(f"The engine distorted {part.id}, which it was to move.")


def _check_raster(raster: Raster) -> None:
    """Raise EngineProtocolError when the pixels are not uint8 RGBA of the size of their rectangle."""
    wanted = (raster.rect.height, raster.rect.width, 4)
    if raster.rgba.shape != wanted or raster.rgba.dtype.name != "uint8":
        raise EngineProtocolError(
            f"The engine returned pixels of {raster.rgba.dtype} {raster.rgba.shape} instead of {wanted}."
        )
