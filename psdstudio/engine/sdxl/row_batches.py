"""Rows as the network's input: what is said of each, with words or without."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from psdstudio.engine.sdxl.prompts import SceneText, time_ids
from psdstudio.engine.sdxl.rows import RowBatch, SceneRow


class RowBatches:
    """Makes batches of the rows of one scene, on the device and in the dtype of its words."""

    def __init__(
        self, text: SceneText, rows: Sequence[SceneRow], *, size_px: tuple[int, int], image_scale: float
    ) -> None:
        self._text, self._rows, self._image_scale = text, tuple(rows), image_scale
        self._ids = time_ids(len(rows), size_px, text.words)

    def __call__(
        self, at: Sequence[int], latents: Tensor, timestep: float, *, silent: bool = False
    ) -> RowBatch:
        """Return the rows at these places as one group; `latents` (len(at), 4, h, w) are scaled for `timestep`.

        `silent`: with the negative words and without image tokens, which guide as words do.
        """
        text, picked = self._text, list(at)
        words, pooled = (text.negative_words, text.negative_pooled) if silent else (text.words, text.pooled)
        return RowBatch(
            latents=latents.to(text.words),
            timesteps=torch.full((len(picked),), timestep, device=text.words.device),
            words=words[picked],
            pooled=pooled[picked],
            time_ids=self._ids[picked],
            identities=tuple(self._rows[i].identity for i in picked),
            adapters=tuple(self._rows[i].adapters for i in picked),
            image_tokens=self._image_tokens(picked, silent=silent),
            image_scales=(self._image_scale,) * len(picked),
        )

    def _image_tokens(self, picked: Sequence[int], *, silent: bool) -> Tensor | None:
        """Return image tokens, zeros for rows without; None when no row of the scene has any."""
        given = [row.image_tokens for row in self._rows if row.image_tokens is not None]
        if not given:
            return None
        like = given[0].to(self._text.words)
        tokens = [None if silent else self._rows[i].image_tokens for i in picked]
        return torch.stack([torch.zeros_like(like) if one is None else one.to(like) for one in tokens])


def grouped(groups: Sequence[RowBatch]) -> RowBatch:
    """Return several groups of the same rows as one batch."""
    if len(groups) == 1:
        return groups[0]
    images = [group.image_tokens for group in groups if group.image_tokens is not None]
    return RowBatch(
        latents=torch.cat([group.latents for group in groups]),
        timesteps=torch.cat([group.timesteps for group in groups]),
        words=torch.cat([group.words for group in groups]),
        pooled=torch.cat([group.pooled for group in groups]),
        time_ids=torch.cat([group.time_ids for group in groups]),
        identities=tuple(one for group in groups for one in group.identities),
        groups=len(groups),
        adapters=tuple(one for group in groups for one in group.adapters),
        image_tokens=torch.cat(images) if images else None,
        image_scales=tuple(one for group in groups for one in group.image_scales),
        composite_read=groups[0].composite_read,
    )
