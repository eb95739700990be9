"""The Engine protocol and the events of a run. An engine is a generator: each yield is progress and a cancel point."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.request import GenerationRequest, GenerationResult, Raster
from psdstudio.gen.verbs import Capability


class Stage(Enum):
    """Phases of a run, in order; the value is what the window says."""

    LOAD = "Loading the engine"
    ENCODE = "Reading the words"
    LAYOUT = "Arranging the scene"
    DENOISE = "Painting all layers"
    DECODE = "Finishing the layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Step `done` of `total` of a stage is finished; `fraction` is the share of the whole run, 0..1."""

    stage: Stage
    done: int
    total: int
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutReady:
    """The boxes of all objects are decided (shown on the canvas at once)."""

    boxes: tuple[tuple[LayerId, BoxF], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The present prediction of every unknown layer, at engine size; `rasters[i].rect` is its place on the canvas.

    The key is the part's layer id; effects are not previewed apart: `composite` shows them.
    """

    step: int
    rasters: tuple[tuple[LayerId, Raster], ...]
    composite: Raster


EngineEvent: TypeAlias = Progress | LayoutReady | Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """What runs cost on the device at hand, so that they can be priced before they start (`gen.costs`).

    Attributes:
        device: What computes, for the user: "NVIDIA RTX 4070 (12 GB)" or "this processor".
        seconds_fixed: Encoding and decoding of a run, for one row.
        seconds_per_row_step: One evaluation of one row at `native_pixels`.
        native_pixels: Pixels of a row that the two figures are for.
        bytes_per_row: Memory that one more row takes at `native_pixels`.
        plans: Showable name and the memory taken by weights, from the fastest way of placing them to the slowest.
        free_bytes: Memory of the device that a run may use.
        moving_seconds: By plan, what moving weights to and fro adds to each step; empty when nothing is moved.
        bytes_per_kept_row: What a kept row leaves behind for the others to read, while they are evaluated.
        kept_each_step: Whether kept layers are evaluated in every step (without a trained adapter) or once.
        steps: How many are taken whatever a request asks, where a few-step adapter is switched on; None: as asked.
        guided: Whether guidance evaluates rows twice; few-step adapters mostly do without.
        second_pass: Share of the steps that larger canvases are painted anew with, tile by tile; 0 for none.
    """

    device: str
    seconds_fixed: float
    seconds_per_row_step: float
    native_pixels: int
    bytes_per_row: int
    plans: tuple[tuple[str, int], ...]
    free_bytes: int
    moving_seconds: tuple[float, ...] = ()
    bytes_per_kept_row: int = 0
    kept_each_step: bool = False
    second_pass: float = 0.0
    steps: int | None = None
    guided: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself once loaded.

    `capabilities` are those that not every engine has; a request that needs another one is not sent to it. One that
    `only_splits` paints no scene from words.
    """

    key: str
    title: str
    weights_sha256: str
    max_objects: int
    native_note: str
    capabilities: frozenset[Capability] = frozenset()
    only_splits: bool = False
    costs: CostModel | None = None


def needed_capabilities(request: GenerationRequest) -> frozenset[Capability]:
    """Return what an engine must be able to do for this request besides what every engine can."""
    needed: set[Capability] = set()
    if request.picture is not None:
        needed.add(Capability.SPLIT)
    if request.background.partial is not None or any(part.partial is not None for part in request.objects):
        needed.add(Capability.FILL)
    if any(part.silhouette is not None for part in request.objects):
        needed.add(Capability.SAME_OUTLINE)
    if any(part.look is not None and part.box is None for part in request.objects):
        needed.add(Capability.NEW_PLACE)
    elif request.background.look is not None and all(part.look is not None for part in request.objects):
        needed.add(Capability.CONTACTS)  # nothing else is left to be made
    return frozenset(needed)


def refusal_of(request: GenerationRequest, info: EngineInfo) -> ModelIncompatible | None:
    """Return why this engine cannot do what a request asks; None when it can."""
    count = len(request.objects)
    if count > info.max_objects:
        return ModelIncompatible(
            f"This scene has {count} objects; {info.title} paints at most {info.max_objects}.",
            f"Leave {count - info.max_objects} of them out; objects that are hidden do not count.",
        )
    if info.only_splits and request.picture is None:
        return ModelIncompatible(
            f"The engine “{info.title}” only splits pictures into layers; it paints no scene from words.",
            "Nothing was changed. Choose another engine.",
        )
    missing = needed_capabilities(request) - info.capabilities
    if missing:
        what = " or ".join(sorted(capability.value for capability in missing))
        return ModelIncompatible(
            f"The engine “{info.title}” cannot {what}.", "Nothing was changed. Choose another engine."
        )
    return None


class Engine(Protocol):
    """One loaded model. All calls come from one thread of the worker process."""

    @property
    def info(self) -> EngineInfo:
        """Identity and limits; valid after load()."""

    def load(self) -> Iterator[Progress]:
        """Load weights, yielding progress. Raises ModelError when a file is missing or does not fit."""

    def generate(self, request: GenerationRequest) -> Generator[EngineEvent, None, GenerationResult]:
        """Make every unknown part of `request`. Closing the generator cancels; nothing is left behind."""
