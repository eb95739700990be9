"""Document: the immutable value a designer edits.

No history, no selection, no path; those belong to the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from psdstudio.core import tree
from psdstudio.core.adjustments import adjustment_faults
from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.foreign import Foreign
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.guides import Guide
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, LayerId, PixelLayer
from psdstudio.core.scene import Scene

MAX_SIDE_PX = 30_000
"""The largest side of a PSD (PSD specification, file header)."""
MAX_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Canvas size, layers bottom to top, scene; `revision` is not stored: identity is the revision.

    `profile` is the colour space of all pixels, None for sRGB. `foreign` is what the file it came from held beside.
    """

    size: Size
    layers: tuple[Layer, ...] = ()
    scene: Scene = field(default_factory=Scene)
    resolution_dpi: float = 72.0
    profile: ColourProfile | None = None
    guides: tuple[Guide, ...] = ()
    foreign: Foreign | None = None

    @property
    def canvas(self) -> Rect:
        """The canvas as a rectangle at (0, 0)."""
        return Rect(0, 0, self.size.width, self.size.height)

    def walk(self) -> Iterator[Layer]:
        """Yield every layer bottom to top, a group before its children."""
        return tree.walk(self.layers)

    def find(self, layer_id: LayerId) -> Layer | None:
        """Return the layer with that id, or None."""
        return tree.find(self.layers, layer_id)

    def layer(self, layer_id: LayerId) -> Layer:
        """Return the layer with that id; raises KeyError when it is gone."""
        found = self.find(layer_id)
        if found is None:
            raise KeyError(layer_id)
        return found

    def with_layer(self, layer: Layer) -> Document:
        """Return the document in which the layer with the same id is replaced."""
        return self.with_layers(tree.replaced(self.layers, layer))

    def with_layers(self, layers: tuple[Layer, ...]) -> Document:
        """Return the document with other layers; the same document when they are the very same tuple."""
        return self if layers is self.layers else replace(self, layers=layers)

    def validate(self) -> list[str]:
        """Return every violated invariant as a sentence; an empty list means the document is sound."""
        faults: list[str] = []
        if not (1 <= self.size.width <= MAX_SIDE_PX and 1 <= self.size.height <= MAX_SIDE_PX):
            faults.append(f"canvas of {self.size.width}x{self.size.height} px is out of range")
        seen: set[LayerId] = set()
        for layer in self.walk():
            if layer.id in seen:
                faults.append(f"layer id {layer.id} occurs twice")
            seen.add(layer.id)
            faults += _layer_faults(layer)
        return faults


def _layer_faults(layer: Layer) -> list[str]:
    faults = []
    props, name = layer.props, layer.props.name
    if not (0 <= props.opacity <= 255 and 0 <= props.fill <= 255):
        faults.append(f"opacity or fill of {name!r} is out of 0..255")
    if not name or len(name) > MAX_NAME:
        faults.append(f"name {name!r} is empty or longer than {MAX_NAME}")
    if not isinstance(layer, GroupLayer) and props.blend_mode is BlendMode.PASS_THROUGH:
        faults.append(f"layer {name!r} has a group's blend mode")
    if isinstance(layer, PixelLayer) and layer.pixels.channels != 4:
        faults.append(f"pixel layer {name!r} has {layer.pixels.channels} channels")
    if isinstance(layer, AdjustmentLayer):
        faults += [f"adjustment {name!r}: {fault}" for fault in adjustment_faults(layer.adjustment)]
    if isinstance(layer, GroupLayer) and props.clipping:
        faults.append(f"group {name!r} is clipped, which PSD cannot hold")
    if layer.mask is not None and layer.mask.pixels.channels != 1:
        faults.append(f"mask of {name!r} has {layer.mask.pixels.channels} channels")
    return faults
