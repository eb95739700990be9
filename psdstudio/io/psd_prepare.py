"""The document as it is to be written: chosen layers alone, masks in the other form, shadows as effects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from psdstudio.core import tree
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, LayerId, Mask, PixelLayer, Role
from psdstudio.core.parts import children_with, object_groups
from psdstudio.core.tiles import TileGrid, U8Array, tile_rect
from psdstudio.core.wording import counted
from psdstudio.errors import FileUnsupported
from psdstudio.io.files import SAFE
from psdstudio.io.psd_compatible import compatible, without_foreign
from psdstudio.io.psd_options import ExportOptions, MaskStyle
from psdstudio.io.psd_outline import chosen_layers, clipping_bases
from psdstudio.io.psd_pixels import trimmed, trimmed_box
from psdstudio.io.psd_shadow import DropShadow, drop_shadow, effect_pair


@dataclass(slots=True, kw_only=True)
class Notes:
    """Sentences for the report: what was changed as asked, and what is lost by it; each once."""

    changes: dict[str, None] = field(default_factory=dict)
    losses: dict[str, None] = field(default_factory=dict)

    def changed(self, line: str) -> None:
        """Note a change that was asked for."""
        self.changes.setdefault(line)

    def lost(self, line: str) -> None:
        """Note what does not come out as the document has it."""
        self.losses.setdefault(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """`written` is what the layers of the file are made of, `shown` what its merged image shows."""

    written: Document
    shown: Document
    shadows: dict[LayerId, DropShadow]
    notes: Notes


def prepared(document: Document, options: ExportOptions) -> Prepared:
    """Return the document as the options want it.

    Raises:
        FileUnsupported: None of the chosen layers is there.
    """
    notes = Notes()
    shown = document if options.only is None else _chosen(document, options.only, notes)
    written, shadows = _with_live_shadows(shown, notes) if options.live_shadows else (shown, {})
    if options.masks is MaskStyle.BAKE:
        written = written.with_layers(_baked(written.layers, notes))
    if options.compatible:
        bare = without_foreign(written.layers, notes.changed)
        written = written.with_layers(compatible(bare, written.canvas, notes.changed, notes.lost))
    if options.masks is MaskStyle.MAKE:
        written = written.with_layers(_with_masks(written.layers, notes))
    return Prepared(written=written, shown=shown, shadows=shadows, notes=notes)


def _chosen(document: Document, ids: frozenset[LayerId], notes: Notes) -> Document:
    layers = chosen_layers(document.layers, ids)
    if not layers:
        raise FileUnsupported(
            "None of the chosen layers is in the document.", f"{SAFE} Choose at least one layer."
        )
    result = document.with_layers(layers)
    bases = clipping_bases(document.layers)
    for layer_id, base in clipping_bases(layers).items():
        if base != bases[layer_id]:
            layer = result.layer(layer_id)
            assert isinstance(layer, PixelLayer)
            result = result.with_layer(layer.with_props(clipping=False))
            notes.lost(
                f"“{layer.props.name}” is no longer clipped: the layer that it was clipped to is not chosen."
            )
    everything = sum(1 for _ in document.walk())
    left_out = everything - sum(1 for _ in result.walk())
    if left_out:
        notes.changed(f"Left out, as chosen: {left_out} of {counted(everything, 'layer')} and groups.")
    return result


def _with_live_shadows(document: Document, notes: Notes) -> tuple[Document, dict[LayerId, DropShadow]]:
    """Take the shadow layers of objects out and return the effects that stand for them."""
    shadows: dict[LayerId, DropShadow] = {}
    layers = document.layers
    for group in object_groups(document):
        if not children_with(group, Role.SHADOW):
            continue
        pair = effect_pair(group)
        if pair is None:
            notes.changed(f"The shadow of “{group.props.name}” stays a layer: it cannot be an effect.")
            continue
        shadow, thing = pair
        shadows[thing.id] = drop_shadow(shadow, thing, document.scene.light)
        layers = tree.removed(layers, shadow.id)
        notes.lost(
            f"The shadow of “{group.props.name}” is a drop shadow effect, which only comes near to the painted one;"
            " the merged picture shows the painted one."
        )
    return document.with_layers(layers), shadows


def _baked(layers: tuple[Layer, ...], notes: Notes) -> tuple[Layer, ...]:
    out: list[Layer] = []
    for layer in layers:
        mask = layer.mask
        if isinstance(layer, GroupLayer):
            if mask is not None:
                notes.changed(f"The group “{layer.props.name}” keeps its mask.")
            out.append(replace(layer, children=_baked(layer.children, notes)))
        elif isinstance(layer, AdjustmentLayer):
            if mask is not None:
                notes.changed(f"The adjustment “{layer.props.name}” keeps its mask.")
            out.append(layer)
        elif mask is None:
            out.append(layer)
        elif mask.enabled:
            out.append(replace(layer, pixels=under_mask(layer, mask), mask=None))
            notes.changed(f"The mask of “{layer.props.name}” became transparency of its pixels.")
        else:
            out.append(replace(layer, mask=None))
            notes.lost(f"The mask of “{layer.props.name}” was switched off and is left out.")
    return tuple(out)


def under_mask(layer: PixelLayer, mask: Mask) -> TileGrid:
    """Return the layer's pixels with the mask in their alpha: round(alpha x mask / 255)."""
    tiles: dict[tuple[int, int], U8Array] = {}
    dx, dy = layer.offset.x - mask.offset.x, layer.offset.y - mask.offset.y
    for key, tile in layer.pixels.tiles.items():
        shown = mask.pixels.read(tile_rect(key).shifted(dx, dy))[..., 0].astype(np.uint16)
        alpha = (tile[..., 3] * shown + 127) // 255
        if alpha.any():
            tiles[key] = np.dstack([tile[..., :3], alpha.astype(np.uint8)])
    return TileGrid(tiles, channels=4, fill=0)


def _with_masks(layers: tuple[Layer, ...], notes: Notes) -> tuple[Layer, ...]:
    out: list[Layer] = []
    for layer in layers:
        if isinstance(layer, GroupLayer):
            out.append(replace(layer, children=_with_masks(layer.children, notes)))
        elif isinstance(layer, PixelLayer) and layer.mask is None and not layer.pixels.bounds().is_empty:
            out.append(_with_mask(layer, notes))
        else:
            out.append(layer)
    return tuple(out)


def _with_mask(layer: PixelLayer, notes: Notes) -> Layer:
    """Full pixels, as far as a colour is known or bled, under a mask that holds what was their alpha."""
    planes, place = trimmed(layer), trimmed_box(layer)
    inner = planes[3, 2:-2, 2:-2]
    if (inner == 255).all():
        return layer
    alpha = planes[3].copy()
    # The bleed left its colours where alpha is 0; black is black there, and is not made opaque.
    planes[3] = np.where((alpha > 0) | planes[:3].any(axis=0), 255, 0)
    notes.changed(f"The transparency of “{layer.props.name}” became a mask over full pixels.")
    return replace(
        layer,
        pixels=TileGrid.from_array(np.ascontiguousarray(np.moveaxis(planes, 0, 2))),
        offset=Point(place.x, place.y),
        mask=Mask(pixels=TileGrid.from_array(alpha[..., None]), offset=Point(place.x, place.y)),
    )
