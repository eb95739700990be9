"""What of a document gives its PSD the outline: which layers, their numbers, and whether there is a Background."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from psdstudio.core.document import Document
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerId, PixelLayer
from psdstudio.core.tiles import TILE, tile_keys, tile_rect


def psd_layer_ids(document: Document) -> dict[LayerId, int]:
    """Return the number (`lyid`) of every layer in the file: 1, 2, ... from the bottom, groups before children.

    A layer that came from a PSD keeps the number that it had there, which layer comps, timelines and smart objects
    name it by; the others get the next free one from their place on.
    """
    listed = list(document.walk())
    ids: dict[LayerId, int] = {}
    taken: set[int] = set()
    for layer in listed:
        number = _kept_id(layer)
        if number is not None and number not in taken:
            ids[layer.id] = number
            taken.add(number)
    for number, layer in enumerate(listed, start=1):
        if layer.id not in ids:
            ids[layer.id] = next(free for free in count(number) if free not in taken)
            taken.add(ids[layer.id])
    return ids


def _kept_id(layer: Layer) -> int | None:
    """Return the number that the layer had in the PSD it came from, None where it had none of its own."""
    for block in layer.foreign.blocks if layer.foreign and layer.foreign.source == "psd" else ():
        if block.key == "lyid" and len(block.data) >= 4:
            number = int.from_bytes(block.data[:4], "big")
            return number if 0 < number < 2**31 else None
    return None


def can_be_background(document: Document) -> bool:
    """Whether the bottom layer may be a true Background: opaque, the whole canvas and no more, normal at 100 %."""
    if not document.layers or not isinstance(document.layers[0], PixelLayer):
        return False
    layer = document.layers[0]
    props = layer.props
    is_plain = props.opacity == 255 and props.fill == 255 and props.blend_mode is BlendMode.NORMAL
    if not is_plain or props.clipping or layer.mask is not None:
        return False
    if layer.foreign is not None and layer.foreign.state:
        return False  # what Photoshop draws from a text or a fill is no Background there
    above = document.layers[1:2]
    if above and above[0].props.clipping:
        return False  # Photoshop cannot clip to its Background
    if layer.pixels.bounds().shifted(*layer.offset) != document.canvas:
        return False
    return _is_opaque(layer, document)


def _is_opaque(layer: PixelLayer, document: Document) -> bool:
    area = document.canvas.shifted(-layer.offset.x, -layer.offset.y)
    for key in tile_keys(area):
        tile, place = layer.pixels.tile(key), tile_rect(key)
        part = place.intersection(area).shifted(-key[0] * TILE, -key[1] * TILE)
        if tile is None or bool((tile[part.y : part.bottom, part.x : part.right, 3] < 255).any()):
            return False
    return True


def chosen_layers(layers: tuple[Layer, ...], ids: frozenset[LayerId]) -> tuple[Layer, ...]:
    """Return the tree of the chosen layers, all that is in chosen groups, and the groups around them."""
    kept: list[Layer] = []
    for layer in layers:
        if layer.id in ids:
            kept.append(layer)
        elif isinstance(layer, GroupLayer):
            children = chosen_layers(layer.children, ids)
            if children:
                kept.append(replace(layer, children=children))
    return tuple(kept)


def clipping_bases(layers: tuple[Layer, ...]) -> dict[LayerId, LayerId | None]:
    """Return what every clipped layer is clipped to; None for one at the bottom, which clips to nothing."""
    out: dict[LayerId, LayerId | None] = {}
    base: LayerId | None = None
    for layer in layers:
        if isinstance(layer, GroupLayer):
            out |= clipping_bases(layer.children)
        if layer.props.clipping and not isinstance(layer, GroupLayer):
            out[layer.id] = base
        else:
            base = layer.id
    return out
