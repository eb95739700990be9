"""Kept layers as users make them: compressed, of slightly other colours, a pixel or two beside their place.

Trained on perfect pictures alone, a network takes the signs of its own encoder for what tells a kept layer. (Ours.)
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

U8Array = npt.NDArray[np.uint8]
QUALITY = (55, 95)
GAIN, LIFT = 0.06, 5.0
"""Range of the colour's factor around 1 and of what is added, in levels of 255."""
SHIFT_PX = 2


def jittered(picture: U8Array, rng: np.random.Generator) -> U8Array:
    """Return a picture (h, w, 3 or 4) with all three disturbances; alpha is only shifted."""
    rgb = picture[..., :3].astype(np.float32)
    gain = rng.uniform(1 - GAIN, 1 + GAIN, 3).astype(np.float32)
    rgb = rgb * gain + np.float32(rng.uniform(-LIFT, LIFT))
    packed = io.BytesIO()
    colour = Image.fromarray(np.clip(rgb + 0.5, 0, 255).astype(np.uint8), "RGB")
    colour.save(packed, "JPEG", quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)))
    made = np.concatenate([np.asarray(Image.open(packed)), picture[..., 3:]], axis=2)
    dx, dy = (int(value) for value in rng.integers(-SHIFT_PX, SHIFT_PX + 1, 2))
    return _shifted(made, dx, dy)


def _shifted(picture: U8Array, dx: int, dy: int) -> U8Array:
    """Return the picture moved by whole pixels; what comes in repeats the border."""
    height, width = picture.shape[:2]
    rows = np.clip(np.arange(height) - dy, 0, height - 1)
    columns = np.clip(np.arange(width) - dx, 0, width - 1)
    return np.ascontiguousarray(picture[rows][:, columns])
