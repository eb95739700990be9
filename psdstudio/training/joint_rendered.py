"""Scenes of the project's own renderer for the joint adapter, where no layered documents are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine.compose import Placed, mask_effects
from psdstudio.engine.pictures import to_u8
from psdstudio.errors import FileError
from psdstudio.training.held_combinations import require_training_seed
from psdstudio.training.joint_scenes import GRID_PX, JointScene, SceneObject
from psdstudio.training.layouts import draw_layout
from psdstudio.training.scene_truth import RENDERER_VERSION, placed_objects, render_scenes
from psdstudio.training.sprites import SpriteLibrary, trained_nouns

LOOK_PX = 128
"""The packed drawings have this edge."""


class RenderedScenes:
    """`count` scenes drawn from a seed: scene i is the same whatever was drawn before.

    Args:
        folder: The packed drawings (`psdstudio.training.assets` makes them).
        count: How many scenes.
        px: Edge of the square pictures, a multiple of 64.
        max_objects: Scenes have 1 to this many objects.
        seed: Seeds of the evaluation are refused.

    Raises:
        FileError: There is no pack in the folder.
    """

    def __init__(self, folder: Path, count: int, *, px: int, max_objects: int, seed: int) -> None:
        require_training_seed(seed)
        try:
            self._library = SpriteLibrary.load(folder, "train", trained_nouns())
        except OSError as error:
            raise FileError(
                f"“{folder}” holds no packed drawings.", "Make them with: python -m psdstudio.training.assets"
            ) from error
        facts = (folder / "sprites.safetensors").stat()
        self._pack = f"{facts.st_size} {facts.st_mtime_ns}"
        self._count, self._seed, self._max_objects = count, seed, max_objects
        self._px = max(1, round(px / GRID_PX)) * GRID_PX

    def __len__(self) -> int:
        """Return the number of scenes."""
        return self._count

    def name(self, at: int) -> str:
        """Return "rendered scene 7"."""
        return f"rendered scene {at}"

    def stamp(self, at: int) -> str:
        """Return everything that the scene is drawn from."""
        return f"rendered {RENDERER_VERSION} {self._pack} {self._seed} {at} {self._px} {self._max_objects}"

    def scene(self, at: int) -> JointScene:
        """Draw scene `at`."""
        rng = np.random.default_rng([self._seed, at])
        layout = draw_layout(self._library, rng, int(rng.integers(1, self._max_objects + 1)), 1.0)
        canvas = (self._px, self._px)
        truth = render_scenes(self._library, [layout], canvas=canvas, look_px=LOOK_PX)
        placed = mask_effects(placed_objects(truth, canvas))
        objects: list[SceneObject] = []
        for item, one in zip(layout.objects, placed, strict=True):
            look, whole = to_u8(_straight(one.look[0])), to_u8(_straight(_with_effects(one)))
            objects.append(SceneObject(words=item.words, rgba=whole, kept=look))
        return JointScene(
            name=self.name(at),
            background=to_u8(truth.background[0]),
            background_words=layout.world.words,
            objects=tuple(objects),
        )


def _with_effects(placed: Placed) -> Tensor:
    """Return (4, h, w) premultiplied: the look over the reflection over the shadow.

    Black in Multiply at density d is black in Normal at alpha d, and "over" is associative: stacking these pictures
    gives what stacking the layers gives.
    """
    density = placed.density[0]
    made = torch.cat([torch.zeros_like(density).expand(3, -1, -1), density])
    for premul in (placed.reflection[0], placed.look[0]):
        made = premul + made * (1 - premul[3:4])
    return made


def _straight(premul: Tensor) -> Tensor:
    alpha = premul[3:4]
    return torch.cat([(premul[:3] / alpha.clamp(min=1e-4)).clamp(0, 1), alpha.clamp(0, 1)])
