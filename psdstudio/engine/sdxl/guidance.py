"""Guidance of the appearance path: words and context, each with a scale of its own.

    e = e_null + w_ctx (e_ctx - e_null) + w_txt (e_full - e_ctx)

e_null reads neither words nor other rows, e_ctx other rows only, e_full both. This is the two-condition guidance of
InstructPix2Pix (Brooks et al. 2211.09800, eq. 3) with the context as the first condition; free, kept and reference
rows are the context. With w_ctx = 1, e_null cancels and e = e_ctx + w_txt (e_full - e_ctx) is left: the usual
classifier-free guidance of rows that attend to one another, two evaluations. The other order, with e_txt (words alone)
between, needs all three at w_ctx = 1 and takes the strongly weighted direction of the words from rows that see nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from torch import Tensor


class Reading(Enum):
    """What an evaluation of the network is shown."""

    NULL = "neither words nor other rows"
    CONTEXT = "other rows, no words"
    FULL = "words and other rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """The scales w_txt and w_ctx; 1 and 1 is the network as it is."""

    text: float
    context: float = 1.0

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Which evaluations a step needs, `FULL` last; those that cancel are left out."""
        null = (Reading.NULL,) if self.context != 1.0 else ()
        context = (Reading.CONTEXT,) if self.text != self.context else ()
        return (*null, *context, Reading.FULL)

    def combined(self, said: Mapping[Reading, Tensor]) -> Tensor:
        """Return the guided prediction from those of `readings`."""
        full = said[Reading.FULL]
        if self.text == self.context:
            if self.context == 1.0:
                return full
            null = said[Reading.NULL]
            return null + self.text * (full - null)
        context = said[Reading.CONTEXT]
        base = context
        if self.context != 1.0:
            null = said[Reading.NULL]
            base = null + self.context * (context - null)
        return base + self.text * (full - context)
