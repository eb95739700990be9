"""What the runner tells its subscribers. Every job ends with exactly one of finished, failed and cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.gen.engine import EngineInfo, Preview, Stage
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.jobs.job import JobId
from psdstudio.jobs.report import ErrorReport


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """The job has left the queue; the engine may still be loading."""

    job_id: JobId
    request: GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """Step `done` of `total` of a stage. `fraction` is the share of the whole run, 0..1; while loading, of
    the load.

    `eta_s`: seconds left as measured in this run; None as long as nobody can know.
    """

    job_id: JobId
    stage: Stage
    done: int
    total: int
    fraction: float
    eta_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLayout:
    """Where the objects will be, in canvas fractions."""

    job_id: JobId
    boxes: tuple[tuple[LayerId, BoxF], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreview:
    """The newest preview; at most five a second, older ones are left out."""

    job_id: JobId
    preview: Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """The result; it is already on disk."""

    job_id: JobId
    result: GenerationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """The job came to nothing, or (recovery SAVE_AGAIN) its result waits for room on disk."""

    job_id: JobId
    report: ErrorReport


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled:
    """The job was stopped as asked; no later event of it follows."""

    job_id: JobId


class EnginePhase(Enum):
    """Life of the worker as the window shows it."""

    LOADING = "loading"
    READY = "ready"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """The worker changed. `info` with READY; `report` when it stopped of a fault; `fraction` of the load, 0..1."""

    phase: EnginePhase
    info: EngineInfo | None = None
    report: ErrorReport | None = None
    fraction: float = 0.0


JobEvent: TypeAlias = (
    JobStarted | JobProgress | JobLayout | JobPreview | JobFinished | JobFailed | JobCancelled | EngineState
)
