"""What the planner proposes: the background and the objects of one sentence, as values for the prompt bar's chips."""

from __future__ import annotations

from dataclasses import dataclass

from psdstudio.gen.words import Position, RelationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How an object stands to others; `targets` are indices into `Plan.objects`, empty for the background."""

    kind: RelationKind
    targets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownNoun:
    """A noun the engine does not know.

    `nearest` is the known noun it will be drawn as, None when none is near; `similarity` a cosine, 0 without one.
    """

    word: str
    nearest: str | None = None
    similarity: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBackground:
    """The clean plate. `words` are the user's, empty when the sentence names no place and no light."""

    words: str = ""
    engine_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedObject:
    """One proposed layer.

    `name` is unique within the plan ("duck 2"); `noun` the known noun, or the user's word if it is unknown; `words`
    the user's own phrase for this one thing; `engine_words` the same with the known noun in its place.
    """

    name: str
    noun: str
    words: str
    engine_words: str
    relation: Relation | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A proposal for a sentence; `objects` in depth order, back to front. `style` is what was said of the picture."""

    sentence: str
    background: PlannedBackground
    objects: tuple[PlannedObject, ...] = ()
    unknown: tuple[UnknownNoun, ...] = ()
    style: str = ""

    def warnings(self) -> tuple[str, ...]:
        """One showable sentence per unknown noun."""
        return tuple(
            f"“{one.word}” is unknown; it will be drawn as “{one.nearest}”."
            if one.nearest is not None
            else f"“{one.word}” is unknown and nothing known is near; the result may be anything."
            for one in self.unknown
        )
