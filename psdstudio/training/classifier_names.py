"""Which names answer a request: the one table of nouns that people would call the same, and the rule behind it.

The rule, applied to the vocabulary before any result was looked at:

- Two nouns are *synonyms* when both words are used of one and the same picture, in either direction, without anybody
  being wrong. They are one group.
- A noun is a *kind* of another when it is one in the everyday sense of the wider word and somebody who asked for the
  wider word has what they asked for. This holds in one direction: an armchair answers "a chair", a plain chair does not
  answer "an armchair". Kinds by biology alone (a shark is a fish) do not count.

Everything else must be met exactly.
"""

from __future__ import annotations

SYNONYM_GROUPS: tuple[frozenset[str], ...] = (
    frozenset({"smoke", "steam"}),
    frozenset({"glass ball", "soap bubble"}),
    frozenset({"motor scooter", "motorcycle"}),
    frozenset({"book", "notebook"}),
)
KINDS: dict[str, frozenset[str]] = {
    "bed": frozenset({"crib"}),
    "book": frozenset({"open book"}),
    "bowl": frozenset({"fruit bowl"}),
    "bread": frozenset({"baguette"}),
    "car": frozenset({"taxi"}),
    "chair": frozenset({"armchair", "deck chair"}),
    "computer": frozenset({"laptop"}),
    "dinosaur": frozenset({"tyrannosaurus"}),
    "glasses": frozenset({"sunglasses"}),
    "lamp": frozenset({"pendant lamp", "street lamp"}),
    "pendant lamp": frozenset({"chandelier"}),
    "pine tree": frozenset({"christmas tree"}),
    "planet": frozenset({"globe"}),
    "shoe": frozenset({"high heel", "sneaker"}),
    "table": frozenset({"coffee table", "desk"}),
    "telephone": frozenset({"mobile phone"}),
    "train": frozenset({"locomotive"}),
    "tree": frozenset({"christmas tree", "palm tree", "pine tree"}),
    "truck": frozenset({"fire engine"}),
    "vase": frozenset({"flower vase", "glass vase"}),
}
"""Asked noun -> the narrower nouns that answer it as well."""


def same_thing(named: str, asked: str) -> bool:
    """Whether a picture that is `named` so answers a request for `asked`: equal, a synonym, or a kind of it."""
    if named == asked or named in KINDS.get(asked, ()):
        return True
    return any(named in group and asked in group for group in SYNONYM_GROUPS)
