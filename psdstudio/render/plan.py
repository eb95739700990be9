"""Layer tree -> flat program: what is painted in which order, before any pixel is touched.

Resolved here: hidden layers and groups (left out), pass-through groups (their children stand in the parent's
program; with an opacity or a mask they are bracketed), isolated groups, clipping runs and masks. The program
is the same for every tile; `psdstudio.render.tilework` narrows it to one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from psdstudio.core.adjustments import Adjustment, is_identity
from psdstudio.core.geometry import Point
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid


class FrameKind(Enum):
    """What a bracket starts from."""

    ISOLATED = "isolated"
    """Transparency; the result is blended as one picture."""
    THROUGH = "through"
    """The picture so far; the result replaces it by the share that opacity and mask give."""
    BACKED = "backed"
    """The picture so far, which is taken out of the result again: a pass-through group something is clipped to."""


@dataclass(frozen=True, slots=True)
class Blend:
    """How a picture meets what is below it: PSD mode, opacity and fill 0..255, mask."""

    mode: BlendMode = BlendMode.NORMAL
    opacity: int = 255
    fill: int = 255
    mask: Mask | None = None


PLAIN = Blend()


@dataclass(frozen=True, slots=True)
class Paint:
    """Blend a layer's pixels onto the current frame."""

    pixels: TileGrid
    offset: Point
    blend: Blend


@dataclass(frozen=True, slots=True)
class Adjust:
    """Blend the current frame's own colours, adjusted, onto the frame; its alpha stays."""

    adjustment: Adjustment
    blend: Blend


@dataclass(frozen=True, slots=True)
class Open:
    """Start a frame; a matching `Close` follows."""

    kind: FrameKind


@dataclass(frozen=True, slots=True)
class Hold:
    """Freeze the frame's alpha: what follows is clipped to it and changes the colour alone."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the frame and blend it onto the one below."""

    blend: Blend


Op: TypeAlias = Paint | Adjust | Open | Hold | Close
Program: TypeAlias = tuple[Op, ...]


def compile_layers(layers: tuple[Layer, ...]) -> Program:
    """Return the program that paints `layers` (bottom to top) onto transparency."""
    return tuple(_siblings(layers))


def _siblings(layers: tuple[Layer, ...]) -> Iterator[Op]:
    index = 0
    while index < len(layers):
        base = layers[index]
        end = index + 1
        # A clipped layer with nothing below it in its group is painted as if it were not clipped, as
        # Photoshop does.
        while end < len(layers) and _is_clipped(layers[end]):
            end += 1
        # A hidden base hides what is clipped to it.
        if _is_shown(base.props):
            clipped = [layer for layer in layers[index + 1 : end] if _is_shown(layer.props)]
            if clipped:
                yield from _clipping_run(base, clipped)
            else:
                yield from _single(base)
        index = end


def _is_clipped(layer: Layer) -> bool:
    # PSD has no clipped groups (`Document.validate` reports one); such a group is painted unclipped.
    return not isinstance(layer, GroupLayer) and layer.props.clipping


def _is_shown(props: LayerProps) -> bool:
    return props.visible and props.opacity > 0 and props.fill > 0


def _single(layer: Layer) -> Iterator[Op]:
    blend = _blend_of(layer)
    if isinstance(layer, PixelLayer):
        yield Paint(layer.pixels, layer.offset, blend)
        return
    if isinstance(layer, AdjustmentLayer):
        if blend.mode is not BlendMode.NORMAL or not is_identity(layer.adjustment):
            yield Adjust(layer.adjustment, blend)
        return
    if layer.props.blend_mode is not BlendMode.PASS_THROUGH:
        yield Open(FrameKind.ISOLATED)
        yield from _siblings(layer.children)
        yield Close(blend)
        return
    if blend.opacity == 255 and blend.fill == 255 and blend.mask is None:
        yield from _siblings(layer.children)
        return
    yield Open(FrameKind.THROUGH)
    yield from _siblings(layer.children)
    yield Close(blend)


def _clipping_run(base: Layer, clipped: list[Layer]) -> Iterator[Op]:
    """The base in a frame of its own, its alpha held, the clipped layers upon it, then the base's own
    blending.
    """
    blend = _blend_of(base)
    if isinstance(base, AdjustmentLayer):
        # What is clipped to an adjustment shows where the adjustment works: on what is there already.
        yield Open(FrameKind.THROUGH)
        yield Adjust(base.adjustment, Blend(blend.mode))
        yield Hold()
        for layer in clipped:
            yield from _single(layer)
        yield Close(Blend(BlendMode.NORMAL, blend.opacity, blend.fill, blend.mask))
        return
    if blend.mode is BlendMode.PASS_THROUGH:
        # Photoshop lets the children blend with what is below the group, then blends the clipped stack as Normal.
        yield Open(FrameKind.BACKED)
        blend = Blend(BlendMode.NORMAL, blend.opacity, blend.fill, blend.mask)
    else:
        yield Open(FrameKind.ISOLATED)
    if isinstance(base, PixelLayer):
        yield Paint(base.pixels, base.offset, PLAIN)
    else:
        yield from _siblings(base.children)
    yield Hold()
    for layer in clipped:
        yield from _single(layer)
    yield Close(blend)


def _blend_of(layer: Layer) -> Blend:
    props = layer.props
    mask = layer.mask if layer.mask is not None and layer.mask.enabled else None
    return Blend(props.blend_mode, props.opacity, props.fill, mask)
