"""Rows: what the network reads and paints, one picture a row, and which channels of their plates say what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor

WORD_DIM = 384
LIGHT_DIM = 6
SEEN_DIM = 8
"""Mean colours of the known ground and of the known objects, each with how much of it there is."""
BOX_DIM = 4
MAX_OBJECTS = 6


class RowRole(IntEnum):
    """What a row shows; LAYOUT and LIGHT are single tokens of the layout path."""

    COMPOSITE = 0
    BACKGROUND = 1
    LOOK = 2
    EFFECT = 3
    LAYOUT = 4
    LIGHT = 5


CONTEXT_PLATE = 5
"""Channels of `plates.stack_plate`."""
COVER = slice(3, 4)
"""Where looks cover the canvas, in a plate of that kind."""
REFERENCE_PLATE = 5
"""Channels of a reference picture: RGBA in -1..1, and how near the look is to stay: FOLLOWED, LOOSE or 0 for none."""
FOLLOWED, LOOSE = 1.0, 0.5
"""A reference that is the thing itself, in its place in the frame, but for light and colour; one that only guides."""
COLOUR_PLATE = 4
"""Channels of the colour that the words ask for: RGB in -1..1 and 1 where there is one."""
PICTURE_PLATE = 4
"""Channels of a flat picture that is being split, in the row's frame: RGB in -1..1 and 1 where there is one."""
OWN_CANVAS = 4
"""Channels of the pixels of a background that are known: RGB in -1..1 (0 elsewhere) and 1 where they are."""
OWN_LOOK = 6
"""Channels of what is known of a look: RGB and 1 where colour is known, alpha in -1..1 and 1 where that is known."""

CANVAS_PICTURE = slice(CONTEXT_PLATE + OWN_CANVAS, CONTEXT_PLATE + OWN_CANVAS + PICTURE_PLATE)
CANVAS_OWN = slice(CONTEXT_PLATE, CONTEXT_PLATE + OWN_CANVAS)
LOOK_AROUND = slice(REFERENCE_PLATE, REFERENCE_PLATE + CONTEXT_PLATE)
LOOK_COLOUR = slice(LOOK_AROUND.stop, LOOK_AROUND.stop + COLOUR_PLATE)
LOOK_OWN = slice(LOOK_COLOUR.stop, LOOK_COLOUR.stop + OWN_LOOK)
LOOK_PICTURE = slice(LOOK_OWN.stop, LOOK_OWN.stop + PICTURE_PLATE)
EFFECT_GEOMETRY = 10
"""Channels of an effect's own silhouette, mirrored look, ground and thrown shadow (`plates.set_plates`)."""
THROWN = slice(8, 9)
"""Where the light throws the own silhouette, in 0..1."""
EFFECT_PICTURE = slice(EFFECT_GEOMETRY, EFFECT_GEOMETRY + PICTURE_PLATE)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One kind of rows convolved in one batch: state and plate channels, pixels a grid cell, pictures to copy from.

    `copies`: how many pictures the head may copy pixels from, see `copying.copied`.
    """

    channels: int
    plate: int
    unshuffle: int
    copies: int


GROUPS: dict[str, GroupSpec] = {
    "canvas": GroupSpec(channels=3, plate=CANVAS_PICTURE.stop, unshuffle=8, copies=2),
    "look": GroupSpec(channels=4, plate=LOOK_PICTURE.stop, unshuffle=4, copies=2),
    "effect": GroupSpec(channels=5, plate=EFFECT_PICTURE.stop, unshuffle=4, copies=2),
}


@dataclass(slots=True)
class Rows:
    """The rows of one group for a batch of b scenes with r rows each. All pixel values are in -1..1.

    x: (b, r, c, h, w) noisy state; guess: same shape, the last prediction (zeros when there is none); plate:
    (b, r, plate, h, w) resampled known context (0 = unknown); seen: (b, 8) `plates.known_means`; noise: (b, r) level
    0 (clean) .. 1 (pure noise); role: (r,) RowRole values; index: (b, r) object number from the back, 0 for canvas
    rows; box: (b, r, 4) frame of the row in canvas fractions (x, y, width, height); words: (b, r, t, 384) token states;
    word_mask: (b, r, t) bool; known: (b, r) bool; present: (b, r) bool (False pads a shorter scene).
    """

    group: str
    x: Tensor
    guess: Tensor
    plate: Tensor
    seen: Tensor
    noise: Tensor
    role: Tensor
    index: Tensor
    box: Tensor
    words: Tensor
    word_mask: Tensor
    known: Tensor
    present: Tensor
