"""What is known of free rows pixel by pixel: a flat picture to split, a silhouette, the whole part of a broken one.

Rows that are wholly known enter clean and are not painted; these here are painted, but not everywhere. Plates hold what
is known, once for a run; the network takes it over as it is (`copying.with_known_pixels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame
from psdstudio.engine.rows import (
    CANVAS_OWN,
    CANVAS_PICTURE,
    EFFECT_PICTURE,
    LOOK_OWN,
    LOOK_PICTURE,
    RowRole,
    Rows,
)


@dataclass(slots=True)
class Given:
    """For b scenes with k objects; pictures 0..1, masks 0 or 1, None where nothing of the kind is known.

    picture: (b, 4, h, w) to be split, and where it is; ground: (b, 4, h, w) background and where it is known; looks:
    (b, k, 6, p, p) colour, where it is known, alpha, where that is known.
    """

    picture: Tensor | None = None
    ground: Tensor | None = None
    looks: Tensor | None = None


def show_given(groups: Sequence[Rows], given: Given, boxes: Tensor, aspect: Tensor) -> None:
    """Write what is given into the plates of `groups`; boxes: (b, k, 4) in square units, aspect: (b,)."""
    for rows in groups:
        if rows.group == "canvas":
            _show_canvas(rows, given)
            continue
        frame = frames.crop_of(boxes) if rows.group == "look" else frames.shadow_frame(boxes)
        place = rows.index - 1
        at = torch.arange(place.shape[0])[:, None]
        plate = rows.plate.clone()
        if rows.group == "look" and given.looks is not None:
            plate[:, :, LOOK_OWN] = own_plate(given.looks[at, place])
        if given.picture is not None:
            where = LOOK_PICTURE if rows.group == "look" else EFFECT_PICTURE
            plate[:, :, where] = _in_frames(given.picture, frame[at, place], aspect, rows.x.shape[-1])
        rows.plate = plate


def picture_to_arrange_by(canvas: Rows) -> Rows:
    """Return the known row of a canvas group by itself, as the layout path is shown it: before there are any boxes."""
    at = canvas.known[0].nonzero()[:, 0]
    one = {
        name: getattr(canvas, name)[:, at]
        for name in ("x", "guess", "noise", "index", "box", "words", "word_mask", "known", "present")
    }
    plate = torch.zeros_like(canvas.plate[:, at])
    return replace(canvas, **one, plate=plate, seen=torch.zeros_like(canvas.seen), role=canvas.role[at])


def own_plate(known: Tensor) -> Tensor:
    """Return the plate (..., 6, p, p) of `Given.looks`: -1..1, 0 where nothing is known."""
    colour, colour_known, alpha, alpha_known = torch.split(known, [3, 1, 1, 1], dim=-3)
    return torch.cat(
        [(colour * 2 - 1) * colour_known, colour_known, (alpha * 2 - 1) * alpha_known, alpha_known], dim=-3
    )


def _show_canvas(rows: Rows, given: Given) -> None:
    plate = rows.plate.clone()
    for r, role in enumerate(rows.role.tolist()):
        if role != RowRole.BACKGROUND:
            continue
        if given.ground is not None:
            plate[:, r, CANVAS_OWN] = _masked(given.ground)
        if given.picture is not None:
            plate[:, r, CANVAS_PICTURE] = _masked(given.picture)
    rows.plate = plate


def _masked(picture: Tensor) -> Tensor:
    """Colours (b, 3, ...) of 0..1 to -1..1, 0 where the fourth channel says that there is none."""
    return torch.cat([(picture[:, :3] * 2 - 1) * picture[:, 3:], picture[:, 3:]], dim=1)


def _in_frames(picture: Tensor, frame: Tensor, aspect: Tensor, px: int) -> Tensor:
    """Resample the flat picture into frames (b, r, 4): (b, r, 4, px, px), 0 off the canvas."""
    b, r = frame.shape[:2]
    whole = _masked(picture).repeat_interleave(r, dim=0)
    canvas = canvas_frame(aspect.repeat_interleave(r))
    return torch.unflatten(frames.resample(whole, canvas, frame.flatten(0, 1), (px, px)), 0, (b, r))
