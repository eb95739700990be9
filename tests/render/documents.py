"""Random small documents for the compositor's tests, and the same document as psd-tools holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from psd_tools import PSDImage
from psd_tools.constants import BlendMode as PsdMode
from psd_tools.constants import Tag

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from tests.adjustments import ADJUSTMENTS

LAYER_MODES = tuple(mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH)
SMOOTH_MODES = tuple(
    mode
    for mode in LAYER_MODES
    # Where a rounding error of the last bit may choose another colour, two correct programs may differ.
    if mode not in (BlendMode.DISSOLVE, BlendMode.HARD_MIX, BlendMode.DARKER_COLOR, BlendMode.LIGHTER_COLOR)
)
CANVAS = Size(24, 20)


def noise(seed: int, width: int, height: int, *, alpha: str = "soft") -> U8Array:
    """(height, width, 4) uint8 of every colour 1..254; alpha soft (0 and 255 are frequent), hard or opaque."""
    rng = np.random.default_rng(seed)
    rgba = rng.integers(1, 255, (height, width, 4), dtype=np.uint8)
    if alpha == "opaque":
        rgba[..., 3] = 255
    else:
        kind = rng.integers(0, 4 if alpha == "soft" else 2, (height, width))
        rgba[..., 3] = np.where(kind == 0, 0, np.where(kind == 1, 255, rgba[..., 3]))
    return rgba


def pixel_layer(
    pixels: U8Array, at: Point = Point(0, 0), *, mask: Mask | None = None, **props: Any
) -> PixelLayer:
    """A layer named "layer" whose pixel (0, 0) stands at `at`."""
    return PixelLayer(
        props=LayerProps(name="layer", **props), pixels=TileGrid.from_array(pixels), offset=at, mask=mask
    )


def group_layer(*children: Layer, mask: Mask | None = None, **props: Any) -> GroupLayer:
    """A group named "group"."""
    return GroupLayer(props=LayerProps(name="group", **props), children=children, mask=mask)


def mask_of(values: U8Array, at: Point = Point(0, 0), *, fill: int = 0, enabled: bool = True) -> Mask:
    """A mask whose value (0, 0) stands at `at`."""
    return Mask(pixels=TileGrid.from_array(values, fill=fill), offset=at, enabled=enabled)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """A random mask, smaller or larger than the canvas, sometimes switched off."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(0, 256, (draw(st.integers(1, 30)), draw(st.integers(1, 30))), dtype=np.uint8)
    at = Point(draw(st.integers(-6, 12)), draw(st.integers(-6, 12)))
    return mask_of(values, at, fill=draw(st.sampled_from([0, 255])), enabled=draw(st.booleans()))


@st.composite
def pixel_layers(
    draw: st.DrawFn,
    *,
    modes: tuple[BlendMode, ...] = LAYER_MODES,
    clipping: bool | None = None,
    far: int = 12,
) -> PixelLayer:
    """A random layer with its own size, place, opacity, fill and perhaps a mask; `far` bounds its offset."""
    width, height = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    alpha = draw(st.sampled_from(["soft", "hard", "opaque"]))
    return pixel_layer(
        noise(draw(st.integers(0, 2**32 - 1)), width, height, alpha=alpha),
        Point(draw(st.integers(-far, far)), draw(st.integers(-far, far))),
        mask=draw(st.none() | masks()),
        blend_mode=draw(st.sampled_from(modes)),
        opacity=draw(st.sampled_from([0, 1, 77, 128, 254, 255, 255])),
        fill=draw(st.sampled_from([0, 40, 200, 255, 255, 255])),
        visible=draw(st.sampled_from([True, True, True, False])),
        clipping=draw(st.sampled_from([False, False, True])) if clipping is None else clipping,
    )


@st.composite
def adjustment_layers(
    draw: st.DrawFn, *, modes: tuple[BlendMode, ...] = LAYER_MODES, clipping: bool | None = None
) -> AdjustmentLayer:
    """A random adjustment, Normal more often than not."""
    return AdjustmentLayer(
        props=LayerProps(
            name="adjustment",
            blend_mode=draw(st.sampled_from([BlendMode.NORMAL] * 3 + [modes[0], modes[-1], modes[4]])),
            opacity=draw(st.sampled_from([0, 128, 255, 255])),
            fill=draw(st.sampled_from([40, 255, 255, 255])),
            visible=draw(st.sampled_from([True, True, True, False])),
            clipping=draw(st.booleans()) if clipping is None else clipping,
        ),
        adjustment=draw(ADJUSTMENTS),
        mask=draw(st.none() | masks()),
    )


@st.composite
def trees(
    draw: st.DrawFn, /, *, depth: int = 2, adjustments: bool = False, **options: Any
) -> tuple[Layer, ...]:
    """One to four layers; groups are at most `depth` deep, isolated or pass-through."""
    out: list[Layer] = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.sampled_from([False, False, True])):
            modes = options.get("modes", LAYER_MODES)
            out.append(
                group_layer(
                    *draw(trees(depth=depth - 1, adjustments=adjustments, **options)),
                    mask=draw(st.none() | masks()),
                    blend_mode=draw(st.sampled_from([BlendMode.PASS_THROUGH, BlendMode.NORMAL, *modes[:6]])),
                    opacity=draw(st.sampled_from([90, 255, 255])),
                    visible=draw(st.sampled_from([True, True, False])),
                )
            )
        elif adjustments and draw(st.booleans()):
            out.append(draw(adjustment_layers(**options)))
        else:
            out.append(draw(pixel_layers(**options)))
    return tuple(out)


def to_psd(doc: Document) -> Any:
    """Build the document with psd-tools' own API, in memory."""
    psd = PSDImage.new("RGB", (doc.size.width, doc.size.height))
    _add(psd, doc.layers)
    return psd


def _add(parent: Any, layers: tuple[Layer, ...]) -> None:
    for layer in layers:
        if isinstance(layer, GroupLayer):
            node = parent.create_group(name="group")
            _add(node, layer.children)
        elif isinstance(layer, AdjustmentLayer):
            raise TypeError("psd-tools has no way to make an adjustment layer")
        else:
            box = layer.pixels.bounds()
            box = Rect(0, 0, 1, 1) if box.is_empty else box
            at = box.shifted(layer.offset.x, layer.offset.y)
            pixels = layer.pixels.read(box)
            node = parent.create_pixel_layer_from_array(pixels, name="layer", top=at.y, left=at.x)
        node.blend_mode = PsdMode(layer.props.blend_mode.value.encode("ascii"))
        node.opacity = layer.props.opacity
        node.visible = layer.props.visible
        if layer.props.clipping:
            node.clipping = True
        node.tagged_blocks.set_data(Tag.BLEND_FILL_OPACITY, layer.props.fill)
        if layer.mask is not None:
            _add_mask(node, layer.mask)


def _add_mask(node: Any, mask: Mask) -> None:
    box = mask.pixels.bounds()
    box = Rect(0, 0, 1, 1) if box.is_empty else box
    at = box.shifted(mask.offset.x, mask.offset.y)
    if node.is_group():
        # psd-tools 1.26 shares a group's channels with its closing record; a mask would corrupt both.
        node._bounding_channels = type(node._channels)(list(node._channels))
    node.create_mask(Image.fromarray(mask.pixels.read(box)[..., 0], "L"), top=at.y, left=at.x)
    node._record.mask_data.background_color = mask.pixels.fill
    node.mask.disabled = not mask.enabled
