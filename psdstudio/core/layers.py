"""Layers as Photoshop knows them (pixels, groups, adjustments, masks, modes, locks, labels), and what was generated.

Every value is frozen. A layer is found by its `LayerId`, never by its position.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NewType, TypeAlias

from psdstudio.core.adjustments import Adjustment
from psdstudio.core.foreign import Foreign
from psdstudio.core.geometry import BoxF, Point, Size
from psdstudio.core.tiles import TileGrid

LayerId = NewType("LayerId", str)
ORIGIN = Point(0, 0)


def new_layer_id() -> LayerId:
    """Return an identifier that no other layer has (random, 32 hexadecimal digits)."""
    return LayerId(uuid.uuid4().hex)


class BlendMode(Enum):
    """The 27 PSD blend modes and a group's pass through; the value is the key in a PSD layer record."""

    PASS_THROUGH = "pass"
    NORMAL = "norm"
    DISSOLVE = "diss"
    DARKEN = "dark"
    MULTIPLY = "mul "
    COLOR_BURN = "idiv"
    LINEAR_BURN = "lbrn"
    DARKER_COLOR = "dkCl"
    LIGHTEN = "lite"
    SCREEN = "scrn"
    COLOR_DODGE = "div "
    LINEAR_DODGE = "lddg"
    LIGHTER_COLOR = "lgCl"
    OVERLAY = "over"
    SOFT_LIGHT = "sLit"
    HARD_LIGHT = "hLit"
    VIVID_LIGHT = "vLit"
    LINEAR_LIGHT = "lLit"
    PIN_LIGHT = "pLit"
    HARD_MIX = "hMix"
    DIFFERENCE = "diff"
    EXCLUSION = "smud"
    SUBTRACT = "fsub"
    DIVIDE = "fdiv"
    HUE = "hue "
    SATURATION = "sat "
    COLOR = "colr"
    LUMINOSITY = "lum "


class Lock(Enum):
    """Photoshop's edit locks; the value is the bit in the PSD block `lspf`."""

    TRANSPARENCY = 1
    PIXELS = 2
    POSITION = 4
    ALL = 0x80000000


class Label(Enum):
    """Colour labels; the value is the index in the PSD block `lclr`."""

    NONE = 0
    RED = 1
    ORANGE = 2
    YELLOW = 3
    GREEN = 4
    BLUE = 5
    VIOLET = 6
    GRAY = 7


class Role(Enum):
    """Which part of a generated scene a layer is (a group stands for a whole object)."""

    BACKGROUND = "background"
    OBJECT_GROUP = "object group"
    OBJECT = "object"
    SHADOW = "shadow"
    REFLECTION = "reflection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What makes a generated layer again: engine, weights, request seed and words."""

    engine: str
    weights_sha256: str
    seed: int
    steps: int
    guidance: float
    words: str
    run_id: str
    library_item: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraUse:
    """A LoRA given to a layer: the `title` of a model file of that kind and its weight, 0..2 (1 = as trained)."""

    title: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The tie between a layer and the scene: role, words, box, and whether it is kept.

    `keep` pins the layer for generation: it is a condition and can never be in a result (not an edit lock).
    `words` is what the user asked this layer to show; `box` the object's layout box in canvas fractions
    (object groups only); `box_is_users` says that the user placed it. `native_size` is the size at which the
    engine painted the pixels, None when they were not painted by an engine. `stale_contacts` marks an object
    whose shadow and reflection no longer fit what they fall on. `negative` says what must not be painted, `loras` what
    styles it (object groups and the background only; engines without such things read neither).
    """

    role: Role
    words: str = ""
    keep: bool = False
    box: BoxF | None = None
    box_is_users: bool = False
    native_size: Size | None = None
    recipe: Recipe | None = None
    stale_contacts: bool = False
    is_new: bool = False
    negative: str = ""
    loras: tuple[LoraUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProps:
    """Everything in a layer's row and header that is not pixels.

    `opacity` and `fill` are 0..255 as PSD stores them.
    """

    name: str
    visible: bool = True
    opacity: int = 255
    fill: int = 255
    blend_mode: BlendMode = BlendMode.NORMAL
    clipping: bool = False
    locks: frozenset[Lock] = frozenset()
    label: Label = Label.NONE
    expanded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A raster mask: one channel, 255 shows, 0 hides; outside its tiles it holds `pixels.fill`.

    `offset` places its pixel (0, 0) on the canvas. A `linked` mask moves with its layer.
    """

    pixels: TileGrid
    offset: Point = ORIGIN
    enabled: bool = True
    linked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelLayer:
    """A raster layer of straight-alpha RGBA in the document's colour space.

    Its pixel (0, 0) stands at canvas position `offset`.
    """

    id: LayerId = field(default_factory=new_layer_id)
    props: LayerProps
    pixels: TileGrid = field(default_factory=TileGrid)
    offset: Point = ORIGIN
    mask: Mask | None = None
    part: Part | None = None
    foreign: Foreign | None = None

    def with_props(self, **changes: object) -> PixelLayer:
        """Return the layer with some properties replaced."""
        return replace(self, props=replace(self.props, **changes))  # type: ignore[arg-type]  # checked by the dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLayer:
    """A group.

    `children` are ordered bottom to top. PASS_THROUGH lets children blend with what is below the group.
    """

    id: LayerId = field(default_factory=new_layer_id)
    props: LayerProps
    children: tuple[Layer, ...] = ()
    mask: Mask | None = None
    part: Part | None = None
    foreign: Foreign | None = None

    def with_props(self, **changes: object) -> GroupLayer:
        """Return the group with some properties replaced."""
        return replace(self, props=replace(self.props, **changes))  # type: ignore[arg-type]  # checked by the dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentLayer:
    """Changes the colours of what is below it in its group, and of the base alone when it is clipped.

    It has no pixels and no place; `mask` says where it works, and without one it works everywhere.
    """

    id: LayerId = field(default_factory=new_layer_id)
    props: LayerProps
    adjustment: Adjustment
    mask: Mask | None = None
    part: Part | None = None
    foreign: Foreign | None = None

    def with_props(self, **changes: object) -> AdjustmentLayer:
        """Return the layer with some properties replaced."""
        return replace(self, props=replace(self.props, **changes))  # type: ignore[arg-type]  # checked by the dataclass


Layer: TypeAlias = PixelLayer | GroupLayer | AdjustmentLayer
