"""Cuts a sentence into noun phrases and the function words between them; knows no meaning beyond the tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from psdstudio.gen import words
from psdstudio.gen.lexicon import Lexicon, Noun, singular_of
from psdstudio.gen.words import Position, RelationKind

_TOKEN = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[,;.:!?()&+/|—–-]")
_LONGEST_PHRASE = 5


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with what stands before it.

    `determiner` is the literal text before the content ("the three"); `count` the number said, None where none was;
    `content` the words from the first adjective to the noun; `tail` literal text after the noun that stays with it
    ("of fruit", "sleeping"); `measure` the measure word before it ("pile of").
    """

    determiner: str
    count: int | None
    content: tuple[str, ...]
    noun: Noun | None
    tail: str = ""
    measure: str = ""

    @property
    def text(self) -> str:
        """The phrase without its determiner."""
        return " ".join(part for part in (self.measure, *self.content, self.tail) if part)

    @property
    def full_text(self) -> str:
        """The phrase as said."""
        return f"{self.determiner} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Link:
    """A preposition or verb that relates two noun phrases."""

    kind: RelationKind
    text: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """Words that bind the next noun phrase to the one before as its property ("made of")."""

    text: str


@dataclass(frozen=True, slots=True)
class Join:
    """A comma, "and" or another mark between phrases."""

    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the picture for the phrase before ("on the left")."""

    position: Position


@dataclass(frozen=True, slots=True)
class Pronoun:
    """ "it", "them": a thing said before."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A visible state of the thing before ("sleeping")."""

    text: str


Item = NounPhrase | Link | Attribute | Join | Place | Pronoun | Pose


def tokenise(sentence: str) -> list[str]:
    """Lower-case words and punctuation marks; compatibility forms and curly quotes are folded."""
    folded = unicodedata.normalize("NFKC", sentence).lower().replace("’", "'")
    return _TOKEN.findall(folded)


def parse_items(sentence: str, lexicon: Lexicon) -> list[Item]:
    """The items of a sentence in order; adjectives split by commas and "and" are put back to their noun."""
    return merge_adjectives(_Scanner(_strip_opening(tokenise(sentence)), lexicon).scan(), lexicon)


def is_adjectives(content: Sequence[str]) -> bool:
    """Whether the words are adjectives alone ("big red"), so that a noun must follow."""
    return bool(content) and all(word in words.ADJECTIVES for word in content)


def looks_plural(phrase: NounPhrase) -> bool:
    """Whether the noun's form says more than one."""
    if phrase.noun is not None:
        return phrase.noun.plural
    return singular_of(phrase.content[-1]) is not None


def _strip_opening(tokens: list[str]) -> list[str]:
    """Drop "please draw me a picture of": it speaks of the picture as a whole."""
    while tokens and tokens[0] in ("please", ",", "."):
        tokens = tokens[1:]
    for opening in words.OPENINGS:
        parts = opening.split(" ")
        if tokens[: len(parts)] == parts:
            tokens = tokens[len(parts) :]
            break
    for at in range(1, min(len(tokens), 6)):
        leading = [token for token in tokens[:at] if token not in words.DETERMINERS]
        if tokens[at] not in ("of", "with", "showing", "featuring") or not leading:
            continue
        if leading[-1] in words.PICTURES and all(_opens(token) for token in leading):
            return tokens[at + 1 :]
    return tokens


def _opens(token: str) -> bool:
    return token in words.PICTURES or token in words.STYLES or token in words.ADJECTIVES


def _phrase_at(tokens: Sequence[str], at: int) -> tuple[Item | None, int]:
    """The longest function phrase at a position and its length; (None, 0) where a content word stands.

    A dropped word gives (None, length).
    """
    for length in range(min(_LONGEST_PHRASE, len(tokens) - at), 0, -1):
        text = " ".join(tokens[at : at + length])
        following = tokens[at + length] if at + length < len(tokens) else ""
        if text in words.POSITIONS and following != "of":
            return Place(words.POSITIONS[text]), length
        if text in words.RELATIONS:
            return Link(words.RELATIONS[text], text), length
        if text in words.ATTRIBUTES:
            return Attribute(text), length
        if text in words.JOINS:
            return Join(text), length
        if text in words.PRONOUNS:
            return Pronoun(), length
        if text in words.DROPPED:
            return None, length
    return None, 0


