"""WordBank: token states of captions, encoded once and kept (the text encoder is frozen)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from psdstudio.gen.text_encoder import TextEncoder

MAX_TOKENS = 16


class WordBank:
    """Caption -> (16, 384) token states and mask. One owner, one thread."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._index: dict[str, int] = {"": 0}
        self._states: list[Tensor] = [torch.zeros(MAX_TOKENS, 384, dtype=torch.float16)]
        self._masks: list[Tensor] = [torch.zeros(MAX_TOKENS, dtype=torch.bool)]

    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return states (n, 16, 384) float32 and mask (n, 16) bool; the empty caption is all zeros and no token."""
        missing = [c for c in dict.fromkeys(captions) if c not in self._index]
        if missing:
            states, mask = self._encoder.encode_tokens(missing, max_tokens=MAX_TOKENS)
            for caption, state, used in zip(missing, states, mask, strict=True):
                self._index[caption] = len(self._states)
                self._states.append(torch.from_numpy(np.asarray(state, np.float16)))
                self._masks.append(torch.from_numpy(np.asarray(used, np.bool_)))
        at = [self._index[c] for c in captions]
        states_out = torch.stack([self._states[i] for i in at]).float()
        return states_out, torch.stack([self._masks[i] for i in at])
