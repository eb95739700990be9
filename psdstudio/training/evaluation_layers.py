"""The layers of one scene as the measures of light, contact and edges read them: from a document, or rendered truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.compose import mask_effects
from psdstudio.engine.conditions import box_units
from psdstudio.engine.pictures import frame_rect, raster_in_frame, resized_u8, to_u8
from psdstudio.engine.shadows import CONTACT_INSET
from psdstudio.gen.request import Raster
from psdstudio.gen.scene_parts import read_scene, render_layer
from psdstudio.training.scene_truth import SceneTruth, placed_objects
from psdstudio.training.shadow_reading import ShadowReading, read_shadow

CROP_PX = 128
FLOATING_GAP = 0.02
"""Canvas heights between an object's lower edge and the ground it should touch."""
EDGE_ALPHA, EDGE_SHARE = 0.5, 0.03
"""The visible lower edge: the lowest row in which this share of the box's width is more opaque than this."""


@dataclass(frozen=True, slots=True)
class ObjectPixels:
    """One object as delivered; `box` (4,) is the layout's, in square units."""

    id: LayerId
    box: Tensor
    look: Raster
    shadow: Raster | None


@dataclass(frozen=True, slots=True)
class Footing:
    """What one object's shadow says of light and ground.

    `gap`: canvas heights between the visible lower edge and the contact line of the shadow, or the horizon where the
    object ends above it; None when the lower edge lies outside the canvas or there is no shadow.
    """

    id: LayerId
    reading: ShadowReading | None
    gap: float | None

    @property
    def floats(self) -> bool:
        """Whether it stands more than 2 % of the canvas height off its ground."""
        return self.gap is not None and self.gap > FLOATING_GAP


def objects_of(doc: Document) -> list[ObjectPixels]:
    """Return the painted objects of a document, back to front."""
    aspect, out = doc.size.width / doc.size.height, []
    for view in read_scene(doc).objects:
        look = render_layer(view.look, ()) if view.look is not None else None
        if look is None or view.part.box is None:
            continue
        shadow = None if view.shadow is None else render_layer(view.shadow, ())
        out.append(ObjectPixels(view.id, box_units(view.part.box, aspect), look, shadow))
    return out


def truth_objects(truth: SceneTruth, scene: int, size: Size) -> list[ObjectPixels]:
    """Return the objects of a rendered scene as an engine would deliver them on a canvas of that size."""
    placed = mask_effects(placed_objects(truth, (size.height, size.width)))
    whole, out = Rect(0, 0, size.width, size.height), []
    for i, box in enumerate(truth.boxes[scene]):
        rect = frame_rect(frames.crop_of(box), size)
        look = Raster(rgba=resized_u8(truth.looks[scene, i], rect.width, rect.height), rect=rect)
        density = placed[i].density[scene]
        shadow = Raster(
            rgba=to_u8(torch.cat([density.new_zeros(3, *density.shape[1:]), density])), rect=whole
        )
        out.append(
            ObjectPixels(LayerId(f"object {i}"), box, look, shadow if shadow.rgba[..., 3].any() else None)
        )
    return out


def footings(objects: list[ObjectPixels], size: Size, horizon: float) -> list[Footing]:
    """Read every object's shadow; `objects` back to front, `horizon` in fractions of the canvas height."""
    free, out = torch.ones(size.height, size.width), []
    for thing in objects:
        alpha = alpha_on_canvas(thing.look, size)
        reading = None
        if thing.shadow is not None:
            look = raster_in_frame(thing.look, size, frames.crop_of(thing.box)[None], CROP_PX)
            reading = read_shadow(look, thing.box, alpha_on_canvas(thing.shadow, size), free)
        out.append(Footing(thing.id, reading, _gap(alpha, thing, size, reading, horizon)))
        free = free * (1 - alpha)
    return out


def alpha_on_canvas(raster: Raster, size: Size) -> Tensor:
    """Return the alpha (h, w) in 0..1 of a raster on the canvas."""
    out = np.zeros((size.height, size.width), np.float32)
    part = raster.rect.intersection(Rect(0, 0, size.width, size.height))
    if not part.is_empty:
        y, x = part.y - raster.rect.y, part.x - raster.rect.x
        alpha = raster.rgba[y : y + part.height, x : x + part.width, 3]
        out[part.y : part.bottom, part.x : part.right] = alpha / np.float32(255)
    return torch.from_numpy(out)


def _gap(
    alpha: Tensor, thing: ObjectPixels, size: Size, reading: ShadowReading | None, horizon: float
) -> float | None:
    if reading is None:
        return None
    least = max(1.0, EDGE_SHARE * float(thing.box[2]) * size.height)
    rows = ((alpha > EDGE_ALPHA).sum(1) >= least).nonzero()[:, 0]
    if not len(rows) or int(rows[-1]) == size.height - 1:
        return None
    edge = (int(rows[-1]) + 1) / size.height
    foot = edge - CONTACT_INSET * float(thing.box[3])
    return max(abs(foot - reading.contact), horizon - edge)
