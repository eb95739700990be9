"""Renders the path-traced test set: `python -m psdstudio.training.assets.traced_scenes --models FOLDER --out FOLDER`.

Real light where training only imitates it: shadows on one another, colour that bleeds, true contact, glass. Every
scene is rendered once as it is and once more for every layer, so that the truth of each layer is known:

- the whole; the background without the objects; the background with their shadows and mirror images;
- each object alone, nothing before it, in the light that the others leave it;
- the floor with the shadow of one object and nothing else, from which the density of its shadow is read:
  1 minus the ratio to the clean background, in the picture's own (sRGB) values, as the layer stack multiplies.

`NNN.ground.webp` holds whole, background, background with effects and the densities, one under the other;
`NNN.looks.webp` the objects, one under the other; `scenes.json` all words and numbers. What is there is not rendered
again. Needs the extra "render" (Blender as a module, a tool of the build only) and the furniture package.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psdstudio.errors import FileError, StudioError
from psdstudio.training.assets import cycles
from psdstudio.training.assets.furniture import FurnitureModel, read_furniture, usable
from psdstudio.training.assets.ledger import FURNITURE, Entry
from psdstudio.training.assets.traced_layouts import (
    FIELD_OF_VIEW_DEG,
    SUN_WIDTH_DEG,
    WALLS,
    Ground,
    TracedLayout,
    draw_scene,
    light_direction,
    scene_words,
    traced_models,
)

WIDTH, HEIGHT = 192, 144
SAMPLES: Final = 8
COVERED: Final = 32
"""Alpha (of 255) from which a pixel belongs to an object's box."""
FAINTEST: Final = 0.02
"""Densities below are what is left of the samples' noise."""
SIDE: Final = 40.0
"""Half the width of floor and wall, in metres: beyond every picture."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TracedPictures:
    """What was rendered of a scene, 0..255: opaque (h, w, 3), looks (k, h, w, 4), densities (k, h, w)."""

    whole: Picture
    background: Picture
    with_effects: Picture
    looks: Picture
    densities: Picture


def render_scene(layout: TracedLayout, models: Mapping[str, FurnitureModel], threads: int) -> TracedPictures:
    """Render a scene and its layers; the same layout gives the same picture whatever the number of threads."""
    scene = cycles.empty_stage(cycles.Shot(WIDTH, HEIGHT, SAMPLES, layout.number))
    cycles.use_threads(scene, threads)
    things = []
    for placed in layout.objects:
        meshes = cycles.add_model(models[placed.slug], placed.yaw_deg, scale=placed.scale)
        cycles.move(meshes, placed.x, placed.y)
        things.append(meshes)
    surroundings = _surroundings(scene, layout)
    _light_and_view(scene, layout)
    everything = [mesh for meshes in things for mesh in meshes]
    whole = cycles.render_picture(scene, transparent=False)[..., :3]
    with cycles.taken_away(everything):
        background = cycles.render_picture(scene, transparent=False)[..., :3]
    looks, shaded = [], []
    for meshes in things:
        others = [mesh for mesh in everything if mesh not in meshes]
        with cycles.hidden_from_camera([*others, *surroundings]):
            looks.append(cycles.render_picture(scene, transparent=True))
        with (
            cycles.taken_away(others),
            cycles.hidden_from_camera(meshes),
            cycles.without_mirror_image(meshes),
        ):
            shaded.append(cycles.render_picture(scene, transparent=False)[..., :3])
    with_effects = shaded[0]
    if len(things) > 1 or layout.ground.reflectivity:  # else there is no mirror image: the same picture
        with cycles.hidden_from_camera(everything):
            with_effects = cycles.render_picture(scene, transparent=False)[..., :3]
    densities = [shadow_density(background, picture) for picture in shaded]
    return TracedPictures(whole, background, with_effects, np.stack(looks), np.stack(densities))


def shadow_density(background: Picture, shaded: Picture) -> Picture:
    """Return (h, w): how opaque a black layer must be to turn the background into the shaded one, 0..255."""
    lit = np.maximum(background.astype(np.float32).sum(2), 1.0)
    density = np.clip(1 - shaded.astype(np.float32).sum(2) / lit, 0, 1)
    out: Picture = (np.where(density < FAINTEST, 0.0, density) * 255 + 0.5).astype(np.uint8)
    return out


def alpha_box(look: Picture) -> tuple[float, float, float, float]:
    """Return the box (x, y, width, height) of what is covered, in fractions of the picture.

    Raises:
        FileError: Nothing is.
    """
    rows, columns = np.nonzero(look[..., 3] >= COVERED)
    if not len(rows):
        raise FileError("An object of a scene is not to be seen.")
    h, w = look.shape[:2]
    left, top = int(columns.min()), int(rows.min())
    return left / w, top / h, (int(columns.max()) + 1 - left) / w, (int(rows.max()) + 1 - top) / h


def scene_record(layout: TracedLayout, looks: Picture) -> dict[str, Any]:
    """Return a scene's words and numbers; objects back to front, boxes in fractions of the canvas."""
    return {
        "number": layout.number,
        "words": scene_words(layout),
        "ground": layout.ground.words,
        "reflectivity": layout.ground.reflectivity,
        "wall": layout.wall,
        "objects": [
            {"slug": o.slug, "noun": o.noun, "box": [round(n, 5) for n in alpha_box(look)]}
            for o, look in zip(layout.objects, looks, strict=True)
        ],
        "light": {
            "azimuth_deg": round(layout.light.azimuth_deg, 3),
            "elevation_deg": round(layout.light.elevation_deg, 3),
            "softness": round(layout.light.softness, 4),
            "horizon": round(layout.view.horizon, 4),
        },
        "camera_elevation_deg": round(layout.view.elevation_deg, 3),
    }


