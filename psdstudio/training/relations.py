"""Relations in layouts: one object on, behind, in front of or next to another, said and placed so that it is true.

Boxes are in square units (x, y, width, height), y down, as in `layouts`.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

import numpy as np

from psdstudio.training.looks import article
from psdstudio.training.sprites import Noun

Box = tuple[float, float, float, float]


class Kind(Enum):
    """How the subject stands to its target; the value is what a caption says (and `gen.words.RelationKind` too)."""

    ON = "on"
    BEHIND = "behind"
    IN_FRONT_OF = "in front of"
    NEXT_TO = "next to"


SUPPORTS: dict[str, tuple[float, float]] = {
    "table": (0.05, 0.16),
    "bed": (0.42, 0.58),
    "chair": (0.48, 0.56),
    "armchair": (0.50, 0.60),
    "sofa": (0.48, 0.60),
    "bench": (0.44, 0.54),
    "barrel": (0.03, 0.08),
    "cardboard box": (0.05, 0.15),
    "rock": (0.08, 0.20),
}
"""Where what stands on a thing touches it: from and to, fractions of its height from the top."""
LANDMARKS = ("tree", "house", "car", "bench", "sofa", "table", "chair", "potted plant")
"""What things stand behind, in front of and next to. A short list: every pair is a caption to encode ahead."""
RIDER_CM = 75.0
"""Taller things are put on nothing."""
SPAN = 0.7
"""How much of a support's width carries something; the rims belong to arms, corners and slopes."""
KIND_RATES = {Kind.ON: 0.4, Kind.BEHIND: 0.2, Kind.IN_FRONT_OF: 0.2, Kind.NEXT_TO: 0.2}
DEPTH_GAP = (0.04, 0.12)
"""How much further down the picture the nearer of two things stands."""
OVERLAP = (0.15, 0.6)
"""How much of the narrower of two things, one before the other, lies in the other's columns: each stays in sight."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The subject stands so to the noun `target`."""

    kind: Kind
    target: str

    def said(self, name: str) -> str:
        """The caption of the subject: "a cat on a chair"."""
        return f"{article(name)} {name} {self.kind.value} {article(self.target)} {self.target}"


def relations_of(noun: Noun, known: Container[str]) -> list[Relation]:
    """Every relation that a thing may have to the nouns that are `known`; things in the air have none."""
    found = [
        Relation(kind, target)
        for kind in (Kind.BEHIND, Kind.IN_FRONT_OF, Kind.NEXT_TO)
        for target in LANDMARKS
        if target in known and target != noun.noun
    ]
    if noun.height_cm <= RIDER_CM and noun.noun not in SUPPORTS and not noun.soft:
        found += [Relation(Kind.ON, target) for target in SUPPORTS if target in known]
    return found


def relation_words(noun: Noun, known: Container[str]) -> set[str]:
    """Every caption that a relation gives a thing."""
    return {relation.said(noun.noun) for relation in relations_of(noun, known)}


def related_box(relation: Relation, subject: Box, target: Box, ground: Box, rng: np.random.Generator) -> Box:
    """Move (and for ON reduce) the subject's box so that the relation holds.

    Args:
        relation: What shall hold.
        subject, target: Boxes as drawn without it; the target's stays.
        ground: The canvas the subject must touch by half of its width; its y and height are the range of contact lines.
        rng: Decides place and distance.
    """
    match relation.kind:
        case Kind.ON:
            return _on(subject, target, SUPPORTS[relation.target], rng)
        case Kind.NEXT_TO:
            return _next_to(subject, target, ground, rng)
        case Kind.BEHIND | Kind.IN_FRONT_OF:
            return _across(subject, target, ground, rng, nearer=relation.kind is Kind.IN_FRONT_OF)


def _on(subject: Box, target: Box, top: tuple[float, float], rng: np.random.Generator) -> Box:
    x, y, w, h = target
    fit = min(1.0, SPAN * w / subject[2])
    width, height = subject[2] * fit, subject[3] * fit
    slack = SPAN * w - width
    left = x + (1 - SPAN) / 2 * w + float(rng.uniform(0, 1)) * slack
    contact = y + h * float(rng.uniform(*top))
    return left, contact - height, width, height


def _next_to(subject: Box, target: Box, ground: Box, rng: np.random.Generator) -> Box:
    """Side by side, on the side with more room, the contact lines nearly level."""
    x, y, w, h = target
    gap = float(rng.uniform(0.01, 0.09))
    room_left, room_right = x - ground[0], ground[0] + ground[2] - (x + w)
    left = x - gap - subject[2] if room_left > room_right else x + w + gap
    contact = y + h + float(rng.uniform(-0.03, 0.03))
    return left, contact - subject[3], subject[2], subject[3]


def _across(subject: Box, target: Box, ground: Box, rng: np.random.Generator, *, nearer: bool) -> Box:
    """Overlapping in x, one contact line clearly below the other; of the hidden one a part stays in sight."""
    x, y, w, h = target
    gap = float(rng.uniform(*DEPTH_GAP))
    contact = y + h + (gap if nearer else -gap)
    low, high = ground[1], ground[1] + ground[3]
    contact = (
        min(contact, max(high, y + h + DEPTH_GAP[0]))
        if nearer
        else max(contact, min(low, y + h - DEPTH_GAP[0]))
    )
    overlap = float(rng.uniform(*OVERLAP)) * min(w, subject[2])
    lefts = [x + overlap - subject[2], x + w - overlap]
    # On canvas by more than half; where a wide target leaves no such side, the one with more room.
    inside = [left for left in lefts if 0 < left + subject[2] / 2 - ground[0] < ground[2]]
    roomier = lefts[0] if x - ground[0] > ground[0] + ground[2] - (x + w) else lefts[1]
    left = inside[int(rng.integers(len(inside)))] if inside else roomier
    return left, contact - subject[3], subject[2], subject[3]
