"""Scenes of the path-traced test set: frozen, whole in the picture, of models that never train."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.training.assets.cycles import SKIES, RendererMissing, blender
from psdstudio.training.assets.furniture import FurnitureModel
from psdstudio.training.assets.splits import heldout_models
from psdstudio.training.assets.traced_layouts import (
    LOW_MARGIN,
    OPEN_SKIES,
    SIDE_MARGIN,
    SIZE_RATIO,
    TOP_MARGIN,
    Light,
    TracedLayout,
    box_corners,
    draw_scene,
    light_direction,
    project,
    traced_models,
)
from psdstudio.training.assets.traced_scenes import alpha_box, shadow_density
from psdstudio.training.assets.vocabulary import vocabulary

SIZES = (
    (60, 60, 105),
    (45, 45, 20),
    (140, 70, 75),
    (30, 30, 160),
    (20, 20, 30),
    (230, 90, 80),
    (90, 200, 60),
)


def model(number: int, size: tuple[float, float, float]) -> FurnitureModel:
    """A model of that size; nothing of it is ever opened."""
    return FurnitureModel(
        slug=f"X_{number}", id=f"X#{number}", name="Thing", tags="", category="Kitchen", catalogue="Scopia",
        creator="Ann", licence="CC0-1.0", size_cm=size, hangs_cm=0.0, turned=(1, 0, 0, 0, 1, 0, 0, 0, 1),
        archive=Path("none"), member="none", left_out="",
    )  # fmt: skip


MODELS = tuple(model(i, size) for i, size in enumerate(SIZES))
FROZEN = ("forest", 225.558, 1)
NOUNS = {m.slug: f"noun {m.slug}" for m in MODELS}
BY_SLUG = {m.slug: m for m in MODELS}


def scene(number: int) -> TracedLayout:
    return draw_scene(number, MODELS, NOUNS)


def test_the_models_never_train() -> None:
    models = traced_models()
    assert len(models) >= 60
    assert set(models) <= heldout_models(), "neither trained on nor judged with"
    assert set(models.values()) <= {noun.noun for noun in vocabulary()}


def test_a_number_is_one_scene_for_ever() -> None:
    assert scene(7) == scene(7)
    assert scene(7) != scene(8)
    first = scene(0)
    assert (first.light.sky, round(first.light.azimuth_deg, 3), len(first.objects)) == FROZEN


@given(st.integers(0, 5000))
def test_all_objects_stand_whole_within_the_picture_and_before_the_end_of_the_floor(number: int) -> None:
    layout = scene(number)
    points = np.concatenate([box_corners(o, BY_SLUG[o.slug]) for o in layout.objects])
    seen = project(points, layout.view.target, layout.view.distance, layout.view.elevation_deg)
    assert (np.abs(seen[:, 0]) <= SIDE_MARGIN + 1e-9).all()
    assert (seen[:, 1] <= TOP_MARGIN + 1e-9).all() and (seen[:, 1] >= -LOW_MARGIN - 1e-9).all()
    assert points[:, 1].max() < layout.view.far
    assert 0 <= layout.view.horizon < (1 - seen[:, 1].min()) / 2
    depths = [o.y for o in layout.objects]
    assert depths == sorted(depths, reverse=True), "back to front"


@given(st.integers(0, 5000))
def test_things_of_a_scene_are_of_like_size_and_do_not_stand_in_one_another(number: int) -> None:
    layout = scene(number)
    sizes = [max(BY_SLUG[o.slug].size_cm) for o in layout.objects]
    assert all(max(size, sizes[0]) / min(size, sizes[0]) <= SIZE_RATIO**2 for size in sizes)
    rng = np.random.default_rng(number)
    for one in layout.objects:
        w, d, _ = (c / 200 * one.scale for c in BY_SLUG[one.slug].size_cm)
        for x, y in rng.uniform(-1, 1, (40, 2)) * (w, d):
            a = math.radians(one.yaw_deg)
            at = (one.x + math.cos(a) * x - math.sin(a) * y, one.y + math.sin(a) * x + math.cos(a) * y)
            assert sum(within(at, layout, other.slug) for other in layout.objects) == 1


def within(at: tuple[float, float], layout: TracedLayout, slug: str) -> bool:
    """Whether a point of the ground lies under the object."""
    thing = next(o for o in layout.objects if o.slug == slug)
    a = math.radians(thing.yaw_deg)
    x, y = at[0] - thing.x, at[1] - thing.y
    w, d, _ = (c / 200 * thing.scale for c in BY_SLUG[slug].size_cm)
    return abs(math.cos(a) * x + math.sin(a) * y) <= w and abs(-math.sin(a) * x + math.cos(a) * y) <= d


@given(st.floats(0, 360), st.floats(20, 70))
def test_the_shadow_of_a_pole_falls_where_the_azimuth_says(azimuth: float, elevation: float) -> None:
    x, y, z = light_direction(Light(azimuth, elevation, 0.2, 3.0, (1, 1, 1), "city", 0.3))
    right, near = -x / z, y / z  # the tip's shadow, for a pole of one metre; the viewer is at -y
    length = math.hypot(right, near)
    assert length == pytest.approx(1 / math.tan(math.radians(elevation)))
    assert right == pytest.approx(length * math.cos(math.radians(azimuth)), abs=1e-9)
    assert near == pytest.approx(length * math.sin(math.radians(azimuth)), abs=1e-9)


def test_light_comes_from_all_sides() -> None:
    quarters = {int(scene(n).light.azimuth_deg // 90) for n in range(60)}
    assert quarters == {0, 1, 2, 3}
    assert set(OPEN_SKIES) <= set(SKIES)


@given(st.integers(0, 255), st.floats(0.05, 0.95))
def test_a_shadow_layer_of_the_density_makes_the_shaded_picture(grey: int, density: float) -> None:
    lit = np.full((4, 4, 3), max(40, grey), np.uint8)
    shaded = (lit * (1 - density) + 0.5).astype(np.uint8)
    again = lit * (1 - shadow_density(lit, shaded)[..., None] / 255.0)
    assert np.abs(again - shaded).max() <= 6  # 0.02 of 255 counts as noise, and rounding
    assert not shadow_density(lit, lit).any()


def test_the_box_is_that_of_what_is_covered() -> None:
    look = np.zeros((10, 20, 4), np.uint8)
    look[2:6, 5:15, 3] = 255
    look[0, 0, 3] = 8  # noise
    assert alpha_box(look) == (0.25, 0.2, 0.5, 0.4)


def test_without_the_path_tracer_its_absence_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bpy", None)
    with pytest.raises(RendererMissing, match="not installed"):
        blender()
