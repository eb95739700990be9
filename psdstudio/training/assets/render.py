"""Renders one view of every usable furniture model.

`python -m psdstudio.training.assets.render --models FOLDER --out sprites`, where `FOLDER` holds the .sh3f files of the
package (`furniture`). Each model becomes `SLUG.colour.webp` (RGBA), `SLUG.shadow.webp` (grey: how opaque its black
shadow on the ground is) and `SLUG.reflection.webp` (RGBA, the model mirrored in the ground), all in one frame, and an
entry of `catalogue.json`. What is there is not rendered again. The same model gives the same pictures, whatever the
number of threads. Needs the extra "render".
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import random
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psdstudio.errors import FileError, StudioError
from psdstudio.training.assets import cycles
from psdstudio.training.assets.furniture import FurnitureModel, read_furniture, usable
from psdstudio.training.assets.sources import PackageMissing

RESOLUTION: Final = 384
SAMPLES: Final = 16
SEED: Final = 0
FIELD_OF_VIEW_DEG, CAMERA_ELEVATION_DEG = 32.0, 14.0
MOST_TURNED_DEG: Final = 35.0
SUN: Final = (0.3596, 0.6428, -0.6764)
"""The way the sun's light travels: from the upper left front."""
SUN_ENERGY, SUN_WIDTH_DEG, SKY_STRENGTH = 1.6, 6.0, 0.5
SKY_PACKAGE, SKY_MEMBER = "@pmndrs/assets@1.7.0", "package/hdri/studio.exr.js"
SKY_ARCHIVE: Final = "pmndrs-assets-1.7.0.tgz"
"""The studio panorama is CC0, 512 x 256; its lamps throw the main shadow, to the right and towards the viewer."""
COVERED: Final = 8
QUALITY: Final = 90
PARTS: Final = ("colour", "shadow", "reflection")
CATALOGUE: Final = "catalogue.json"

Picture = NDArray[np.uint8]


def yaw_of(model: FurnitureModel) -> float:
    """Return how far a model is turned from its front, degrees; the same for ever."""
    return random.Random(model.id).uniform(-MOST_TURNED_DEG, MOST_TURNED_DEG)


def render_model(model: FurnitureModel, panorama: Path, threads: int) -> tuple[dict[str, Picture], float]:
    """Return the pictures (RESOLUTION square) by part, and the image row of the model's centre on the ground."""
    scene = cycles.empty_stage(cycles.Shot(RESOLUTION, RESOLUTION, SAMPLES, SEED))
    cycles.use_threads(scene, threads)
    meshes = cycles.add_model(model, yaw_of(model))
    row = _look_at(scene, model)
    cycles.add_sky(scene, panorama, strength=SKY_STRENGTH)
    cycles.add_sun(scene, SUN, energy=SUN_ENERGY, width_deg=SUN_WIDTH_DEG)
    side = 50 * _reach(model)
    corners = [(-side, -side, 0.0), (side, -side, 0.0), (side, side, 0.0), (-side, side, 0.0)]
    floor = cycles.add_plane(scene, "floor", corners, cycles.plain_material((0.8, 0.8, 0.8)))
    with cycles.hidden_from_camera([floor]):
        colour = cycles.render_picture(scene, transparent=True)
    floor.is_shadow_catcher = True
    with cycles.hidden_from_camera(meshes):
        shadow = cycles.render_picture(scene, transparent=True)[..., 3]
    with cycles.taken_away([floor]):
        cycles.mirror_in_ground(meshes)
        reflection = cycles.render_picture(scene, transparent=True)
    return {
        "colour": colour,
        "shadow": np.repeat(shadow[..., None], 3, axis=2),
        "reflection": reflection,
    }, row


def entry_of(model: FurnitureModel, colour: Picture, ground_row: float) -> dict[str, Any]:
    """Return the catalogue's entry of a rendered model.

    Raises:
        FileError: Nothing of it is to be seen.
    """
    rows, columns = np.nonzero(colour[..., 3] > COVERED)
    if not len(rows):
        raise FileError("Nothing of a model is to be seen.", model.slug)
    return {
        "bbox_px": [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1],
        "catalogue": model.catalogue,
        "category": model.category,
        "creator": model.creator,
        "ground_y_px": ground_row,
        "id": model.id,
        "licence": model.licence,
        "name": model.name,
        "resolution_px": RESOLUTION,
        "size_cm": list(model.size_cm),
        "slug": model.slug,
        "tags": model.tags,
        "yaw_deg": yaw_of(model),
    }


