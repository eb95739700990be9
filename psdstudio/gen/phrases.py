"""Cuts a sentence into noun phrases and the function words between them; knows no meaning beyond the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psdstudio.gen import words
from psdstudio.gen.lexicon import Lexicon, Noun, NounKind, plural_of, singular_of
from psdstudio.gen.tokens import agrees, is_adverb, is_participle, number_of
from psdstudio.gen.words import Position, RelationKind

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
        measure = self.measure
        if measure and self.count is not None and self.count > 1:
            measure = f"{plural_of(measure.removesuffix(' of'))} of"
        parts = (self.determiner, measure, *self.content, self.tail)
        return " ".join(part for part in parts if part)


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
    """A visible state of the thing before; `text` is what stays with it, empty for "sitting"; `said` the verb."""

    text: str
    said: str = ""


Item = NounPhrase | Link | Attribute | Join | Place | Pronoun | Pose


def is_adjectives(content: Sequence[str]) -> bool:
    """Whether the words are adjectives alone ("big red"), so that a noun must follow."""
    return bool(content) and all(word in words.ADJECTIVES for word in content)


def describes(phrase: NounPhrase) -> bool:
    """Whether the phrase only says what one of several things is like: "one black", "one carved"."""
    participle = phrase.noun is None and len(phrase.content) == 1 and is_participle(phrase.content[0])
    return participle or is_adjectives(phrase.content)


def lacks_noun(phrase: NounPhrase) -> bool:
    """Whether the phrase is adjectives alone; "a rainbow" and "a plum" are colours no longer."""
    return is_adjectives(phrase.content) and not (
        phrase.determiner and phrase.content[-1] in words.THINGS_TOO
    )


def looks_plural(phrase: NounPhrase) -> bool:
    """Whether the noun's form says more than one."""
    if phrase.noun is not None:
        return phrase.noun.plural
    return singular_of(phrase.content[-1]) is not None


def _phrase_at(tokens: Sequence[str], at: int) -> tuple[Item | None, int]:
    """The longest function phrase at a position and its length; (None, 0) where a content word stands.

    A dropped word gives (None, length).
    """
    for length in range(min(_LONGEST_PHRASE, len(tokens) - at), 0, -1):
        text = " ".join(tokens[at : at + length])
        following = tokens[at + length] if at + length < len(tokens) else ""
        if text in words.STATES:
            return Pose(text), length
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


