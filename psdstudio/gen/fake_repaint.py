"""What the fake engine makes where something is known already: one colour, other places, pieces of a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from psdstudio.core.geometry import BoxF, Size
from psdstudio.gen.request import PartlyKnown, Raster


def repainted(silhouette: Raster | None, partial: PartlyKnown | None, color: tuple[int, int, int]) -> Raster:
    """Return the silhouette in one colour, or the known pixels with opaque colour where there are none."""
    if silhouette is not None:
        rgba = silhouette.rgba.copy()
        rgba[..., :3] = color
        return Raster(rgba=rgba, rect=silhouette.rect, native_size=Size(64, 64))
    assert partial is not None
    rgba = partial.raster.rgba.copy()
    rgba[partial.unknown] = (*color, 255)
    return Raster(rgba=rgba, rect=partial.raster.rect, native_size=Size(64, 64))


def other_place(look: Size, canvas: Size, key: bytes) -> BoxF:
    """Return a box of the look's aspect on the canvas; every second key keeps the size, the others change it."""
    scale = 1.0 if key[0] % 2 else 0.5 + key[0] / 255
    width, height = look.width * scale, look.height * scale
    x = key[1] / 255 * max(0.0, canvas.width - width)
    y = key[2] / 255 * max(0.0, canvas.height - height)
    return BoxF(x / canvas.width, y / canvas.height, width / canvas.width, height / canvas.height)


def cut_from(picture: Raster, ellipse: Raster, canvas: Size, size: Size) -> Raster:
    """Return the part of the picture under an ellipse, which is given at the resolution of `size`."""
    rect = ellipse.rect
    ys = np.clip((np.arange(rect.y, rect.bottom) + 0.5) * canvas.height / size.height, 0, canvas.height - 1)
    xs = np.clip((np.arange(rect.x, rect.right) + 0.5) * canvas.width / size.width, 0, canvas.width - 1)
    rgba = ellipse.rgba.copy()
    rgba[..., :3] = picture.rgba[ys.astype(int)[:, None], xs.astype(int)[None, :], :3]
    return replace(ellipse, rgba=rgba)
