"""The layout path: where each layer's words may act in the first, noisiest steps, and where things then stand.

DreamLayer (2503.12838) takes the layout from the composite's cross-attention maps at t in [850, 1000]. There a trained
network makes the layers follow; here nothing is trained, and the map M of an object's words in the composite row,
0..1 by min-max, weights the words of the object's own row instead: 1 + lambda (2 M - 1), at least 0 (ours). lambda is
the scale of layout guidance. Boxes and silhouettes of the user stand in for M, in the object's row and, for the tokens
of that object, in the composite's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.prompts import SceneText
from psdstudio.engine.sdxl.rows import MAP_SCALE, RowRole, SceneRow, Steering
from psdstudio.engine.sdxl.token_chunks import CHUNK_LENGTH, Span

LAYOUT_FROM = 850.0
"""Steps at or above this timestep decide the layout: about 15 % of an evenly spaced schedule."""
BOX_LEVEL = 0.5
BOX_MARGIN = 0.02
"""A box spans the places where a map reaches half its height, less this share of their mass at each side."""


def layout_steps(timesteps: Sequence[float]) -> int:
    """Return how many of the first steps decide the layout; two at least, as the second reads the first one's maps."""
    high = sum(timestep >= LAYOUT_FROM for timestep in timesteps)
    return min(max(high, 2), len(timesteps))


@dataclass(slots=True)
class Layout:
    """Where things are, as far as it is known at a step of a run.

    Attributes:
        spans: Tokens of each layer in the composite's words (`SceneText.spans`).
        period: After how many tokens those are repeated.
        scale: lambda.
        given: (h/4, w/4) in 0..1 of the objects that the user placed.
        found: As `given`, of the composite's last maps.
    """

    spans: Mapping[LayerId, tuple[Span, ...]]
    period: int
    scale: float
    given: dict[LayerId, Tensor] = field(default_factory=dict)
    found: dict[LayerId, Tensor] = field(default_factory=dict)

    def map_of(self, layer: LayerId | None) -> Tensor | None:
        """Return where a layer is to be: what the user said, else what the composite says; None when unknown."""
        if layer is None:
            return None
        return self.given.get(layer, self.found.get(layer))

    def watched(self, rows: Sequence[SceneRow]) -> tuple[tuple[LayerId, Span], ...]:
        """Return the pieces of words of the objects in `rows`, whose maps are to be watched."""
        layers = [row.id for row in rows if row.identity.role is RowRole.OBJECT and row.id is not None]
        return tuple((layer, span) for layer in layers for span in self.spans.get(layer, ()))

    def learn(self, pieces: Sequence[tuple[LayerId, Span]], maps: Tensor) -> None:
        """Take the maps (pieces, h/4, w/4) of a step; several pieces of one layer are averaged, then min-max again."""
        by_layer: dict[LayerId, list[Tensor]] = {}
        for (layer, _), found in zip(pieces, maps, strict=True):
            by_layer.setdefault(layer, []).append(found)
        self.found = {
            layer: found[0] if len(found) == 1 else min_max(torch.stack(found).mean(0))
            for layer, found in by_layer.items()
        }

    def weights(self, rows: Sequence[SceneRow], tokens: int, size: tuple[int, int]) -> Tensor | None:
        """Return `Steering.weights` (r, tokens, h/4, w/4) of `rows`, on the device of the maps; None: nothing to do.

        In an object's row every token but the starts of chunks is its own: ends and padding sum up the sentence in
        CLIP, too. The start, which most attention rests on, stays: where nothing else may act, it says nothing.
        """
        known = (*self.given.values(), *self.found.values())
        if not known or self.scale == 0.0:
            return None
        weights = torch.ones(len(rows), tokens, *size, device=known[0].device)
        steered = False
        for row, made in zip(rows, weights, strict=True):
            if row.identity.role is RowRole.OBJECT:
                where = self.map_of(row.id)
                if where is not None:
                    for start in range(0, tokens, CHUNK_LENGTH):
                        made[start + 1 : start + CHUNK_LENGTH] = self._weight(where)
                    steered = True
            elif row.identity.role is RowRole.COMPOSITE:
                steered |= self._steer_composite(made, tokens)
        return weights if steered else None

    def boxes(self, rows: Sequence[SceneRow]) -> dict[LayerId, BoxF]:
        """Return where the objects in `rows` are to stand, in fractions of the canvas, as far as it is known."""
        maps = {row.id: self.map_of(row.id) for row in rows if row.identity.role is RowRole.OBJECT}
        boxes = {
            layer: box_of(where) for layer, where in maps.items() if layer is not None and where is not None
        }
        return {layer: box for layer, box in boxes.items() if box is not None}

    def _steer_composite(self, made: Tensor, tokens: int) -> bool:
        for layer, where in self.given.items():
            for start, end in self.spans.get(layer, ()):
                for shift in range(0, tokens, self.period):
                    made[start + shift : end + shift] = self._weight(where)
        return any(self.spans.get(layer) for layer in self.given)

    def _weight(self, where: Tensor) -> Tensor:
        return (1 + self.scale * (2 * where - 1)).clamp(min=0)


