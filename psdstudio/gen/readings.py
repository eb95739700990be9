"""What a noun phrase is where it stands: a thing, a ground, light, a property of something, or a style."""

from __future__ import annotations

from psdstudio.gen import words
from psdstudio.gen.drafts import head_noun, is_part, is_place, is_several, is_unknown
from psdstudio.gen.lexicon import Lexicon, Nearest, NounKind
from psdstudio.gen.phrases import Attribute, Join, Link, NounPhrase, is_adjectives, looks_plural
from psdstudio.gen.words import RelationKind

Joint = Link | Attribute | Join | None
_BACKING = words.GROUNDING | {RelationKind.IN_FRONT_OF}


def kind_of(phrase: NounPhrase, pending: Joint, near: Nearest | None, lexicon: Lexicon) -> NounKind:
    """Object, place or light; a noun that may be ground or thing is decided by the preposition before it.

    `near` is the known noun nearest to an unknown one.
    """
    link = pending if isinstance(pending, Link) else None
    relation = link.kind if link is not None else None
    if _is_slab(phrase, relation):
        return NounKind.PLACE
    if phrase.noun is None:
        return _kind_of_unknown(phrase, link, near)
    kind = phrase.noun.kind
    listed = isinstance(pending, Join) and pending.text == "and" and head_noun(phrase) in words.SCATTERED
    if kind is NounKind.PLACE and (phrase.measure or listed):
        return NounKind.OBJECT  # "a pile of leaves", "lemons and mint leaves"
    if kind is NounKind.EITHER and words.SOILS & set(phrase.content):
        return NounKind.PLACE  # "cracked earth" is a ground, "the earth" a globe
    if kind is NounKind.EITHER:
        if (
            isinstance(pending, Join)
            and pending.text == ","
            and not phrase.determiner
            and phrase.count is None
        ):
            return (
                NounKind.OBJECT if looks_plural(phrase) else NounKind.PLACE
            )  # "a cup, wooden table, morning"
        # "a canoe next to a dock": a ground that cannot be a layer is better a ground than an unknown thing.
        grounded = relation in words.GROUNDING or (relation is not None and is_unknown(phrase, lexicon))
        return NounKind.PLACE if grounded and not is_several(phrase) else NounKind.OBJECT
    return kind


def _kind_of_unknown(phrase: NounPhrase, link: Link | None, near: Nearest | None) -> NounKind:
    if phrase.measure:
        return NounKind.OBJECT
    if head_noun(phrase) in words.CONTAINERS | words.VESSELS:
        return NounKind.OBJECT
    if near is None:
        inside = link is not None and link.kind is RelationKind.IN and phrase.count is None
        return NounKind.PLACE if inside else NounKind.OBJECT
    one = phrase.determiner.split(" ")[0] in ("a", "an", "one", "another") or is_several(phrase)
    if link is None and (one or looks_plural(phrase)):
        return NounKind.OBJECT  # "a mermaid" is a thing, however near she is to the sea
    beside = link is not None and link.kind in words.LATERAL and link.text not in words.NEIGHBOURING
    if near.kind is NounKind.PLACE and beside:
        return (
            NounKind.OBJECT
        )  # "next to a lotus flower" is beside a thing, however near it is to a flower bed
    return near.kind


def _is_slab(phrase: NounPhrase, relation: RelationKind | None) -> bool:
    """Whether a stuff said without an article is what things stand on or before: "on pink silk", "on plain white"."""
    if relation not in _BACKING or phrase.determiner or phrase.count is not None or phrase.measure:
        return False
    if is_adjectives(phrase.content):
        return relation is not RelationKind.IN
    if relation is RelationKind.IN or looks_plural(phrase):
        return False
    return phrase.noun is None or head_noun(phrase) in words.SLABS


def is_style(phrase: NounPhrase, pending: Joint) -> bool:
    """Whether the phrase speaks of the picture's manner ("watercolor style")."""
    if phrase.content[-1] not in words.STYLES and phrase.text not in words.STYLES:
        return False
    link = pending.kind if isinstance(pending, Link) else None
    plain = phrase.determiner in ("", "the") and (phrase.noun is None or isinstance(pending, Join))
    return plain and (link is RelationKind.IN or link is None)


def is_texture(phrase: NounPhrase, pending: Joint) -> bool:
    """Whether the phrase is a property of the ground before it: "a meadow with flowers"."""
    if isinstance(pending, Attribute):
        return True
    if not isinstance(pending, Link) or pending.kind is not RelationKind.WITH:
        return False
    bare = not phrase.determiner and phrase.count is None
    return (bare and head_noun(phrase) in words.TEXTURES | {"water", "grass", "snow"}) or is_place(phrase)


def is_property(
    phrase: NounPhrase, pending: Joint, owner: str, near: Nearest | None, *, attributing: bool, listing: bool
) -> bool:
    """Whether the phrase is a property of the thing before it and no thing of its own.

    Args:
        phrase: What was said.
        pending: What joins it to the thing.
        owner: The last word of the thing's noun.
        near: The known noun nearest to the phrase's, if that is unknown.
        attributing: The phrase before this one was a property, so "and" may go on with it.
        listing: That phrase had no article and no number, so another one without goes on with it.
    """
    if isinstance(pending, Attribute):
        return True
    if isinstance(pending, Join):
        mass = pending.text == "and" and listing and not phrase.determiner and phrase.count is None
        return attributing and (mass or (pending.text in ("and", ",") and is_part(phrase)))
    if not isinstance(pending, Link):
        return False
    if pending.text == "in":
        worn = head_noun(phrase) in words.WORN and owner not in words.CONTAINERS
        return worn or (not phrase.determiner and is_adjectives(phrase.content))  # "a chair in red"
    if pending.kind is not RelationKind.WITH:
        return False
    is_light = phrase.noun is not None and phrase.noun.kind is NounKind.LIGHT
    if is_light and head_noun(phrase) not in words.GLOWS and pending.text != "showing":
        return False  # "a fox with the sun behind it", but "a lamp with a warm light"
    if phrase.noun is None and near is None:
        return True  # "with a flurb": an unknown part rather than an unknown thing
    bare = not phrase.determiner and phrase.count is None
    return bare or is_part(phrase) or owner in words.HOLDERS
