"""The fixed validation of the joint adapter: errors by mode on scenes of its own, and a picture of what it paints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.prompts import SceneText
from psdstudio.engine.sdxl.rows import SceneRow
from psdstudio.engine.sdxl.sampler import SampleOptions, sample
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.training.joint_encode import EncodedScene
from psdstudio.training.joint_modes import FIRST_OBJECT, KEPT_LEVELS, Mode, RowPlan, draw_plan
from psdstudio.training.joint_network import JointModule, identities

VALIDATION_SEED = 77_000_002
TIMES = (950, 700, 300)
SHEET_STEPS, SHEET_GUIDANCE, TILE_PX = 20, 5.0, 256
CHECKS = (235, 200)
"""The two greys that show through transparent pictures."""


class Decoder(Protocol):
    """The way from latents to pictures (`engine.sdxl.transparent_vae.TransparentVae`)."""

    def decode(self, latents: Tensor, *, final: bool) -> Tensor:
        """Return (b, 4, h, w) 0..1 of transparent pictures."""

    def decode_opaque(self, latents: Tensor) -> Tensor:
        """Return (b, 3, h, w) 0..1 of opaque pictures."""


@torch.no_grad()
def validation_errors(
    module: JointModule, scenes: Sequence[EncodedScene], *, joint: bool = True
) -> dict[str, float]:
    """Return the mean errors of the rows that are made: by mode, with fixed noise at `TIMES`.

    "keep all but one, alone" is the same as "keep all but one" without seeing the others: the difference is what the
    context tells. Neither words nor context are dropped.
    """
    found: dict[str, list[float]] = {}
    for at, scene in enumerate(scenes):
        for mode in Mode:
            rng = np.random.default_rng([VALIDATION_SEED, at, list(Mode).index(mode)])
            drawn = draw_plan(rng, scene.objects, mode)
            for time in TIMES:
                plan = _fixed(drawn, time)
                generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
                noise = torch.randn(scene.latents.shape, generator=generator)
                settings = {mode.value: joint}
                if mode is Mode.KEEP_ALL_BUT_ONE and joint:
                    settings[f"{mode.value}, alone"] = False
                for name, sees in settings.items():
                    errors, _ = module.row_errors(scene, plan, noise, joint=sees)
                    found.setdefault(name, []).append(float(errors.mean()))
    return {name: round(float(np.mean(values)), 5) for name, values in found.items()}


def _fixed(drawn: RowPlan, time: int) -> RowPlan:
    times = drawn.timesteps
    if drawn.mode is not Mode.INDEPENDENT_TIMES:
        times = tuple(KEPT_LEVELS // 2 if kept else time for kept in drawn.kept)
    return replace(
        drawn,
        timesteps=times,
        jittered=(False,) * len(drawn.kept),
        words_dropped=False,
        context_dropped=False,
    )


@dataclass(frozen=True, slots=True, eq=False)
class SheetPainter:
    """Paints the validation picture of one scene: the truth, all rows from noise, the last object anew.

    Args:
        module: What is trained.
        scene: The scene.
        decoder: Of the base model, on the processor or on the module's device.
        schedule: Configuration of the base model's scheduler.
        device: Where the decoder lies.
        joint: False: rows do not see one another.
    """

    module: JointModule
    scene: EncodedScene
    decoder: Decoder
    schedule: Mapping[str, Any]
    device: torch.device
    joint: bool = True

    def __call__(self, path: Path) -> None:
        """Write the picture, one line of [composite, background, objects] for each of the three."""
        rows = self.scene.latents.shape[0]
        free = tuple(True for _ in range(rows))
        one_free = (True, *(at == rows - 1 for at in range(1, rows)))
        lines = [self._decoded(self.scene.latents)]
        lines += [self._decoded(self._painted(chosen)) for chosen in (free, one_free)]
        made = np.concatenate([np.concatenate(line, axis=1) for line in lines], axis=0)
        Image.fromarray(made, "RGB").save(path)

    def _painted(self, free: tuple[bool, ...]) -> Tensor:
        """Return the latents of all rows; those that are not free are kept as they are seen."""
        scene, device = self.scene, self.module.embedding.role.device
        count = scene.latents.shape[0]
        adapters = self.module.row_adapters(scene.objects)
        rows = [
            SceneRow(
                identity=replace(identity, kept=not free[at]),
                id=None if at == 0 else LayerId(f"row-{at}"),
                words="",
                seed=VALIDATION_SEED + at,
                adapters=adapters[at],
                latents=None if free[at] else scene.kept[at],
            )
            for at, identity in enumerate(identities(scene.objects))
        ]
        text = SceneText(
            words=scene.words.to(device),
            pooled=scene.pooled.to(device),
            negative_words=scene.no_words.expand(count, -1, -1).to(device),
            negative_pooled=scene.no_pooled.expand(count, -1).to(device),
        )
        options = SampleOptions(
            size_px=(int(scene.size[0]), int(scene.size[1])),
            guidance=Guidance(text=SHEET_GUIDANCE),
            layout_guidance=0.0,
            trained=True,
            joint=self.joint,
        )
        run = sample(self.module.network, text, rows, Schedule(self.schedule, steps=SHEET_STEPS), options)
        while True:
            try:
                next(run)
            except StopIteration as end:
                latents: Tensor = end.value
                return latents

    def _decoded(self, latents: Tensor) -> list[np.ndarray[Any, Any]]:
        latents = latents.to(self.device).float()
        opaque = self.decoder.decode_opaque(latents[:FIRST_OBJECT])
        things = self.decoder.decode(latents[FIRST_OBJECT:], final=False)
        return [_tile(one) for one in (*opaque.cpu(), *things.cpu())]


def _tile(picture: Tensor) -> np.ndarray[Any, Any]:
    """Return (h, w, 3) uint8 with sides of at most `TILE_PX`; a transparent picture over a checkerboard."""
    height, width = picture.shape[-2:]
    if picture.shape[0] == 4:
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        dark = (y * 16 // height + x * 16 // width) % 2 == 1
        checks = torch.where(dark, CHECKS[1] / 255, CHECKS[0] / 255)
        picture = picture[:3] * picture[3:] + checks * (1 - picture[3:])
    pixels = (picture.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels, "RGB")
    image.thumbnail((TILE_PX, TILE_PX))
    return np.asarray(image)
