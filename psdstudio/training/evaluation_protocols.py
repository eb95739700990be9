"""The two protocols of the evaluation as settings of its command line, and the time that each part of it takes.

"cpu": 100 scenes and everything that the model card shows, within an hour of one core. "full": four times as many
scenes of everything, for a machine with time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

PROTOCOLS: Mapping[str, Mapping[str, int | bool]] = {
    "cpu": {
        "count": 100,
        "references": True,
        "reference_count": 100,
        "edges": 20,
        "neighbours": 36,
        "baselines": 48,
        "verbs": 24,
        "per_noun": True,
        "calibrate": 60,
        "sheet": True,
    },
    "full": {
        "count": 400,
        "references": True,
        "reference_count": 400,
        "edges": 80,
        "neighbours": 144,
        "baselines": 192,
        "verbs": 96,
        "per_noun": True,
        "calibrate": 240,
        "sheet": True,
    },
}


def with_protocol(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; `--protocol` sets what is not said by itself."""
    protocol = parser.parse_args(arguments).protocol
    if protocol is not None:
        parser.set_defaults(**PROTOCOLS[protocol])
    return parser.parse_args(arguments)


@dataclass(slots=True)
class Minutes:
    """How long each part took, in minutes of the clock."""

    by_part: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count the time inside for a part; a part may be entered again."""
        began = time.monotonic()
        try:
            yield
        finally:
            spent = (time.monotonic() - began) / 60
            self.by_part[part] = round(self.by_part.get(part, 0.0) + spent, 2)

    @property
    def total(self) -> float:
        """The sum over all parts."""
        return round(sum(self.by_part.values()), 2)
