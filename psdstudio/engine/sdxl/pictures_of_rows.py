"""From latents of free rows to pictures: single passes for previews, medians and the second pass for layers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.flow import mixed_seed
from psdstudio.engine.sdxl.delivery import PaintedScene
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.prompts import SceneText, time_ids
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch, RowRole, SceneRow
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.transparent_vae import TransparentVae
from psdstudio.engine.sdxl.upscaling import SecondPass, painted_anew, tile_count

SECOND_SALT = 0x2545_F491_4F6C_DD1D
"""Mixed into a layer's seed for the noise of its second pass."""


def previewed(
    vae: TransparentVae, rows: Sequence[SceneRow], free: Sequence[int], clean: Tensor
) -> PaintedScene:
    """Decode the present prediction (len(free), 4, h, w) of the free rows, each in a single pass."""
    pictures = {i: _decoded(vae, rows[i], latents) for i, latents in zip(free, clean, strict=True)}
    return painted_scene(rows, pictures, {})


def painted_scene(
    rows: Sequence[SceneRow], pictures: Mapping[int, Tensor], boxes: Mapping[LayerId, BoxF]
) -> PaintedScene:
    """Sort the pictures of free rows, by their places in `rows`, by what they show."""
    composite = background = None
    looks: dict[LayerId, Tensor] = {}
    for i, picture in pictures.items():
        role, layer = rows[i].identity.role, rows[i].id
        if role is RowRole.COMPOSITE:
            composite = picture
        elif role is RowRole.BACKGROUND:
            background = picture
        elif layer is not None:
            looks[layer] = picture
    assert composite is not None, "the composite is always free"
    return PaintedScene(composite=composite, background=background, looks=looks, boxes=boxes)


def _decoded(vae: TransparentVae, row: SceneRow, latents: Tensor) -> Tensor:
    """Return (3, h, w), of an object (4, h, w), in 0..1 on the CPU, in one pass."""
    if row.identity.role is RowRole.OBJECT:
        return vae.decode(latents[None], final=False)[0].cpu()
    return vae.decode_opaque(latents[None])[0].cpu()


def finished(vae: TransparentVae, row: SceneRow, latents: Tensor) -> Generator[None, None, Tensor]:
    """Decode a row for delivery, as `previewed`; an object by the median of eight passes, with a yield after each."""
    if row.identity.role is not RowRole.OBJECT:
        yield
        return vae.decode_opaque(latents[None])[0].cpu()
    picture = yield from vae.decoding(latents[None])
    return picture[0].cpu()


def passes_of(row: SceneRow) -> int:
    """Return how often `finished` yields."""
    return 8 if row.identity.role is RowRole.OBJECT else 1


class Refining:
    """The second pass of layers: the network on one row by itself, with the words that the layer was painted with."""

    def __init__(
        self,
        network: RowNetwork,
        vae: TransparentVae,
        text: SceneText,
        rows: Sequence[SceneRow],
        schedule: Schedule,
        guidance: Guidance,
    ) -> None:
        self._network, self._vae, self._text, self._rows = network, vae, text, tuple(rows)
        self._schedule, self._guidance = schedule, Guidance(text=guidance.text)

    def tiles(self, i: int, picture: Tensor, size: Size) -> int:
        """Return how many tiles of row i's picture are painted anew."""
        return tile_count(picture, size, self._second(i).tiling)

    def painted(self, i: int, picture: Tensor, size: Size) -> Generator[int, None, Tensor]:
        """Paint row i's picture anew at a larger size; see `upscaling.painted_anew`."""
        seed = mixed_seed(self._rows[i].seed, SECOND_SALT)
        return (yield from painted_anew(picture, size, seed, self._second(i)))

    def _second(self, i: int) -> SecondPass:
        transparent = self._rows[i].identity.role is RowRole.OBJECT
        device = self._text.words.device

        def encode(picture: Tensor) -> Tensor:
            moved = picture.to(device)
            return self._vae.encode(moved) if transparent else self._vae.encode_opaque(moved)

        def decode(latents: Tensor) -> Tensor:
            if transparent:
                return self._vae.decode(latents, final=True)
            return self._vae.decode_opaque(latents)

        return SecondPass(
            encode=encode,
            denoise=lambda clean, noise, strength: self._denoised(i, clean, noise, strength),
            decode=decode,
        )

    @torch.no_grad()
    def _denoised(self, i: int, clean: Tensor, noise: Tensor, strength: float) -> Tensor:
        """Noise latents (1, 4, h, w) of row i by `strength` and take them down again (SDEdit, 2108.01073)."""
        schedule, device = self._schedule, self._text.words.device
        clean, noise = clean.to(device, torch.float32)[0], noise.to(device, torch.float32)[0]
        begin = schedule.start(strength)
        generator = torch.Generator().manual_seed(mixed_seed(self._rows[i].seed, SECOND_SALT))
        solver = schedule.solver_of(begin, generator)
        latents = schedule.noised(clean, noise, begin)
        for step in range(begin, schedule.steps):
            batch = self._batch(i, schedule.scaled(latents, step), schedule.timesteps[step])
            said = self._network.predict(batch).noise.float()
            readings = self._guidance.readings
            predicted = self._guidance.combined(dict(zip(readings, said, strict=True)))
            latents = solver.step(predicted, latents)
        return latents[None]

    def _batch(self, i: int, latents: Tensor, timestep: float) -> RowBatch:
        text, row = self._text, self._rows[i]
        silent = len(self._guidance.readings) == 2
        words = [text.negative_words[i], text.words[i]] if silent else [text.words[i]]
        pooled = [text.negative_pooled[i], text.pooled[i]] if silent else [text.pooled[i]]
        count = len(words)
        height, width = (8 * side for side in latents.shape[-2:])
        return RowBatch(
            latents=torch.stack([latents] * count).to(text.words),
            timesteps=torch.full((count,), timestep, device=text.words.device),
            words=torch.stack(words),
            pooled=torch.stack(pooled),
            time_ids=time_ids(count, (height, width), text.words),
            identities=(row.identity,) * count,
            groups=count,
            adapters=(row.adapters,) * count,
        )
