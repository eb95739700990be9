"""Light and ground measures: right on rendered truth, wrong on what was made wrong on purpose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.geometry import Rect
from psdstudio.gen.request import Raster
from psdstudio.training.evaluation_layers import ObjectPixels, footings, truth_objects
from psdstudio.training.evaluation_light import scene_light
from psdstudio.training.evaluation_measures import median_with_interval
from psdstudio.training.evaluation_runs import CANVAS
from psdstudio.training.layouts import Layout
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.shadow_reading import angle_between, mean_azimuth
from psdstudio.training.sprites import SpriteLibrary
from tests.training.toys import layouts_of

SIDE = 256
LIGHTS = ((20.0, 30.0), (60.0, 40.0), (150.0, 35.0), (215.0, 45.0), (-35.0, 30.0))
"""Azimuth and elevation of the scenes, in degrees."""


def lit(layout: Layout, azimuth: float, elevation: float) -> Layout:
    """The same layout under another light, dense and hard, with everything standing."""
    world = replace(layout.world, azimuth_deg=azimuth, elevation_deg=elevation, softness=0.2, density=0.5)
    return replace(layout, world=world, objects=tuple(replace(o, standing=True) for o in layout.objects))


def scenes(library: SpriteLibrary) -> Iterator[tuple[float, float, list[ObjectPixels]]]:
    """Azimuth, horizon and delivered objects of scenes under the test's lights."""
    for number, (azimuth, elevation) in enumerate(LIGHTS):
        layout = lit(layouts_of(library, seed=40 + number, count=1, objects=2)[0], azimuth, elevation)
        truth = render_scenes(library, [layout], canvas=(SIDE, SIDE), look_px=128)
        yield azimuth % 360, layout.world.horizon, truth_objects(truth, 0, CANVAS)


def errors(library: SpriteLibrary, change: float = 0.0) -> list[float]:
    """Angles between what is read and the light turned by `change` degrees; unreadable ones left out."""
    out = []
    for azimuth, horizon, objects in scenes(library):
        for footing in footings(objects, CANVAS, horizon):
            assert footing.reading is not None
            if footing.reading.azimuth_deg is not None:
                out.append(angle_between(footing.reading.azimuth_deg, azimuth + change))
    return out


def test_the_azimuth_of_rendered_shadows_is_read(library: SpriteLibrary) -> None:
    found = errors(library)
    assert len(found) >= 7, "most of ten strong shadows have a direction"
    assert float(np.median(found)) < 8
    assert float(np.median(errors(library, change=90))) > 70


def test_a_mirrored_shadow_disagrees(library: SpriteLibrary) -> None:
    """Truth leans with the light; the same shadow turned left to right about its foot does not."""
    for azimuth, horizon, objects in scenes(library):
        honest = scene_light(footings(objects[:1], CANVAS, horizon), azimuth)
        wrong = scene_light(footings([mirrored(objects[0])], CANVAS, horizon), azimuth)
        assert honest.leaning == 1
        assert wrong.leaning == 0
        if honest.against_light and abs(math.cos(math.radians(azimuth))) > 0.7:
            assert not wrong.against_light or wrong.against_light[0] > 45


def test_a_round_stain_has_no_direction(library: SpriteLibrary) -> None:
    """Off its foot or not, an ellipse is no thrown shadow: no azimuth may be made of it."""
    for _, horizon, objects in scenes(library):
        for offset in (-0.25, 0.0, 0.25):
            thing = objects[0]
            x, y, w, h = (float(v) for v in thing.box)
            stain = ellipse(x + w / 2 + offset * h, y + h, 0.3 * h, 0.15 * h)
            reading = footings([replace(thing, shadow=stain)], CANVAS, horizon)[0].reading
            assert reading is not None
            assert reading.azimuth_deg is None


def test_things_on_the_ground_do_not_float_and_lifted_ones_do(library: SpriteLibrary) -> None:
    for _, horizon, objects in scenes(library):
        for thing in objects:
            if thing.look.rect.bottom >= SIDE - 20:
                continue
            on_ground = footings([thing], CANVAS, horizon)[0]
            assert on_ground.gap is not None
            assert on_ground.gap < 0.012
            lifted = replace(thing, look=moved(thing.look, -13))
            sunken = replace(thing, shadow=moved(thing.shadow, -13) if thing.shadow else None)
            assert footings([lifted], CANVAS, horizon)[0].floats
            assert footings([sunken], CANVAS, horizon)[0].floats
            assert footings([thing], CANVAS, 0.99)[0].floats, "above the horizon is in the air"


def test_no_shadow_says_nothing_and_is_counted(library: SpriteLibrary) -> None:
    azimuth, horizon, objects = next(scenes(library))
    read = footings([replace(thing, shadow=None) for thing in objects], CANVAS, horizon)
    light = scene_light(read, azimuth)
    assert (light.standing, light.shadowless, light.illegible, light.gaps) == (2, 2, 2, [])


@given(st.floats(-720, 720), st.floats(-720, 720))
def test_angles_are_between_directions(a: float, b: float) -> None:
    assert 0 <= angle_between(a, b) <= 180
    assert angle_between(a, b) == pytest.approx(angle_between(b, a), abs=1e-6)
    assert angle_between(a + 360, b) == pytest.approx(angle_between(a, b), abs=1e-6)
    assert angle_between(mean_azimuth([a, a + 40]), a + 20) < 1e-6 * 720


def test_a_median_has_its_interval() -> None:
    figure = median_with_interval([[1.0, 2.0], [], [3.0], [4.0, 50.0]])
    assert figure["value"] == 3
    assert figure["n"] == 5
    assert figure["low"] <= 3 <= figure["high"]
    assert median_with_interval([[], []])["n"] == 0


def moved(raster: Raster, down: int) -> Raster:
    """The raster so many pixels lower."""
    return replace(raster, rect=raster.rect.shifted(0, down))


def mirrored(thing: ObjectPixels) -> ObjectPixels:
    """Its shadow turned left to right about the middle of the box (the canvas is enough room on both sides)."""
    assert thing.shadow is not None
    middle = float(thing.box[0] + thing.box[2] / 2) * SIDE
    x = round(2 * middle - thing.shadow.rect.right)
    rect = Rect(x, thing.shadow.rect.y, thing.shadow.rect.width, thing.shadow.rect.height)
    return replace(thing, shadow=Raster(rgba=np.ascontiguousarray(thing.shadow.rgba[:, ::-1]), rect=rect))


def ellipse(x: float, y: float, rx: float, ry: float) -> Raster:
    """A soft dark stain, in canvas heights."""
    at = (torch.arange(SIDE) + 0.5) / SIDE
    d = ((at[None] - x) / rx) ** 2 + ((at[:, None] - y) / ry) ** 2
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[..., 3] = (120 * torch.exp(-2 * d)).round().byte().numpy()
    return Raster(rgba=rgba, rect=Rect(0, 0, SIDE, SIDE))
