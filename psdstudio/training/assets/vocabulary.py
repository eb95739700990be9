"""The nouns the embedded engine is taught, and which drawings show each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, cast

Pose = Literal["stand", "float", "air"]
SizeClass = Literal["tabletop", "medium", "large"]

GROUPS: Final = frozenset(
    (
        "animal", "bird", "fruit", "food", "drink", "vehicle", "plant", "furniture", "household",
        "instrument", "sport", "clothing", "building", "toy", "tool", "nature",
    )
)  # fmt: skip
PLACES: Final = frozenset(
    ("meadow", "beach", "water", "snow", "room", "table", "studio", "street", "forest", "desert")
)
POSES: Final = frozenset(("stand", "float", "air"))
SIZE_CLASSES: Final = frozenset(("tabletop", "medium", "large"))


@dataclass(frozen=True)
class Drawings:
    """Where pictures of a noun come from.

    Attributes:
        emoji: Code points as lower-case hex joined by "-", without the variation selector.
        models: Slugs of rendered furniture-catalogue models.
        procedural: Whether `soft.draw` has a family for the noun.
        train_sources: Emoji sources the generator may learn from; the others serve the classifier.
    """

    emoji: tuple[str, ...]
    models: tuple[str, ...]
    procedural: bool
    train_sources: tuple[str, ...]


@dataclass(frozen=True)
class Noun:
    """One object word with what the scene composer must know about the thing.

    Attributes:
        noun: Singular, as a designer writes it.
        height_cm: Rough real height in centimetres.
        pose: "stand" on the ground, "float" on water (ground also allowed), "air" hangs or flies.
        recolourable: A man-made thing whose colour may be changed freely.
        places: Ground families that suit; empty means all.
        soft: The alpha of the thing itself is translucent.
    """

    noun: str
    plural: str
    synonyms: tuple[str, ...]
    group: str
    height_cm: int
    size_class: SizeClass
    pose: Pose
    recolourable: bool
    places: tuple[str, ...]
    soft: bool
    drawings: Drawings


def parse(text: str) -> tuple[Noun, ...]:
    """Reads the vocabulary JSON.

    Raises:
        ValueError: A field is missing, out of its set, or a word names two nouns.
    """
    nouns = tuple(_noun(entry) for entry in json.loads(text)["nouns"])
    owners: dict[str, str] = {}
    for item in nouns:
        for word in {item.noun, item.plural, *item.synonyms}:
            if word in owners:
                raise ValueError(f"{word!r} names both {owners[word]!r} and {item.noun!r}")
            owners[word] = item.noun
    return nouns


@cache
def vocabulary() -> tuple[Noun, ...]:
    """The committed vocabulary, sorted by group and noun."""
    return parse((files(__package__) / "vocabulary.json").read_text(encoding="utf-8"))


def _noun(entry: dict[str, object]) -> Noun:
    drawn = cast(dict[str, object], entry["drawings"])
    item = Noun(
        noun=_text(entry["noun"]),
        plural=_text(entry["plural"]),
        synonyms=_texts(entry["synonyms"]),
        group=_one_of(entry["group"], GROUPS),
        height_cm=_positive(entry["height_cm"]),
        size_class=cast(SizeClass, _one_of(entry["size_class"], SIZE_CLASSES)),
        pose=cast(Pose, _one_of(entry["pose"], POSES)),
        recolourable=_flag(entry["recolourable"]),
        places=tuple(_one_of(place, PLACES) for place in _texts(entry["places"])),
        soft=_flag(entry["soft"]),
        drawings=Drawings(
            emoji=_texts(drawn["emoji"]),
            models=_texts(drawn["models"]),
            procedural=_flag(drawn["procedural"]),
            train_sources=_texts(drawn["train_sources"]),
        ),
    )
    if not (item.drawings.emoji or item.drawings.models or item.drawings.procedural):
        raise ValueError(f"{item.noun!r} has no drawing")
    return item


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or value != value.strip():
        raise ValueError(f"not a word: {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"not a list of words: {value!r}")
    return tuple(_text(item) for item in value)


def _one_of(value: object, allowed: frozenset[str]) -> str:
    word = _text(value)
    if word not in allowed:
        raise ValueError(f"{word!r} is not one of {sorted(allowed)}")
    return word


def _positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"not a positive whole number: {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"not true or false: {value!r}")
    return value
