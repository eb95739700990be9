"""Splitting a flat picture: what is seen becomes the condition, what was there stays hidden, placeholders come in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerId, LayerProps, PixelLayer
from psdstudio.errors import CommandError, PromptError
from psdstudio.gen.request import Raster, U8Rgba
from psdstudio.gen.scene_parts import stable_id, taken_ids
from psdstudio.gen.structure import ScenePlan, planned_scene

ORIGINAL = "Original"
MAX_THINGS = 6


def flat_picture(doc: Document, rgba: U8Rgba) -> Raster:
    """Return the picture to split: `rgba` (h, w, 4) is what is seen of the whole canvas, straight sRGB.

    It is laid on white where it is not opaque, as flattening does.

    Raises:
        CommandError: Nothing is seen.
    """
    if rgba.shape != (doc.size.height, doc.size.width, 4):
        raise ValueError(f"a picture of {rgba.shape} for a canvas of {doc.size}")
    if not rgba[..., 3].any():
        raise CommandError(
            "There is no picture to split.", "Open or paste one first; only what is visible is split."
        )
    alpha = rgba[..., 3:].astype(np.float32) / 255
    flat = np.full_like(rgba, 255)
    flat[..., :3] = np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return Raster(rgba=flat, rect=doc.canvas, native_size=Size(*doc.size))


def split_scene(
    doc: Document, plan: ScenePlan, *, prompt: str | None = None
) -> tuple[Document, tuple[LayerId, ...]]:
    """Return the document to split into, and the ids of the planned objects in their order.

    All layers that were there stay, with their very pixels, in one hidden layer “Original” on top: a single pixel layer
    is hidden itself, several (or a clipped one) go into a group. They are no part of the scene any more, so a later run
    leaves them alone. Below are the placeholders: a new background and an object for everything in the plan.

    Raises:
        CommandError: The document has no layer.
        PromptError: The plan names no object, or more than six.
    """
    if not doc.layers:
        raise CommandError("There is no picture to split.", "Open or paste one first.")
    if not plan.objects:
        raise PromptError(
            "No thing in the picture is named.", "Name up to six, as in “a fox and a lantern on snow”."
        )
    if len(plan.objects) > MAX_THINGS:
        raise PromptError(
            f"{len(plan.objects)} things are named; a picture is split into at most {MAX_THINGS} and its background.",
            f"Leave {len(plan.objects) - MAX_THINGS} of them out: they stay in the background.",
        )
    bare = replace(doc, layers=(_original(doc),), scene=replace(doc.scene, light=None))
    return planned_scene(bare, plan, prompt=prompt, same=[None] * len(plan.objects))


def _original(doc: Document) -> Layer:
    only = doc.layers[0]
    # One that is clipped (to nothing) would be clipped to the layers that come below it, and drawn with them.
    if len(doc.layers) == 1 and isinstance(only, PixelLayer) and not only.props.clipping:
        return replace(only.with_props(name=ORIGINAL, visible=False), part=None)
    return GroupLayer(
        id=stable_id(taken_ids(doc), ORIGINAL),
        props=LayerProps(name=ORIGINAL, blend_mode=BlendMode.PASS_THROUGH, visible=False, expanded=False),
        children=tuple(_without_part(layer) for layer in doc.layers),
    )


def _without_part(layer: Layer) -> Layer:
    if isinstance(layer, GroupLayer):
        return replace(layer, part=None, children=tuple(_without_part(child) for child in layer.children))
    return replace(layer, part=None)
