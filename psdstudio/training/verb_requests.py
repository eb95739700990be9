"""Rendered scenes as requests of single verbs: what is known of each is taken from the truth, the rest is to be made.

All rasters have exactly the pixels of their rectangles, as those of a document: known ones must come back to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Light
from psdstudio.engine import frames
from psdstudio.engine.compose import mask_effects
from psdstudio.engine.pictures import frame_rect, opaque, pad_colour, resized_u8, to_u8
from psdstudio.gen.request import (
    BackgroundPart,
    GenerationRequest,
    Mask,
    ObjectPart,
    PartlyKnown,
    Raster,
    Sampling,
)
from psdstudio.training.layouts import Layout, draw_layout
from psdstudio.training.looks import COLOURS
from psdstudio.training.scene_truth import placed_objects, render_scenes
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.verb_measures import on_canvas

VERB_SEED = 990_307
CANVAS = Size(256, 256)
TRUTH_PX = 128
FEWEST, MOST = 2, 3
BACKGROUND = LayerId("background")
HOLE_MARGIN = 2
"""Pixels by which a hole reaches beyond the object that stood there."""
HIDDEN_RADIUS = 0.35
"""Half axes of what hides a part of a look, in edges of its raster."""


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One object as a document would hold it; `standing`: it has a shadow."""

    id: LayerId
    noun: str
    words: str
    colour: str | None
    box: BoxF
    frame: Rect
    look: Raster
    shadow: Raster
    reflection: Raster
    standing: bool


@dataclass(frozen=True, slots=True)
class TrueScene:
    """A rendered scene on the canvas: background, objects back to front, the flat picture, its light."""

    number: int
    layout: Layout
    background: Raster
    objects: tuple[TrueObject, ...]
    picture: Raster
    light: Light


def true_scene(library: SpriteLibrary, number: int) -> TrueScene:
    """Render scene `number` of the test of verbs; the same for the same library, always."""
    rng = np.random.default_rng([VERB_SEED, number])
    layout = draw_layout(library, rng, int(rng.integers(FEWEST, MOST + 1)), CANVAS.width / CANVAS.height)
    truth = render_scenes(library, [layout], canvas=(CANVAS.height, CANVAS.width), look_px=TRUTH_PX)
    whole = Rect(0, 0, CANVAS.width, CANVAS.height)
    placed, objects = mask_effects(placed_objects(truth, (CANVAS.height, CANVAS.width))), []
    for i, one in enumerate(layout.objects):
        box, rect = truth.boxes[0, i], frame_rect(frames.crop_of(truth.boxes[0, i]), CANVAS)
        x, y, w, h = (float(v) for v in box)
        density = placed[i].density[0]
        objects.append(
            TrueObject(
                id=LayerId(f"object {i}"),
                noun=one.sprite.noun,
                words=one.words,
                colour=next((colour for colour in COLOURS if colour in one.words.split()), None),
                box=BoxF(x / layout.aspect, y, w / layout.aspect, h),
                frame=frame_rect(frames.shadow_frame(box), CANVAS).intersection(whole),
                look=Raster(rgba=resized_u8(truth.looks[0, i], rect.width, rect.height), rect=rect),
                shadow=Raster(
                    rgba=to_u8(torch.cat([torch.zeros(3, *density.shape[1:]), density])), rect=whole
                ),
                reflection=Raster(rgba=to_u8(pad_colour(placed[i].reflection)[0]), rect=whole),
                standing=one.standing,
            )
        )
    world = layout.world
    return TrueScene(
        number=number,
        layout=layout,
        background=Raster(rgba=to_u8(opaque(truth.background[0])), rect=whole),
        objects=tuple(objects),
        picture=Raster(rgba=to_u8(opaque(truth.composite[0])), rect=whole),
        light=Light(
            azimuth_deg=world.azimuth_deg,
            elevation_deg=world.elevation_deg,
            softness=world.softness,
            horizon=world.horizon,
        ),
    )


def split_request(scene: TrueScene, sampling: Sampling) -> GenerationRequest:
    """Split the flat picture into the things that are in it; their words and boxes are said, the light is not."""
    objects = [_free(scene, one) for one in scene.objects]
    return _request(scene, sampling, _background(scene, known=False), objects, picture=scene.picture)


