"""Test side only: a PSD file as psd-tools reads it -> our Document, and Photoshop's own merged picture in it.

Only what the document model holds is taken over. `features_beyond` names everything else in a file, so that a
test can choose its fixtures by what they use and not by whether they happen to pass.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from psd_tools import PSDImage
from psd_tools.api.layers import FillLayer, Group, PixelLayer, ShapeLayer, SmartObjectLayer, TypeLayer
from psd_tools.constants import ColorMode, Tag

from psdstudio.core import layers as ours
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.tiles import TileGrid, U8Array

_STORED_KINDS = (PixelLayer, TypeLayer, SmartObjectLayer)
"""Layer kinds whose pixels Photoshop stores ready rendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A loaded file. `preview`: (h, w, 4) uint8 as stored (colour matted on white), None if the file has
    none.
    """

    document: Document
    preview: U8Array | None
    beyond: frozenset[str]
    psd: Any


def fixtures_folder() -> Path | None:
    """The folder of PSD files named by PSDSTUDIO_FIXTURES (its `psd` folder, or itself); None when not set."""
    named = os.environ.get("PSDSTUDIO_FIXTURES")
    if not named:
        return None
    root = Path(named)
    return root / "psd" if (root / "psd").is_dir() else root


def load_fixture(path: Path) -> Fixture:
    """Read a PSD or PSB file."""
    psd = PSDImage.open(path)
    document = Document(
        size=Size(psd.width, psd.height), layers=tuple(_layer(layer) for layer in psd if _is_taken(layer))
    )
    beyond = set()
    if psd.color_mode not in (ColorMode.RGB, ColorMode.GRAYSCALE):
        beyond.add(f"colour mode {psd.color_mode.name}")
    if psd.depth not in (8, 16):
        beyond.add(f"{psd.depth} bit")
    for layer in psd.descendants():
        beyond |= _beyond(layer)
    return Fixture(document=document, preview=preview_of(psd), beyond=frozenset(beyond), psd=psd)


def _is_taken(layer: Any) -> bool:
    return layer.is_group() or isinstance(layer, (*_STORED_KINDS, ShapeLayer)) or layer.has_pixels()


def _layer(layer: Any) -> ours.Layer:
    fill = layer.tagged_blocks.get_data(Tag.BLEND_FILL_OPACITY, 255)
    props = ours.LayerProps(
        name=layer.name or "?",
        visible=layer.visible,
        opacity=layer.opacity,
        fill=int(fill),
        blend_mode=ours.BlendMode(layer.blend_mode.value.decode("ascii")),
        clipping=bool(layer.clipping),
    )
    if isinstance(layer, Group):
        children = tuple(_layer(child) for child in layer if _is_taken(child))
        return ours.GroupLayer(props=props, children=children, mask=_mask(layer))
    pixels, offset = _pixels(layer)
    return ours.PixelLayer(props=props, pixels=pixels, offset=offset, mask=_mask(layer))


def _pixels(layer: Any) -> tuple[TileGrid, Point]:
    if not layer.has_pixels() or layer.width == 0 or layer.height == 0:
        return TileGrid(), Point(0, 0)
    color = layer.numpy("color")
    shape = layer.numpy("shape")
    rgba = np.ones((layer.height, layer.width, 4), np.float32)
    rgba[..., :3] = color[..., :3]
    if shape is not None:
        rgba[..., 3:] = shape
    return TileGrid.from_array(_u8(rgba)), Point(layer.left, layer.top)


def _mask(layer: Any) -> ours.Mask | None:
    mask = layer.mask
    # The mask that old Photoshop stores beside a shape is the shape's own path, drawn: the pixels have it
    # already.
    is_shape = isinstance(layer, (ShapeLayer, FillLayer))
    if mask is None or (mask.flags.user_mask_from_render and is_shape):
        return None
    fill = mask.background_color
    stored = layer.numpy("mask", real_mask=True)
    values = np.full((0, 0, 1), fill, np.uint8) if stored is None else _u8(stored)
    density = 255
    if mask.parameters and mask.parameters.user_mask_density is not None:
        density = mask.parameters.user_mask_density
    # Density d fades the mask towards white: d m + (1 - d).
    values = _u8(1 - density / 255 * (1 - values / 255))
    fill = int(_u8(np.asarray(1 - density / 255 * (1 - fill / 255))))
    left, top = mask.bbox[:2]
    return ours.Mask(
        pixels=TileGrid.from_array(values, fill=fill), offset=Point(left, top), enabled=not mask.disabled
    )


def _beyond(layer: Any) -> set[str]:
    """What this layer shows that the document model does not hold."""
    if not layer.is_visible():
        return set()
    out = set()
    is_drawn = isinstance(layer, (ShapeLayer, FillLayer)) and layer.has_pixels()
    if not layer.is_group() and not isinstance(layer, _STORED_KINDS) and not is_drawn:
        out.add(layer.kind)
    if layer.has_effects():
        out.add("effects")
    # The stored pixels of a shape or fill layer are cut by its path already.
    if layer.has_vector_mask() and not layer.vector_mask.disabled and not is_drawn:
        out.add("vector mask")
    if layer.mask is not None and layer.mask.parameters and layer.mask.parameters.user_mask_feather:
        out.add("mask feather")
    if layer.tagged_blocks.get_data(Tag.KNOCKOUT_SETTING, 0):
        out.add("knockout")
    if layer.tagged_blocks.get_data(Tag.BLEND_CLIPPING_ELEMENTS, 1) == 0:
        out.add("clipped layers not blended as a group")
    if layer.is_group() and layer.clipping:
        out.add("clipped group")
    return out


def preview_of(psd: Any) -> U8Array | None:
    """The merged image as it is stored: Photoshop mattes its colour on white where it is transparent."""
    if not psd.has_preview() or psd.depth not in (8, 16):
        return None
    data = psd._record.image_data.get_data(psd._record.header, False)
    kind = ">u1" if psd.depth == 8 else ">u2"
    planes = np.frombuffer(data, kind).reshape(-1, psd.height, psd.width).astype(np.float64)
    planes /= 255 if psd.depth == 8 else 65535
    count = 1 if psd.color_mode == ColorMode.GRAYSCALE else 3
    out = np.ones((psd.height, psd.width, 4))
    out[..., :3] = np.moveaxis(planes[:count], 0, -1)
    # A negative layer count says that the first extra channel is the picture's transparency.
    if psd._record.layer_and_mask_information.layer_info is not None:
        info = psd._record.layer_and_mask_information.layer_info
        if info.layer_count < 0 and planes.shape[0] > count:
            out[..., 3] = planes[count]
    return _u8(out)


def _u8(values: Any) -> U8Array:
    return np.floor(np.asarray(values, np.float64) * 255 + 0.5).clip(0, 255).astype(np.uint8)
