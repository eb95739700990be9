"""The layers rewritten so that programs which ignore parts of PSD show the same picture.

Measured (`scripts/compare_programs.py`): Krita 5.1 ignores clipping, the opacity of groups and the masks of those that
pass through; GIMP 2.10 clips soft edges differently, and both ignore fill opacity. What stands in for them both read:
opacity, masks of isolated groups, plain pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.core.tree import walk
from psdstudio.core.wording import listed
from psdstudio.render.blend import NEUTRAL, SPECIAL_EIGHT

Say = Callable[[str], None]


def compatible(layers: tuple[Layer, ...], canvas: Rect, changed: Say, lost: Say) -> tuple[Layer, ...]:
    """Return siblings, bottom to top, without fill opacity, group opacity and clipping, that look the same.

    Opacity takes fill in. A group's opacity goes into its mask; one with a mask that lets its layers through to what is
    below becomes an isolated one where that is the same. A layer with others clipped to it becomes an isolated
    group of its blend mode: its own pixels opaque, the others upon them, and its alpha, mask and opacity as the mask
    of the group, which is what clipping means (`psdstudio.render.plan`).

    Args:
        layers: Siblings, bottom to top.
        canvas: Its rectangle, which new masks of groups cover.
        changed: Takes a sentence on what was rewritten.
        lost: Takes a sentence on what could not be.
    """
    out: list[Layer] = []
    index = 0
    while index < len(layers):
        base = layers[index]
        if not isinstance(base, GroupLayer) and base.props.clipping:
            base = base.with_props(clipping=False)  # the lowest of its siblings, clipped to nothing
        end = index + 1
        while end < len(layers) and layers[end].props.clipping and not isinstance(layers[end], GroupLayer):
            end += 1
        clipped = layers[index + 1 : end]
        index = end
        if not clipped:
            out.append(_plain(base, canvas, changed, lost))
        elif isinstance(base, PixelLayer):
            out.append(_clipping_group(base, clipped, canvas, changed, lost))
        else:
            lost(f"Layers stay clipped to “{base.props.name}”, which GIMP and Krita show differently.")
            out += [_plain(layer, canvas, changed, lost) for layer in (base, *clipped)]
    return tuple(out)


def without_foreign(layers: tuple[Layer, ...], changed: Say) -> tuple[Layer, ...]:
    """Return the layers as their pixels alone: Krita shows no fills and shapes, and its own idea of effects."""
    kept = [layer.props.name for layer in walk(layers) if layer.foreign is not None and layer.foreign.blocks]
    if not kept:
        return layers
    some = f"{listed(kept[:3])}{' and more' if len(kept) > 3 else ''}"
    changed(
        f"Text, shapes, smart objects and effects of another program were left out, the pixels stay: {some}."
    )
    return _stripped(layers)


def _stripped(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    out: list[Layer] = []
    for layer in layers:
        bare = replace(layer, foreign=None)
        out.append(replace(bare, children=_stripped(bare.children)) if isinstance(bare, GroupLayer) else bare)
    return tuple(out)


def _plain(layer: Layer, canvas: Rect, changed: Say, lost: Say) -> Layer:
    """A layer without fill opacity; a group also without opacity, and its children likewise."""
    if isinstance(layer, GroupLayer):
        layer = replace(layer, children=compatible(layer.children, canvas, changed, lost))
    if layer.props.fill != 255:
        layer = _without_fill(layer, changed, lost)
    if not isinstance(layer, GroupLayer):
        return layer
    if layer.props.opacity != 255:
        _drop_disabled(layer, lost)
        area = canvas.union(layer_bounds(layer))
        mask = _cover(layer.mask, area, layer.props.opacity)
        changed(f"The opacity of the group “{layer.props.name}” went into its mask.")
        layer = replace(layer.with_props(opacity=255), mask=mask)
    return _isolated(layer, changed, lost)


def _isolated(group: GroupLayer, changed: Say, lost: Say) -> GroupLayer:
    """A group that passes through and has a mask, made isolated where its layers do not blend with what is below."""
    has_mask = group.mask is not None and group.mask.enabled
    if group.props.blend_mode is not BlendMode.PASS_THROUGH or not has_mask:
        return group
    if not all(map(_covers_only, group.children)):
        lost(
            f"Krita ignores the mask of “{group.props.name}”, whose layers blend with what is below the group."
        )
        return group
    changed(
        f"The group “{group.props.name}” does not pass through any more, which makes no difference in it."
    )
    return group.with_props(blend_mode=BlendMode.NORMAL)


def _covers_only(layer: Layer) -> bool:
    """Whether a layer covers what is below without looking at it: Normal does, and black is the same in Multiply."""
    mode = layer.props.blend_mode
    if not layer.props.visible or mode is BlendMode.NORMAL:
        return isinstance(layer, PixelLayer | GroupLayer)
    if isinstance(layer, GroupLayer):
        is_plain = mode is BlendMode.PASS_THROUGH and layer.mask is None
        return is_plain and all(map(_covers_only, layer.children))
    if mode is not BlendMode.MULTIPLY or not isinstance(layer, PixelLayer):
        return False
    return not any(tile[tile[..., 3] > 0, :3].any() for tile in layer.pixels.tiles.values())


def _without_fill(layer: Layer, changed: Say, lost: Say) -> Layer:
    props = layer.props
    if props.blend_mode not in SPECIAL_EIGHT:
        changed(f"The fill opacity of “{props.name}” went into its opacity.")
        return layer.with_props(opacity=_share(props.opacity, props.fill), fill=255)
    if not isinstance(layer, PixelLayer) or props.blend_mode not in NEUTRAL:
        lost(f"“{props.name}” keeps its fill opacity, which GIMP and Krita ignore.")
        return layer
    lost(
        f"The fill opacity of “{props.name}” went into its colours: it looks the same over opaque layers only."
    )
    neutral = 255 * float(NEUTRAL[props.blend_mode])  # the colour that changes nothing: fill moves towards it
    shades = np.arange(256) * (props.fill / 255) + neutral * (1 - props.fill / 255)
    table = np.floor(shades + 0.5).clip(0, 255).astype(np.uint8)
    tiles = {key: np.dstack([table[tile[..., :3]], tile[..., 3]]) for key, tile in layer.pixels.tiles.items()}
    return replace(layer, pixels=TileGrid(tiles)).with_props(fill=255)


def _clipping_group(
    base: PixelLayer, clipped: tuple[Layer, ...], canvas: Rect, changed: Say, lost: Say
) -> Layer:
    props = base.props
    opacity, fill = props.opacity, 255
    if props.blend_mode in SPECIAL_EIGHT:
        fill = props.fill
        if fill != 255:
            lost(f"“{props.name}” keeps its fill opacity, which GIMP and Krita ignore.")
    else:
        opacity = _share(opacity, props.fill)
    _drop_disabled(base, lost)
    changed(f"“{props.name}” and what was clipped to it became a group with a mask.")
    inner = replace(base, pixels=_opaque(base.pixels), mask=None).with_props(
        visible=True, opacity=255, fill=255, blend_mode=BlendMode.NORMAL
    )
    upon = [_plain(layer, canvas, changed, lost).with_props(clipping=False) for layer in clipped]
    return GroupLayer(
        props=LayerProps(
            name=props.name, visible=props.visible, blend_mode=props.blend_mode, fill=fill, label=props.label
        ),
        children=(inner, *upon),
        mask=_alpha_mask(base, opacity),
    )


def _drop_disabled(layer: Layer, lost: Say) -> None:
    if layer.mask is not None and not layer.mask.enabled:
        lost(f"The mask of “{layer.props.name}” was switched off and is left out.")


def _opaque(grid: TileGrid) -> TileGrid:
    """Every pixel that can be seen, fully opaque."""
    tiles = {
        key: np.dstack([tile[..., :3], np.where(tile[..., 3] > 0, np.uint8(255), np.uint8(0))])
        for key, tile in grid.tiles.items()
    }
    return TileGrid(tiles)


def _alpha_mask(base: PixelLayer, opacity: int) -> Mask:
    """Alpha x mask x opacity of a layer, as a mask."""
    box = base.pixels.bounds()
    alpha = base.pixels.read(box)[..., 3].astype(np.uint32) * opacity
    scale = 255
    if base.mask is not None and base.mask.enabled:
        place = box.shifted(base.offset.x - base.mask.offset.x, base.offset.y - base.mask.offset.y)
        alpha *= base.mask.pixels.read(place)[..., 0]
        scale *= 255
    return _mask(((alpha + scale // 2) // scale).astype(np.uint8), box.shifted(*base.offset))


def _cover(mask: Mask | None, area: Rect, opacity: int) -> Mask:
    """A mask over `area` (canvas pixels) that holds the opacity, and another mask if that is switched on."""
    values = np.full((area.height, area.width), opacity, np.uint32)
    if mask is not None and mask.enabled:
        values *= mask.pixels.read(area.shifted(-mask.offset.x, -mask.offset.y))[..., 0]
        values = (values + 127) // 255
    return _mask(values.astype(np.uint8), area)


def _mask(values: U8Array, place: Rect) -> Mask:
    grid = TileGrid.from_array(values[..., None]) if values.size else TileGrid(channels=1)
    return Mask(pixels=grid, offset=Point(place.x, place.y))


def _share(opacity: int, fill: int) -> int:
    return (opacity * fill + 127) // 255