def studio_sky(folder: Path) -> Path:
    """Fetch the studio panorama into `folder` (once) and return its file.

    Raises:
        PackageMissing: It cannot be fetched.
    """
    path = folder / "studio.exr"
    if path.is_file():
        return path
    try:
        if not (folder / SKY_ARCHIVE).is_file():
            subprocess.run(["npm", "pack", "--silent", SKY_PACKAGE], cwd=folder, check=True, timeout=900)
        with tarfile.open(folder / SKY_ARCHIVE) as archive:
            member = archive.extractfile(SKY_MEMBER)
            text = b"" if member is None else member.read()
    except (OSError, subprocess.SubprocessError, KeyError, tarfile.TarError) as error:
        raise PackageMissing(
            "The panorama that lights the models could not be fetched.", str(error)
        ) from error
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(base64.b64decode(text.partition(b"base64,")[2].split(b"'")[0]))
    fresh.replace(path)
    return path


def render_all(models: Sequence[FurnitureModel], out: Path, threads: int) -> list[dict[str, Any]]:
    """Render what `out` lacks; returns its whole catalogue in the order of slugs."""
    (out / "packages").mkdir(parents=True, exist_ok=True)
    listed = out / CATALOGUE
    entries = {e["slug"]: e for e in json.loads(listed.read_text("utf-8"))} if listed.is_file() else {}
    panorama = studio_sky(out / "packages")
    for model in models:
        if model.slug in entries and all((out / f"{model.slug}.{part}.webp").is_file() for part in PARTS):
            continue
        pictures, ground_row = render_model(model, panorama, threads)
        entries[model.slug] = entry_of(model, pictures["colour"], ground_row)
        for part, picture in pictures.items():
            path = out / f"{model.slug}.{part}.webp"
            fresh = path.with_name(path.name + ".new")
            Image.fromarray(picture).save(fresh, format="WEBP", quality=QUALITY, method=6)
            fresh.replace(path)
        # After every model: a build that is stopped goes on where it was.
        fresh = listed.with_name(CATALOGUE + ".new")
        fresh.write_text(json.dumps([entries[s] for s in sorted(entries)], indent=1) + "\n", encoding="utf-8")
        fresh.replace(listed)
        print(f"{len(entries)}: {model.slug}", flush=True)
    return [entries[slug] for slug in sorted(entries)]


def _reach(model: FurnitureModel) -> float:
    return math.hypot(*model.size_cm) / 200


def _look_at(scene: Any, model: FurnitureModel) -> float:
    """Set up the camera; returns the row at which it sees the ground under the model's centre."""
    target = 0.2 * model.size_cm[2] / 100
    distance = _reach(model) / math.sin(math.radians(13)) * 1.3
    cycles.add_camera(
        scene,
        target=(0.0, 0.0, target),
        distance=distance,
        elevation_deg=CAMERA_ELEVATION_DEG,
        fov_deg=FIELD_OF_VIEW_DEG,
    )
    e = math.radians(CAMERA_ELEVATION_DEG)
    below = math.atan2(target + distance * math.sin(e), distance * math.cos(e)) - e
    return RESOLUTION / 2 * (1 + math.tan(below) / math.tan(math.radians(FIELD_OF_VIEW_DEG / 2)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and render; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m psdstudio.training.assets.render", description=__doc__)
    parser.add_argument(
        "--models", type=Path, required=True, help="folder of .sh3f files of the furniture package"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="slugs; without it, all that are usable")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        known = read_furniture(options.models)
        for model in known:
            if model.left_out:
                print(f"left out: {model.slug}: {model.left_out}")
        models = usable(known)
        if options.only:
            models = tuple(m for m in models if m.slug in options.only)
            if unknown := sorted(set(options.only) - {m.slug for m in models}):
                raise FileError("These are not usable models of the package.", ", ".join(unknown))
        render_all(models, options.out, options.threads)
    except StudioError as error:
        print(f"{error.user_message} {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
