"""What an engine is asked and what it answers: complete, picklable values. Pixels travel as uint8 arrays.

A scene is a set of parts, each known or unknown; every verb of the product is a choice of what is known
(generate: nothing; keep and regenerate: the kept ones; new look: everything but one look). Known parts are
conditions and cannot be in a result: `GenerationResult` refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Light
from psdstudio.errors import EngineProtocolError
from psdstudio.gen.model_files import LoraUse

U8Rgba = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Straight-alpha RGBA8 pixels (h, w, 4) at a place of the canvas; `rect` in canvas pixels may reach outside.

    `native_size` is the size the engine painted at before resampling to `rect`.
    """

    rgba: U8Rgba
    rect: Rect
    native_size: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartlyKnown:
    """Pixels of a part of which some are to be made: those where `unknown` (h, w), the size of `raster`, is True.

    Raises:
        EngineProtocolError: the mask has another size than the raster, or nothing is unknown.
    """

    raster: Raster
    unknown: Mask

    def __post_init__(self) -> None:
        if self.unknown.shape != self.raster.rgba.shape[:2]:
            raise EngineProtocolError(
                f"a mask of {self.unknown.shape} for a raster of {self.raster.rgba.shape}"
            )
        if not self.unknown.any():
            raise EngineProtocolError("nothing of a partly known raster is unknown")

    def kept_in(self, made: Raster | None) -> bool:
        """Whether `made` lies at the same place and has every known pixel, to the byte."""
        if made is None or made.rect != self.raster.rect or made.rgba.shape != self.raster.rgba.shape:
            return False
        return bool((made.rgba == self.raster.rgba)[~self.unknown].all())


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPart:
    """One object of the scene, back to front in `GenerationRequest.objects`.

    A field that is None is unknown and will be generated: `box` (layout: the object's alpha box in canvas fractions),
    `look` (the whole object's RGBA), `shadow`, `reflection`. `engine_words` is what the network reads; `name` what the
    user calls it. `reference` is an RGBA picture that guides the look; `use_library` lets the engine take one from its
    library. With `follow_reference` the look is the very thing in that picture, under the light of the scene; without
    it another one of its kind. `negative_words` say what it must not show and `loras` what styles it; the engines that
    have no such thing read neither (`Capability.NEGATIVE_WORDS`, `Capability.LORAS`).

    At most one of three says what is known of the look: `look` itself; `silhouette`, of which the alpha is kept and
    the colour is made; `partial`, of which some pixels are made. Each needs a known `box`, except that a `look` without
    one is a look to be put somewhere else: its box is made with the aspect it has, its pixels are not.
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
    silhouette: Raster | None = None
    partial: PartlyKnown | None = None
    reference: U8Rgba | None = None
    use_library: bool = True
    follow_reference: bool = True
    negative_words: str = ""
    loras: tuple[LoraUse, ...] = ()

    def __post_init__(self) -> None:
        said = [known for known in (self.look, self.silhouette, self.partial) if known is not None]
        if len(said) > 1:
            raise EngineProtocolError(f"more than one thing is said of the look of {self.id}")
        if said and self.look is None and self.box is None:
            raise EngineProtocolError(f"the look of {self.id} is known in part, but not its box")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundPart:
    """The clean plate; generated when `look` is None, where `partial` says it is unknown if that is given."""

    id: LayerId
    engine_words: str
    seed: int
    look: Raster | None = None
    partial: PartlyKnown | None = None
    negative_words: str = ""
    loras: tuple[LoraUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Steps of the appearance path and the two guidance scales (layout path, appearance path).

    An engine may leave text guidance out where pixels of the picture say what to paint.
    """

    steps: int = 16
    layout_steps: int = 16
    text_guidance: float = 2.0
    layout_guidance: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Everything that affects a result. `size` is the document's canvas in pixels.

    `profile` is the space of all pixels in it. Engines are given and give sRGB (None): `psdstudio.jobs.colours`.

    `picture` is a flat picture of the whole canvas to be split into the parts: they are to give it back when stacked.
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
    picture: Raster | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1
    profile: ColourProfile | None = None

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
    layer. `notes` are sentences that the user should read: what was done otherwise than asked, and why.

    Raises:
        EngineProtocolError: a kept part is in the result, a free one is missing, or known pixels of one were changed.
    """

    request: GenerationRequest
    background: Raster | None
    objects: tuple[ObjectResult, ...]
    light: Light
    composite: Raster
    weights_sha256: str
    notes: tuple[str, ...] = ()

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
        self._check_partly_known()

    def _check_partly_known(self) -> None:
        partial = self.request.background.partial
        if partial is not None and not partial.kept_in(self.background):
            raise EngineProtocolError("the engine changed known pixels of the background")
        looks = {part.id: part.look for part in self.objects}
        for asked in self.request.objects:
            made = looks.get(asked.id)
            if asked.partial is not None and not asked.partial.kept_in(made):
                raise EngineProtocolError(f"the engine changed known pixels of {asked.id}")
            if asked.silhouette is not None and not _same_alpha(asked.silhouette, made):
                raise EngineProtocolError(f"the engine changed the silhouette of {asked.id}")


def _same_alpha(asked: Raster, made: Raster | None) -> bool:
    if made is None or made.rect != asked.rect or made.rgba.shape != asked.rgba.shape:
        return False
    return bool((made.rgba[..., 3] == asked.rgba[..., 3]).all())
