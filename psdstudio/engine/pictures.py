"""Pictures between the document (uint8 straight RGBA in canvas pixels) and the network's frames (float tensors)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from psdstudio.core.geometry import Rect, Size
from psdstudio.engine import frames
from psdstudio.gen.request import Raster

MAX_STEEPER = 4.0
U8Array = npt.NDArray[np.uint8]
PixelBox = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels, not necessarily whole."""


def to_tensor(rgba: U8Array) -> Tensor:
    """Return (c, h, w) float32 in 0..1 of an (h, w, c) uint8 array."""
    return torch.from_numpy(np.array(rgba)).permute(2, 0, 1).float() / 255


def rect_frame(rect: Rect, size: Size) -> Tensor:
    """Return a canvas rectangle in pixels as a frame (1, 4) in square units."""
    h = size.height
    return torch.tensor([[rect.x / h, rect.y / h, rect.width / h, rect.height / h]], dtype=torch.float32)


def frame_rect(frame: Tensor, size: Size) -> Rect:
    """Return the pixel rectangle nearest to a frame (4,) in square units; at least 1x1."""
    x, y, w, h = (float(v) * size.height for v in frame)
    left, top = round(x), round(y)
    return Rect.from_edges(left, top, max(left + 1, round(x + w)), max(top + 1, round(y + h)))


def raster_in_frame(raster: Raster, size: Size, frame: Tensor, px: int) -> Tensor:
    """Resample a canvas raster into a frame (1, 4): straight RGBA (4, px, px) in 0..1 with padded colour."""
    source = to_tensor(raster.rgba)[None]
    premul = frames.resample_rgba(source, rect_frame(raster.rect, size), frame, (px, px))
    return pad_colour(premul)[0]


def whole_canvas(raster: Raster, size: Size, canvas: Tensor, size_px: tuple[int, int]) -> Tensor:
    """Resample a raster over the canvas frame (1, 4) to `size_px`: (4, h, w); clear parts take the nearest colour."""
    source = to_tensor(raster.rgba)[None]
    return pad_colour(frames.resample_rgba(source, rect_frame(raster.rect, size), canvas, size_px))[0]


def pad_colour(premul: Tensor) -> Tensor:
    """Straight RGBA (n, 4, h, w) of premultiplied pictures; under alpha 0 the colour of the nearest sure pixels.

    Push-pull filling (Gortler et al. 1996, "The Lumigraph", section 3.4): halve until full, fill holes on the way back.
    """
    levels = [premul]
    while max(levels[-1].shape[-2:]) > 1:
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))
    colour = _straight(levels[-1])
    for level in reversed(levels[:-1]):
        colour = F.interpolate(colour, size=level.shape[-2:], mode="bilinear", align_corners=False)
        sure = (level[:, 3:4] * 8).clamp(0, 1)
        colour = _straight(level) * sure + colour * (1 - sure)
    return torch.cat([colour.clamp(0, 1), premul[:, 3:4]], dim=1)


def _straight(premul: Tensor) -> Tensor:
    return premul[:, :3] / premul[:, 3:4].clamp(min=1e-4)


def to_u8(picture: Tensor) -> U8Array:
    """Return (h, w, c) uint8 of (c, h, w) in 0..1, rounded."""
    out: U8Array = (picture.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(out)


def resized_u8(picture: Tensor, width: int, height: int, box: PixelBox | None = None) -> U8Array:
    """Resize (c, h, w) in 0..1 to (height, width, c) uint8, bicubic, antialiased when shrinking; colour must be padded.

    `box` is the part of the picture that is shown, all of it when None. Channel by channel: at 8192 x 8192 one channel
    in float is 270 MB.
    """
    out = np.empty((height, width, picture.shape[0]), np.uint8)
    for c, channel in enumerate(picture.float()):
        big = Image.fromarray(channel.numpy()).resize((width, height), Image.Resampling.BICUBIC, box)
        out[..., c] = np.asarray(big).clip(0, 1) * np.float32(255) + np.float32(0.5)
    return out


def enlarged_look(picture: Tensor, width: int, height: int, box: PixelBox | None = None) -> U8Array:
    """Resize straight RGBA (4, h, w) in 0..1 to (height, width, 4) uint8; outlines keep the steepness they had.

    `box` is the part of the picture that is shown, all of it when None.

    Bicubic enlargement by s spreads a one-pixel edge over s pixels. Where the neighbourhood runs from clear to opaque
    (an outline), alpha is made s times steeper about one half; inside smoke or glass it is left alone.
    """
    big = resized_u8(picture, width, height, box)
    left, top, right, bottom = box or (0.0, 0.0, picture.shape[2], picture.shape[1])
    scale = min(MAX_STEEPER, (width * height / ((right - left) * (bottom - top))) ** 0.5)
    if scale <= 1:
        return big
    alpha = picture[3:4][None]
    span = F.max_pool2d(alpha, 5, 1, 2) + F.max_pool2d(-alpha, 5, 1, 2)
    outline = (
        resized_u8(((span[0] - 0.6) / 0.3).clamp(0, 1), width, height, box)[..., 0].astype(np.float32) / 255
    )
    soft = big[..., 3].astype(np.float32)
    steep = np.clip((soft - 127.5) * scale + 127.5, 0, 255)
    big[..., 3] = np.floor(soft + (steep - soft) * outline + 0.5).astype(np.uint8)
    return big


def opaque(picture: Tensor) -> Tensor:
    """Add a full alpha channel to (3, h, w)."""
    return torch.cat([picture, torch.ones_like(picture[:1])])
