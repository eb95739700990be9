"""Scenes that the joint adapter is trained on: a background, whole objects and the words of both, as pixels.

Where they come from is the business of `joint_folder` (layered documents) and `joint_rendered` (the project's own
renderer). The composite is never read from anywhere: it is what our compositor makes of the very rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import StudioError
from psdstudio.render.compositor import Compositor

U8Array = npt.NDArray[np.uint8]
GRID_PX = 64
"""Both sides of a training picture are multiples of this: the transparent decoder needs it."""


class NoScene(StudioError):
    """A file holds no scene that rows can be made of; the others are not affected."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneObject:
    """One object on the whole canvas, (h, w, 4) uint8 straight RGBA, sRGB.

    Attributes:
        words: What it shows.
        rgba: What its row is to become: the look over its reflection and shadow, which lie on the ground below.
        kept: What others see of it once it is kept: the look alone, as the engine shows kept objects. The effects are
            masked by what stands behind the object, so that a hole in them would tell what the one behind looked like
            before it is made anew.
    """

    words: str
    rgba: U8Array
    kept: U8Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointScene:
    """Background (h, w, 3) uint8 sRGB, the clean plate, and the objects, back to front; all of one size."""

    name: str
    background: U8Array
    background_words: str
    objects: tuple[SceneObject, ...]

    @property
    def size(self) -> Size:
        """Of the canvas in pixels."""
        return Size(self.background.shape[1], self.background.shape[0])

    def composite(self) -> U8Array:
        """Return the whole picture, (h, w, 3) uint8: the objects over the background by `render.compositor`."""
        return stacked(self.background, [item.rgba for item in self.objects])


class SceneSource(Protocol):
    """Numbered scenes, made when they are asked for: the same number gives the same scene."""

    def __len__(self) -> int:
        """How many there are."""

    def name(self, at: int) -> str:
        """Return what messages call scene `at`."""

    def stamp(self, at: int) -> str:
        """Return what changes when scene `at` may have changed; cheap, the scene is not made."""

    def scene(self, at: int) -> JointScene:
        """Return scene `at`.

        Raises:
            NoScene: There is nothing to be trained on in it.
            FileError: It cannot be read.
        """


def stacked(background: U8Array, objects: Sequence[U8Array]) -> U8Array:
    """Return (h, w, 3) uint8: straight RGBA pictures over an opaque background, by the compositor of the product."""
    height, width = background.shape[:2]
    full = np.dstack([background, np.full((height, width), 255, np.uint8)])
    layers = tuple(
        PixelLayer(props=LayerProps(name=str(at)), pixels=TileGrid.from_array(rgba))
        for at, rgba in enumerate([full, *objects])
    )
    rendered = Compositor(threads=1).render_layers(layers, Rect(0, 0, width, height))
    return np.ascontiguousarray(rendered[..., :3])


def training_size(size: Size, px: int) -> Size:
    """Return the size at which a canvas is trained: about px x px pixels of its aspect, multiples of 64."""
    wide = (size.width / size.height) ** 0.5
    width = max(1, round(px * wide / GRID_PX)) * GRID_PX
    height = max(1, round(px / wide / GRID_PX)) * GRID_PX
    return Size(width, height)


def resized(picture: U8Array, size: Size) -> U8Array:
    """Return a picture (h, w, 3 or 4) at another size: it covers the size and what reaches over is cut evenly.

    Pillow premultiplies RGBA while it resamples, so no colour of clear pixels bleeds in.
    """
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(width / size.width, height / size.height)
    left, top = (width - size.width * scale) / 2, (height - size.height * scale) / 2
    box = (left, top, left + size.width * scale, top + size.height * scale)
    mode = "RGBA" if picture.shape[2] == 4 else "RGB"
    made = Image.fromarray(picture, mode).resize((size.width, size.height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(made).copy()
