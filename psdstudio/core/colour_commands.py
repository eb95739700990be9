"""Commands on the document's colour space. Pixels are converted above the core: the command brings them along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignProfile:
    """Say what the numbers of the pixels mean: no pixel changes, the picture looks different. None is sRGB."""

    profile: ColourProfile | None

    label = "Assign profile"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Assign."""
        return doc if doc.profile == self.profile else replace(doc, profile=self.profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertProfile:
    """Give the document another space and all pixel layers the numbers that mean the same there.

    `pixels` were computed from `source`, the layers' pixels before; locks do not matter, as for the canvas size: the
    picture stays what it is.
    """

    profile: ColourProfile | None
    source: Mapping[LayerId, TileGrid]
    pixels: Mapping[LayerId, TileGrid]

    label = "Convert to profile"
    merge_key = None

    def apply(self, doc: Document) -> Document:
        """Convert; raises CommandError when a layer was edited since its pixels were computed."""
        for layer in doc.walk():
            if not isinstance(layer, PixelLayer):
                continue
            if self.source.get(layer.id) is not layer.pixels:
                raise CommandError("The document changed while it was converted.", "Convert it again.")
            doc = doc.with_layer(replace(layer, pixels=self.pixels[layer.id]))
        return replace(doc, profile=self.profile)
