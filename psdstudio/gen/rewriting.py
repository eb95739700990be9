"""Turns of phrase put into the plain form the scanner reads: tokens in, tokens out, nothing drawn is lost.

A merged token may hold spaces ("seven o'clock"), so that it is one word to the scanner and reads as said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psdstudio.gen import words
from psdstudio.gen.lexicon import Lexicon, NounKind
from psdstudio.gen.tokens import clock_length, number_of

_LONGEST_RELATION = 5
_SINKING = frozenset({"setting", "sets", "sinking", "sinks"})
_CLIMBING = frozenset({"rising", "rises"})
_SHINING = frozenset({"shining", "shines"})
_FALLING = frozenset({"falling", "falls"})
_RAINING = {"raining": "rain", "rains": "rain", "pouring": "rain", "snowing": "snow", "snows": "snow"}
_WHILE = frozenset({"as", "while", "when"})
_IS = frozenset({"is", "are", "was", "just", "slowly", "gently"})
# After "a" these still count: "a few cats".
_VAGUE_NUMBERS: Final = frozenset("few|dozen|hundred|thousand|several|many|couple".split("|"))
# "three tier cake": after these a number does not count the things.
_UNITS: Final = frozenset(
    "tier|tiered|storey|story|storied|door|seater|lane|layer|layered|legged|headed|wheeled|masted|sided|pointed|"
    "armed|eyed|humped|leaf|leaved|metre|meter|foot|inch|year|bedroom|piece|pronged|stringed".split("|")
)
# How much of a preposition holds: "just behind".
_DEGREES: Final = frozenset(
    "deep|far|right|just|directly|high|low|halfway|partly|partially|half|straight|immediately|close|"
    "exactly|squarely|precariously|slightly|somewhere|almost|nearly".split("|")
)
# Slips of the pen that are too short or too far from what is meant to be found by their letters.
_FUSED: Final = {
    "teh": "the", "hte": "the", "adn": "and", "nad": "and", "wiht": "with", "wth": "with",
    "infront": "in front", "ontop": "on top", "nextto": "next to", "inbetween": "in between",
    "alot": "a lot", "tshirt": "t-shirt", "pls": "please", "plz": "please",
    "thru": "through", "nite": "night", "frm": "from", "betwen": "between", "undr": "under", "abv": "above",
}  # fmt: skip


def mended(tokens: Sequence[str], lexicon: Lexicon) -> list[str]:
    """The tokens with slips of the pen put right: "teh", "infront", "elefant"."""
    parts = [part for token in tokens for part in _FUSED.get(token, token).split(" ")]
    return [lexicon.mended(part) for part in parts]


def rewritten(tokens: Sequence[str], lexicon: Lexicon) -> list[str]:
    """The tokens of a sentence with its turns of phrase made plain."""
    out = list(tokens)
    for rule in (_times, _compound_numbers, _weather, _relatives, _without_degrees):
        out = rule(out)
    return _joined(out, lexicon)


def _times(tokens: list[str]) -> list[str]:
    """ "at seven o'clock", "7 pm": a time of day and no count."""
    out: list[str] = []
    at = 0
    while at < len(tokens):
        length = clock_length(tokens[at:])
        if length:
            out.append(" ".join(tokens[at : at + length]).replace(" : ", ":"))
        else:
            out.append(tokens[at])
        at += length or 1
    return out


def _compound_numbers(tokens: list[str]) -> list[str]:
    """ "a two door car", "three tier cake": a number that counts no things belongs to the word that follows."""
    out: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        counts = number_of(token) is not None and token not in _VAGUE_NUMBERS
        following = tokens[at + 1] if at + 2 < len(tokens) else ""
        led = bool(out) and out[-1] in ("a", "an") and following.isalpha()
        if counts and (led or (following in _UNITS and tokens[at + 2].isalpha())):
            out.append(f"{token} {tokens[at + 1]}")
            at += 2
        else:
            out.append(token)
            at += 1
    return out


def _weather(tokens: list[str]) -> list[str]:
    """ "the sun is setting" is "the setting sun", "as it snows" is "snow": light, and no thing that acts."""
    out: list[str] = []
    at = 0
    while at < len(tokens):
        start = at + (tokens[at] in _WHILE)
        said, length = _weather_at(tokens[start:])
        if not length:
            out.append(tokens[at])
            at += 1
            continue
        if start > at or tokens[at] in ("it", "it's"):
            out.append(",")
        out += said
        at = start + length
    return out


def _weather_at(tokens: Sequence[str]) -> tuple[list[str], int]:
    """What a clause about sun, rain or snow at the beginning says plainly, and how many tokens it took; 0 for none."""
    determiner = [token for token in tokens[:1] if token in ("the", "a")]
    at = len(determiner)
    subject = tokens[at] if at < len(tokens) else ""
    verb_at = at + 1
    while verb_at < len(tokens) and tokens[verb_at] in _IS:
        verb_at += 1
    verb = tokens[verb_at] if verb_at < len(tokens) else ""
    after = tokens[verb_at + 1] if verb_at + 1 < len(tokens) else ""
    length = verb_at + 1
    if subject in ("it", "it's") and verb in _RAINING:
        return [_RAINING[verb]], length
    if subject in ("snow", "rain") and verb in _FALLING:
        return ["falling", subject], length
    if subject != "sun":
        return [], 0
    if verb in _SINKING or (verb in ("going", "goes") and after == "down"):
        return [*determiner, "setting", "sun"], length + (after == "down")
    if verb in _CLIMBING or (verb in ("coming", "comes") and after == "up"):
        return [*determiner, "rising", "sun"], length + (after == "up")
    if verb in _SHINING:
        return ["sunshine"], length
    return [], 0


def _relation_at(tokens: Sequence[str], at: int) -> int:
    """The length of the longest preposition at a place; 0 where none stands."""
    for length in range(min(_LONGEST_RELATION, len(tokens) - at), 0, -1):
        if " ".join(tokens[at : at + length]) in words.RELATIONS:
            return length
    return 0


def _relatives(tokens: list[str]) -> list[str]:
    """ "a table on which a cat sleeps" is "a table, on it, a cat sleeps"."""
    out: list[str] = []
    at = 0
    while at < len(tokens):
        length = _relation_at(tokens, at)
        if length and tokens[at + length : at + length + 1] in (["which"], ["whom"]):
            out += [",", *tokens[at : at + length], "it", ","]
            at += length + 1
        else:
            out.append(tokens[at])
            at += 1
    return out


def _without_degrees(tokens: list[str]) -> list[str]:
    """ "just behind", "deep in": how much of a preposition holds is nothing to draw."""
    out: list[str] = []
    for at, token in enumerate(tokens):
        bare = bool(out) and out[-1] not in words.DETERMINERS and out[-1] not in words.RELATIONS
        if token in _DEGREES and bare and not _relation_at(tokens, at) and _relation_at(tokens, at + 1):
            continue
        out.append(token)
    return out


def _is_one_noun(first: str, last: str, lexicon: Lexicon) -> bool:
    """Whether two words are a noun that the second alone does not tell: a "rain forest" is a forest anyway."""
    whole, apart = lexicon.find([first + last]), lexicon.find([first, last])
    if whole is None or (
        apart is not None and (apart.length > 1 or apart.kind is whole.kind is NounKind.PLACE)
    ):
        return False
    return apart is None or apart.canonical != whole.canonical


def _joined(tokens: list[str], lexicon: Lexicon) -> list[str]:
    """ "sun glasses", "water melon": two words that are one known noun."""
    out: list[str] = []
    for token in tokens:
        plain = bool(out) and out[-1].isalpha() and token.isalpha() and len(out[-1]) > 2 and len(token) > 2
        if plain and _is_one_noun(out[-1], token, lexicon):
            out[-1] += token
        else:
            out.append(token)
    return out
