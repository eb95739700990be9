"""Finds the word meant by a misspelt one among the words the planner knows; nothing else about language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

_SHORTEST = 5
_DROPPED = 6  # from this length on a letter may be missing
# From these lengths on one slip of any kind, or two, are forgiven; in a shorter word only a letter doubled, missing,
# or swapped with its neighbour: any other makes a "trawler" a trainer, a "racket" a rocket and "poppies" puppies.
_LONG = 8
_LONGER = 10
# Letters that are heard alike count as one: "elefant", "bycicle".
_HEARD = (("ph", "f"), ("y", "i"), ("ck", "k"), ("z", "s"))


class Speller:
    """Known words by their first letter. Immutable."""

    def __init__(self, known: Iterable[str]) -> None:
        """`known` are the words that may be meant."""
        self._known = frozenset(known)
        self._by_letter: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for word in sorted(self._known):
            if len(word) >= _SHORTEST and word.isalpha():
                self._by_letter[word[0]].append((word, _heard(word)))

    def mended(self, word: str, is_word: Callable[[str], bool]) -> str:
        """The known word that a misspelt one is nearest to, or the word itself.

        Args:
            word: Lower case.
            is_word: Whether a string is a word of the language; such a one, and a compound of two, is never changed.
        """
        if len(word) < _SHORTEST or not word.isalpha() or word in self._known or is_word(word):
            return word
        one = word.removesuffix("s")
        if one != word and (one in self._known or is_word(one)):
            return word
        allowed = 2 if len(word) >= _LONGER else 1
        # The forms of verbs are too alike: "steering" is no "sleeping".
        forgiving = len(word) >= _LONG and not word.endswith(("ing", "ed"))
        compound = any(is_word(word[:at]) and is_word(word[at:]) for at in range(4, len(word) - 3))
        forgiving = forgiving and not compound  # "houseboat"
        heard = _heard(word)
        best = (allowed, len(word), word)
        for known, sound in self._by_letter.get(word[0], ()):
            if abs(len(sound) - len(heard)) > allowed:
                continue
            if known[:-1] == word[:-1]:
                continue  # "sprinkles" is no slip for "sprinkled"
            dropped = len(known) == len(word) + 1 and len(word) >= _DROPPED
            if (
                forgiving
                or dropped
                or _undoubled(sound) == _undoubled(heard)
                or sorted(sound) == sorted(heard)
            ):
                best = min(best, (_slips(heard, sound), abs(len(known) - len(word)), known))
        return best[2]


def _undoubled(word: str) -> str:
    return "".join(letter for at, letter in enumerate(word) if word[at - 1 : at] != letter)


def _heard(word: str) -> str:
    for letters, alike in _HEARD:
        word = word.replace(letters, alike)
    return word


def _slips(a: str, b: str) -> int:
    """Letters left out, put in, changed or swapped with their neighbour between two words."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
