"""Verbs whose parts are known in part: outlines, holes, places, flat pictures, run by the engine itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.gen.request import PartlyKnown, Raster
from psdstudio.jobs.inline import run_inline
from tests.engine.test_splitting import smooth
from tests.engine.toys import kept, loaded, model_folder, part, picture, request

pytestmark = pytest.mark.torch
SIZE = Size(96, 72)
WHOLE = Rect(0, 0, *SIZE)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedEngine:
    return loaded(model_folder(tmp_path_factory.mktemp("model")))


def test_a_silhouette_is_painted_and_keeps_its_alpha(engine: EmbeddedEngine) -> None:
    rect = Rect(20, 10, 40, 50)
    outline = picture(rect)
    fox = part("fox", silhouette=outline, box=BoxF.from_rect(rect, SIZE), effects_known=True)
    asked = request(
        [kept("duck", Rect(2, 30, 20, 20), SIZE), fox], size=SIZE, background=picture(WHOLE, opaque=True)
    )
    first = run_inline(engine, asked).objects[1].look
    assert first is not None and first.rect == rect
    assert (first.rgba[..., 3] == outline.rgba[..., 3]).all()
    again = (
        run_inline(engine, replace(asked, objects=(asked.objects[0], replace(fox, seed=99)))).objects[1].look
    )
    assert again is not None
    assert not np.array_equal(first.rgba, again.rgba), "another seed, other colours"


def test_a_background_is_mended_in_its_hole_alone(engine: EmbeddedEngine) -> None:
    ground = picture(WHOLE, opaque=True)
    unknown = np.zeros((SIZE.height, SIZE.width), np.bool_)
    unknown[20:60, 30:80] = True
    asked = request([kept("duck", Rect(30, 20, 50, 40), SIZE)], size=SIZE)
    asked = replace(
        asked, background=replace(asked.background, partial=PartlyKnown(raster=ground, unknown=unknown))
    )
    made = run_inline(engine, asked).background
    assert made is not None
    assert (made.rgba[~unknown] == ground.rgba[~unknown]).all()
    assert not (made.rgba[unknown] == ground.rgba[unknown]).all()
    assert (made.rgba[..., 3] == 255).all(), "a background has no holes"


def test_the_hidden_part_of_a_look_is_made_and_the_rest_stays(engine: EmbeddedEngine) -> None:
    rect = Rect(10, 10, 50, 50)
    look = picture(rect, opaque=True)
    unknown = np.zeros((50, 50), np.bool_)
    unknown[:, 30:] = True
    fox = part(
        "fox",
        partial=PartlyKnown(raster=look, unknown=unknown),
        box=BoxF.from_rect(rect, SIZE),
        effects_known=True,
    )
    made = (
        run_inline(engine, request([fox], size=SIZE, background=picture(WHOLE, opaque=True))).objects[0].look
    )
    assert made is not None and made.rect == rect
    assert (made.rgba[~unknown] == look.rgba[~unknown]).all()


def test_a_new_place_moves_the_box_keeps_its_shape_and_paints_contacts(engine: EmbeddedEngine) -> None:
    here = Rect(4, 40, 24, 16)
    duck = replace(kept("duck", here, SIZE, effects_known=False), box=None)
    made = run_inline(engine, request([duck], size=SIZE, background=picture(WHOLE, opaque=True))).objects[0]
    assert made.look is None
    assert made.effects_made
    assert made.box != BoxF.from_rect(here, SIZE)
    width, height = made.box.width * SIZE.width, made.box.height * SIZE.height
    assert width / height == pytest.approx(24 / 16, rel=0.02)


@pytest.mark.parametrize("with_box", [False, True])
def test_a_flat_picture_comes_apart_and_its_layers_give_it_back(
    engine: EmbeddedEngine, with_box: bool
) -> None:
    flat = smooth(np.random.default_rng(4), WHOLE, alpha=255)
    box = BoxF(0.3, 0.2, 0.4, 0.6) if with_box else None
    asked = replace(request([part("fox", box=box), part("duck", 5)], size=SIZE), picture=flat)
    result = run_inline(engine, asked)
    assert result.background is not None
    out = result.background.rgba[..., :3].astype(np.float64)
    for made in result.objects:
        for raster, lit in ((made.shadow, 0), (made.reflection, 1), (made.look, 1)):
            if raster is None:
                continue
            cut = raster.rect.intersection(WHOLE)
            y, x = cut.y - raster.rect.y, cut.x - raster.rect.x
            rgba = raster.rgba[y : y + cut.height, x : x + cut.width].astype(np.float64)
            here = np.s_[cut.y : cut.bottom, cut.x : cut.right]
            alpha = rgba[..., 3:] / 255
            out[here] = out[here] * (1 - alpha) + lit * rgba[..., :3] * alpha
    error = float(((out - flat.rgba[..., :3]) ** 2).mean())
    assert 10 * np.log10(255**2 / error) > 35
    if with_box:
        assert result.objects[0].box == box


def test_the_picture_decides_where_things_are(engine: EmbeddedEngine) -> None:
    rng = np.random.default_rng(5)
    boxes = []
    for _ in range(2):
        flat = smooth(rng, WHOLE, alpha=255)
        asked = replace(request([part("fox")], size=SIZE), picture=flat)
        boxes.append(run_inline(engine, asked).objects[0].box)
    assert boxes[0] != boxes[1], "the layout path is shown the picture"


def test_the_known_part_of_a_request_is_a_law_of_its_result(engine: EmbeddedEngine) -> None:
    asked = request([part("fox")], size=SIZE)
    result = run_inline(engine, asked)
    with pytest.raises(Exception, match="known pixels"):
        replace(
            result,
            request=replace(
                asked,
                background=replace(
                    asked.background,
                    id=LayerId("background"),
                    partial=PartlyKnown(
                        raster=Raster(rgba=picture(WHOLE).rgba, rect=WHOLE), unknown=_corner()
                    ),
                ),
            ),
        )


def _corner() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    unknown = np.zeros((SIZE.height, SIZE.width), np.bool_)
    unknown[0, 0] = True
    return unknown
