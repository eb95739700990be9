"""Parts of a plan while a sentence is being read, and the pure functions that order, name and join them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from psdstudio.gen import words
from psdstudio.gen.lexicon import Lexicon, Nearest, NounKind, plural_of, singular_of
from psdstudio.gen.phrases import NounPhrase, looks_plural
from psdstudio.gen.plan import UnknownNoun
from psdstudio.gen.words import Position, RelationKind


@dataclass(slots=True)
class Draft:
    """An object while the sentence is read."""

    phrase: NounPhrase
    tail: list[str] = field(default_factory=list)
    front: list[str] = field(default_factory=list)  # adjectives said after the noun
    relation: RelationKind | None = None
    targets: tuple[Draft, ...] = ()
    position: Position | None = None
    dealt: bool = False  # its share of "one red and one blue" has been given


@dataclass(slots=True)
class Ground:
    """A piece of the background's text; `lead` is the preposition it was said with."""

    lead: str
    determiner: str
    text: str
    is_light: bool
    chained: bool  # said directly after another piece, so their texts stay together

    @property
    def said(self) -> str:
        """The piece with its preposition and article."""
        return " ".join(part for part in (self.lead, self.determiner, self.text) if part)


def head_noun(phrase: NounPhrase) -> str:
    """The noun as the user said it, in the singular."""
    if phrase.noun is not None:
        return phrase.noun.singular
    last = phrase.content[-1]
    return singular_of(last) or last


def is_unknown(phrase: NounPhrase, lexicon: Lexicon) -> bool:
    """Whether the noun cannot be drawn as a layer: in no table, or known as a ground or by name only."""
    noun = phrase.noun
    named = noun is not None and noun.kind in (NounKind.EITHER, NounKind.OBJECT)
    return noun is None or (named and not lexicon.is_drawable(noun.canonical))


def is_several(phrase: NounPhrase) -> bool:
    return phrase.count is not None and phrase.count > 1


def is_place(phrase: NounPhrase) -> bool:
    return phrase.noun is not None and phrase.noun.kind is NounKind.PLACE


def is_part(phrase: NounPhrase) -> bool:
    return head_noun(phrase).split(" ")[-1] in words.PARTS


def is_single(phrase: NounPhrase) -> bool:
    """Whether a determiner says one in spite of the plural form ("a pile of books", "this scissors")."""
    return phrase.determiner.split(" ")[0] in ("a", "an", "one", "another") or bool(phrase.measure)


def as_one(phrase: NounPhrase) -> NounPhrase:
    """Several things said as one that goes on speaking of several: "dozen eggs", "twenty red balloons"."""
    number = " ".join(word for word in phrase.determiner.split(" ") if word not in ("a", "an", "the", "some"))
    of = "of" if number.endswith(("hundreds", "thousands")) else ""
    return replace(phrase, measure=" ".join(part for part in (number, of, phrase.measure) if part), count=1)


def noun_of(phrase: NounPhrase) -> str:
    """The known noun, or the user's word in the singular."""
    return phrase.noun.canonical if phrase.noun is not None else head_noun(phrase)


def texts_of(draft: Draft, nearest: Mapping[str, Nearest | None], lexicon: Lexicon) -> tuple[str, str]:
    """The user's words for one thing, and the engine's: the same with the known noun in place."""
    phrase = draft.phrase
    length = phrase.noun.length if phrase.noun is not None else 1
    front = [*draft.front, *phrase.content[:-length]]
    said, known = head_noun(phrase), noun_of(phrase)
    if phrase.noun is not None and not phrase.noun.plural:
        said = " ".join(phrase.content[-length:])  # as written: "jack-o-lantern"
    if phrase.measure:  # "a pile of books": one thing that goes on speaking of several
        said = " ".join(phrase.content[-length:])
        known = plural_of(known) if looks_plural(phrase) else known
    near = nearest.get(head_noun(phrase)) if is_unknown(phrase, lexicon) else None
    if near is not None:
        known = plural_of(near.noun) if phrase.measure and looks_plural(phrase) else near.noun
    tail = [phrase.tail, *draft.tail]

    def text(noun: str) -> str:
        return " ".join(part for part in (phrase.measure, *front, noun, *tail) if part)

    return text(said), text(known)


def unknown_nouns(
    drafts: Sequence[Draft], nearest: Mapping[str, Nearest | None], lexicon: Lexicon
) -> tuple[UnknownNoun, ...]:
    """What the plan must say about nouns that cannot be drawn, in the order of mention."""
    found: dict[str, UnknownNoun] = {}
    for draft in drafts:
        if is_unknown(draft.phrase, lexicon):
            word = head_noun(draft.phrase)
            near = nearest.get(word)
            found[word] = (
                UnknownNoun(word=word)
                if near is None
                else UnknownNoun(word=word, nearest=near.noun, similarity=near.similarity)
            )
    return tuple(found.values())


def depth_of(draft: Draft, kind: RelationKind, target: Draft) -> list[tuple[Draft, Draft]]:
    """What a relation says about depth: (further back, further front), or nothing."""
    if draft is target:
        return []
    match kind:
        case RelationKind.ON | RelationKind.IN_FRONT_OF | RelationKind.ABOVE:
            return [(target, draft)]
        case RelationKind.IN | RelationKind.BEHIND:
            return [(draft, target)]
        case RelationKind.UNDER:
            hidden = noun_of(target.phrase).split(" ")[-1] in words.HIDING
            return [(draft, target) if hidden else (target, draft)]
        case RelationKind.BETWEEN | RelationKind.NEXT_TO | RelationKind.WITH:
            return []


def by_depth(drafts: Sequence[Draft], behind: Sequence[tuple[Draft, Draft]]) -> list[Draft]:
    """Topological order, the earliest mention first among the free ones; a contradiction falls back to mention."""
    left = list(drafts)
    out: list[Draft] = []
    while left:
        held = {id(front) for back, front in behind if any(back is draft for draft in left)}
        free = next((draft for draft in left if id(draft) not in held), left[0])
        left = [draft for draft in left if draft is not free]
        out.append(free)
    return out


def unique_names(names: Sequence[str]) -> list[str]:
    """Number the names that occur more than once: "duck 1", "duck 2"; a number that is a name already is left out."""
    taken = {name for name in names if names.count(name) == 1}
    out = []
    for name in names:
        own, number = name, 0
        while names.count(name) > 1 and own in {name, *taken}:
            number += 1
            own = f"{name} {number}"
        taken.add(own)
        out.append(own)
    return out


def ground_text(grounds: Sequence[Ground]) -> str:
    """Places first, then light; what was said in one go stays in one go, the first article and preposition go."""
    runs: list[list[Ground]] = []
    for ground in grounds:
        if ground.chained and runs:
            runs[-1].append(ground)
        else:
            runs.append([ground])
    runs.sort(key=lambda run: run[0].is_light)
    text = ""
    for run in runs:
        for ground in run:
            if not text:
                text = ground.text
            elif ground.chained or (ground.is_light and ground.lead not in ("", "and")):
                text += f" {ground.said}"
            else:
                text += f", {ground.text}"
    return text
