"""Guides: straight lines over the whole canvas that things are aligned with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """A line at `position` pixels from the left edge (`vertical`) or from the top."""

    position: float
    vertical: bool