def save_scene(folder: Path, number: int, pictures: TracedPictures) -> None:
    """Write both files of a scene without loss, each whole or not at all."""
    grey = np.repeat(pictures.densities[..., None], 3, axis=3)
    ground = np.concatenate([pictures.whole, pictures.background, pictures.with_effects, *grey])
    looks = np.concatenate(list(pictures.looks))
    for name, rows in (("ground", ground), ("looks", looks)):
        _write_webp(folder / f"{number:03d}.{name}.webp", Image.fromarray(rows), lossless=True)


def pack(folder: Path, out: Path, quality: int) -> int:
    """Write a rendered set again, smaller: pictures with little loss, alpha without any; returns its size in bytes."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.webp")):
        with Image.open(path) as picture:
            _write_webp(out / path.name, picture, quality=quality, alpha_quality=100)
    for name in ("scenes.json", "ledger.json"):
        write_json(out / name, json.loads((folder / name).read_text(encoding="utf-8")))
    return sum(path.stat().st_size for path in out.iterdir())


def _write_webp(path: Path, picture: Image.Image, **options: Any) -> None:
    fresh = path.with_name(path.name + ".new")
    picture.save(fresh, format="WEBP", method=4, **options)
    fresh.replace(path)


def _surroundings(scene: Any, layout: TracedLayout) -> list[Any]:
    far = layout.view.far
    floor = cycles.add_plane(
        scene,
        "floor",
        [(-SIDE, -SIDE, 0.0), (SIDE, -SIDE, 0.0), (SIDE, far, 0.0), (-SIDE, far, 0.0)],
        ground_material(layout.ground),
    )
    if not layout.wall:
        return [floor]
    wall = cycles.add_plane(
        scene,
        "wall",
        [(-SIDE, far, 0.0), (SIDE, far, 0.0), (SIDE, far, SIDE), (-SIDE, far, SIDE)],
        cycles.plain_material(WALLS[layout.wall]),
    )
    wall.visible_shadow = False  # light may come from behind it
    return [floor, wall]


def ground_material(ground: Ground) -> Any:
    """Return the floor's material: its pattern in metres, its gloss."""
    material = cycles.plain_material(
        ground.colours[0], roughness=ground.roughness, specular=ground.reflectivity
    )
    nodes, links = material.node_tree.nodes, material.node_tree.links
    place = nodes.new("ShaderNodeTexCoord")
    if ground.pattern == "plain":
        return material
    pattern = nodes.new(
        {"planks": "ShaderNodeTexBrick", "checks": "ShaderNodeTexChecker", "speckles": "ShaderNodeTexNoise"}[
            ground.pattern
        ]
    )
    links.new(place.outputs["Object"], pattern.inputs["Vector"])
    colours = [(*colour, 1.0) for colour in ground.colours]
    if ground.pattern == "speckles":
        pattern.inputs["Scale"].default_value = 6.0
        mix = nodes.new("ShaderNodeMixRGB")
        mix.inputs["Color1"].default_value, mix.inputs["Color2"].default_value = colours
        links.new(pattern.outputs["Fac"], mix.inputs["Fac"])
        pattern = mix
    else:
        pattern.inputs["Scale"].default_value = 2.0
        pattern.inputs["Color1"].default_value, pattern.inputs["Color2"].default_value = colours
        if ground.pattern == "planks":
            pattern.inputs["Mortar"].default_value = (*(c * 0.4 for c in ground.colours[0]), 1.0)
            pattern.inputs["Mortar Size"].default_value = 0.008
            pattern.inputs["Brick Width"].default_value = 1.6
    links.new(pattern.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return material


def _light_and_view(scene: Any, layout: TracedLayout) -> None:
    light, view = layout.light, layout.view
    mean, brightest = cycles.sky_light(light.sky)
    # The sky's own sun must stand where ours stands: what it throws falls the same way.
    turn = brightest - (180.0 - light.azimuth_deg)
    cycles.add_sky(scene, cycles.sky_path(light.sky), strength=light.fill / mean, turn_deg=turn)
    width = light.softness * SUN_WIDTH_DEG
    cycles.add_sun(scene, light_direction(light), energy=light.energy, width_deg=width, colour=light.colour)
    cycles.add_camera(
        scene,
        target=view.target,
        distance=view.distance,
        elevation_deg=view.elevation_deg,
        fov_deg=FIELD_OF_VIEW_DEG,
    )


def ledger_entries(models: Mapping[str, FurnitureModel], nouns: Mapping[str, str]) -> list[Entry]:
    """Return who made the models and under which terms, as the ledger of the training material says it."""
    return [
        {
            "noun": noun,
            "name": models[slug].name,
            "drawing": slug,
            "package": FURNITURE,
            "creator": models[slug].creator,
            "licence": models[slug].licence,
            "used_by": "traced test",
        }
        for slug, noun in nouns.items()
    ]


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(path)


def render_set(folder: Path, out: Path, numbers: Sequence[int], threads: int) -> None:
    """Render the scenes that are not there yet and list them all.

    Raises:
        FileError: The package lacks a model of the test set.
    """
    nouns = traced_models()
    models = {m.slug: m for m in usable(read_furniture(folder)) if m.slug in nouns}
    if missing := sorted(set(nouns) - set(models)):
        raise FileError("The furniture package lacks models of the test set.", ", ".join(missing))
    ordered = [models[slug] for slug in nouns]
    out.mkdir(parents=True, exist_ok=True)
    listed = out / "scenes.json"
    scenes = (
        {s["number"]: s for s in json.loads(listed.read_text("utf-8"))["scenes"]} if listed.is_file() else {}
    )
    for number in numbers:
        if number in scenes:
            continue
        began = time.process_time()
        layout = draw_scene(number, ordered, nouns)
        pictures = render_scene(layout, models, threads)
        save_scene(out, number, pictures)
        scenes[number] = scene_record(layout, pictures.looks)
        write_json(listed, {"size": [WIDTH, HEIGHT], "scenes": [scenes[n] for n in sorted(scenes)]})
        print(f"scene {number}: {time.process_time() - began:.1f} s of processor time", flush=True)
    write_json(out / "ledger.json", ledger_entries(models, nouns))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and render; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m psdstudio.training.assets.traced_scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models", type=Path, required=True, help="folder of .sh3f files of the furniture package"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of scenes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pack", type=Path, help="also write the set smaller into this folder")
    parser.add_argument("--quality", type=int, default=92, help="of the smaller pictures, 0 to 100")
    options = parser.parse_args(arguments)
    try:
        render_set(options.models, options.out, options.only or range(options.count), options.threads)
        if options.pack is not None:
            size = pack(options.out, options.pack, options.quality)
            print(f"{options.pack}: {size / 1e6:.2f} MB")
    except StudioError as error:
        print(f"{error.user_message} {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
