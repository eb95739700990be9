"""What every layer, or every object, shows by itself: trimmed pixels and their place, for games and the web.

A sprite holds a layer's own pixels with its masks applied and cut to what it is clipped to; opacity and blend mode are
told beside it, so that a program can stack the sprites as the document does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from psdstudio import __version__
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, Mask, PixelLayer, Role
from psdstudio.core.parts import role_of
from psdstudio.core.tiles import U8Array, tight_box
from psdstudio.errors import FileUnsupported
from psdstudio.gen.scene_parts import own_masks, render_layer
from psdstudio.io.files import SAFE
from psdstudio.io.safe_names import unique_stems
from psdstudio.render.compositor import Compositor

MANIFEST = "layers.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpriteOptions:
    """`merges_objects` makes one sprite of an object with its shadow and reflection; hidden layers can come along."""

    merges_objects: bool = False
    with_hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprite:
    """One picture: `rgba` (h, w, 4) uint8 straight at `rect` (canvas pixels); `opacity` 0..1.

    `path` holds the names of the groups around it; `opacity` and `mode` are the layer's own, not those of the groups.
    """

    name: str
    path: tuple[str, ...]
    rgba: U8Array
    rect: Rect
    opacity: float
    mode: BlendMode
    visible: bool
    role: str


@dataclass(frozen=True, slots=True)
class _Around:
    """What holds for everything in a group: names, masks, whether it is shown."""

    path: tuple[str, ...] = ()
    masks: tuple[Mask, ...] = ()
    visible: bool = True


@dataclass(slots=True)
class _Maker:
    document: Document
    options: SpriteOptions
    losses: dict[str, None] = field(default_factory=dict)

    def made(self, layers: tuple[Layer, ...], around: _Around) -> Iterator[Sprite]:
        """Yield the sprites of siblings, bottom to top; those without a pixel are left out."""
        base: Layer | None = None
        for layer in layers:
            clipped = layer.props.clipping and not isinstance(layer, GroupLayer) and base is not None
            if not clipped:
                base = layer if _has_picture(layer) else None
            inside = _Around(
                (*around.path, layer.props.name),
                around.masks + own_masks(layer),
                around.visible and layer.props.visible,
            )
            if not (inside.visible or self.options.with_hidden):
                continue
            if isinstance(layer, GroupLayer):
                is_object = role_of(layer) is Role.OBJECT_GROUP
                if is_object and self.options.merges_objects:
                    yield from self._sprite(layer, self._together(layer, around.masks), around, inside)
                else:
                    yield from self.made(layer.children, inside)
            elif isinstance(layer, PixelLayer):
                shown = self._alone(layer, inside.masks, base if clipped else None)
                yield from self._sprite(layer, shown, around, inside)
            else:
                self.losses[f"“{layer.props.name}” has no pixels of its own and was left out."] = None

    def _sprite(
        self, layer: Layer, shown: tuple[U8Array, Rect] | None, around: _Around, inside: _Around
    ) -> Iterator[Sprite]:
        if shown is None:
            return
        role = role_of(layer)
        mode = layer.props.blend_mode
        yield Sprite(
            name=layer.props.name,
            path=around.path,
            rgba=shown[0],
            rect=shown[1],
            opacity=layer.props.opacity * layer.props.fill / 255**2,
            mode=BlendMode.NORMAL if mode is BlendMode.PASS_THROUGH else mode,
            visible=inside.visible,
            role="" if role is None else role.value,
        )

    def _alone(
        self, layer: PixelLayer, masks: tuple[Mask, ...], base: Layer | None
    ) -> tuple[U8Array, Rect] | None:
        raster = render_layer(layer, masks)
        if raster is None:
            return None
        if base is None:
            return raster.rgba, raster.rect
        self.losses[f"“{layer.props.name}” was cut to the layer that it is clipped to."] = None
        held = Compositor().render_layers((_plain(base),), raster.rect)[..., 3]
        rgba = raster.rgba.copy()
        rgba[..., 3] = (rgba[..., 3].astype(np.uint16) * held + 127) // 255
        return _trimmed(rgba, raster.rect)

    def _together(self, group: GroupLayer, masks: tuple[Mask, ...]) -> tuple[U8Array, Rect] | None:
        box = layer_bounds(group)
        rgba = Compositor().render_layers((_plain(group),), box)
        for mask in masks:
            cover = mask.pixels.read(box.shifted(-mask.offset.x, -mask.offset.y))[..., 0]
            rgba[..., 3] = (rgba[..., 3].astype(np.uint16) * cover + 127) // 255
        return _trimmed(rgba, box)


def sprites_of(
    document: Document, options: SpriteOptions = SpriteOptions()
) -> tuple[tuple[Sprite, ...], tuple[str, ...]]:
    """Return the sprites bottom to top, and sentences on what they do not hold.

    Raises:
        FileUnsupported: Nothing of the document can be seen.
    """
    maker = _Maker(document, options)
    sprites = tuple(maker.made(document.layers, _Around()))
    if not sprites:
        raise FileUnsupported(
            "There is no visible layer with pixels to export.",
            f"{SAFE} Show the layers first, or include hidden ones.",
        )
    return sprites, tuple(maker.losses)


def stems_of(sprites: tuple[Sprite, ...]) -> list[str]:
    """Return a file name without ending for each sprite; layers inside an object are told apart by its name."""
    return unique_stems(
        f"{sprite.path[-1]} {sprite.name}"
        if sprite.path and sprite.role in {Role.SHADOW.value, Role.REFLECTION.value}
        else sprite.name
        for sprite in sprites
    )


def frame_json(
    sprite: Sprite, file_name: str, at: Point, *, order: int, document: Document
) -> dict[str, Any]:
    """Return a sprite's entry: the fields of TexturePacker's "JSON array", which game engines read, then ours.

    `at` is where the sprite stands in its picture; `spriteSourceSize` is its box on the canvas; `order` counts from the
    bottom.
    """
    rect = sprite.rect
    return {
        "filename": file_name,
        "frame": {"x": at.x, "y": at.y, "w": rect.width, "h": rect.height},
        "rotated": False,
        "trimmed": rect != document.canvas,
        "spriteSourceSize": {"x": rect.x, "y": rect.y, "w": rect.width, "h": rect.height},
        "sourceSize": {"w": document.size.width, "h": document.size.height},
        "name": sprite.name,
        "group": list(sprite.path),
        "order": order,
        "opacity": round(sprite.opacity, 4),
        "blendMode": sprite.mode.name.lower().replace("_", " "),
        "visible": sprite.visible,
        "role": sprite.role or None,
    }


def meta_json(document: Document, **more: object) -> dict[str, Any]:
    """Return the part of the JSON that is about the whole document."""
    canvas = {"w": document.size.width, "h": document.size.height}
    app = {"app": "PSDStudio", "version": __version__, "format": "RGBA8888", "scale": "1"}
    return app | {"canvas": canvas} | more


def _has_picture(layer: Layer) -> bool:
    return isinstance(layer, PixelLayer | GroupLayer)


def _plain(layer: Layer) -> Layer:
    return layer.with_props(blend_mode=BlendMode.NORMAL, opacity=255, fill=255, visible=True, clipping=False)


def _trimmed(rgba: U8Array, rect: Rect) -> tuple[U8Array, Rect] | None:
    used = tight_box(rgba[..., 3] > 0)
    if used.is_empty:
        return None
    cut = np.ascontiguousarray(rgba[used.y : used.bottom, used.x : used.right])
    return cut, used.shifted(rect.x, rect.y)
