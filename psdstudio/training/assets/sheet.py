"""Contact sheets of a pack, to be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from psdstudio.training.assets.pack import Sprite

CELL = 84


def contact_sheet(
    rgba: NDArray[np.uint8],
    sprites: list[Sprite],
    columns: int = 20,
    matte: tuple[int, int, int] = (190, 200, 205),
) -> Image.Image:
    """Un-stretched sprites with their nouns on a plain matte."""
    rows = -(-len(sprites) // columns)
    sheet = Image.new("RGB", (columns * CELL, rows * (CELL + 11)), matte)
    pen = ImageDraw.Draw(sheet)
    for place, sprite in enumerate(sprites):
        side = CELL - 4
        size = (
            (side, max(1, round(side / sprite.aspect)))
            if sprite.aspect > 1
            else (round(side * sprite.aspect), side)
        )
        tile = Image.fromarray(rgba[sprite.index]).resize(size, Image.Resampling.LANCZOS)
        x, y = place % columns * CELL, place // columns * (CELL + 11)
        sheet.paste(tile, (x + (CELL - size[0]) // 2, y + CELL - 2 - size[1]), tile)
        pen.text((x + 1, y + CELL - 2), sprite.noun[:15], fill=(0, 0, 0), font_size=9)
    return sheet
