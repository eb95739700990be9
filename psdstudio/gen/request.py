"""What an engine is asked and what it answers: complete, picklable values. Pixels travel as uint8 arrays.

A scene is a set of parts, each known or unknown; every verb of the product is a choice of what is known
(generate: nothing; keep and regenerate: the kept ones; new look: everything but one look). Known parts are
conditions and cannot be in a result: `GenerationResult` refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Light
from psdstudio.errors import EngineProtocolError

U8Rgba = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Straight-alpha sRGB RGBA8 pixels (h, w, 4) at a place of the canvas; `rect` in canvas pixels may reach outside.

    `native_size` is the size the engine painted at before resampling to `rect`.
    """

    rgba: U8Rgba
    rect: Rect
    native_size: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPart:
    """One object of the scene, back to front in `GenerationRequest.objects`.

    A field that is None is unknown and will be generated: `box` (layout: the object's alpha box in canvas fractions),
    `look` (the whole object's RGBA), `shadow`, `reflection`. A known `look` needs a known `box`. `engine_words` is
    what the network reads; `name` what the user calls it. `reference` is an RGBA picture that guides the look;
    `use_library` lets the engine take one from its library.
    """

    id: LayerId
    name: str
    engine_words: str
    seed: int
    box: BoxF | None = None
    look: Raster | None = None
    shadow: Raster | None = None
    reflection: Raster | None = None
    effects_known: bool = False
    reference: U8Rgba | None = None
    use_library: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundPart:
    """The clean plate; generated when `look` is None."""

    id: LayerId
    engine_words: str
    seed: int
    look: Raster | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Steps of the appearance path and the two guidance scales (layout path, appearance path)."""

    steps: int = 16
    layout_steps: int = 16
    text_guidance: float = 2.0
    layout_guidance: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Everything that affects a result. `size` is the document's canvas in pixels.

    `seed` is the seed of the whole run, from which the parts' seeds were derived: layout and light use it, and the
    recipe keeps it.
    """

    run_id: str
    engine: str
    size: Size
    scene_words: str
    background: BackgroundPart
    objects: tuple[ObjectPart, ...]
    light: Light | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1

    @property
    def known_ids(self) -> frozenset[LayerId]:
        """Ids of parts whose look is kept."""
        kept = {part.id for part in self.objects if part.look is not None}
        if self.background.look is not None:
            kept.add(self.background.id)
        return frozenset(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectResult:
    """What was made for one object; None for parts that were known. An empty reflection is None too (matt ground)."""

    id: LayerId
    box: BoxF
    look: Raster | None = None
    shadow: Raster | None = None
    reflection: Raster | None = None
    effects_made: bool = True
    library_item: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult:
    """All unknown parts of a request, made jointly; never a kept one.

    `composite` is the engine's own picture of the whole scene: at engine size, not resampled to its `rect`, never a
    layer.

    Raises:
        EngineProtocolError: a kept part is in the result, or a free one is missing.
    """

    request: GenerationRequest
    background: Raster | None
    objects: tuple[ObjectResult, ...]
    light: Light
    composite: Raster
    weights_sha256: str

    def __post_init__(self) -> None:
        kept = self.request.known_ids
        made = {part.id for part in self.objects if part.look is not None}
        if self.background is not None:
            made.add(self.request.background.id)
        wanted = {part.id for part in self.request.objects} | {self.request.background.id}
        if made & kept:
            raise EngineProtocolError(f"the engine returned kept layers {sorted(made & kept)}")
        if wanted - kept - made:
            raise EngineProtocolError(f"the engine left out layers {sorted(wanted - kept - made)}")
        frozen = {part.id for part in self.request.objects if part.effects_known}
        for part in self.objects:
            if part.id in frozen and (
                part.shadow is not None or part.reflection is not None or part.effects_made
            ):
                raise EngineProtocolError(f"the engine returned kept effects of {part.id}")
