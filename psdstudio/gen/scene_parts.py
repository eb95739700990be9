"""Reads a document as a scene: background and objects, what is painted, pinned, hidden, and their pixels.

Knows nothing of runs. Everything here is a pure function of the document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from psdstudio.core import tree
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, BoxF, Rect
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Lock, Mask, Part, PixelLayer, Role
from psdstudio.core.locks import refuse_locked_inside
from psdstudio.core.parts import PIXEL_LOCKS, is_pinned
from psdstudio.core.tiles import tight_box, tile_keys, tile_rect
from psdstudio.errors import CommandError
from psdstudio.gen.request import Raster


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectView:
    """One object as the document holds it.

    `layer` is the object's group, or the layer itself for a picture that no engine made (`foreign`). `masks`
    are the enabled masks around the look, `hidden` says that the eye of it or of a group around it is closed.
    """

    layer: GroupLayer | PixelLayer
    part: Part
    look: PixelLayer | None
    shadow: PixelLayer | None
    reflection: PixelLayer | None
    masks: tuple[Mask, ...]
    hidden: bool
    pinned: bool
    effects_pinned: bool
    foreign: bool = False

    @property
    def id(self) -> LayerId:
        """The object's id in a request."""
        return self.layer.id

    @property
    def name(self) -> str:
        """What the layer panel calls it."""
        return self.layer.props.name

    @property
    def words(self) -> str:
        """What it should show; its name when nobody said more."""
        return self.part.words.strip() or self.name

    @property
    def is_painted(self) -> bool:
        """Whether it has pixels (an object before its first run has none)."""
        return self.look is not None and bool(self.look.pixels.tiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundView:
    """The background as the document holds it; `foreign` when it is a picture that no engine made."""

    layer: PixelLayer
    part: Part
    masks: tuple[Mask, ...]
    hidden: bool
    pinned: bool
    foreign: bool = False

    @property
    def is_painted(self) -> bool:
        """Whether it has pixels."""
        return bool(self.layer.pixels.tiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneView:
    """Background (None when the document has none) and objects, back to front."""

    background: BackgroundView | None
    objects: tuple[ObjectView, ...]

    def object_of(self, doc: Document, layer_id: LayerId) -> ObjectView | None:
        """Return the object whose group, or a layer inside whose group, has that id."""
        around = {layer_id, *(group.id for group in tree.ancestors(doc.layers, layer_id))}
        return next((view for view in self.objects if view.id in around), None)


@dataclass(frozen=True, slots=True)
class _Found:
    layer: Layer
    masks: tuple[Mask, ...]
    hidden: bool
    pinned: bool


def read_scene(doc: Document) -> SceneView:
    """Return the scene that the document shows.

    Foreign pixel layers (without a part, or with a pinned part of their own) count as objects when they have
    pixels and are not clipped to another layer. Without a generated background, a foreign layer that covers
    the canvas below all else stands for it.
    """
    background: BackgroundView | None = None
    objects: list[ObjectView] = []
    for found in _scene_layers(doc.layers, (), hidden=False, pinned=False):
        layer, part = found.layer, found.layer.part
        if isinstance(layer, GroupLayer):
            objects.append(_object_view(layer, found))
        elif isinstance(layer, PixelLayer) and part is not None and part.role is Role.BACKGROUND:
            if background is None:
                background = BackgroundView(
                    layer=layer, part=part, masks=found.masks, hidden=found.hidden, pinned=found.pinned
                )
        elif _counts_as_foreign(layer):
            objects.append(_foreign_view(layer, found))
    if background is None and objects and (first := objects[0]).foreign and _covers(doc, first):
        assert isinstance(first.layer, PixelLayer)
        background = BackgroundView(
            layer=first.layer, part=first.part, masks=first.masks, hidden=False, pinned=True, foreign=True
        )
        objects = objects[1:]
    return SceneView(background=background, objects=tuple(objects))


def _scene_layers(
    layers: tuple[Layer, ...], masks: tuple[Mask, ...], *, hidden: bool, pinned: bool
) -> Iterator[_Found]:
    """Yield object groups and pixel layers outside them, bottom to top, with what the groups around say."""
    for layer in layers:
        here = (*masks, layer.mask) if layer.mask is not None and layer.mask.enabled else masks
        shut = hidden or not layer.props.visible
        # A lock or pin on a folder holds for everything inside it.
        held = pinned or is_pinned(layer)
        is_object = layer.part is not None and layer.part.role is Role.OBJECT_GROUP
        if isinstance(layer, GroupLayer) and not is_object:
            yield from _scene_layers(layer.children, here, hidden=shut, pinned=held)
        else:
            yield _Found(layer, here, shut, held)


def child_of_role(group: GroupLayer, role: Role) -> PixelLayer | None:
    """Return the first pixel layer of that role inside the group."""
    for layer in tree.walk(group.children):
        if isinstance(layer, PixelLayer) and layer.part is not None and layer.part.role is role:
            return layer
    return None


def _object_view(group: GroupLayer, found: _Found) -> ObjectView:
    assert group.part is not None
    look = child_of_role(group, Role.OBJECT)
    shadow, reflection = child_of_role(group, Role.SHADOW), child_of_role(group, Role.REFLECTION)
    masks, hidden, pinned = found.masks, found.hidden, found.pinned
    if look is not None:
        hidden = hidden or not look.props.visible
        pinned = pinned or is_pinned(look)
        if look.mask is not None and look.mask.enabled:
            masks = (*masks, look.mask)
    effects = [layer for layer in (shadow, reflection) if layer is not None]
    locked_group = bool(group.props.locks & PIXEL_LOCKS)
    return ObjectView(
        layer=group,
        part=group.part,
        look=look,
        shadow=shadow,
        reflection=reflection,
        masks=masks,
        hidden=hidden,
        pinned=pinned,
        # A lock on the group holds for its effects too; a Keep pin on it does not (they may be refreshed).
        effects_pinned=locked_group or (bool(effects) and all(is_pinned(layer) for layer in effects)),
    )


def _counts_as_foreign(layer: Layer) -> bool:
    if not isinstance(layer, PixelLayer) or layer.props.clipping or not layer.pixels.tiles:
        return False
    return layer.part is None or (layer.part.role is Role.OBJECT and layer.part.keep)


def _foreign_view(layer: Layer, found: _Found) -> ObjectView:
    assert isinstance(layer, PixelLayer)
    return ObjectView(
        layer=layer,
        part=layer.part or Part(role=Role.OBJECT),
        look=layer,
        shadow=None,
        reflection=None,
        masks=found.masks,
        hidden=found.hidden,
        pinned=True,
        effects_pinned=False,
        foreign=True,
    )


def _covers(doc: Document, view: ObjectView) -> bool:
    """Whether a visible picture fills the whole canvas with opaque pixels (masks not regarded)."""
    if view.hidden or view.look is None or view.masks:
        return False
    if layer_bounds(view.look).intersection(doc.canvas) != doc.canvas:
        return False
    return is_opaque(view.look, doc.canvas)


def is_opaque(layer: PixelLayer, area: Rect) -> bool:
    """Whether every pixel of the layer in `area` (canvas pixels) is opaque, masks not regarded."""
    area = area.shifted(-layer.offset.x, -layer.offset.y)
    for key in tile_keys(area):
        tile, place = layer.pixels.tile(key), tile_rect(key)
        part = place.intersection(area).shifted(-place.x, -place.y)
        if tile is None or int(tile[part.y : part.bottom, part.x : part.right, 3].min()) < 255:
            return False
    return True


def render_layer(layer: PixelLayer, masks: tuple[Mask, ...], within: Rect | None = None) -> Raster | None:
    """Return the layer's own pixels in canvas coordinates, its masks applied, trimmed to alpha above 0.

    Nothing is resampled. With `within` the raster is exactly that rectangle instead of trimmed. None when no
    pixel shows.
    """
    box = layer_bounds(layer) if within is None else within
    if box.is_empty:
        return None
    rgba = layer.pixels.read(box.shifted(-layer.offset.x, -layer.offset.y))
    for mask in masks:
        cover = mask.pixels.read(box.shifted(-mask.offset.x, -mask.offset.y))[..., 0]
        rgba[..., 3] = (rgba[..., 3].astype(np.uint16) * cover + 127) // 255
    if within is None and masks:
        used = tight_box(rgba[..., 3] > 0)
        if used.is_empty:
            return None
        rgba = np.ascontiguousarray(rgba[used.y : used.bottom, used.x : used.right])
        box = used.shifted(box.x, box.y)
    native = layer.part.native_size if layer.part is not None else None
    return Raster(rgba=rgba, rect=box, native_size=native)


def refuse_placing(doc: Document, item: ObjectView) -> None:
    """Raise CommandError when an object may not be put somewhere else: kept, locked, not painted, not the scene's."""
    if not isinstance(item.layer, GroupLayer):
        raise CommandError(
            f"“{item.name}” is a picture of your own, which only you move.", "Use the Move tool (V)."
        )
    if not item.is_painted:
        raise CommandError(f"“{item.name}” is not painted yet.", "Generate the scene first.")
    if item.pinned:
        raise CommandError(
            f"“{item.name}” is kept, so it stays where it is.", "Stop keeping it, or unlock it, first."
        )
    refuse_locked_inside(doc, item.layer, Lock.POSITION, "moving")
    held = next((layer for layer in tree.walk(item.layer.children) if is_pinned(layer)), None)
    if held is not None:
        raise CommandError(
            f"“{held.props.name}” of “{item.name}” is kept, so the object stays where it is.",
            "Stop keeping it, or unlock it, first.",
        )


def own_masks(layer: Layer) -> tuple[Mask, ...]:
    """Return the layer's own mask when it is on: what a brush on this layer alone could open."""
    return (layer.mask,) if layer.mask is not None and layer.mask.enabled else ()


def painted_box(doc: Document, view: ObjectView) -> BoxF | None:
    """Return where the object's pixels are now, in canvas fractions; None without pixels."""
    box = layer_bounds(view.look) if view.look is not None else EMPTY_RECT
    return None if box.is_empty else BoxF.from_rect(box, doc.size)


def stable_id(taken: frozenset[LayerId] | set[LayerId], *words: str) -> LayerId:
    """Return an id made from `words` that is not in `taken`.

    Ids seed the noise of their layers, so that the same sentence and seed give the same picture in a new
    document.
    """
    for attempt in range(len(taken) + 1):
        text = "\x1f".join((*words, str(attempt)))
        made = LayerId(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32])
        if made not in taken:
            return made
    raise AssertionError("more attempts than taken ids")


def taken_ids(doc: Document) -> set[LayerId]:
    """Return the ids of all layers."""
    return {layer.id for layer in doc.walk()}
