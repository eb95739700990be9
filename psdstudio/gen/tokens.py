"""The first cut of a sentence: its tokens, the opening that speaks of the picture, and what single words can be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from psdstudio.gen import words

_TOKEN = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[,;.:!?()&+/|—–-]")
_CLOCK = re.compile(r"\d{1,2}(am|pm)|\d{1,2}:\d\d")
_LONGEST_OPENING = 6
_OFFERS = tuple(row.split(" ") for row in words.OFFERS)
_OPENINGS = tuple(row.split(" ") for row in words.OPENINGS)


def tokenise(sentence: str) -> list[str]:
    """Lower-case words and punctuation marks; compatibility forms and curly quotes are folded."""
    folded = unicodedata.normalize("NFKC", sentence).lower().replace("’", "'")
    return _TOKEN.findall(folded)


def strip_opening(tokens: list[str]) -> list[str]:
    """Drop "could you please draw me a picture of": it speaks of the picture as a whole."""
    for rows in (_OFFERS, _OPENINGS, _OFFERS):
        while (length := _starting(tokens, rows)) > 0:
            tokens = tokens[length:]
    return _after_picture(tokens)


def _starting(tokens: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The length of the longest row that the tokens begin with; 0 for none."""
    return max((len(row) for row in rows if list(tokens[: len(row)]) == list(row)), default=0)


def _after_picture(tokens: list[str]) -> list[str]:
    """What follows "a wide shot of" or "minimal scene:"."""
    for at in range(1, min(len(tokens), _LONGEST_OPENING)):
        leading = [token for token in tokens[:at] if token not in words.DETERMINERS]
        if tokens[at] not in ("of", "with", "showing", "featuring", ":") or not leading:
            continue
        if leading[-1] not in words.PICTURES:
            continue
        # "a product shot of" is an opening whatever comes before "shot"; "a wooden frame with" is none.
        loose = tokens[at] in ("of", ":") and not any(map(_is_function_word, leading))
        if loose or all(_speaks_of_picture(token) for token in leading):
            return tokens[at + 1 :]
    return tokens


def _is_function_word(token: str) -> bool:
    return token in words.RELATIONS or token in words.JOINS or token in words.ATTRIBUTES


def _speaks_of_picture(token: str) -> bool:
    known = words.PICTURES | words.PICTURE_KINDS | words.STYLES | words.ADJECTIVES
    return token in known


def number_of(token: str) -> int | None:
    """The value of a number word or of plain digits; a year or a size is none of our counts but reads alike."""
    if token in words.NUMBERS:
        return words.NUMBERS[token]
    if token.isascii() and token.isdigit():
        return min(int(token[:9]), 10**6)
    return None


def clock_length(tokens: Sequence[str]) -> int:
    """How many tokens at the beginning are a time of day ("half past six", "7 : 30 pm"); 0 for none."""
    lead = 2 if tokens[:1] in (["half"], ["quarter"]) and tokens[1:2] in (["past"], ["to"]) else 0
    if number_of(tokens[lead] if lead < len(tokens) else "") is None:
        return 1 if tokens and _CLOCK.fullmatch(tokens[0]) else 0
    end = lead + 1
    if tokens[end : end + 1] == [":"] and tokens[end + 1 : end + 2] and tokens[end + 1].isdigit():
        end += 2
    if tokens[end : end + 1] in (["o'clock"], ["am"], ["pm"]):
        return end + 1
    return end if lead or end > 1 else 0


def is_clock(token: str) -> bool:
    """Whether the (merged) token is a time of day."""
    return clock_length(token.replace(":", " : ").split(" ")) > 0


def is_participle(token: str) -> bool:
    """Whether the word has the form of a participle and is not one of the nouns that look alike."""
    return (token.endswith(("ing", "ed")) and token not in words.NO_PARTICIPLES) or token in words.PARTICIPLES


def is_adverb(token: str) -> bool:
    """Whether the word says how or where to, and nothing that can be drawn ("upright", "slowly")."""
    return token in words.ADVERBS or (
        token.endswith("ly") and len(token) > 4 and token not in words.NO_ADVERBS
    )


def agrees(verb: str, *, plural: bool) -> bool:
    """Whether a word that may be noun or verb fits its subject: "cats stand", but "a lemonade stand"."""
    if verb not in words.NOUN_VERBS:
        return True
    return plural != verb.endswith("s")
