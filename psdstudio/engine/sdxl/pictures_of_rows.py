"""From latents of free rows to pictures: single passes for previews, medians and the second pass for layers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from torch import Tensor

from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.flow import mixed_seed
from psdstudio.engine.sdxl.delivery import PaintedScene
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.prompts import SceneText
from psdstudio.engine.sdxl.row_denoising import row_denoiser
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowRole, SceneRow
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.tiled import LATENT, Blend, Tiling
from psdstudio.engine.sdxl.transparent_vae import TURNS, TransparentVae
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


def finished(
    vae: TransparentVae, row: SceneRow, latents: Tensor, tiling: Tiling
) -> Generator[None, None, Tensor]:
    """Decode a row for delivery, as `previewed` but tile by tile, an object by the median of eight passes.

    Yields after each pass of each tile (`passes_of`).
    """
    height, width = (side * LATENT for side in latents.shape[-2:])
    blend = Blend(height, width)
    for y, x in tiling.boxes(height, width):
        part = latents[None, :, y.start // LATENT : y.end // LATENT, x.start // LATENT : x.end // LATENT]
        if row.identity.role is RowRole.OBJECT:
            picture = yield from vae.decoding(part)
        else:
            picture = vae.decode_opaque(part)
            yield
        blend.add(picture[0], tiling.weight(y, x), y, x)
    return blend.picture()


def passes_of(row: SceneRow, bucket: Size, tiling: Tiling) -> int:
    """Return how often `finished` yields."""
    passes = len(TURNS) if row.identity.role is RowRole.OBJECT else 1
    return passes * len(tiling.boxes(bucket.height, bucket.width))


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
        tiling: Tiling,
    ) -> None:
        self._network, self._vae, self._text, self._rows = network, vae, text, tuple(rows)
        self._schedule, self._guidance, self._tiling = schedule, guidance, tiling

    def tiles(self, picture: Tensor, size: Size) -> int:
        """Return how many tiles of a picture are painted anew."""
        return tile_count(picture, size, self._tiling)

    def painted(self, i: int, picture: Tensor, size: Size) -> Generator[int, None, Tensor]:
        """Paint row i's picture anew at a larger size; see `upscaling.painted_anew`."""
        seed = mixed_seed(self._rows[i].seed, SECOND_SALT)
        return (yield from painted_anew(picture, size, seed, self._second(i)))

    def _second(self, i: int) -> SecondPass:
        vae, device = self._vae, self._text.words.device
        transparent = self._rows[i].identity.role is RowRole.OBJECT

        def encode(picture: Tensor) -> Tensor:
            moved = picture.to(device)
            return vae.encode(moved) if transparent else vae.encode_opaque(moved)

        def decode(latents: Tensor) -> Tensor:
            return vae.decode(latents, final=True) if transparent else vae.decode_opaque(latents)

        return SecondPass(
            encode=encode,
            denoise=row_denoiser(
                self._network, self._text.of_row(i), self._rows[i], self._schedule, self._guidance
            ),
            decode=decode,
            tiling=self._tiling,
        )
