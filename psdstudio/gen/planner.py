"""From one English sentence to proposed layers: a deterministic parser, no network, no service.

Depth, back to front, follows what is said: a thing on, in front of or above another comes after it; a thing behind
or inside another, or under furniture, comes before it; beside and between decide nothing. Where nothing is said, the
order of mention holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psdstudio.errors import PromptError
from psdstudio.gen import words
from psdstudio.gen.drafts import (
    Draft,
    Ground,
    as_one,
    by_depth,
    depth_of,
    ground_text,
    head_noun,
    is_part,
    is_single,
    is_unknown,
    noun_of,
    texts_of,
    unique_names,
    unknown_nouns,
)
from psdstudio.gen.lexicon import Lexicon, Nearest, NounKind
from psdstudio.gen.phrases import (
    Attribute,
    Item,
    Join,
    Link,
    NounPhrase,
    Place,
    Pose,
    Pronoun,
    describes,
    lacks_noun,
    looks_plural,
)
from psdstudio.gen.plan import Plan, PlannedBackground, PlannedObject, Relation
from psdstudio.gen.readings import is_property, is_style, is_texture, kind_of
from psdstudio.gen.sentences import parse_items
from psdstudio.gen.words import Position, RelationKind

MAX_CHARACTERS = 1000
MAX_OBJECTS = 12
PLAIN_BACKGROUND = "plain studio background"
_CROWD = 12  # so many alike ("a dozen eggs") are one layer: nobody places them one by one
_BARE_PLURAL_COUNT = 2  # "ducks" without a number: the fewest that are more than one


def plan_scene(sentence: str, lexicon: Lexicon) -> Plan:
    """Propose the layers of a sentence.

    Args:
        sentence: English, at most 1000 characters.
        lexicon: The known nouns; with a text encoder inside, unknown nouns get their nearest known one.

    A dozen alike, or as many as find no room among the 12, become one layer.

    Raises:
        PromptError: The sentence is empty, too long, names nothing, or names more than 12 different objects.
    """
    if len(sentence) > MAX_CHARACTERS:
        raise PromptError(
            f"The prompt has {len(sentence)} characters; at most {MAX_CHARACTERS} are possible.",
            "Describe the scene in a sentence or two, and details in each layer's own prompt.",
        )
    items = parse_items(sentence, lexicon)
    if not any(isinstance(item, NounPhrase) for item in items):
        raise PromptError(
            "The prompt names nothing to draw.",
            "Name things and a place: “a fox and a lantern in a green meadow”.",
        )
    builder = _Builder(lexicon, _nearest_of_unknown(items, lexicon))
    for item in items:
        builder.take(item)
    return builder.plan(sentence)


class _Builder:
    """Collects the objects and the ground of one sentence; lives for one call."""

    def __init__(self, lexicon: Lexicon, nearest: dict[str, Nearest | None]) -> None:
        self._lexicon = lexicon
        self._nearest = nearest
        self._objects: list[Draft] = []
        self._behind: list[tuple[Draft, Draft]] = []  # (further back, further front)
        self._grounds: list[Ground] = []
        self._styles: list[str] = []
        self._pending: Link | Attribute | Join | None = None
        self._last: list[Draft] | Ground | None = None
        self._group: list[Draft] = []  # the last things named
        self._earlier: list[Draft] = []  # the ones before: what "it" means
        self._cluster: list[Draft] = []  # the things the next preposition speaks of
        self._fronted = False  # the pending preposition stands before what it speaks of
        self._closed = False  # a relation that orders depth has been said: "and" begins a new cluster
        self._attributing = False
        self._strange = False  # the noun that was read as a property before this one was unknown
        self._listing = False  # it stood without article and number
        self._owner: list[Draft] | Ground | None = (
            None  # what bears the things of "with a cup and a jug on it"
        )
        self._posed = False  # the last item was what a thing does
        self._denied = False  # the last phrase was said not to be there
        self._awaited: tuple[RelationKind, list[Draft]] | None = None  # "behind it, a truck"
        self._opening: tuple[RelationKind, list[Draft]] | None = None  # "on a sofa, a cat"

    def take(self, item: Item) -> None:
        """Read the next item."""
        posed, self._posed = self._posed, isinstance(item, Pose)
        match item:
            case NounPhrase():
                self._take_phrase(item)
                self._pending = None
            case Pronoun():
                self._take_pronoun()
                self._pending = None
            case Join():
                if not isinstance(self._pending, Link | Attribute):
                    # "a clown juggling, a lion on a box": what has its own verb shares no preposition that follows.
                    self._owner = self._last if item.text == "with" else self._owner
                    self._closed = self._closed or (posed and item.text == ",")
                    self._pending = item
            case Link() | Attribute():
                self._fronted = self._last is None or isinstance(self._pending, Join)
                self._pending = item
            case Place():
                self._take_position(item.position)
            case Pose():
                if item.text and isinstance(self._last, list):
                    for draft in self._last:
                        draft.tail.append(item.text)

    # --- phrases -------------------------------------------------------------------------------------------------

    def _take_phrase(self, phrase: NounPhrase) -> None:
        pending = self._pending
        if self._is_aside(phrase) or self._deal(phrase):
            return
        if phrase.noun is None and phrase.determiner and not isinstance(pending, Attribute):
            phrase = replace(phrase, noun=self._lexicon.find_stuff(phrase.content[-1]))
        loose = not isinstance(pending, Link | Attribute)
        if loose and phrase.noun is None and lacks_noun(phrase) and isinstance(self._last, list):
            for draft in self._last:
                draft.front += phrase.content
            return
        if self._last is not None and is_style(phrase, pending):
            self._styles.append(phrase.text)
            return
        if self._is_attribute(phrase):
            self._attach(phrase)
            return
        self._attributing = False
        kind = kind_of(phrase, pending, self._nearest.get(head_noun(phrase)), self._lexicon)
        if kind in (NounKind.PLACE, NounKind.LIGHT):
            self._take_ground(phrase, is_light=kind is NounKind.LIGHT)
        elif isinstance(pending, Link):
            self._take_related(phrase, pending.kind)
        else:
            self._take_object(phrase)

    def _is_aside(self, phrase: NounPhrase) -> bool:
        """Whether the phrase names nothing to draw: what is denied, a part of a pose, what the picture is for."""
        pending = self._pending
        also = self._denied and isinstance(pending, Join) and pending.text in ("or", "nor")
        self._denied = bool(words.NEGATIONS & set(phrase.determiner.split(" "))) or also
        if self._denied or phrase.count == 0:
            return True
        if isinstance(pending, Attribute) and pending.text == "for":
            return head_noun(phrase).split(" ")[-1] in words.MEDIA
        owned = bool(words.POSSESSIVES & set(phrase.determiner.split(" ")))
        return owned and isinstance(pending, Link) and head_noun(phrase) in words.BODY

    def _deal(self, phrase: NounPhrase) -> bool:
        """Give "one white and one black" to one thing each of the several said before; False for anything else."""
        each = phrase.determiner.split(" ")[0] in ("a", "an", "one", "another") or phrase.count is not None
        if not isinstance(self._pending, Join) or not each or not describes(phrase):
            return False
        if not isinstance(self._last, list) or len(self._last) < 2:
            return False
        count = phrase.count or 1
        waiting = [draft for draft in self._last if not draft.dealt]
        for draft in waiting[:count]:
            draft.front += phrase.content
            draft.dealt = True
        return len(waiting) >= count

    def _is_attribute(self, phrase: NounPhrase) -> bool:
        """Whether the phrase is a property of what was said before it and no thing of its own."""
        if self._last is None:
            return False
        if isinstance(self._last, Ground):
            return is_texture(phrase, self._pending)
        owner = head_noun(self._last[-1].phrase).split(" ")[-1]
        near = self._nearest.get(head_noun(phrase))
        joined = isinstance(self._pending, Join) and self._pending.text == "and"
        owned = phrase.determiner in words.POSSESSIVES
        if phrase.noun is None and joined and not owned and self._attributing and self._strange:
            return True  # "a board with a king and a queen"
        self._strange = phrase.noun is None and near is None and not is_part(phrase)
        listing, self._listing = self._listing, not phrase.determiner and phrase.count is None
        return is_property(phrase, self._pending, owner, near, attributing=self._attributing, listing=listing)

    def _attach(self, phrase: NounPhrase) -> None:
        text = f"{self._pending.text} {phrase.full_text}" if self._pending is not None else phrase.full_text
        if text.startswith(", "):
            text = text[2:]
        doing = isinstance(self._pending, Attribute) and self._pending.text in words.DOING
        subjects = [d for d in self._cluster if d.relation in words.GROUNDING and d not in self._group]
        if isinstance(self._last, Ground):
            subjects = self._cluster
        if doing and subjects:
            for draft in subjects:
                draft.tail.append(text)
        elif isinstance(self._last, Ground):
            self._last.text += f" {text}"
        elif self._last is not None:
            for draft in self._last:
                draft.tail.append(text)
        self._attributing = True

    def _take_ground(self, phrase: NounPhrase, *, is_light: bool) -> None:
        link = self._pending
        lead = (
            link.text if isinstance(link, Link) else "and" if link is not None and link.text == "and" else ""
        )
        chained = isinstance(self._last, Ground) and (isinstance(link, Link) or lead == "and")
        subject = is_light and not isinstance(link, Link) and self._last is None  # "sunset over the sea"
        ground = Ground(lead, phrase.determiner, phrase.text, is_light and not subject, chained)
        if isinstance(link, Link) and self._last is not None and not isinstance(self._last, Ground):
            self._relate(self._cluster, link.kind, [])
        self._grounds.append(ground)
        self._awaited = None
        # Light says nothing a later "with" could hold on to: "a fox at night with a lantern".
        if not is_light or subject or self._last is None:
            self._last = ground
        self._closed = True

    def _take_object(self, phrase: NounPhrase) -> None:
        """A thing said after a joint or at the start."""
        group = self._add(phrase)
        if self._between(group):
            return
        if self._closed or isinstance(self._last, Ground):
            self._cluster = []
            self._closed = False
        self._cluster += group
        awaited, self._awaited = self._awaited or self._opening, None
        if awaited is not None:
            self._relate(group, awaited[0], awaited[1])
        self._set_last(group)

    def _between(self, group: list[Draft]) -> bool:
        """Make the second of "between a sofa and a lamp" a target too; False where it is none."""
        joined = isinstance(self._pending, Join) and self._pending.text == "and"
        if not joined or not isinstance(self._last, list) or len(self._last) > 1:
            return False
        last = self._last[0]
        held = [d for d in self._objects if d.relation is RelationKind.BETWEEN and d.targets == (last,)]
        for draft in held:
            draft.targets = (last, *group)
        if held:
            self._cluster += group
            self._set_last(group)
        return bool(held)

    def _take_related(self, phrase: NounPhrase, kind: RelationKind) -> None:
        """A thing said after a preposition."""
        group = self._add(phrase)
        if isinstance(self._last, Ground) and (kind is RelationKind.WITH or not self._cluster):
            self._cluster = list(group)  # "a room with a sofa": the ground holds the thing
            self._closed = False
        elif self._last is None:
            self._opening = (kind, group)
        else:
            self._relate(self._cluster, kind, group)
            self._cluster += group
            self._closed = kind not in words.LATERAL
        self._set_last(group)

    def _take_pronoun(self) -> None:
        """ "… with a lamp on it": the last group stands to the one before it."""
        link = self._pending
        if isinstance(link, Link) and self._fronted and self._group:
            self._awaited = (link.kind, self._group)  # "a car and, behind it, a truck"
            return
        if not isinstance(link, Link) or not isinstance(self._last, list) or not self._earlier:
            return
        if self._attributing:
            return  # "a vase with tulips in it": the tulips are no thing of their own
        targets = self._earlier
        if isinstance(self._owner, list):
            # By identity: two ducks are equal.
            ends = [at for at, draft in enumerate(self._objects, 1) if draft is self._owner[-1]]
            borne = self._objects[ends[0] :] if ends else []
            targets, self._last = (self._owner, borne) if borne else (targets, self._last)
            self._owner = None
        self._behind = [pair for pair in self._behind if not (pair[0] in self._last and pair[1] in targets)]
        noun = targets[0].phrase.noun
        is_ground = len(targets) == 1 and noun is not None and noun.kind is NounKind.EITHER
        if is_ground and link.kind in words.GROUNDING:
            table = targets[0]
            self._objects = [draft for draft in self._objects if draft is not table]
            self._behind = [pair for pair in self._behind if table not in pair]
            text = " ".join([table.phrase.text, *table.tail])
            self._grounds.append(Ground("", table.phrase.determiner, text, is_light=False, chained=False))
            targets = []
        self._relate(self._last, link.kind, targets)

    def _take_position(self, position: Position) -> None:
        if not isinstance(self._last, list):
            return
        group = self._last
        is_scenery = head_noun(group[0].phrase) in words.TEXTURES and not group[0].phrase.determiner
        if position is Position.BACK and is_scenery:
            self._objects = [draft for draft in self._objects if draft not in group]
            self._behind = [pair for pair in self._behind if pair[0] not in group and pair[1] not in group]
            self._grounds.append(Ground("", "", group[0].phrase.text, is_light=False, chained=False))
            self._last = self._grounds[-1]
            return
        for draft in group:
            draft.position = position

    # --- drafts --------------------------------------------------------------------------------------------------

    def _add(self, phrase: NounPhrase) -> list[Draft]:
        count = phrase.count
        if count is None:
            count = _BARE_PLURAL_COUNT if looks_plural(phrase) and not is_single(phrase) else 1
        if count >= _CROWD or (count > 1 and len(self._objects) + count > MAX_OBJECTS):
            phrase, count = as_one(phrase), 1
        if len(self._objects) + count > MAX_OBJECTS:
            raise PromptError(
                f"The prompt asks for more than {MAX_OBJECTS} objects.",
                "Name fewer things, or add the others later as layers of their own.",
            )
        group = [Draft(phrase) for _ in range(count)]
        self._objects += group
        return group

    def _set_last(self, group: list[Draft]) -> None:
        self._earlier, self._group = self._group, group
        self._last = group

    def _relate(self, group: Sequence[Draft], kind: RelationKind, targets: Sequence[Draft]) -> None:
        for draft in group:
            if draft.relation in (None, RelationKind.WITH) or not draft.targets:
                draft.relation, draft.targets = kind, tuple(targets)
            self._behind += [pair for target in targets for pair in depth_of(draft, kind, target)]

    # --- result --------------------------------------------------------------------------------------------------

    def plan(self, sentence: str) -> Plan:
        """The finished plan."""
        if not self._objects and not self._grounds:
            raise PromptError("The prompt names nothing to draw.", "Name things and a place.")
        ordered = by_depth(self._objects, self._behind)
        texts = [texts_of(draft, self._nearest, self._lexicon) for draft in ordered]
        names = unique_names([own for own, _ in texts])
        place = {id(draft): i for i, draft in enumerate(ordered)}
        objects = tuple(
            PlannedObject(
                name=name,
                noun=noun_of(draft.phrase),
                words=own,
                engine_words=engine,
                relation=None
                if draft.relation is None
                else Relation(
                    kind=draft.relation, targets=tuple(place[id(t)] for t in draft.targets if id(t) in place)
                ),
                position=draft.position,
            )
            for draft, name, (own, engine) in zip(ordered, names, texts, strict=True)
        )
        ground = ground_text(self._grounds)
        engine_ground = ground or PLAIN_BACKGROUND
        if self._grounds and all(piece.is_light and piece.lead for piece in self._grounds):
            engine_ground = " ".join([PLAIN_BACKGROUND, *(piece.said for piece in self._grounds)])
        return Plan(
            sentence=sentence,
            background=PlannedBackground(words=ground, engine_words=engine_ground),
            objects=objects,
            unknown=unknown_nouns(self._objects, self._nearest, self._lexicon),
            style=", ".join(self._styles),
        )


def _nearest_of_unknown(items: Sequence[Item], lexicon: Lexicon) -> dict[str, Nearest | None]:
    """The nearest known noun of every unknown one, all asked at once (one pass of the encoder)."""
    heads = [head_noun(item) for item in items if isinstance(item, NounPhrase) and is_unknown(item, lexicon)]
    unique = list(dict.fromkeys(heads))[: 2 * MAX_OBJECTS]
    return dict(zip(unique, lexicon.nearest(unique), strict=True))
