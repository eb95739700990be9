"""The path-traced test set: what is written is read, its layers make its pictures, and the measures read its light."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from psdstudio.engine import frames
from psdstudio.errors import FileCorrupt, FileError
from psdstudio.training.assets.ledger import LICENCE_URLS
from psdstudio.training.assets.traced_layouts import (
    GROUNDS,
    Light,
    Standing,
    TracedLayout,
    View,
    traced_models,
)
from psdstudio.training.assets.traced_scenes import (
    HEIGHT,
    WIDTH,
    TracedPictures,
    pack,
    save_scene,
    scene_record,
    write_json,
)
from psdstudio.training.evaluation_light import AGAINST_LIGHT
from psdstudio.training.evaluation_traced import (
    AGREEMENT,
    TRACED_FOLDER,
    as_truth,
    traced_figures,
    traced_neighbours,
)
from psdstudio.training.shadow_reading import angle_between
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.traced_truth import TracedScene, read_traced
from psdstudio.training.words import WordBank
from psdstudio.training.world import World, draw_world
from tests.training.toys import tiny_state

NOUNS = ("cup", "apple", "cat")
PLACES = ((40, 60, 30, 60), (90, 70, 40, 50), (140, 75, 30, 55))
"""Left, top, width, height of the things, in pixels."""


def layout(number: int, count: int) -> TracedLayout:
    things = tuple(Standing(f"X_{n}", n, 0.0, 1.0, 0.0, -i) for i, n in enumerate(NOUNS[:count]))
    light = Light(30.0 + 40 * number, 40.0, 0.25, 3.0, (1.0, 1.0, 1.0), "city", 0.3)
    return TracedLayout(number, things, GROUNDS[0], "red", light, View((0, 0, 0), 3, 15, 0.3, 2))


def pictures(number: int, count: int) -> TracedPictures:
    """Boxes on a ramp, each with an even shadow beside it; the whole is made of the layers."""
    ramp = np.linspace(90, 200, WIDTH).astype(np.uint8)
    background = np.repeat(np.repeat(ramp[None, :, None], HEIGHT, 0), 3, 2)
    looks = np.zeros((count, HEIGHT, WIDTH, 4), np.uint8)
    densities = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    with_effects = background.astype(np.float64)
    for i, (x, y, w, h) in enumerate(PLACES[:count]):
        looks[i, y : y + h, x : x + w] = (40 + 60 * i, 200 - 50 * number % 200, 90, 255)
        densities[i, y + h - 6 : y + h + 4, x : x + w + 20] = 120
        with_effects = with_effects * (1 - densities[i, ..., None] / 255)
    whole = with_effects
    for look in looks:
        whole = np.where(look[..., 3:] > 0, look[..., :3], whole)
    as_bytes = [(p + 0.5).astype(np.uint8) for p in (whole, with_effects)]
    return TracedPictures(as_bytes[0], background, as_bytes[1], looks, densities)


def write_set(folder: Path, counts: tuple[int, ...]) -> Path:
    """A set of such scenes with so many objects each."""
    records = []
    folder.mkdir(parents=True)
    for number, count in enumerate(counts):
        made = pictures(number, count)
        save_scene(folder, number, made)
        records.append(scene_record(layout(number, count), made.looks))
    write_json(folder / "scenes.json", {"size": [WIDTH, HEIGHT], "scenes": records})
    write_json(folder / "ledger.json", [])
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set", (1, 2, 3))


def test_what_is_written_is_read_to_the_last_bit(toy: Path) -> None:
    scenes = read_traced(toy)
    assert [len(s.nouns) for s in scenes] == [1, 2, 3]
    for number, scene in enumerate(scenes):
        made = pictures(number, number + 1)
        assert torch.equal(
            (scene.composite * 255).round().byte().permute(1, 2, 0), torch.from_numpy(made.whole)
        )
        assert np.array_equal((scene.shadows * 255).round().byte().numpy(), made.densities)
        assert np.array_equal((scene.canvas_looks[:, 3] * 255).round().byte().numpy(), made.looks[..., 3])
        for box, (x, y, w, h) in zip(scene.boxes.tolist(), PLACES, strict=False):
            assert box == pytest.approx([x / HEIGHT, y / HEIGHT, w / HEIGHT, h / HEIGHT], abs=1e-4)
    assert scenes[2].nouns == NOUNS and scenes[1].words == "a wooden table before a red wall"
    assert len(read_traced(toy, 2)) == 2


def test_the_layers_make_the_whole(toy: Path) -> None:
    for scene in read_traced(toy):
        for mirror_images in (True, False):
            assert (scene.stacked(mirror_images=mirror_images) - scene.composite).abs().max() < 0.01


def test_looks_fill_their_crops_and_shadows_their_frames(toy: Path) -> None:
    scene = read_traced(toy)[2]
    looks, rows = scene.looks(64), scene.shadow_rows(32)
    assert looks.shape == (3, 4, 64, 64) and rows.shape == (3, 32, 32)
    for look, box in zip(looks, scene.boxes, strict=True):
        inside = frames.box_in_crop(box)
        assert float(look[3].mean()) == pytest.approx(float(inside[2] * inside[3]), abs=0.04)
    assert float(rows.max()) == pytest.approx(120 / 255, abs=0.01)


def test_the_light_is_said_in_the_numbers_of_training() -> None:
    world: World = replace(
        draw_world(np.random.default_rng(3)),
        azimuth_deg=130.0,
        elevation_deg=33.0,
        softness=0.4,
        horizon=0.31,
    )
    light = replace(read_traced(TRACED_FOLDER, 1)[0].light, azimuth_deg=130.0, elevation_deg=33.0)
    light = replace(light, softness=0.4, horizon=0.31)
    assert light.light_vector() == pytest.approx(world.light_vector())


def test_a_missing_set_and_a_damaged_one_are_said(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="not there"):
        read_traced(tmp_path / "nowhere")
    (toy / "001.looks.webp").write_bytes(b"no picture")
    with pytest.raises(FileCorrupt, match="cannot be read"):
        read_traced(toy)
    (toy / "001.looks.webp").write_bytes((toy / "002.looks.webp").read_bytes())
    with pytest.raises(FileCorrupt, match="another size"):
        read_traced(toy)
    (toy / "scenes.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileCorrupt, match="cannot be read"):
        read_traced(toy)


def test_the_smaller_set_keeps_alpha_and_nearly_all_colour(toy: Path, tmp_path: Path) -> None:
    size = pack(toy, tmp_path / "small", 92)
    assert 0 < size == sum(p.stat().st_size for p in (tmp_path / "small").iterdir())
    for before, after in zip(read_traced(toy), read_traced(tmp_path / "small"), strict=True):
        assert torch.equal(before.canvas_looks[:, 3], after.canvas_looks[:, 3])
        assert (before.composite - after.composite).abs().mean() < 0.02


def test_scenes_become_rows_as_training_renders_them(toy: Path, library: SpriteLibrary) -> None:
    scene = read_traced(toy)[2]
    truth = as_truth([scene, scene], library, 64)
    assert truth.looks.shape == (2, 3, 4, 64, 64) and truth.effects.shape == (2, 3, 5, 32, 32)
    assert truth.background.shape == truth.composite.shape
    assert truth.background.shape[3] / truth.background.shape[2] == pytest.approx(scene.aspect, rel=0.05)
    assert [p.words for p in truth.layouts[0].objects] == list(NOUNS)
    assert truth.light[0].tolist() == pytest.approx(scene.light.light_vector())


def test_swapped_neighbours_run_on_traced_scenes(
    tmp_path: Path, library: SpriteLibrary, bank: WordBank
) -> None:
    scenes = read_traced(write_set(tmp_path / "set", (2,) * 6))
    net = tiny_state().net.eval()
    figures = traced_neighbours(net, library, bank, scenes, count=1, look_px=32)
    assert figures["all"]["n"] == 12 and set(figures) >= {"look", "background"}
    unknown = [replace(s, nouns=("cup", "zeppelin")) for s in scenes]
    assert traced_neighbours(net, library, bank, unknown, count=1, look_px=32) == {}


# The set that comes with the repository.


@pytest.fixture(scope="module")
def traced() -> list[TracedScene]:
    return read_traced(TRACED_FOLDER)


def test_the_sets_layers_make_its_pictures(traced: list[TracedScene]) -> None:
    from psdstudio.training.evaluation_measures import psnr

    agreement = [psnr(s.stacked(mirror_images=True), s.composite) for s in traced]
    assert float(np.mean(agreement)) >= 35
    assert min(agreement) >= 25


def test_the_set_is_small_credited_and_of_held_out_models_only(traced: list[TracedScene]) -> None:
    assert sum(path.stat().st_size for path in TRACED_FOLDER.iterdir()) <= 2_000_000
    models = traced_models()
    shown = {slug for s in traced for slug in s.slugs}
    assert shown <= set(models) and all(models[slug] in s.nouns for s in traced for slug in s.slugs)
    ledger = {e["drawing"]: e for e in json.loads((TRACED_FOLDER / "ledger.json").read_text("utf-8"))}
    assert shown <= set(ledger)
    assert all(
        e["licence"] in LICENCE_URLS and (e["creator"] or "CC0" in e["licence"]) for e in ledger.values()
    )


def test_every_object_of_the_set_is_whole_in_its_box(traced: list[TracedScene]) -> None:
    for scene in traced:
        for box, look in zip(scene.boxes, scene.canvas_looks, strict=True):
            x, y, w, h = (round(float(n) * scene.size.height) for n in box)
            assert min(x, y) > 0 and x + w < scene.size.width and y + h < scene.size.height
            inside = look[3, y : y + h, x : x + w]
            assert float(inside.sum()) >= 0.99 * float(look[3].sum())


@pytest.mark.slow
def test_the_light_is_read_off_traced_shadows_better_than_by_chance(traced: list[TracedScene]) -> None:
    figures = traced_figures(traced[:24])
    assert figures[AGAINST_LIGHT]["n"] >= 8
    assert figures[AGAINST_LIGHT]["value"] < 45, "ninety degrees is chance"
    assert figures[AGREEMENT]["value"] >= 35
    turned = [replace(s, light=replace(s.light, azimuth_deg=s.light.azimuth_deg + 180)) for s in traced[:24]]
    assert traced_figures(turned)[AGAINST_LIGHT]["value"] > 135
    assert angle_between(math.degrees(math.tau), 0) < 1e-6