class _Scanner:
    """One pass over the tokens; lives for one call."""

    def __init__(self, tokens: list[str], lexicon: Lexicon) -> None:
        self._tokens = tokens
        self._lexicon = lexicon
        self._at = 0
        self._items: list[Item] = []
        self._begin()

    def _begin(self) -> None:
        self._determiner: list[str] = []
        self._count: int | None = None
        self._measure: list[str] = []
        self._content: list[str] = []
        self._tail: list[str] = []

    def scan(self) -> list[Item]:
        """All items of the tokens."""
        while self._at < len(self._tokens):
            self._step()
        self._flush()
        return self._items

    def _step(self) -> None:
        token = self._tokens[self._at]
        item, length = _phrase_at(self._tokens, self._at)
        if length < 2 and self._is_verb(self._at):
            pose = words.VERBS.get(token, token)
            item, length = (Pose(pose) if pose else None), 1
        if length:
            # "both cups", "a very big dog": a dropped word before the content ends no phrase.
            if item is not None or self._content:
                self._flush()
            if item is not None:
                self._items.append(item)
            self._at += length
        elif token == "of":
            self._take_of()
        elif (singular_of(token) or token) in words.COLLECTIVES and self._peek(1) == "of":
            self._take_collective(singular_of(token) or token)
        elif token in ("one", "ones") and self._content:
            self._at += 1  # "a red one"
        elif token in words.DETERMINERS or _number(token) is not None:
            self._take_determiner(token)
        elif token in words.PLACE_ADVERBS and self._content:
            self._flush()
            self._items.append(Link(RelationKind.IN, ""))
            self._content.append(token)
            self._at += 1
        elif token in words.ADVERBS and not self._content and self._items:
            self._at += 1
        else:
            (self._tail or self._content).append(token)
            self._at += 1

    def _peek(self, ahead: int) -> str:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ""

    def _take_of(self) -> None:
        self._at += 1
        if not self._content:
            return
        last = self._content[-1]
        if (singular_of(last) or last) in words.MEASURES and not self._tail:
            if self._count is None:
                self._count = 1  # a pile is one thing, whatever it is a pile of
            self._measure = [*self._content[:-1], singular_of(last) or last, "of"]
            self._content = []
        else:
            self._tail.append("of")

    def _take_collective(self, token: str) -> None:
        if self._content:
            self._flush()
        number = words.COLLECTIVES[token]
        self._count = (self._count or 1) * number
        self._determiner += [token, "of"]
        self._at += 2

    def _take_determiner(self, token: str) -> None:
        number = _number(token)
        if self._content == ["half"] and token in words.DETERMINERS:
            pass  # "half a melon"
        elif self._tail or (self._measure and not self._content):
            (self._tail or self._measure).append(token)
        else:
            if self._content:  # "a cat a dog": a new phrase starts without a joint
                self._flush()
                self._items.append(Join(","))
            self._determiner.append(token)
            if number is not None:
                dozens = token == "dozen" and self._count is not None
                self._count = (self._count or 1) * number if dozens else number
        self._at += 1

    def _is_verb(self, at: int) -> bool:
        """Whether the word says what the thing before does, and is neither an adjective nor a noun here."""
        token, following = self._tokens[at], self._peek(1)
        if not self._content and self._determiner:
            return False
        if token in words.ATTRIBUTES and following in words.DETERMINERS:
            return False
        compounds = [[token, following], [*self._content[-1:], token]]
        if any((noun := self._lexicon.find(pair)) is not None and noun.length > 1 for pair in compounds):
            return False  # "an orange swimming pool", "an office building"
        after_noun = bool(self._content) and self._lexicon.find(self._content) is not None
        at_end = not following or following in words.DETERMINERS or following in words.ADVERBS
        at_end = at_end or _phrase_at(self._tokens, at + 1)[1] > 0
        if token in words.VERBS:
            return after_noun or at_end
        # Any other participle: "an ice cream cone melting on the sand", "a canoe tied to a dock".
        if not self._content or is_adjectives(self._content) or not _is_participle(token):
            return False
        if self._lexicon.find([token]) is not None or _phrase_at(self._tokens, at)[1] > 0:
            return False
        return at_end or (after_noun and token.endswith("ing"))

    def _flush(self) -> None:
        if self._content:
            self._items.append(self._phrase())
        self._begin()

    def _phrase(self) -> NounPhrase:
        content, tail = self._content, self._tail
        after = bool(self._items) and isinstance(self._items[-1], Link)
        pair = "pair" in self._determiner
        several = self._count is not None and self._count > 1 and not pair
        if tail:  # "a chest of drawers" is a noun of its own
            whole = self._lexicon.find([*content, *tail])
            if whole is not None and whole.length > len(tail):
                content, tail = [*content, *tail], []
        noun = self._lexicon.find(content, several=several, after=after)
        count = self._count
        if pair and noun is not None and not noun.plural and noun.singular.endswith("s"):
            count = 1  # "a pair of scissors"
        return NounPhrase(
            " ".join(self._determiner), count, tuple(content), noun, " ".join(tail), " ".join(self._measure)
        )


