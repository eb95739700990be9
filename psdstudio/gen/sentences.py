"""From a sentence to its items: the scan, then what the sentence leaves out and what it splits put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psdstudio.gen import words
from psdstudio.gen.drafts import is_part
from psdstudio.gen.lexicon import Lexicon, NounKind
from psdstudio.gen.phrases import (
    Attribute,
    Item,
    Join,
    Link,
    NounPhrase,
    Place,
    Pose,
    Pronoun,
    Scanner,
    is_adjectives,
    lacks_noun,
    looks_plural,
)
from psdstudio.gen.rewriting import mended, rewritten
from psdstudio.gen.tokens import strip_opening, tokenise
from psdstudio.gen.words import RelationKind


def parse_items(sentence: str, lexicon: Lexicon) -> list[Item]:
    """The items of a sentence in order; adjectives split by commas and "and" are put back to their noun."""
    tokens = rewritten(strip_opening(mended(tokenise(sentence), lexicon)), lexicon)
    return merge_adjectives(complete(Scanner(tokens, lexicon).scan()), lexicon)


def complete(items: Sequence[Item]) -> list[Item]:
    """Put in what a sentence leaves out.

    "with a snail on top" means on top of it; a verb with an object relates the two ("a man feeding pigeons"); of "with
    three chicks behind it" the chicks are things, whatever else "with" may join.
    """
    out: list[Item] = []
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        if isinstance(item, Pose) and isinstance(following, NounPhrase) and item.said and out:
            inverted = len(out) == 2 and isinstance(out[0], Link) and item.said in words.VERBS
            if inverted:  # "behind a sofa stands a lamp"
                out.append(Join(","))
                continue
            transitive = isinstance(out[-1], NounPhrase | Pose)
            out.append(Link(RelationKind.NEXT_TO, item.said) if transitive else item)
            continue
        if isinstance(item, Attribute) and item.text == "from" and out and isinstance(out[-1], Pose):
            item = Link(RelationKind.ON, "from")  # "a bear fishing from a boat"
        if isinstance(item, Attribute) and item.text == "from" and isinstance(following, NounPhrase):
            known = following.noun is not None and following.noun.kind is NounKind.OBJECT
            if known and following.determiner:
                item = Link(RelationKind.IN, "from")  # "stealing a doughnut from a box"
        if isinstance(item, Link) and item.text == "on" and isinstance(following, Link):
            item = Pose(item.text)  # "with its headlights on in the fog"
        out.append(item)
        alone = isinstance(item, Link) and item.text in words.ALONE
        if alone and not isinstance(following, NounPhrase | Pronoun):
            out.append(Pronoun())
    _free_what_is_placed(out)
    return _positions_last(out)


def _free_what_is_placed(items: list[Item]) -> None:
    """Make "with" before a list that ends in "behind it" a joint: the list's members are things."""
    for at, start in enumerate(items):
        if not isinstance(start, Link) or start.kind is not RelationKind.WITH:
            continue
        end = at + 1
        while isinstance(items[end : end + 1][0] if end < len(items) else None, NounPhrase | Join):
            end += 1
        link, last = (*items[end : end + 2], None, None)[:2]
        if (
            any(isinstance(item, NounPhrase) and is_part(item) for item in items[at + 1 : end])
            and end > at + 2
        ):
            continue  # "a cage with an open door and a bird on top of it"
        placed = isinstance(link, Link) and link.kind is not RelationKind.IN and isinstance(last, Pronoun)
        if placed and end > at + 1:
            items[at] = Join(start.text)


def _positions_last(items: list[Item]) -> list[Item]:
    """Put a place in the picture after the thing it is said before: "on the left a lion, on the right a lamb"."""
    out: list[Item] = []
    held: Item | None = None
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        opens = not out or isinstance(out[-1], Join)
        leads = isinstance(following, NounPhrase) or (not out and isinstance(following, Join))
        if isinstance(item, Place) and opens and leads:
            held = item
        elif held is not None and isinstance(item, Join) and not out:
            continue
        else:
            out.append(item)
            if held is not None and isinstance(item, NounPhrase):
                out.append(held)
                held = None
    return out


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
        if not first.determiner and first.count is None:
            return None  # "a pie with mint and a cold beer", though "a red and a blue cup"
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
    if not (lacks_noun(first) if last.determiner else is_adjectives(first.content)) or first.measure:
        return False
    if first.noun is None:
        return True
    # "an orange and white cat" against "an orange and a lemon": the fruit is a colour if a colour follows.
    colour = first.content[-1] in words.COLOURS and last.content[0] in words.COLOURS
    return colour and len(last.content) > 1 and not last.determiner