def first_layout(text: SceneText, rows: Sequence[SceneRow], scale: float) -> Layout:
    """Return what is known before the first step: where the user, or what is kept, says that objects are."""
    given = {
        row.id: row.layout.to(text.words.device, torch.float32)
        for row in rows
        if row.id is not None and row.layout is not None and row.identity.role is RowRole.OBJECT
    }
    return Layout(spans=text.spans, period=text.period, scale=scale, given=given)


def silent_and_said(weights: Tensor, silent: int) -> Steering:
    """Return the steering of a batch in which `silent` groups without words stand before the rows with theirs."""
    untouched = torch.ones_like(weights).repeat(silent, 1, 1, 1)
    return Steering(weights=torch.cat([untouched, weights]))


def box_of(where: Tensor) -> BoxF | None:
    """Return the box of a map (h, w) in fractions of the canvas; None for a map without heights.

    The map's places at half height or more, less 2 % of their mass at each side (ours), so that a stray place does not
    stretch the box; a drawn rectangle of up to 50 places across comes back exactly.
    """
    heights = where.cpu().double() * (where.cpu() >= BOX_LEVEL)  # some devices have no float64
    if not bool(heights.sum() > 0):
        return None
    top, bottom = _extent(heights.sum(1))
    left, right = _extent(heights.sum(0))
    height, width = where.shape
    return BoxF(left / width, top / height, (right - left) / width, (bottom - top) / height)


def _extent(mass: Tensor) -> tuple[int, int]:
    share = (mass / mass.sum()).cumsum(0)
    start = int((share > BOX_MARGIN).nonzero()[0])
    end = int((share >= 1 - BOX_MARGIN).nonzero()[0]) + 1
    return start, end


def shared_latents(latents: Tensor, composite: Tensor, where: Tensor) -> Tensor:
    """Return z_i = z_g M + z_i (1 - M): the composite's latents where the object is to be (DreamLayer 2503.12838).

    Both (4, h, w) at one noise level, `where` (h/4, w/4).
    """
    mask = functional.interpolate(
        where[None, None].to(latents), size=latents.shape[-2:], mode="bilinear", align_corners=False
    )[0]
    return composite * mask + latents * (1 - mask)


def min_max(found: Tensor) -> Tensor:
    """Return a map stretched to 0..1; zeros when it is flat."""
    low, high = found.min(), found.max()
    return (found - low) / (high - low) if bool(high > low) else torch.zeros_like(found)


def map_size(latents: Tensor) -> tuple[int, int]:
    """Return (h/4, w/4), the size of maps of latents (..., h, w)."""
    return latents.shape[-2] // MAP_SCALE, latents.shape[-1] // MAP_SCALE