def fill_request(scene: TrueScene, sampling: Sampling) -> tuple[GenerationRequest, Mask]:
    """Fill the background behind the foremost object; returns where (h, w) it is unknown, too.

    Nothing of the true background is left in the hole.
    """
    alpha = on_canvas(scene.objects[-1].look, CANVAS)[3]
    reach = 2 * HOLE_MARGIN + 1
    unknown = (F.max_pool2d(alpha[None, None], reach, 1, HOLE_MARGIN)[0, 0] > 0).numpy()
    rgba = np.where(unknown[..., None], np.uint8(0), scene.background.rgba)
    partial = PartlyKnown(raster=Raster(rgba=rgba, rect=scene.background.rect), unknown=unknown)
    background = BackgroundPart(
        id=BACKGROUND, engine_words=scene.layout.world.words, seed=_seed(scene, 0), partial=partial
    )
    return _request(scene, sampling, background, [_known(scene, one) for one in scene.objects]), unknown


def hidden_part_request(scene: TrueScene, sampling: Sampling) -> tuple[GenerationRequest, Mask]:
    """Complete the foremost look, an ellipse of which is unknown; returns where (h, w) of its raster, too."""
    one = scene.objects[-1]
    h, w = one.look.rgba.shape[:2]
    rows, columns = np.nonzero(one.look.rgba[..., 3] > 127)
    at = int(np.random.default_rng([VERB_SEED, scene.number, 1]).integers(len(rows)))
    y, x = np.mgrid[:h, :w]
    unknown: Mask = ((y - rows[at]) / (HIDDEN_RADIUS * h)) ** 2 + (
        (x - columns[at]) / (HIDDEN_RADIUS * w)
    ) ** 2 <= 1
    rgba = np.where(unknown[..., None], np.uint8(0), one.look.rgba)
    part = _free(
        scene, one, partial=PartlyKnown(raster=Raster(rgba=rgba, rect=one.look.rect), unknown=unknown)
    )
    others = [_known(scene, other) for other in scene.objects[:-1]]
    return _request(scene, sampling, _background(scene), [*others, part]), unknown


def silhouette_request(scene: TrueScene, sampling: Sampling) -> GenerationRequest:
    """Paint the foremost object anew in its outline, everything else kept."""
    *others, one = scene.objects
    part = _free(scene, one, silhouette=one.look)
    return _request(scene, sampling, _background(scene), [*(_known(scene, other) for other in others), part])


def contacts_request(scene: TrueScene, sampling: Sampling) -> GenerationRequest:
    """Paint the shadows and reflections of all objects anew, everything else kept."""
    objects = [_known(scene, one, with_effects=False) for one in scene.objects]
    return _request(scene, sampling, _background(scene), objects)


def _seed(scene: TrueScene, part: int) -> int:
    return int(np.random.default_rng([VERB_SEED, scene.number, 2, part]).integers(2**62))


def _free(
    scene: TrueScene,
    one: TrueObject,
    *,
    silhouette: Raster | None = None,
    partial: PartlyKnown | None = None,
) -> ObjectPart:
    return ObjectPart(
        id=one.id,
        name=one.noun,
        engine_words=one.words,
        seed=_seed(scene, 1 + scene.objects.index(one)),
        box=one.box,
        silhouette=silhouette,
        partial=partial,
        use_library=False,
    )


def _known(scene: TrueScene, one: TrueObject, *, with_effects: bool = True) -> ObjectPart:
    return ObjectPart(
        id=one.id,
        name=one.noun,
        engine_words=one.words,
        seed=_seed(scene, 1 + scene.objects.index(one)),
        box=one.box,
        look=one.look,
        shadow=one.shadow if with_effects else None,
        reflection=one.reflection if with_effects else None,
        effects_known=with_effects,
        use_library=False,
    )


def _background(scene: TrueScene, *, known: bool = True) -> BackgroundPart:
    return BackgroundPart(
        id=BACKGROUND,
        engine_words=scene.layout.world.words,
        seed=_seed(scene, 0),
        look=scene.background if known else None,
    )


def _request(
    scene: TrueScene,
    sampling: Sampling,
    background: BackgroundPart,
    objects: list[ObjectPart],
    *,
    picture: Raster | None = None,
) -> GenerationRequest:
    return GenerationRequest(
        run_id=f"verbs {scene.number}",
        engine="embedded",
        size=CANVAS,
        scene_words=scene.layout.words,
        background=background,
        objects=tuple(objects),
        light=scene.light if picture is None else None,
        picture=picture,
        sampling=sampling,
        seed=scene.number + 1,
    )