def merge_adjectives(items: Sequence[Item], lexicon: Lexicon) -> list[Item]:
    """Put adjectives split from their noun back: "black and white cat", "a red and a blue cup", "big, red car"."""
    out: list[Item] = []
    for item in items:
        out.append(item)
        while (merged := _merged_end(out, lexicon)) is not None:
            out = merged
    return out


def _merged_end(out: list[Item], lexicon: Lexicon) -> list[Item] | None:
    """`out` with its last two phrases made one (or the first completed); None when they stand as they are."""
    last = out[-1]
    if not isinstance(last, NounPhrase) or len(out) < 2:
        return None
    joint = out[-2] if isinstance(out[-2], Join) else None
    first = out[-3] if joint is not None and len(out) > 2 else out[-2]
    if not isinstance(first, NounPhrase):
        return None
    rest = out[: -3 if joint is not None else -2]
    if first.tail:
        goes_on = joint is not None and joint.text == "and" and _is_more_content(first, last)
        return [*rest, replace(first, tail=f"{first.tail} and {last.text}")] if goes_on else None
    if not _wants_noun(first, last):
        return None
    if last.determiner and joint is not None:
        if rest and isinstance(rest[-1], Attribute):
            return None  # "a bucket made of wood and a glass jar": the material has no noun
        noun = last.noun.length if last.noun is not None else 1
        # Without a noun to lend there would be adjectives again, and the merging would not end.
        if (last.noun is None and is_adjectives(last.content[-1:])) or len(last.content) <= noun:
            return None
        content = (*first.content, *last.content[-noun:])
        found = lexicon.find(content, several=(first.count or 1) > 1)
        return [*rest, replace(first, content=content, noun=found), joint, last]
    if last.determiner:
        return None
    link = ("and",) if joint is not None and joint.text == "and" else ()
    content = (*first.content, *link, *last.content)
    found = lexicon.find(content, several=(first.count or 1) > 1)
    return [*rest, replace(last, determiner=first.determiner, count=first.count, content=content, noun=found)]


def _is_more_content(first: NounPhrase, last: NounPhrase) -> bool:
    """Whether `last` goes on with what `first` is full of ("a bowl of apples and pears")."""
    if first.noun is None or first.noun.singular.split(" ")[-1] not in words.CONTAINERS:
        return False
    return not last.determiner and last.count is None and looks_plural(last)


def _wants_noun(first: NounPhrase, last: NounPhrase) -> bool:
    """Whether `first` is adjectives that belong to the noun of `last`."""
    if not is_adjectives(first.content) or first.measure:
        return False
    if first.noun is None:
        return True
    # "an orange and white cat" against "an orange and a lemon": the fruit is a colour if a colour follows.
    colour = first.content[-1] in words.COLOURS and last.content[0] in words.COLOURS
    return colour and len(last.content) > 1 and not last.determiner


def _is_participle(token: str) -> bool:
    return (token.endswith(("ing", "ed")) and token not in words.NO_PARTICIPLES) or token in words.PARTICIPLES


def _number(token: str) -> int | None:
    """The value of a number word or of plain digits; a year or a size is none of our counts but reads alike."""
    if token in words.NUMBERS:
        return words.NUMBERS[token]
    if token.isascii() and token.isdigit():
        return min(int(token[:9]), 10**6)
    return None
