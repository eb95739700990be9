"""Reads the path-traced test set (`training/assets/traced_scenes.py` renders it): scenes with the truth of every layer.

One folder: `scenes.json` with words, boxes and lights, and two pictures for each scene. `NNN.ground.webp` holds, one
under the other, the whole, the background, the background with all effects and every object's shadow density;
`NNN.looks.webp` every object alone, nothing before it. Objects are listed back to front.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from psdstudio.core.geometry import Size
from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame
from psdstudio.engine.pictures import pad_colour
from psdstudio.errors import FileCorrupt, FileError

SCENES_FILE = "scenes.json"


@dataclass(frozen=True, slots=True)
class TracedLight:
    """The light that was rendered: azimuth where shadows fall (0 right, 90 towards the viewer), as in `world.World`."""

    azimuth_deg: float
    elevation_deg: float
    softness: float
    horizon: float

    def light_vector(self) -> tuple[float, ...]:
        """Return the six numbers that the network reads (`world.World.light_vector`)."""
        a = math.radians(self.azimuth_deg)
        return (
            math.cos(a),
            math.sin(a),
            (self.elevation_deg - 45) / 25,
            self.softness * 2 - 1,
            (self.horizon - 0.45) * 6,
            1.0,
        )


@dataclass(frozen=True, slots=True)
class TracedScene:
    """One scene of k objects, back to front, on a canvas of h x w pixels; pictures 0..1 float32.

    composite, background, with_effects (background with shadows and mirror images): (3, h, w). canvas_looks: (k, 4, h,
    w) straight RGBA, whole also where others stand before them. shadows: (k, h, w) densities, nothing masked. boxes:
    (k, 4) in square units. `words`: ground and wall.
    """

    number: int
    words: str
    nouns: tuple[str, ...]
    slugs: tuple[str, ...]
    light: TracedLight
    reflectivity: float
    size: Size
    composite: Tensor
    background: Tensor
    with_effects: Tensor
    canvas_looks: Tensor
    shadows: Tensor
    boxes: Tensor

    @property
    def aspect(self) -> float:
        """Width of the canvas in square units."""
        return self.size.width / self.size.height

    def looks(self, px: int) -> Tensor:
        """Return the objects in their crops, (k, 4, px, px) straight RGBA with padded colour."""
        return pad_colour(self._in_frames(frames.crop_of(self.boxes), px))

    def shadow_rows(self, px: int) -> Tensor:
        """Return the shadow densities in their frames, (k, px, px)."""
        k = len(self.boxes)
        canvas = canvas_frame(torch.full((k,), self.aspect))
        return frames.resample(self.shadows[:, None], canvas, frames.shadow_frame(self.boxes), (px, px))[:, 0]

    def stacked(self, *, mirror_images: bool) -> Tensor:
        """Return the layers put together again, (3, h, w): looks over the background with its effects.

        Without `mirror_images` the effects are the shadow layers alone, black and multiplied one upon the other.
        """
        picture = self.with_effects if mirror_images else self.background * (1 - self.shadows).prod(0)
        for look in self.canvas_looks:
            picture = look[:3] * look[3:] + picture * (1 - look[3:])
        return picture

    def _in_frames(self, target: Tensor, px: int) -> Tensor:
        canvas = canvas_frame(torch.full((len(target),), self.aspect))
        return frames.resample_rgba(self.canvas_looks, canvas, target, (px, px))


def read_traced(folder: Path, count: int | None = None) -> list[TracedScene]:
    """Read the first `count` scenes of the set (all of them by default).

    Raises:
        FileError: There is no set in the folder, or a picture is missing.
        FileCorrupt: A file is not what the set consists of.
    """
    try:
        listed = json.loads((folder / SCENES_FILE).read_text(encoding="utf-8"))
        width, height = listed["size"]
        return [_scene(folder, entry, Size(width, height)) for entry in listed["scenes"][:count]]
    except OSError as error:
        raise FileError("The path-traced test set is not there.", f"{folder}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileCorrupt("The path-traced test set cannot be read.", f"{folder}: {error}") from error


def _scene(folder: Path, entry: dict[str, Any], size: Size) -> TracedScene:
    number, objects = int(entry["number"]), entry["objects"]
    ground = _rows(folder / f"{number:03d}.ground.webp", "RGB", 3 + len(objects), size)
    looks = _rows(folder / f"{number:03d}.looks.webp", "RGBA", len(objects), size)
    aspect = size.width / size.height
    boxes = torch.tensor([o["box"] for o in objects], dtype=torch.float32)
    light = entry["light"]
    return TracedScene(
        number=number,
        words=entry["words"],
        nouns=_column(objects, "noun"),
        slugs=_column(objects, "slug"),
        light=TracedLight(light["azimuth_deg"], light["elevation_deg"], light["softness"], light["horizon"]),
        reflectivity=float(entry["reflectivity"]),
        size=size,
        composite=ground[0],
        background=ground[1],
        with_effects=ground[2],
        canvas_looks=looks,
        shadows=ground[3:].mean(1),
        boxes=boxes * torch.tensor([aspect, 1.0, aspect, 1.0]),
    )


def _rows(path: Path, mode: str, count: int, size: Size) -> Tensor:
    """Return the pictures that lie one under the other in a file, (count, channels, h, w)."""
    try:
        with Image.open(path) as picture:
            pixels = np.array(picture.convert(mode), np.float32) / 255
    except UnidentifiedImageError as error:
        raise FileCorrupt("A picture of the path-traced test set cannot be read.", str(path)) from error
    if pixels.shape[:2] != (count * size.height, size.width):
        raise FileCorrupt(
            "A picture of the path-traced test set has another size than the list says.", str(path)
        )
    stacked = torch.from_numpy(pixels).reshape(count, size.height, size.width, -1)
    return stacked.permute(0, 3, 1, 2).contiguous()


def _column(objects: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(str(o[key]) for o in objects)