class Scanner:
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
        if isinstance(item, Attribute) and self._is_use(token):
            item, length = None, 0
        if length < 2 and self._is_verb(self._at):
            pose = words.VERBS.get(token, token)
            goes_off = (
                bool(pose) and self._peek(1) == "off"
            )  # "taking off": without it the verb says another thing
            item, length = (Pose(f"{pose} off", token), 2) if goes_off else (Pose(pose, token), 1)
        elif not length and (more := self._comparison()):
            item, length = Attribute(" ".join(self._tokens[self._at : self._at + more])), more
        elif token in ("up", "down", "off") and self._peek(1) in words.DETERMINERS:
            item, length = Link(RelationKind.ON, token), 1  # "climbing up a tree"
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
            self._content += self._meant_by(token)  # "a red one"
            self._at += 1
        elif token in words.DETERMINERS or number_of(token) is not None:
            self._take_determiner(token)
        elif token in words.PLACE_ADVERBS and self._content:
            self._flush()
            self._items.append(Link(RelationKind.IN, ""))
            self._content.append(token)
            self._at += 1
        elif token == "half" and not self._content and self._peek(2) == "dozen":
            self._determiner.append(token)
            self._at += 1
        elif self._is_adverb(token):
            self._at += 1
        else:
            (self._tail or self._content).append(token)
            self._at += 1

    def _is_adverb(self, token: str) -> bool:
        if token == "half" and self._content:
            return is_participle(self._peek(1))  # "an anchor half buried"
        if not is_adverb(token):
            return False
        if not self._content:
            return (
                bool(self._items) and not self._determiner and (token in words.ADVERBS or self._after_pose())
            )
        # "a surfboard stuck upright", "a barrel slowly rolling"; but "a brightly coloured kite"
        said = not is_adjectives(self._content) and self._content[-1] not in words.NUMBERS
        return said and (self._ends(self._at) or is_participle(self._peek(1)))

    def _after_pose(self) -> bool:
        return bool(self._items) and isinstance(self._items[-1], Pose)

    def _ends(self, at: int) -> bool:
        """Whether no noun follows the word that could belong to the same phrase."""
        following = self._tokens[at + 1] if at + 1 < len(self._tokens) else ""
        ends = not following or following in words.DETERMINERS or following in words.ADVERBS
        return ends or number_of(following) is not None or _phrase_at(self._tokens, at + 1)[1] > 0

    def _is_use(self, token: str) -> bool:
        """Whether a verb's form says what the thing after it is for: "a cosy reading nook", "two drinking straws"."""
        before = bool(self._determiner or self._content)
        plain = all(word in words.ADJECTIVES for word in self._content)
        return token in words.DOING and before and plain and not self._ends(self._at) and not self._tail

    def _comparison(self) -> int:
        """The length of "taller than", "as big as" at this place; 0 where none stands."""
        if self._peek(1) == "than" and (self._content or self._items):
            return 2
        return 3 if self._tokens[self._at] == "as" and self._peek(2) == "as" else 0

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

    def _meant_by(self, token: str) -> list[str]:
        """The noun that "a red one" leaves out; none where it may speak of one of several things said before."""
        last = self._items[-2] if len(self._items) > 1 and isinstance(self._items[-1], Join) else None
        known = self._lexicon.find(self._content) is not None and not is_adjectives(self._content)
        if known or not isinstance(last, NounPhrase) or is_adjectives(last.content):
            return []
        length = last.noun.length if last.noun is not None else 1
        several = (last.count or 1) > 1 or looks_plural(last)
        joint = self._items[-1]
        described = len(last.content) > length and isinstance(joint, Join) and joint.text == "and"
        if several and not described:
            return []  # "two cats, a black one and a white one"
        noun = " ".join(last.content[-length:])
        one = singular_of(noun) or noun if several else noun
        return (plural_of(one) if token == "ones" else one).split(" ")

    def _take_collective(self, token: str) -> None:
        if self._content:
            self._flush()
        number = words.COLLECTIVES[token]
        self._count = (self._count or 1) * number
        self._determiner += [token, "of"]
        self._at += 2

    def _take_determiner(self, token: str) -> None:
        number = number_of(token)
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
                if token == "dozen" and self._determiner[0] == "half":
                    self._count = number // 2
        self._at += 1

    def _is_verb(self, at: int) -> bool:
        """Whether the word says what the thing before does, and is neither an adjective nor a noun here."""
        token, following = self._tokens[at], self._peek(1)
        if not self._content and self._determiner:
            return False
        if token in words.ATTRIBUTES and following in words.DETERMINERS:
            return False
        acted = following in words.DETERMINERS or number_of(following) is not None
        acts = token in words.TRANSITIVE or (token in words.GERUND_NOUNS and acted)
        if acts and self._content and not is_adjectives(self._content):
            return True  # "two kids building a sandcastle", "a hummingbird sipping nectar"
        compounds = [[token, following], [*self._content[-1:], token]]
        if any((noun := self._lexicon.find(pair)) is not None and noun.length > 1 for pair in compounds):
            return False  # "an orange swimming pool", "an office building"
        after_noun = bool(self._content) and self._lexicon.find(self._content) is not None
        at_end = self._ends(at)
        if token in words.VERBS:
            return (after_noun or at_end) and (not self._content or agrees(token, plural=self._is_plural()))
        # Any other participle: "an ice cream cone melting on the sand", "a canoe tied to a dock".
        if is_adjectives(self._content) or not is_participle(token):
            return False
        if not self._content:  # "a lemon, cut in half"
            said = bool(self._items) and token not in words.ADJECTIVES and not self._measure
            return said and at_end and self._lexicon.find([token]) is None
        if self._lexicon.find([token]) is not None or _phrase_at(self._tokens, at)[1] > 0:
            return False
        # "an old man feeding pigeons", but "a coffee grinding machine"
        after_noun = after_noun or (
            singular_of(following) is not None and not is_participle(self._content[-1])
        )
        return at_end or (after_noun and token.endswith("ing"))

    def _is_plural(self) -> bool:
        """Whether the words so far speak of several things: a number, a plural, or "a cat and a dog"."""
        joint = self._items[-1] if len(self._items) > 1 else None
        listed = isinstance(joint, Join) and joint.text in ("and", "&", "plus")
        if listed and isinstance(self._items[-2], NounPhrase):
            return True
        noun = self._lexicon.find(self._content)
        form = self._content[-1]
        return (self._count or 1) > 1 or (noun.plural if noun is not None else singular_of(form) is not None)

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
        alone = noun is not None and not noun.plural and noun.singular.endswith("s")
        lenses = content[-1] == "glasses" and not words.VESSELS_OF_GLASS & set(content)
        if pair and lenses:
            noun = Noun("glasses", "glasses", NounKind.OBJECT, 1, plural=False)
        if pair and (alone or lenses or content[-1] in words.PLURAL_ONLY):
            count = 1  # "a pair of scissors"
        return NounPhrase(
            " ".join(self._determiner), count, tuple(content), noun, " ".join(tail), " ".join(self._measure)
        )
